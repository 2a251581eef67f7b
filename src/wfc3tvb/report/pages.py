"""The report: one folder of HTML, pictures and CSV tables that opens offline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from matplotlib.figure import Figure

from wfc3tvb import __version__
from wfc3tvb.exposure import Measurement, Row
from wfc3tvb.io import queries
from wfc3tvb.io.catalog import Catalog
from wfc3tvb.io.export import write_table
from wfc3tvb.progress import Progress, silent
from wfc3tvb.report.figures import curves_figure, points_figure, save, stacked_figure
from wfc3tvb.report.html import environment
from wfc3tvb.report.repairs import repair_figures
from wfc3tvb.report.terminal import date, why

#: Visits that get a page of their own in a report of the whole catalog, the worst first.
VISIT_PAGES = 200
_EXPOSURE_COLUMNS = (
    "rootname", "tvb_class", "recommend", "asn_id", "target_name", "filter", "samp_seq", "nsamp", "exptime",
    "postarg1", "postarg2", "date", "sky_mean", "sky_min", "sky_max", "ratio_cumulative", "tvb_score",
    "pred_frac_broken", "flagged",
)  # fmt: skip
_REPAIR_COLUMNS = (
    "rootname", "dataset", "kind", "method", "engine", "sky_before", "sky_after", "noise_before", "noise_after",
    "noise_expected", "n_peaks_before", "n_peaks_after", "flux_ratio", "depth_gain_mag", "accepted", "accept_reason",
)  # fmt: skip


@dataclass(frozen=True)
class Illustration:
    """A picture of a page: its title and caption, the file, and the table and SQL it was drawn from."""

    title: str
    caption: str
    image: str
    table: str = ""
    sql: str = ""


def write_report(catalog: Catalog, out: Path, *, progress: Progress = silent) -> Path:
    """Write the report of a catalog, and return its first page.

    Parameters
    ----------
    catalog : Catalog
        What is reported.
    out : Path
        Folder to write: ``index.html``, ``visits/``, ``figures/``, ``tables/``.
    progress : Progress, optional
        Called with stage ``report``.
    """
    out.mkdir(parents=True, exist_ok=True)
    visits = [row[0] for row in catalog.sql(_VISIT_ORDER, {"limit": VISIT_PAGES}).fetchall()]
    gallery: list[Illustration] = []
    for number, visit in enumerate(visits, 1):
        gallery += write_visit(catalog, visit, out)[1]
        progress("report", number, len(visits) + 1)
    if gallery:
        lead = "Every repair of the catalog: the archive's image and ours, with the histograms of their sky."
        _write(out / "gallery.html", "gallery.html", "Before and after", lead, catalog, {"images": gallery})
    failures = catalog.query("failures").to_arrow_table().to_pylist()
    context = {
        "headline": _headline(catalog),
        "classes": catalog.query("classes_by_filter").to_arrow_table().to_pylist(),
        "figures": list(_figures(catalog, out)),
        "worst": catalog.query("worst_visits").to_arrow_table().to_pylist(),
        "repairs": _repairs(catalog, None),
        "failures": failures[:50],
        "gallery": bool(gallery),
    }
    lead = "The time-variable background of WFC3/IR exposures: what the sky did, what it broke, what was repaired."
    page = _write(out / "index.html", "index.html", "WFC3/IR background report", lead, catalog, context)
    progress("report", len(visits) + 1, len(visits) + 1)
    return page


def write_visit(catalog: Catalog, visit: str, out: Path) -> tuple[Path, list[Illustration]]:
    """Write the page of one visit into a report's folder, and return it with the pictures of its repairs."""
    exposures = catalog.query("visit_exposures", visit=visit).to_arrow_table().to_pylist()
    measured = [Measurement(row, _reads(catalog, row["rootname"])) for row in exposures]
    repairs = _repairs(catalog, visit)
    rows = [{name: (row | {"date": date(row["expstart"])})[name] for name in _EXPOSURE_COLUMNS} for row in exposures]
    images = [
        Illustration(title, caption, _picture(figure, out, f"{visit}_{name}"))
        for name, title, caption, figure in repair_figures(exposures, _products(catalog, visit))
    ]
    context: dict[str, Any] = {
        "exposures": rows,
        "curves": _curves(catalog, visit, measured, out),
        "verdicts": [(row, why(row) if row["sky_mean"] is not None else row["quality_flags"]) for row in exposures],
        "images": images,
        "repairs": repairs,
    }
    first = exposures[0]
    lead = f"Proposal {first['proposal_id']}, target {first['target_name']}, {date(first['expstart'])[:10]}."
    page = _write(out / "visits" / f"{visit}.html", "visit.html", f"Visit {visit}", lead, catalog, context)
    return page, images


_VISIT_ORDER = """SELECT visit FROM visits
GROUP BY visit ORDER BY max(tvb_score) DESC NULLS LAST, visit LIMIT $limit"""


def _headline(catalog: Catalog) -> list[tuple[str, int]]:
    row = catalog.query("headline").to_arrow_table().to_pylist()[0]
    return [(name.replace("_", " "), n) for name, n in row.items()]


