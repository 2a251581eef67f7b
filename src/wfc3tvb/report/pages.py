"""The report: a folder of HTML pages, figures and CSV tables for use offline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.catalog.export import write_table
from wfc3tvb.catalog.release import is_synthetic
from wfc3tvb.errors import ReportError
from wfc3tvb.models import Row
from wfc3tvb.parallel.backends import run
from wfc3tvb.parallel.workers import HERE, Workers
from wfc3tvb.progress import Progress, silent
from wfc3tvb.report.chart_plots import SIZE, Drawn, draw
from wfc3tvb.report.charts import Chart, ChartRows, charts_by_filter
from wfc3tvb.report.rendering import render
from wfc3tvb.report.sentences import counted, date
from wfc3tvb.report.svg import standalone
from wfc3tvb.report.thumbnails import surveyed_folders
from wfc3tvb.report.visit_pages import (
    Setting,
    WritePages,
    fingerprints,
    outdated,
    remove_others,
    repair_row,
)
from wfc3tvb.system.files import atomic_write, remove_old, write_text

Item = TypeVar("Item")
#: Visits that a worker writes at a time.
_AT_A_TIME = 100
#: Visits on a page of the list, and rows of repairs, pictures and failures shown; the CSV files have all rows.
VISITS_A_PAGE, ROWS_SHOWN = 1000, 500
_REPAIRS = "SELECT * FROM reprocessed WHERE method <> 'perform' ORDER BY dataset, kind, rootname, product_id"
_ALL_VISITS = """SELECT visit, filter, proposal_id, target_name, expstart AS date, n_exposures, n_flagged, n_inspect,
    worst_class, sky_max, excess_visit, tvb_score
FROM visits ORDER BY tvb_score DESC NULLS LAST, visit, filter"""


@dataclass(frozen=True)
class Illustration:
    """Chart of a page: its plots, the file of its figure, and the table, command and SQL of its data."""

    chart: Chart
    drawn: Drawn
    image: str
    table: str


def write_report(
    catalog: Catalog,
    out: Path,
    *,
    images: Sequence[Path] = (),
    workers: Workers = HERE,
    progress: Progress = silent,
) -> Path:
    """Write the report of a catalog, and return its first page.

    Pages of visits that are in the folder already are written again only where rows of the visit, its pictures or
    this program have changed.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    out : Path
        Folder to write: ``index.html``, ``visits.html``, ``repairs.html``, ``failures.html``, ``visits/``,
        ``figures/``, ``tables/``.
    images : sequence of Path, optional
        Folders with FLT or IMA files for thumbnails, in addition to the folders that were surveyed.
    workers : Workers, optional
        Processes that write the pages of visits; by default this one.
    progress : Progress, optional
        Called with stage ``report``.

    Raises
    ------
    ReportError
        If a page cannot be written.
    """
    for name in ("figures", "tables", "visits"):
        (out / name).mkdir(parents=True, exist_ok=True)
    remove_old(out / "visits", ".*.part", hours=1)
    setting = Setting(catalog.folder, out, (*images, *surveyed_folders(catalog)), is_synthetic(catalog))
    wanted = fingerprints(catalog, setting)
    _write_visit_pages(outdated(setting, wanted), setting, workers, progress)
    remove_others(setting, wanted)
    _write_list(catalog, setting)
    _write_repairs(catalog, setting)
    _write_failures(catalog, setting)
    return _write_index(catalog, setting)


def _write_visit_pages(changed: Mapping[str, str], setting: Setting, workers: Workers, progress: Progress) -> None:
    """Write the pages that have changed, by several processes where they are many."""
    # Rows are stored in the order of their names.
    groups = [dict(group) for group in pieces(sorted(changed.items()), _AT_A_TIME)]
    done, total = 0, len(changed)
    progress("report", 0, total)
    if len(groups) <= workers.count:
        workers = HERE
    worker = WritePages(setting)
    for outcome in run(((next(iter(group)), group) for group in groups), worker, workers=workers, total=len(groups)):
        if outcome.failure:
            raise ReportError(outcome.key, outcome.failure.message)
        done += outcome.value or 0
        progress("report", done, total)


def pieces(items: Sequence[Item], n: int) -> Iterator[Sequence[Item]]:
    """Yield a sequence in pieces of `n`, the last one perhaps shorter."""
    return (items[first : first + n] for first in range(0, len(items), n))


def _write_index(catalog: Catalog, setting: Setting) -> Path:
    context = {
        "headline": _headline(catalog),
        "classes": catalog.query("classes_by_filter").to_arrow_table().to_pylist(),
        "charts": [_illustration(chart, rows, setting.out) for chart, rows in charts_by_filter(catalog)],
        "worst": catalog.query("worst_visits").to_arrow_table().to_pylist(),
    }
    write_table(catalog.query("worst_visits").to_arrow_table(), setting.out / "tables" / "worst_visits.csv", "csv")
    lead = "The time-variable background of WFC3/IR exposures: its size, the damage it did, and the repairs."
    return _write(setting, "index.html", "index.html", "WFC3/IR background report", lead, context)


def _headline(catalog: Catalog) -> list[tuple[str, int, str]]:
    """Return the headline numbers: name, number, and fraction of all exposures."""
    row = catalog.query("headline").to_arrow_table().to_pylist()[0]
    total = row["exposures"]
    part = {name: f"{row[name] / total:.0%}" for name in ("flagged", "to_inspect", "severe") if total}
    return [(_title(name, n), n, part.get(name, "")) for name, n in row.items()]


def _title(name: str, n: int) -> str:
    """Return a column's name as the title of its number, in the singular where it is one."""
    text = name.replace("_", " ")
    return (
        {"exposures": "exposure", "visits": "visit", "repairs accepted": "repair accepted"}.get(text, text)
        if n == 1
        else text
    )


