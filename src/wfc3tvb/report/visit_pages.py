"""Pages of visits: many at a time, each redrawn only where its rows, its pictures or the program have changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from shlex import quote
from typing import Any

import pyarrow as pa

from wfc3tvb import __version__
from wfc3tvb.catalog import queries
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.catalog.export import write_table
from wfc3tvb.models import Row
from wfc3tvb.parallel.attempts import stage
from wfc3tvb.report.answer import answer
from wfc3tvb.report.curve_plots import CURVE_COLUMNS, SIZE, class_key, curve_plots
from wfc3tvb.report.rendering import render
from wfc3tvb.report.repair_plots import repair_plots
from wfc3tvb.report.sentences import date, reasons
from wfc3tvb.report.svg import standalone
from wfc3tvb.report.thumbnails import Thumbnail, find_image, thumbnails
from wfc3tvb.schema import to_arrow
from wfc3tvb.system.files import atomic_write, write_text

#: Columns of the table of exposures that matter to an observer, and of that of repairs.
EXPOSURE_COLUMNS = (
    "rootname", "filter", "exptime", "sky_mean", "sky_min", "sky_max", "tvb_score", "tvb_class", "tvb_kind",
    "recommend", "gain_mag",
)  # fmt: skip
REPAIR_COLUMNS = (
    "product", "kind", "method", "noise_before", "noise_after", "sky_before", "sky_after", "depth_gain_mag",
    "exptime_factor", "flux_ratio", "accepted",
)  # fmt: skip
#: How the fingerprint of a page is written into it, and at most how far into the page [character].
_MARK, _HEAD = re.compile(r'<meta name="fingerprint" content="(\w+)">'), 400

_EXPOSURES = "SELECT * FROM exposures WHERE visit IN (SELECT unnest($visits)) ORDER BY visit, expstart, rootname"
_READS = """SELECT r.*, left(rootname, 6) AS visit FROM reads r
WHERE left(rootname, 6) IN (SELECT unnest($visits)) ORDER BY rootname, read"""
_PRODUCTS = """SELECT *, left(dataset, 6) AS visit FROM reprocessed
WHERE left(dataset, 6) IN (SELECT unnest($visits)) ORDER BY kind, rootname, product_id"""
#: The documented query visit_light, for many visits.
_LIGHT = queries.load("visit_light").sql.replace("f.visit = lower($visit)", "f.visit IN (SELECT unnest($visits))")
#: Sums of hashes do not depend on the order of the rows.
_CONTENTS = """SELECT visit, sum(content)::VARCHAR FROM (
    SELECT visit, hash('exposures', e)::HUGEINT AS content FROM exposures e
    UNION ALL SELECT left(rootname, 6), hash('reads', r)::HUGEINT FROM reads r
    UNION ALL SELECT visit, hash('visit_fits', f)::HUGEINT FROM visit_fits f
    UNION ALL SELECT left(dataset, 6), hash('reprocessed', p)::HUGEINT FROM reprocessed p
) WHERE visit IN (SELECT visit FROM exposures) GROUP BY visit"""


@dataclass(frozen=True)
class Setting:
    """What all pages of a report share.

    Attributes
    ----------
    catalog : Path
        Folder of the catalog.
    out : Path
        Folder of the report.
    folders : tuple of Path
        Folders in which FLT or IMA files may be.
    synthetic : bool
        Whether the exposures are simulated.
    """

    catalog: Path
    out: Path
    folders: tuple[Path, ...]
    synthetic: bool

    def page(self, visit: str) -> Path:
        """Return the path of a visit's page."""
        return self.out / "visits" / f"{visit}.html"

    def common(self) -> dict[str, Any]:
        """Return the values that every template needs."""
        return {"version": __version__, "source": self.catalog.name, "synthetic": self.synthetic}


@dataclass(frozen=True)
class VisitRows:
    """All rows of a visit."""

    visit: str
    exposures: list[Row]
    reads: pa.Table
    products: list[Row]
    light: list[Row]


@dataclass(frozen=True)
class WritePages:
    """Worker that writes the pages of some visits, given with their fingerprints."""

    setting: Setting

    def __call__(self, wanted: Mapping[str, str]) -> int:
        """Write the pages, and return how many."""
        with stage("report"), open_catalog(self.setting.catalog, threads=1) as catalog:
            for rows in visit_rows(catalog, list(wanted)):
                write_page(rows, self.setting, wanted[rows.visit])
        return len(wanted)


def fingerprints(catalog: Catalog, setting: Setting) -> dict[str, str]:
    """Return for every visit a text that changes with its rows, its pictures, the program or the options.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    setting : Setting
        Options of the report.
    """
    made_by = f"{program()} {setting.common()}"
    pictures = _pictures(catalog, setting)
    return {
        visit: sha256(f"{content} {pictures.get(visit)} {made_by}".encode()).hexdigest()[:20]
        for visit, content in catalog.sql(_CONTENTS).fetchall()
    }


def outdated(setting: Setting, wanted: Mapping[str, str]) -> dict[str, str]:
    """Return the visits, with their fingerprints, that have no page or one made from something else."""
    return {visit: mark for visit, mark in wanted.items() if _mark_of(setting.page(visit)) != mark}


def remove_others(setting: Setting, wanted: Mapping[str, str]) -> None:
    """Remove the pages of visits that are no longer in the catalog."""
    for page in (setting.out / "visits").glob("*.html"):
        if page.stem not in wanted and _mark_of(page):
            page.unlink()