#: Query, title, caption, columns drawn against each other, their labels.
_POINTS = (
    ("reads_against_sun", "Sky against the Sun's altitude",
     "Helium airglow is seen when the telescope is in sunlight: a point per read.", ("sun_alt", "rate"),
     ("altitude of the Sun above the Earth's limb [deg]", "sky between reads [electron/s]")),
    ("reads_against_sun", "Change against the limb angle",
     "Sky of a read above the exposure's lowest: scattered light is seen close to the bright limb.",
     ("limb_angle", "excess"), ("angle between target and Earth's limb [deg]", "excess [electron/s]")),
    ("reads_against_sun", "Change against latitude", "Sky of a read above the exposure's lowest.",
     ("latitude", "excess"), ("latitude below the telescope [deg]", "excess [electron/s]")),
    ("level_over_time", "Sky level over time", "Mean sky of every exposure.", ("expstart", "sky_mean"),
     ("start [MJD]", "mean sky [electron/s]")),
    ("level_over_time", "Measured over predicted",
     "Mean sky over the zodiacal light predicted for direction and date: above 1 is helium or scattered light.",
     ("expstart", "measured_over_predicted"), ("start [MJD]", "measured / predicted")),
    ("level_over_time", "Change within an exposure", "Scatter of the rates between reads about their mean.",
     ("expstart", "rms_reads"), ("start [MJD]", "rms between reads [electron/s]")),
)  # fmt: skip


def _figures(catalog: Catalog, out: Path) -> Iterator[Illustration]:
    rows = catalog.query("classes_by_filter").to_arrow_table()
    figure = stacked_figure(rows.to_pylist(), "filter", "tvb_class", "fraction", label="fraction of exposures")
    caption = "How the exposures of each filter fall into the classes of predicted damage."
    yield _illustration("Fractions by class", caption, figure, rows, out / "classes_by_filter")
    for query, title, caption, (x, y), labels in _POINTS:
        rows = catalog.query(query).to_arrow_table()
        if rows.num_rows and rows.num_rows > rows[y].null_count:
            figure = points_figure(rows.to_pylist(), x, y, labels=labels)
            yield _illustration(title, caption, figure, rows, out / query, suffix=f"_{x}_{y}")


def _curves(catalog: Catalog, visit: str, measured: Sequence[Measurement], out: Path) -> Illustration:
    rows = catalog.query("visit_reads", visit=visit).to_arrow_table()
    caption = (
        "Points: sky between reads (small and grey: too short to be used); line: cumulative rate; shaded: Earth's "
        "shadow. One scale for all."
    )
    return _illustration("Curves", caption, curves_figure(measured), rows, out / f"{visit}_curves")


def _illustration(
    title: str, caption: str, figure: Figure, rows: pa.Table, place: Path, *, suffix: str = ""
) -> Illustration:
    """Write a figure and its table; where a documented query of that name made them, show its SQL."""
    name, tables = place.name, place.parent / "tables"
    tables.mkdir(exist_ok=True)
    write_table(rows, tables / f"{name}.csv", "csv")
    documented = queries.load_all().get(name)
    sql = documented.sql if documented else queries.load("visit_reads").sql
    return Illustration(title, caption, _picture(figure, place.parent, name + suffix), f"tables/{name}.csv", sql)


def _picture(figure: Figure, out: Path, name: str) -> str:
    save(figure, out / "figures" / f"{name}.png")
    return f"figures/{name}.png"


def _reads(catalog: Catalog, rootname: str) -> list[Row]:
    rows: list[Row] = catalog.fetch(
        "FROM reads WHERE rootname = $rootname ORDER BY read", {"rootname": rootname}
    ).to_pylist()
    return rows


def _products(catalog: Catalog, visit: str) -> list[Row]:
    """Return the rows of `reprocessed` of a visit, the exposures first."""
    text = "FROM reprocessed WHERE left(dataset, 6) = $visit ORDER BY kind DESC, rootname, product_id"
    rows: list[Row] = catalog.fetch(text, {"visit": visit}).to_pylist()
    return rows


def _repairs(catalog: Catalog, visit: str | None) -> list[Row]:
    rows = catalog.fetch("FROM reprocessed ORDER BY dataset, kind DESC, rootname").to_pylist()
    chosen = [row for row in rows if visit is None or row["dataset"][:6] == visit]
    return [{name: row[name] for name in _REPAIR_COLUMNS} for row in chosen]


def _write(path: Path, template: str, title: str, lead: str, catalog: Catalog, context: Mapping[str, Any]) -> Path:
    synthetic = catalog.sql("SELECT count(*) FROM exposures WHERE cal_ver LIKE 'wfc3tvb%'").fetchall()[0][0] > 0
    common = {
        "title": title, "lead": lead, "version": __version__,
        "source": catalog.folder.name, "synthetic": synthetic,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(environment().get_template(template).render(**common, **context), encoding="utf-8")
    return path