def _illustration(chart: Chart, rows: ChartRows, out: Path) -> Illustration:
    """Draw a chart, and write its figure and table."""
    table, image = f"tables/{chart.query}.csv", f"figures/{chart.name}.svg"
    write_table(rows.table, out / table, "csv")
    drawn = draw(chart, rows)
    write_text(out / image, standalone(drawn.plots, SIZE))
    return Illustration(chart, drawn, image, table)


def _write_list(catalog: Catalog, setting: Setting) -> None:
    """Write the list of visits, the worst first, on as many pages as it takes."""
    found = catalog.fetch(_ALL_VISITS)
    write_table(found, setting.out / "tables" / "visits.csv", "csv")
    parts = list(pieces(found.to_pylist(), VISITS_A_PAGE)) or [[]]
    names = [f"visits{'' if number == 1 else f'-{number}'}.html" for number in range(1, len(parts) + 1)]
    for number, part in enumerate(parts):
        first = number * VISITS_A_PAGE
        context = {
            "rows": [row | {"date": None if row["date"] is None else date(row["date"])[:10]} for row in part],
            "first": first, "total": found.num_rows, "names": names, "number": number,
        }  # fmt: skip
        _write(
            setting,
            names[number],
            "visits.html",
            "All visits",
            "One row per visit and filter; the worst come first.",
            context,
        )


def _write_repairs(catalog: Catalog, setting: Setting) -> None:
    """Write the page of repairs: their rows, and pictures of the drizzled images."""
    write_table(catalog.query("repairs").to_arrow_table(), setting.out / "tables" / "repairs.csv", "csv")
    rows: list[Row] = catalog.fetch(_REPAIRS).to_pylist()
    drizzled = [row for row in rows if row["kind"] == "drz"]
    context = {
        "rows": [{"visit": row["dataset"][:6]} | repair_row(row) for row in rows[:ROWS_SHOWN]],
        "total": len(rows),
        "pairs": [pair for row in drizzled[:ROWS_SHOWN] if (pair := _pair(row, setting.out))],
    }
    accepted = sum(bool(row["accepted"]) for row in rows)
    lead = f"{counted(len(rows), 'image')} made, {accepted} accepted." if rows else ""
    _write(setting, "repairs.html", "repairs.html", "Repairs", lead, context)


def _pair(row: Row, out: Path) -> Row | None:
    """Return a drizzled image with the pictures that its visit's page shows; None where there are none."""
    files = [f"figures/repairs/{row['dataset']}_drz_{when}.png" for when in ("before", "after")]
    return (
        row | {"visit": row["dataset"][:6], "files": files} if all((out / file).is_file() for file in files) else None
    )


def _write_failures(catalog: Catalog, setting: Setting) -> None:
    found = catalog.query("failures").to_arrow_table()
    write_table(found, setting.out / "tables" / "failures.csv", "csv")
    rows = found.slice(0, ROWS_SHOWN).to_pylist()
    lead = f"{counted(found.num_rows, 'attempt')} failed." if rows else ""
    _write(setting, "failures.html", "failures.html", "Failures", lead, {"rows": rows, "total": found.num_rows})


def _write(setting: Setting, name: str, template: str, title: str, lead: str, context: Mapping[str, Any]) -> Path:
    page = setting.out / name
    with atomic_write(page) as part:
        part.write_text(render(template, title=title, lead=lead, **setting.common(), **context), encoding="utf-8")
    return page
