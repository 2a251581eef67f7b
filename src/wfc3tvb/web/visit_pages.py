"""Pages of the explorer about one visit and one program."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.catalog.views import literal
from wfc3tvb.errors import UnknownDatasetError
from wfc3tvb.models import Row
from wfc3tvb.report.answer import answer
from wfc3tvb.report.repair_figures import PRODUCTS, products_of
from wfc3tvb.report.sentences import reasons
from wfc3tvb.report.thumbnails import find_image, why_missing
from wfc3tvb.web import site as limits
from wfc3tvb.web.links import visit_of
from wfc3tvb.web.listings import VISITS
from wfc3tvb.web.pictures import drizzled
from wfc3tvb.web.plotly_charts import program_plot, visit_plot
from wfc3tvb.web.site import Site

_READS = (
    "SELECT r.* FROM reads r JOIN exposures e USING (rootname)\nWHERE e.visit = {visit}\nORDER BY r.rootname, r.read"
)
_EXPOSURES = "SELECT * FROM exposures\nWHERE visit = {visit}\nORDER BY expstart, rootname"
_FAILURES = "SELECT * FROM failures WHERE left(key, 6) = $visit ORDER BY failed_at DESC"
_OF_PROGRAM = (
    "SELECT rootname, visit, filter, expstart, sky_mean, tvb_class FROM exposures\nWHERE proposal_id = {program}\n"
    "ORDER BY expstart, rootname"
)
#: Columns of the repairs on a visit's page; its download has all.
_REPAIR = (
    "rootname", "dataset", "kind", "method", "engine", "sky_before", "sky_after", "noise_before", "noise_after",
    "depth_gain_mag", "exptime_factor", "accepted", "accept_reason",
)  # fmt: skip
#: Most exposures in the plot of a program.
_POINTS = 5000


def visit(site: Site, request: Request) -> Response:
    """Show a visit: exposures, curves, verdicts, repairs."""
    name = request.path_params["visit"].lower()
    found = visit_rows(site, name)
    exposures, reads, products = found["exposures"], found["reads"], found["reprocessed"]
    if not exposures and not found["failures"]:
        raise UnknownDatasetError(name, "this catalog")
    context: dict[str, Any] = {
        "visit": name, "exposures": exposures, "reads": reads, "failures": found["failures"],
        "drizzled": [plot for plot, _ in drizzled(site, name)] if products else [],
        "answer": answer(exposures, products), "verdicts": [(row, reasons(row)) for row in exposures],
        "plot": visit_plot(exposures, reads) if exposures else "",
        "images": [(row, *_image(site, row, products)) for row in exposures],
        "repairs": [{column: row[column] for column in _REPAIR} for row in products],
        "sql": {"reads": _READS.format(visit=literal(name)), "exposures": _EXPOSURES.format(visit=literal(name)),
                "repairs": PRODUCTS.replace("$visit", literal(name))},
    }  # fmt: skip
    return site.page("visit.html", f"Visit {name}", **context)


def exposure(site: Site, request: Request) -> Response:
    """Lead to an exposure on the page of its visit."""
    name = request.path_params["rootname"].lower()
    return RedirectResponse(f"{visit_of(name)}#{name}")


def program(site: Site, request: Request) -> Response:
    """Show a program: what was hit, its visits, its sky over time."""
    number = request.path_params["program"]
    found = program_rows(site, number)
    points = found["exposures"][:_POINTS]
    context: dict[str, Any] = {
        "program": found["program"][0], "visits": found["visits"], "plot": program_plot(points),
        "n_points": len(points), "sql": _OF_PROGRAM.format(program=number),
    }  # fmt: skip
    return site.page("program.html", f"Program {number}", **context)


PAGES = {"/visit/{visit}": visit, "/exposure/{rootname}": exposure, "/program/{program:int}": program}


def visit_rows(site: Site, name: str) -> dict[str, list[Row]]:
    """Return the rows of exposures, reads, reprocessed and failures of a visit; empty where it has none."""
    with site.open() as catalog:
        exposures = catalog.query("visit_exposures", visit=name).to_arrow_table().to_pylist()
        return {
            "exposures": exposures,
            "reads": catalog.query("visit_reads", visit=name).to_arrow_table().to_pylist() if exposures else [],
            "reprocessed": products_of(catalog, name),
            "failures": catalog.fetch(_FAILURES, {"visit": name}).to_pylist(),
        }


def program_rows(site: Site, number: int) -> dict[str, list[Row]]:
    """Return the row of `programs`, the visits, the worst first, and the exposures of a program.

    Raises
    ------
    HTTPException
        If the catalog has none of its exposures.
    """
    with site.open() as catalog:
        exposures = catalog.fetch(_OF_PROGRAM.format(program="$program"), {"program": number}).to_pylist()
        if not exposures:
            raise HTTPException(404, f"the catalog has no exposure of program {number}")
        row = catalog.fetch("FROM programs WHERE proposal_id = $program", {"program": number}).to_pylist()
        return {"program": row, "visits": _visits(catalog, exposures), "exposures": exposures}


def _visits(catalog: Catalog, exposures: list[Row]) -> list[Row]:
    """Return the rows of `visits` of some exposures; by name, since the view is slow to search by program."""
    names = ", ".join(literal(name) for name in sorted({row["visit"] for row in exposures}))
    columns = ", ".join(VISITS.columns)
    text = f"SELECT {columns} FROM visits WHERE visit IN ({names}) ORDER BY tvb_score DESC NULLS LAST, visit, filter"
    rows: list[Row] = catalog.fetch(text, timeout=limits.SECONDS).to_pylist()
    return rows


def _image(site: Site, row: Row, products: list[Row]) -> tuple[bool, str]:
    """Return whether there is a thumbnail of an exposure, and what it shows or why there is none."""
    found = find_image(row["rootname"], products, site.images)
    return (False, why_missing(row)) if found is None else (True, found[1])
