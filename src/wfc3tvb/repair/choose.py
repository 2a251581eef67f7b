"""Choice of the datasets to repair, and of a method for each exposure."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from wfc3tvb.archive import costs
from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.errors import BadArgumentError, UnknownDatasetError
from wfc3tvb.models import Row
from wfc3tvb.repair.choose_method import ChooseMethod, Curve, curve_of_reads
from wfc3tvb.repair.model import Member, Repair, ReprocessSettings
from wfc3tvb.schema.methods import METHODS, alternatives
from wfc3tvb.score.recommend import magnitudes

#: Settings, besides method, engine and context, that affect the pixels of products.
_PIXEL_SETTINGS = ("recover_saturated", "weight", "use_db", "drizzle_pars")
#: Datasets that the catalog is asked for at a time: their reads are held in memory.
_AT_A_TIME = 500
_NAMED = """SELECT DISTINCT name, dataset FROM (
        SELECT unnest([rootname, dataset, asn_id]) AS name, dataset FROM exposures
    ) WHERE name IN (SELECT unnest($names)) ORDER BY ALL"""
_EXPOSURES = "SELECT * FROM exposures WHERE dataset IN (SELECT unnest($names)) ORDER BY rootname"
_READS = """SELECT rootname, t_end, cumulative_rate, lr_diff, rate_err, used FROM reads
    WHERE rootname IN (SELECT unnest($names)) ORDER BY rootname, read"""
_MEMBERS = "SELECT dataset, unnest(members) FROM datasets WHERE dataset IN (SELECT unnest($names))"
_PRODUCTS = """SELECT p.dataset, p.rootname, p.kind, p.method, p.engine, p.crds_context, p.path, r.arguments
    FROM reprocessed p LEFT JOIN runs r ON p.run_id = r.run_id WHERE p.dataset IN (SELECT unnest($names))"""


@dataclass(frozen=True)
class Chosen:
    """Datasets of a run: to be repaired, repaired before, with nothing to repair, and notes on the choice."""

    due: tuple[Repair, ...]
    known: tuple[str, ...]
    unflagged: tuple[str, ...]
    notes: tuple[str, ...] = ()


def choose(catalog: Catalog, *, ids: Sequence[str], where: str | None, settings: ReprocessSettings) -> Chosen:
    """Choose the datasets to repair: those with flagged exposures, by ids, by a condition, or all.

    Raises
    ------
    UnknownDatasetError
        If the catalog does not have one of the ids.
    QueryError
        If DuckDB rejects the condition.
    BadArgumentError
        If there is no such method.
    """
    _check_method(settings.method)
    named = _datasets_of(catalog, ids) if ids else _datasets_where(catalog, where)
    asked = {name.lower() for name in ids}
    due, known, unflagged = [], [], []
    for dataset in _recorded(catalog, named):
        repair = _repair(dataset, asked, settings)
        if not any(member.repaired for member in repair.members):
            unflagged.append(dataset.name)
        elif _done(dataset.products, repair, settings):
            known.append(dataset.name)
        else:
            due.append(repair)
    return Chosen(tuple(due), tuple(known), tuple(unflagged), tuple(_notes(due, asked)))


def _check_method(method: str) -> None:
    if method not in ("auto", *METHODS):
        raise BadArgumentError(f"unknown method {method!r}; choose {alternatives(('auto', *METHODS))}")


def _notes(due: Sequence[Repair], asked: set[str]) -> Iterator[str]:
    """Yield notes where other exposures are repaired than those requested."""
    for repair in due:
        for member in repair.members:
            if member.rootname not in asked or repair.association is None:
                continue
            others = ", ".join(m.rootname for m in repair.members if m.repaired and m is not member)
            if member.repaired:
                note = f"{member.rootname} is repaired" + (f", and with it {others}" if others else "")
            else:
                note = f"{member.rootname} is not flagged and only recalibrated; repaired: {others}"
            yield f"{note}; the whole association {repair.dataset} is drizzled again"


def _datasets_where(catalog: Catalog, where: str | None) -> list[str]:
    condition = f"{where or 'true'}\n"  # a comment in it ends here
    # It must be valid alone, so that it cannot close the brackets around it below.
    catalog.sql(f"SELECT dataset FROM exposures WHERE {condition}")
    text = f"SELECT DISTINCT dataset FROM exposures WHERE flagged AND ({condition}) ORDER BY dataset"
    return [dataset for (dataset,) in catalog.sql(text).fetchall()]


def _datasets_of(catalog: Catalog, ids: Sequence[str]) -> list[str]:
    """Return the datasets of ids; an association that MAST lists by its parts has several."""
    asked = [name.lower() for name in ids]
    datasets = _grouped(catalog.sql(_NAMED, {"names": asked}).fetchall())
    for name, lower in zip(ids, asked, strict=True):
        if lower not in datasets:
            raise UnknownDatasetError(name, f"the catalog in {catalog.folder}", "survey it first, or check the name")
    return list(dict.fromkeys(dataset for name in asked for dataset in datasets[name]))


# --- what the catalog has of a dataset ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Recorded:
    """What the catalog has of a dataset.

    Attributes
    ----------
    name : str
        Name of the dataset.
    exposures : list of rows
        Rows of `exposures`, in order of rootname.
    curves : mapping of str to Curve
        Curve of each exposure.
    members : list of str
        Rootnames that the archive lists.
    products : list of tuple
        Recorded products: rootname, kind, method, engine, context, path, arguments of the run.
    """

    name: str
    exposures: list[Row]
    curves: Mapping[str, Curve]
    members: list[str]
    products: list[tuple[Any, ...]]


def _recorded(catalog: Catalog, datasets: Sequence[str]) -> Iterator[_Recorded]:
    """Yield what the catalog has of datasets, of which it is asked for many at a time."""
    for start in range(0, len(datasets), _AT_A_TIME):
        names = datasets[start : start + _AT_A_TIME]
        rows = catalog.sql(_EXPOSURES, {"names": names}).to_arrow_table().to_pylist()
        curves = _curves(catalog, [row["rootname"] for row in rows])
        exposures = _grouped((row["dataset"], row) for row in rows)
        members = _grouped(catalog.sql(_MEMBERS, {"names": names}).fetchall())
        products = _grouped((name, tuple(rest)) for name, *rest in catalog.sql(_PRODUCTS, {"names": names}).fetchall())
        for name in names:
            yield _Recorded(name, exposures[name], curves, members[name], products[name])


def _grouped(pairs: Iterable[tuple[str, Any]]) -> defaultdict[str, list[Any]]:
    """Return the second items of pairs, by the first."""
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for name, value in pairs:
        found[name].append(value)
    return found


def _curves(catalog: Catalog, names: Sequence[str]) -> dict[str, Curve]:
    """Return the curves of exposures."""
    rows = catalog.sql(_READS, {"names": list(names)}).to_arrow_table().to_pylist()
    return {name: curve_of_reads(list(reads)) for name, reads in groupby(rows, key=lambda row: row["rootname"])}


# --- its repair -------------------------------------------------------------------------------------------------------


def _repair(dataset: _Recorded, asked: set[str], settings: ReprocessSettings) -> Repair:
    known = {row["rootname"]: row for row in dataset.exposures}
    choose_method = ChooseMethod(settings, any(row["flagged"] for row in known.values()))

    def member(name: str) -> Member:
        if name not in known:
            return Member(name, "perform", "not measured, so there is no verdict")
        row, curve = known[name], dataset.curves.get(name, Curve())
        return _member(row, curve, choose_method(row, asked=name in asked, has_curve=bool(curve.times)))

    asn_id = next((row["asn_id"] for row in known.values() if row["asn_id"]), None)
    return Repair(dataset.name, tuple(member(name) for name in sorted({*known, *dataset.members})), asn_id)


def _member(row: Row, curve: Curve, method: tuple[str, str]) -> Member:
    return Member(
        rootname=row["rootname"],
        method=method[0],
        reason=method[1],
        sky_mean=row["sky_mean"],
        times=curve.times,
        cumulative=curve.cumulative,
        lost=curve.lost,
        lit=curve.lit,
        affected=tuple(row["affected_reads"] or ()),
        n_pixels=frame_size(row) ** 2,
        nsamp=row["nsamp"] or 16,
        samp_seq=row["samp_seq"] or "",
        filter=row["filter"] or "",
        flags=tuple(row["quality_flags"] or ()),
        gain_mag=_gain(row, method[0]),
    )


def _gain(row: Row, method: str) -> float | None:
    """Return the depth that a method is expected to gain over the archive's image [mag]; None where not known."""
    before, after = row["noise_pipeline"], row[METHODS[method].noise_column] if method in METHODS else None
    return magnitudes(before / after) if before and after else None


def frame_size(row: Row) -> int:
    """Return the width of an exposure's raw frame [pixel], from its aperture's name."""
    return costs.frame_size(row["aperture"] if row["subarray"] else None)


def _done(products: Iterable[tuple[Any, ...]], repair: Repair, settings: ReprocessSettings) -> bool:
    """Return whether every product is recorded with the same settings, and exists in the output folder."""
    folder = settings.outdir.absolute() / repair.dataset
    found = {
        (rootname, kind, method)
        for rootname, kind, method, engine, context, path, arguments in products
        if settings.engine in ("auto", engine)
        and settings.context in (None, context)
        and _settings_of(arguments) == {key: settings.as_json()[key] for key in _PIXEL_SETTINGS}
        and folder in Path(path).parents
        and Path(path).exists()
    }
    wanted: set[tuple[str | None, str, str]] = {(m.rootname, "flt", m.method) for m in repair.members}
    if repair.association:
        wanted.add((None, "drz", repair.method))
    return wanted <= found


def _settings_of(arguments: str | None) -> dict[str, object]:
    """Return the settings of an earlier run that affect pixels, from its row in `runs`."""
    settings = json.loads(arguments or "{}").get("settings", {})
    return {key: settings.get(key) for key in _PIXEL_SETTINGS}
