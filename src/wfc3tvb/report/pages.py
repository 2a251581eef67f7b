"""The report: a folder of HTML pages, figures and CSV tables for use offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import pyarrow as pa
from matplotlib.figure import Figure

from wfc3tvb import __version__
from wfc3tvb.catalog import queries
from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.catalog.export import write_table
from wfc3tvb.catalog.release import is_synthetic
from wfc3tvb.models import Measurement, Row
from wfc3tvb.progress import Progress, silent
from wfc3tvb.report.chart_figures import chart_figure
from wfc3tvb.report.charts import Chart, charts
from wfc3tvb.report.exposure_figures import curves_figure, save
from wfc3tvb.report.rendering import environment
from wfc3tvb.report.repair_figures import PRODUCTS, products_of, repair_figures
from wfc3tvb.report.sentences import date, reasons
from wfc3tvb.report.thumbnails import Thumbnail, surveyed_folders, thumbnails
from wfc3tvb.schema import to_arrow

#: Number of visits with a page of their own, the worst.
VISIT_PAGES = 200
#: Number of visits in the list, and rows of repairs and failures on the first page; the CSV files have all rows.
VISITS_LISTED, ROWS_SHOWN = 5000, 100
_EXPOSURE_COLUMNS = (
    "rootname", "tvb_class", "recommend", "asn_id", "target_name", "filter", "samp_seq", "nsamp", "exptime",
    "postarg1", "postarg2", "date", "sky_mean", "sky_min", "sky_max", "ratio_cumulative", "tvb_score",
    "pred_frac_broken", "flagged",
)  # fmt: skip
_REPAIR_COLUMNS = (
    "rootname", "dataset", "kind", "method", "engine", "sky_before", "sky_after", "noise_before", "noise_after",
    "noise_expected", "n_peaks_before", "n_peaks_after", "flux_ratio", "depth_gain_mag", "exptime_factor", "chi2_sky",
    "accepted", "accept_reason",
)  # fmt: skip


@dataclass(frozen=True)
class Illustration:
    """Figure of a page: title, caption, file, and the table, command and SQL of its data."""

    title: str
    caption: str
    image: str
    table: str = ""
    command: str = ""
    sql: str = ""


def write_report(catalog: Catalog, out: Path, *, images: Sequence[Path] = (), progress: Progress = silent) -> Path:
    """Write the report of a catalog, and return its first page.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    out : Path
        Folder to write: ``index.html``, ``visits.html``, ``visits/``, ``figures/``, ``tables/``.
    images : sequence of Path, optional
        Folders with FLT or IMA files for thumbnails, in addition to the folders that were surveyed.
    progress : Progress, optional
        Called with stage ``report``.
    """
    out.mkdir(parents=True, exist_ok=True)
    folders = [*images, *surveyed_folders(catalog)]
    visits = [row[0] for row in catalog.sql(_VISIT_ORDER, {"limit": VISIT_PAGES}).fetchall()]
    gallery: list[Illustration] = []
    for number, visit in enumerate(visits, 1):
        gallery += write_visit(catalog, visit, out, folders)[1]
        progress("report", number, len(visits) + 1)
    if gallery:
        lead = "All repairs in the catalog: the archive's image and the repaired one, with histograms of their sky."
        _write(out / "gallery.html", "gallery.html", "Before and after", lead, catalog, {"images": gallery})
    _write_visits(catalog, out, set(visits))
    _write_index(catalog, out, visits, gallery=bool(gallery))
    progress("report", len(visits) + 1, len(visits) + 1)
    return out / "index.html"


def write_visit(
    catalog: Catalog, visit: str, out: Path, folders: Sequence[Path] = ()
) -> tuple[Path, list[Illustration]]:
    """Write the page of a visit into a report's folder, and return its path and the figures of its repairs."""
    exposures = catalog.query("visit_exposures", visit=visit).to_arrow_table().to_pylist()
    measured = [Measurement(row, _reads(catalog, row["rootname"])) for row in exposures]
    products = products_of(catalog, visit)
    rows = [{name: (row | {"date": _date(row["expstart"])})[name] for name in _EXPOSURE_COLUMNS} for row in exposures]
    images = _before_and_after(exposures, products, visit, out)
    context: dict[str, Any] = {
        "exposures": rows,
        "thumbnails": [_thumbnail(one, out) for one in thumbnails(exposures, products, folders)],
        "curves": _curves(catalog, visit, measured, out),
        "verdicts": [(row, reasons(row)) for row in exposures],
        "images": images,
        "repairs": [{name: row[name] for name in _REPAIR_COLUMNS} for row in products],
        "light": catalog.query("visit_light", visit=visit).to_arrow_table().to_pylist(),
    }
    first = exposures[0]
    day = _date(first["expstart"])
    known = (("Proposal", first["proposal_id"]), ("target", first["target_name"]), ("", day and day[:10]))
    described = ", ".join(f"{label} {value}".strip() for label, value in known if value is not None)
    lead = f"{described}." if described else ""
    page = _write(
        out / "visits" / f"{visit}.html",
        "visit.html",
        f"Visit {visit}",
        lead,
        catalog,
        context,
        up="../",
    )
    return page, images


_VISIT_ORDER = """SELECT visit FROM visits
GROUP BY visit ORDER BY max(tvb_score) DESC NULLS LAST, visit LIMIT $limit"""


def _date(mjd: float | None) -> str | None:
    return None if mjd is None else date(mjd)


_ALL_VISITS = """SELECT visit, filter, proposal_id, target_name, expstart AS date, n_exposures, n_flagged, n_inspect,
    worst_class,
    sky_min, sky_max, excess_visit, tvb_score, sun_alt_max
FROM visits ORDER BY tvb_score DESC NULLS LAST, visit, filter LIMIT $limit"""