@cache
def program() -> str:
    """Return a checksum of the package's version, the modules of the report and its templates."""
    folder = files("wfc3tvb.report")
    parts = [*folder.iterdir(), *(folder / "templates").iterdir()]
    texts = [part.read_bytes() for part in sorted(parts, key=lambda part: part.name) if part.is_file()]
    return sha256(b"".join([__version__.encode(), *texts])).hexdigest()


def visit_rows(catalog: Catalog, visits: Sequence[str]) -> Iterator[VisitRows]:
    """Yield the rows of several visits, read with one query for each table."""
    asked = {"visits": list(visits)}
    exposures, products, light = (
        _grouped(catalog.fetch(sql, asked).to_pylist()) for sql in (_EXPOSURES, _PRODUCTS, _LIGHT)
    )
    reads = catalog.fetch(_READS, asked)
    places: dict[str, list[int]] = {}
    for number, visit in enumerate(reads["visit"].to_pylist()):
        places.setdefault(visit, [number, number])[1] = number
    reads = reads.drop_columns("visit")
    for visit in visits:
        first, last = places.get(visit, (0, -1))
        part = reads.slice(first, last - first + 1)
        yield VisitRows(visit, exposures.get(visit, []), part, products.get(visit, []), light.get(visit, []))


def write_page(rows: VisitRows, setting: Setting, fingerprint: str) -> None:
    """Write the page of a visit; its tables and pictures come first, so that a page is never without them."""
    out, visit = setting.out, rows.visit
    plots = curve_plots(rows.exposures, _by_rootname(rows.reads))
    for name in ("figures", "tables", "visits"):
        (out / name).mkdir(parents=True, exist_ok=True)
    write_table(rows.reads, out / "tables" / f"{visit}_curves.csv", "csv")
    write_text(out / "figures" / f"{visit}_curves.svg", standalone(plots, SIZE))
    if rows.products:
        table = to_arrow("reprocessed", [{k: v for k, v in row.items() if k != "visit"} for row in rows.products])
        write_table(table, out / "tables" / f"{visit}_repairs.csv", "csv")
    context = {
        "title": f"Visit {visit}", "lead": _lead(rows.exposures[0]), "up": "../", "fingerprint": fingerprint,
        "visit": visit, "answer": answer(rows.exposures, rows.products),
        "repair_plots": list(repair_plots(rows.products, out)),
        "curves": plots, "key": class_key(rows.exposures), "command": _command(visit), "sql": _curves_sql(),
        "thumbnails": [_thumbnail(one, out) for one in thumbnails(rows.exposures, rows.products, setting.folders)],
        "exposures": [{name: row[name] for name in EXPOSURE_COLUMNS} for row in rows.exposures],
        "verdicts": [(row, reasons(row)) for row in rows.exposures],
        "repairs": [repair_row(row) for row in rows.products], "repair_reasons": rows.products, "light": rows.light,
    }  # fmt: skip
    with atomic_write(setting.page(visit)) as part:
        part.write_text(render("visit.html", **setting.common(), **context), encoding="utf-8")


def repair_row(row: Row) -> Row:
    """Return the columns of a repair that matter, the rootname or dataset first."""
    known = row | {"product": row["rootname"] or row["dataset"]}
    return {name: known[name] for name in REPAIR_COLUMNS}


# --- implementation --------------------------------------------------------------------------------------------------


def _mark_of(page: Path) -> str:
    """Return the fingerprint in a page; empty where there is none."""
    if not page.is_file():
        return ""
    with page.open(encoding="utf-8", errors="replace") as file:
        found = _MARK.search(file.read(_HEAD))
    return found[1] if found else ""


def _pictures(catalog: Catalog, setting: Setting) -> dict[str, str]:
    """Return names and dates of the images of every visit that are on this machine."""
    products = _grouped(catalog.fetch("SELECT *, left(dataset, 6) AS visit FROM reprocessed").to_pylist())
    if not products and not setting.folders:
        return {}
    found: dict[str, str] = {}
    for visit, rootname in catalog.sql("SELECT visit, rootname FROM exposures ORDER BY rootname").fetchall():
        image = find_image(rootname, products.get(visit, ()), setting.folders)
        if image:
            found[visit] = f"{found.get(visit, '')} {image[0]} {image[0].stat().st_mtime_ns}"
    return found


def _grouped(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return rows by visit, the first six characters of a rootname where that column is missing."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.get("visit") or row["rootname"][:6], []).append(row)
    return groups


def _by_rootname(reads: pa.Table) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in reads.select(CURVE_COLUMNS).to_pylist():
        groups.setdefault(row["rootname"], []).append(row)
    return groups


def _lead(first: Row) -> str:
    """Return proposal, target and date of a visit."""
    day = None if first["expstart"] is None else date(first["expstart"])[:10]
    known = (("Proposal", first["proposal_id"]), ("target", first["target_name"]), ("", day))
    described = ", ".join(f"{label} {value}".strip() for label, value in known if value is not None)
    return f"{described}." if described else ""


def _command(visit: str) -> str:
    return f"wfc3tvb query visit_reads --param visit={quote(visit)}"


@cache
def _curves_sql() -> str:
    return queries.load("visit_reads").sql


def _thumbnail(one: Thumbnail, out: Path) -> dict[str, Any]:
    """Write a thumbnail, and return the fields of its card."""
    image = ""
    if one.png is not None:
        image = f"figures/thumbnails/{one.exposure['rootname']}.png"
        (out / image).parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(out / image) as part:
            part.write_bytes(one.png)
    return {"row": one.exposure, "image": image, "caption": one.caption}
