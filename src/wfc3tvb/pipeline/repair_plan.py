"""Which exposures are repaired, how and why, and what that will take."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wfc3tvb.config import Services
from wfc3tvb.errors import UnknownDatasetError
from wfc3tvb.exposure import Row
from wfc3tvb.io.catalog import Catalog
from wfc3tvb.io.crds import cache_folder
from wfc3tvb.names import GRISMS, is_association

#: Bytes of a full-frame file with 16 reads, and a pixel and read of RAW (WFC3 Data Handbook table 2.7).
_FLT_BYTES_A_PIXEL, _RAW_BYTES_A_READ, _DRZ_BYTES_A_PIXEL = 16, 2, 12
#: Bytes a pixel of references: a dark per read, a flat, the linearity file; and tables.
_DARK_BYTES, _FLAT_BYTES, _LINEARITY_BYTES, _TABLE_BYTES = 10, 10, 78, 10_000_000
#: Seconds for a million pixels of an exposure, and for a product beside that; memory of a worker [Mbyte].
_EXPOSURE_SECONDS, _PRODUCT_SECONDS, _WORKER_MB, _MB_PER_EXPOSURE = 6.0, 8.0, 600.0, 30.0
#: Scratch space of an association, in its raw files' bytes: raw, its copy, IMA of the flagged, FLTs.
_SCRATCH = 8


@dataclass(frozen=True)
class ReprocessSettings:
    """How to repair.

    Attributes
    ----------
    method : str
        ``auto`` (the catalog's recommendation), omit, flatten or mask_reads for all flagged exposures.
    engine : str
        auto, native or calwf3.
    context : str or None
        CRDS context; None pins the operational one for the run.
    references : str
        ``crds`` asks CRDS; ``header`` takes what the raw headers name from the folder that ``iref`` names.
    use_db : bool
        Take the astrometry service's solution.
    recover_saturated : bool
        Recover pixels that saturate only in the last reads.
    drizzle_pars : Path or None
        JSON file of AstroDrizzle parameters.
    weight : str
        ``exptime``, or ``ivm``: inverse variance of each exposure's sky.
    keep, keep_best : bool
        Keep scratch files; link the best product into ``best/``.
    source : str
        Where files come from: auto, s3, mast or a folder.
    outdir : Path
        Folder of the products.
    """

    method: str = "auto"
    engine: str = "auto"
    context: str | None = None
    references: str = "crds"
    use_db: bool = False
    recover_saturated: bool = False
    drizzle_pars: Path | None = None
    weight: str = "exptime"
    keep: bool = False
    keep_best: bool = False
    source: str = "auto"
    outdir: Path = Path("tvb-products")

    def as_json(self) -> dict[str, Any]:
        """Return what goes into the row of `runs`."""
        return {key: str(value) if isinstance(value, Path) else value for key, value in vars(self).items()}


@dataclass(frozen=True)
class Member:
    """One exposure of a dataset, what is done to it and why.

    Attributes
    ----------
    rootname, method, reason : str
        Method is omit, flatten, mask_reads or perform (recalibrated, not repaired).
    sky_mean : float or None
        True mean rate of its sky, from the catalog [electron/s].
    times, cumulative : tuple of float
        Time of each read [s], cumulative rate of the sky [electron/s]; empty where not measured.
    affected : tuple of int
        Reads to be left out by mask_reads.
    n_pixels : int
        Pixels of a read.
    nsamp : int
        Reads in the file.
    """

    rootname: str
    method: str
    reason: str
    sky_mean: float | None = None
    times: tuple[float, ...] = ()
    cumulative: tuple[float, ...] = ()
    affected: tuple[int, ...] = ()
    n_pixels: int = 1024**2
    nsamp: int = 16
    samp_seq: str = ""
    filter: str = ""
    flags: tuple[str, ...] = ()

    @property
    def repaired(self) -> bool:
        """Whether it is repaired, not only recalibrated."""
        return self.method != "perform"


@dataclass(frozen=True)
class Repair:
    """One dataset to be repaired."""

    dataset: str
    members: tuple[Member, ...]

    @property
    def association(self) -> str | None:
        """Name of the association; None for a lone exposure."""
        return self.dataset if is_association(self.dataset) else None

    @property
    def method(self) -> str:
        """Method of the drizzled product: that of the repaired members, or mixed."""
        methods = {member.method for member in self.members if member.repaired}
        return methods.pop() if len(methods) == 1 else "mixed"

    @property
    def raw_bytes(self) -> int:
        """Size of the raw files, estimated."""
        return sum(m.n_pixels * m.nsamp * _RAW_BYTES_A_READ for m in self.members)

    @property
    def fetch_bytes(self) -> int:
        """Bytes to fetch: RAW and FLT of every member, the drizzled image."""
        flts = sum(m.n_pixels * _FLT_BYTES_A_PIXEL for m in self.members)
        drz = self.members[0].n_pixels * _DRZ_BYTES_A_PIXEL if self.association else 0
        return self.raw_bytes + flts + drz


@dataclass(frozen=True)
class RepairPlan:
    """What a run would do.

    Attributes
    ----------
    datasets : tuple of str
        To be repaired.
    n_repaired, n_recalibrated : int
        Exposures repaired, and recalibrated beside them.
    methods : mapping
        Exposures by method.
    n_known : int
        Datasets repaired before by the same method; left alone.
    unflagged : tuple of str
        Datasets asked for in which nothing is flagged.
    fetch_bytes, scratch_bytes : int
        To fetch, and free space needed on the way.
    reference_mb : float
        Reference files to fetch at most [Mbyte].
    reference_folder : str
        Where they go.
    wall_s, peak_mb : float
        Time on one process [s], and memory of one [Mbyte].
    measured_on : int
        Products of earlier runs that time and memory are predicted from; 0 means typical values.
    """

    datasets: tuple[str, ...]
    n_repaired: int
    n_recalibrated: int
    methods: Mapping[str, int]
    n_known: int
    unflagged: tuple[str, ...]
    fetch_bytes: int
    scratch_bytes: int
    reference_mb: float
    reference_folder: str
    wall_s: float
    peak_mb: float
    measured_on: int


@dataclass(frozen=True)
class Chosen:
    """The datasets of a run: to be done, done before, and those with nothing to repair."""

    due: tuple[Repair, ...]
    known: tuple[str, ...]
    unflagged: tuple[str, ...]
    rows: Mapping[str, Row] = field(default_factory=dict)


def choose(catalog: Catalog, *, ids: Sequence[str], where: str | None, settings: ReprocessSettings) -> Chosen:
    """Choose what is repaired: datasets with flagged exposures, by ids, by a condition, or all.

    Raises
    ------
    UnknownDatasetError
        If the catalog does not hold one of the ids.
    QueryError
        If the condition is no SQL that DuckDB takes.
    """
    named = _datasets_of(catalog, ids) if ids else _datasets_where(catalog, where)
    rows = _exposures(catalog, named)
    asked = {name.lower() for name in ids}
    due, known, unflagged = [], [], []
    for dataset in named:
        repair = _repair(catalog, dataset, [row for row in rows.values() if row["dataset"] == dataset], asked, settings)
        if not any(member.repaired for member in repair.members):
            unflagged.append(dataset)
        elif _done(catalog, repair, settings):
            known.append(dataset)
        else:
            due.append(repair)
    return Chosen(tuple(due), tuple(known), tuple(unflagged), rows)


def _datasets_where(catalog: Catalog, where: str | None) -> list[str]:
    text = f"SELECT DISTINCT dataset FROM exposures WHERE flagged AND ({where or 'true'}) ORDER BY dataset"
    return [dataset for (dataset,) in catalog.sql(text).fetchall()]


def _datasets_of(catalog: Catalog, ids: Sequence[str]) -> list[str]:
    text = "SELECT dataset FROM exposures WHERE $name IN (rootname, dataset, asn_id) LIMIT 1"
    found: dict[str, None] = {}
    for name in ids:
        rows = catalog.sql(text, {"name": name.lower()}).fetchall()
        if not rows:
            raise UnknownDatasetError(name, f"the catalog {catalog.folder}; survey it first")
        found[rows[0][0]] = None
    return list(found)


def _exposures(catalog: Catalog, datasets: Sequence[str]) -> dict[str, Row]:
    """Return the rows of `exposures` of datasets, by rootname."""
    if not datasets:
        return {}
    text = "SELECT * FROM exposures WHERE dataset IN (SELECT unnest($names)) ORDER BY rootname"
    rows = catalog.sql(text, {"names": list(datasets)}).to_arrow_table().to_pylist()
    return {row["rootname"]: row for row in rows}


def _repair(
    catalog: Catalog, dataset: str, rows: Sequence[Row], asked: set[str], settings: ReprocessSettings
) -> Repair:
    listed = catalog.sql("SELECT members FROM datasets WHERE dataset = $name", {"name": dataset}).fetchall()
    known = {row["rootname"]: row for row in rows}
    names = sorted({*known, *(name for (found,) in listed for name in found or ())})
    curves = _curves(catalog, list(known))
    members = [
        _member(known[name], curves.get(name, ((), ())), name in asked, settings)
        if name in known
        else Member(name, "perform", "not measured, so not judged")
        for name in names
    ]
    return Repair(dataset, tuple(members))


def _curves(catalog: Catalog, names: Sequence[str]) -> dict[str, tuple[tuple[float, ...], tuple[float, ...]]]:
    """Return times and cumulative rates of the reads of exposures."""
    text = (
        "SELECT rootname, list(t_end ORDER BY read), list(cumulative_rate ORDER BY read) FROM reads "
        "WHERE rootname IN (SELECT unnest($names)) GROUP BY rootname"
    )
    found = catalog.sql(text, {"names": list(names)}).fetchall()
    return {name: (tuple(t), tuple(rate)) for name, t, rate in found if None not in rate}


def _member(
    row: Row, curve: tuple[tuple[float, ...], tuple[float, ...]], asked: bool, settings: ReprocessSettings
) -> Member:
    method, reason = _method(row, asked, settings.method)
    return Member(
        rootname=row["rootname"],
        method=method,
        reason=reason,
        sky_mean=row["sky_mean"],
        times=curve[0],
        cumulative=curve[1],
        affected=tuple(row["affected_reads"] or ()),
        n_pixels=_edge(row) ** 2,
        nsamp=row["nsamp"] or 16,
        samp_seq=row["samp_seq"] or "",
        filter=row["filter"] or "",
        flags=tuple(row["quality_flags"] or ()),
    )


def _method(row: Row, asked: bool, wanted: str) -> tuple[str, str]:
    """Return the method for an exposure, and why."""
    why = _why(row)
    explicit = wanted != "auto"
    if row["filter"] in GRISMS:
        return ("omit", "grism") if row["flagged"] or asked else ("perform", "grism")
    if explicit and (row["flagged"] or asked):
        return wanted, f"asked for; {why}"
    if row["flagged"]:
        return row["recommend"], f"recommended; {why}"
    return "perform", f"not flagged; {why}"


def _why(row: Row) -> str:
    """Return the numbers behind a recommendation."""
    parts = [f"class {row['tvb_class'] or 'unscored'}"]
    if row["pred_frac_broken"] is not None:
        parts.append(f"predicted broken {100 * row['pred_frac_broken']:.1f} %")
    if row["pred_level_bias"] is not None:
        parts.append(f"level bias {row['pred_level_bias']:+.2f} electron/s")
    elif row["ratio_cumulative"] is not None:
        parts.append(f"cumulative rate changes by {row['ratio_cumulative']:.1f}")
    return ", ".join(parts)


def _edge(row: Row) -> int:
    """Return the width of an exposure's raw frame [pixel], from its aperture's name."""
    match = re.search(r"SUB(\d+)", row["aperture"] or "") if row["subarray"] else None
    return int(match[1]) + 10 if match else 1024


def _done(catalog: Catalog, repair: Repair, settings: ReprocessSettings) -> bool:
    """Say whether every product is recorded, made by the same method (and engine, context) and still there."""
    text = "SELECT rootname, kind, method, engine, crds_context, path FROM reprocessed WHERE dataset = $name"
    rows = catalog.sql(text, {"name": repair.dataset}).fetchall()
    found = {
        (rootname, kind, method)
        for rootname, kind, method, engine, context, path in rows
        if settings.engine in ("auto", engine) and settings.context in (None, context) and Path(path).exists()
    }
    wanted: set[tuple[str | None, str, str]] = {(m.rootname, "flt", m.method) for m in repair.members}
    if repair.association:
        wanted.add((None, "drz", repair.method))
    return wanted <= found


def summarize(catalog: Catalog, chosen: Chosen, services: Services) -> RepairPlan:
    """Return what repairing the chosen datasets takes."""
    members = [member for repair in chosen.due for member in repair.members]
    methods: dict[str, int] = {}
    for member in members:
        methods[member.method] = methods.get(member.method, 0) + 1
    seconds, memory, n = _history(catalog)
    megapixels = sum(m.n_pixels * m.nsamp / 16 / 2**20 for m in members)
    predicted = len(members) * seconds if n else megapixels * _EXPOSURE_SECONDS + len(chosen.due) * _PRODUCT_SECONDS
    largest = max((len(r.members) * r.members[0].n_pixels / 2**20 for r in chosen.due), default=0.0)
    return RepairPlan(
        datasets=tuple(repair.dataset for repair in chosen.due),
        n_repaired=sum(m.repaired for m in members),
        n_recalibrated=sum(not m.repaired for m in members),
        methods=methods,
        n_known=len(chosen.known),
        unflagged=chosen.unflagged,
        fetch_bytes=sum(repair.fetch_bytes for repair in chosen.due),
        scratch_bytes=max((_SCRATCH * repair.raw_bytes for repair in chosen.due), default=0),
        reference_mb=_reference_bytes(catalog, members, cache_folder(services)) / 1e6,
        reference_folder=str(cache_folder(services)),
        wall_s=predicted,
        peak_mb=max(memory, _WORKER_MB + largest * _MB_PER_EXPOSURE),
        measured_on=n,
    )


def _history(catalog: Catalog) -> tuple[float, float, int]:
    """Return seconds an exposure, memory [Mbyte] and number of products of earlier runs."""
    text = (
        "SELECT sum(wall_s) / nullif(count(*) FILTER (kind = 'flt'), 0), max(peak_rss_mb), count(*) FROM reprocessed "
        "WHERE wall_s IS NOT NULL"
    )
    seconds, memory, n = catalog.sql(text).fetchall()[0]
    return float(seconds or 0.0), float(memory or 0.0), int(n or 0) if seconds else 0


def _reference_bytes(catalog: Catalog, members: Iterable[Member], folder: Path) -> int:
    """Return at most how many bytes of references are to be fetched.

    Kinds of exposures that an earlier run repaired need nothing where its files are still in the cache.
    """
    text = (
        'SELECT DISTINCT e.samp_seq, e.filter, r."references" FROM reprocessed r '
        "JOIN exposures e ON r.rootname = e.rootname"
    )
    have = {
        (samp_seq, filter)
        for samp_seq, filter, names in catalog.sql(text).fetchall()
        if names and all((folder / each["name"]).exists() for each in json.loads(names).values())
    }
    missing = [m for m in members if (m.samp_seq, m.filter) not in have]
    if not missing:
        return 0
    darks = {(m.samp_seq, m.n_pixels): m.n_pixels * 16 * _DARK_BYTES for m in missing}
    flats = {(m.filter, m.n_pixels): m.n_pixels * _FLAT_BYTES for m in missing}
    return sum(darks.values()) + sum(flats.values()) + missing[0].n_pixels * _LINEARITY_BYTES + _TABLE_BYTES