def _write_index(catalog: Catalog, out: Path, visits: Sequence[str], *, gallery: bool) -> None:
    failures = catalog.query("failures").to_arrow_table().to_pylist()
    repairs = catalog.fetch("FROM reprocessed ORDER BY dataset, kind DESC, rootname").to_pylist()
    context = {
        "headline": _headline(catalog),
        "classes": catalog.query("classes_by_filter").to_arrow_table().to_pylist(),
        "figures": [_chart(chart, rows, out) for chart, rows in charts(catalog)],
        "worst": catalog.query("worst_visits").to_arrow_table().to_pylist(),
        "pages": set(visits),
        "repairs": [{name: row[name] for name in _REPAIR_COLUMNS} for row in repairs[:ROWS_SHOWN]],
        "n_repairs": len(repairs),
        "failures": failures[:ROWS_SHOWN],
        "n_failures": len(failures),
        "gallery": gallery,
    }
    tables = out / "tables"
    tables.mkdir(exist_ok=True)
    for name in ("worst_visits", "repairs", "failures"):
        write_table(catalog.query(name).to_arrow_table(), tables / f"{name}.csv", "csv")
    lead = "The time-variable background of WFC3/IR exposures: its size, the damage it did, and the repairs."
    _write(out / "index.html", "index.html", "WFC3/IR background report", lead, catalog, context)


def _write_visits(catalog: Catalog, out: Path, pages: set[str]) -> None:
    """Write the list of visits, the worst first, with links to their pages."""
    found = catalog.fetch(_ALL_VISITS, {"limit": VISITS_LISTED})
    (out / "tables").mkdir(exist_ok=True)
    write_table(found, out / "tables" / "visits.csv", "csv")
    rows = [row | {"date": (_date(row["date"]) or "")[:10] or None} for row in found.to_pylist()]
    lead = f"The worst visits come first; the {len(pages)} worst have their own pages."
    _write(out / "visits.html", "visits.html", "All visits", lead, catalog, {"rows": rows, "pages": pages})


def _headline(catalog: Catalog) -> list[tuple[str, int, str]]:
    """Return the headline numbers: name, number, and fraction of all exposures."""
    row = catalog.query("headline").to_arrow_table().to_pylist()[0]
    total = row["exposures"]
    part = {name: f"{row[name] / total:.0%}" for name in ("flagged", "to_inspect", "severe") if total}
    return [(name.replace("_", " "), n, part.get(name, "")) for name, n in row.items()]


def _chart(chart: Chart, rows: pa.Table, out: Path) -> Illustration:
    """Write the figure and the table of a chart."""
    (out / "tables").mkdir(exist_ok=True)
    write_table(rows, out / "tables" / f"{chart.query}.csv", "csv")
    image = _picture(chart_figure(chart, rows.to_pylist()), out, chart.name)
    return Illustration(chart.title, chart.caption, image, f"tables/{chart.query}.csv", chart.command, chart.sql)


def _curves(catalog: Catalog, visit: str, measured: Sequence[Measurement], out: Path) -> Illustration:
    rows = catalog.query("visit_reads", visit=visit).to_arrow_table()
    (out / "tables").mkdir(exist_ok=True)
    write_table(rows, out / "tables" / f"{visit}_curves.csv", "csv")
    caption = (
        "Points: sky between reads (small and grey: intervals too short to be used); line: cumulative rate; shaded: "
        "Earth's shadow; below: the Sun's altitude above the limb. All curves are on one scale."
    )
    image = _picture(curves_figure(measured), out, f"{visit}_curves")
    command = f"wfc3tvb query visit_reads --param visit={quote(visit)}"
    sql = queries.load("visit_reads").sql
    return Illustration("Curves", caption, image, f"tables/{visit}_curves.csv", command, sql)


def _before_and_after(exposures: Sequence[Row], products: Sequence[Row], visit: str, out: Path) -> list[Illustration]:
    """Write the figures of a visit's repairs, and the table of their measurements."""
    found = list(repair_figures(exposures, products))
    table = f"tables/{visit}_repairs.csv"
    if found:
        (out / "tables").mkdir(exist_ok=True)
        write_table(to_arrow("reprocessed", products), out / table, "csv")
    sql = PRODUCTS.replace("$visit", f"'{visit}'")
    return [
        Illustration(title, caption, _picture(figure, out, f"{visit}_{name}"), table, f'wfc3tvb sql "{sql}"', sql)
        for name, title, caption, figure in found
    ]


def _thumbnail(one: Thumbnail, out: Path) -> dict[str, Any]:
    """Write a thumbnail, and return the fields of its card."""
    image = ""
    if one.png is not None:
        image = f"figures/thumbnails/{one.exposure['rootname']}.png"
        (out / image).parent.mkdir(parents=True, exist_ok=True)
        (out / image).write_bytes(one.png)
    return {"row": one.exposure, "image": image, "caption": one.caption}


def _picture(figure: Figure, out: Path, name: str) -> str:
    save(figure, out / "figures" / f"{name}.png")
    return f"figures/{name}.png"


def _reads(catalog: Catalog, rootname: str) -> list[Row]:
    rows: list[Row] = catalog.fetch(
        "FROM reads WHERE rootname = $rootname ORDER BY read", {"rootname": rootname}
    ).to_pylist()
    return rows


def _write(
    path: Path, template: str, title: str, lead: str, catalog: Catalog, context: Mapping[str, Any], up: str = ""
) -> Path:
    common = {
        "title": title, "lead": lead, "version": __version__, "up": up,
        "source": catalog.folder.name, "synthetic": is_synthetic(catalog),
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(environment().get_template(template).render(**common, **context), encoding="utf-8")
    return path
