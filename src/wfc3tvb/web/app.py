"""The explorer: a local web application to search a catalog, view curves, and run SQL.

The catalog is opened locked: DuckDB reads only the catalog's tables and cannot write, no setting can be changed, and
every statement is limited in rows, columns, memory and time. Everything except the plots works without JavaScript, and
every plot has a table of its numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from anyio import CapacityLimiter, to_thread
from plotly.offline import get_plotlyjs
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from wfc3tvb import __version__
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.catalog.export import FORMATS, write_table
from wfc3tvb.catalog.results import Cap
from wfc3tvb.catalog.views import RELATIONS, column_comment
from wfc3tvb.errors import BadArgumentError, CatalogError, TvbError, UnknownDatasetError
from wfc3tvb.models import Row
from wfc3tvb.report.charts import charts
from wfc3tvb.report.exposure_figures import histograms_figure
from wfc3tvb.report.rendering import environment
from wfc3tvb.report.repair_figures import products_of, read_pairs
from wfc3tvb.report.sentences import reasons
from wfc3tvb.report.thumbnails import find_image, surveyed_folders, thumbnails, why_missing
from wfc3tvb.web.plotly_charts import chart_plot, visit_plot
from wfc3tvb.web.search import Search
from wfc3tvb.web.security import Guard
from wfc3tvb.web.sql_console import examples, limit_rows, shorten_cells
from wfc3tvb.web.tap.service import TapService

#: Limits of a statement: seconds, DuckDB's memory, size of the result shown, and size of a download.
SECONDS, MEMORY = 20.0, "512MB"
SHOWN, DOWNLOADED = Cap(500, 400, 32 * 2**20), Cap(1_000_000, 400, 256 * 2**20)
#: Formats written directly from Arrow; others take several times the memory of the rows, so their limit is lower.
_FROM_ARROW, _DOWNLOADED_OTHERS = ("parquet", "csv"), Cap(1_000_000, 400, 64 * 2**20)
#: Requests that query the catalog at the same time; others wait.
AT_A_TIME = 4
#: Memory of the whole process [byte]: these requests, pages, pictures, downloads and stacks.
PROCESS_MEMORY = 4 * 2**30
#: Rows on a page of the search, and exposures in a scatter plot.
ROWS_A_PAGE, POINTS = 100, 250
_ENDINGS = {"votable": "vot"}
_FILTERS = "SELECT DISTINCT filter FROM exposures WHERE filter IS NOT NULL ORDER BY filter"
_START = "SELECT visit, filter, n_exposures, n_flagged, worst_class, excess_visit FROM visits ORDER BY tvb_score DESC"


class Explorer:
    """The pages of one catalog.

    Parameters
    ----------
    folder : Path
        The catalog's folder.
    images : sequence of Path, optional
        Folders with FLT or IMA files for thumbnails, in addition to the folders that were surveyed.
    """

    def __init__(self, folder: Path, images: Sequence[Path] = ()) -> None:
        self.folder = folder
        self._templates = environment()
        self.limiter = CapacityLimiter(AT_A_TIME)
        with open_catalog(folder) as catalog:  # fails now, not at the first request, if there is no catalog
            self._images = [*images, *surveyed_folders(catalog)]

    def routes(self) -> list[Route]:
        """Return the routes of the application."""
        return [
            Route("/", self.search),
            Route("/visit/{visit}", self.visit),
            Route("/visit/{visit}/histograms.png", self.histograms),
            Route("/thumbnail/{rootname}.png", self.thumbnail),
            Route("/statistics", self.statistics),
            Route("/sql", self.console),
            Route("/download", self.download),
            Route("/static/{name}", self.static),
        ]

    async def search(self, request: Request) -> Response:
        """Search exposures by program, visit, target, filter, class or cone; sort by any column."""
        return await self._run(self._search, Search.from_query(request.query_params))

    async def visit(self, request: Request) -> Response:
        """Show a visit: exposures, curves, verdicts."""
        return await self._run(self._visit, request.path_params["visit"])

    async def histograms(self, request: Request) -> Response:
        """Send the histograms of a visit's repairs, before and after."""
        return await self._run(self._histograms, request.path_params["visit"])

    async def thumbnail(self, request: Request) -> Response:
        """Send the thumbnail of an exposure."""
        return await self._run(self._thumbnail, request.path_params["rootname"])

    async def statistics(self, request: Request) -> Response:
        """Show the statistics of the catalog as interactive plots."""
        return await self._run(self._statistics)

    async def console(self, request: Request) -> Response:
        """Run a statement and show its first rows, with the schema beside it."""
        text = request.query_params.get("q", _START)
        return await self._run(self._console, text)

    async def download(self, request: Request) -> Response:
        """Send the whole result of a statement in the chosen format."""
        text, form = request.query_params.get("q", ""), request.query_params.get("format", "csv")
        return await self._run(self._download, text, form)

    async def static(self, request: Request) -> Response:
        """Send the plotting library, or the script of the pages."""
        name = request.path_params["name"]
        if name == "plotly.js":
            return Response(get_plotlyjs(), media_type="text/javascript", headers={"Cache-Control": "max-age=86400"})
        if name == "explorer.js":
            return Response(_SCRIPT, media_type="text/javascript")
        raise UnknownDatasetError(name, "the explorer")

    async def _run(self, function: Callable[..., Response], *arguments: Any) -> Response:
        """Run a function that queries the catalog in a thread, `AT_A_TIME` at once: each may take `MEMORY`."""
        return await to_thread.run_sync(function, *arguments, limiter=self.limiter)

    # --- implementation ------------------------------------------------------------------------------------------

    def _open(self) -> Catalog:
        return open_catalog(self.folder, locked=True, memory_limit=MEMORY, threads=2)

    def _search(self, search: Search) -> Response:
        with self._open() as catalog:
            values = search.values()
            total = catalog.fetch(search.count(), values, timeout=SECONDS).to_pylist()[0]["n"]
            rows = catalog.fetch(search.sql(ROWS_A_PAGE), values, timeout=SECONDS).to_pylist()
            filters = [row[0] for row in catalog.sql(_FILTERS).fetchall()]
        first = (int(search.page) - 1) * ROWS_A_PAGE
        context = {"search": search, "rows": rows, "total": total, "first": first, "filters": filters}
        return self._page("explorer/search.html", "Exposures", **context)

    def _visit(self, visit: str) -> Response:
        with self._open() as catalog:
            exposures = catalog.query("visit_exposures", visit=visit).to_arrow_table().to_pylist()
            reads = catalog.query("visit_reads", visit=visit).to_arrow_table().to_pylist()
            products = products_of(catalog, visit)
        if not exposures:
            raise UnknownDatasetError(visit, f"the catalog in {self.folder}")
        context = {
            "exposures": exposures,
            "reads": reads,
            "verdicts": [(row, reasons(row)) for row in exposures],
            "plot": visit_plot(exposures, reads),
            "images": [(row, *self._image(row, products)) for row in exposures],
            "repairs": products,
            "visit": exposures[0]["visit"],
        }
        return self._page("explorer/visit.html", f"Visit {exposures[0]['visit']}", **context)

    def _image(self, row: Row, products: list[Row]) -> tuple[bool, str]:
        """Return whether there is a thumbnail of an exposure, and what it shows or why there is none."""
        found = find_image(row["rootname"], products, self._images)
        return (False, why_missing(row)) if found is None else (True, found[1])

    def _thumbnail(self, rootname: str) -> Response:
        with self._open() as catalog:
            text = "FROM exposures WHERE rootname = $rootname"
            rows = catalog.fetch(text, {"rootname": rootname.lower()}).to_pylist()
            products = products_of(catalog, rootname.lower()[:6])
        picture = next((one.png for one in thumbnails(rows, products, self._images)), None)
        if picture is None:
            raise UnknownDatasetError(rootname, "the folders of images")
        return Response(picture, media_type="image/png", headers={"Cache-Control": "max-age=600"})

    def _histograms(self, visit: str) -> Response:
        with self._open() as catalog:
            products = products_of(catalog, visit)
        repaired = [row for row in products if row["kind"] == "flt" and row["method"] != "perform"]
        pairs = [pair for _, pair in read_pairs(repaired)]
        if not pairs:
            raise UnknownDatasetError(visit, "the repaired products on this machine")
        buffer = BytesIO()
        histograms_figure(pairs).savefig(buffer, format="png", dpi=110)
        return Response(buffer.getvalue(), media_type="image/png", headers={"Cache-Control": "max-age=600"})

    def _statistics(self) -> Response:
        with self._open() as catalog:
            found = [(chart, rows.to_pylist()) for chart, rows in charts(catalog, POINTS)]
        plots = [(chart, chart_plot(chart, rows), rows[:ROWS_A_PAGE]) for chart, rows in found]
        return self._page("explorer/statistics.html", "Statistics", plots=plots)

    def _console(self, text: str) -> Response:
        rows, columns, problem = [], [], ""
        began = time.perf_counter()
        try:
            with self._open() as catalog:
                found = catalog.fetch(limit_rows(text, SHOWN.rows), timeout=SECONDS, cap=SHOWN)
            rows, columns = [shorten_cells(row) for row in found.to_pylist()], found.column_names
        except CatalogError as error:
            problem = str(error)
        context = {
            "text": text, "rows": rows, "columns": columns, "problem": problem, "limit": SHOWN.rows,
            "seconds": time.perf_counter() - began, "examples": examples(), "seconds_allowed": SECONDS,
        }  # fmt: skip
        return self._page("explorer/sql.html", "SQL", status=400 if problem else 200, **context)

    def _download(self, text: str, form: str) -> Response:
        if form not in FORMATS:
            raise BadArgumentError(f"unknown format {form!r}; choose one of {', '.join(FORMATS)}")
        cap = DOWNLOADED if form in _FROM_ARROW else _DOWNLOADED_OTHERS
        with self._open() as catalog:
            found = catalog.fetch(limit_rows(text, cap.rows), timeout=SECONDS, cap=cap)
        with TemporaryDirectory() as scratch:
            content = write_table(found, Path(scratch) / "result", form).read_bytes()
        headers = {"Content-Disposition": f'attachment; filename="wfc3tvb.{_ENDINGS.get(form, form)}"'}
        return Response(content, media_type="application/octet-stream", headers=headers)

    def _page(self, template: str, title: str, status: int = 200, **context: Any) -> Response:
        common = {
            "title": title, "version": __version__, "source": self.folder.name, "relations": RELATIONS,
            "column_comment": column_comment, "formats": FORMATS,
        }  # fmt: skip
        return HTMLResponse(self._templates.get_template(template).render(**common, **context), status)

    async def problem(self, request: Request, error: Exception) -> Response:
        """Return the page for an error of the package, for an unknown address, or for a lack of memory."""
        status = 404 if isinstance(error, UnknownDatasetError | HTTPException) else 400
        text = f"there is no page {request.url.path}" if isinstance(error, HTTPException) else str(error)
        text = text or "the result takes too much memory; select less, or run the statement with wfc3tvb sql"
        return self._page("explorer/problem.html", "Not possible", status, problem=text)

    async def bug(self, request: Request, error: Exception) -> Response:
        """Return the page for an unexpected error, which the server logs."""
        text = f"{type(error).__name__} in {request.url.path}: this is a bug; wfc3tvb serve has printed the traceback"
        return self._page("explorer/problem.html", "Internal error", 500, problem=text)


def application(
    folder: Path,
    *,
    token: str | None = None,
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost"),
    images: Sequence[Path] = (),
) -> Starlette:
    """Return the web application of a catalog.

    Parameters
    ----------
    folder : Path
        The catalog's folder.
    token : str, optional
        Token that browsers must present; needed where other machines can connect.
    hosts : tuple of str, optional
        Host names that the application answers to (against DNS rebinding); ``*`` means any.
    images : sequence of Path, optional
        As in `Explorer`.

    Raises
    ------
    NoCatalogError
        If there is no catalog in `folder`.
    """
    explorer = Explorer(folder, images)
    middleware = [Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts)), Middleware(Guard, token=token)]
    handlers: Any = dict.fromkeys((TvbError, MemoryError, 404), explorer.problem) | {500: explorer.bug}
    tap = TapService(folder, explorer.limiter)
    return Starlette(routes=[*explorer.routes(), *tap.routes()], middleware=middleware, exception_handlers=handlers)


_SCRIPT = (files("wfc3tvb.report") / "templates" / "explorer" / "explorer.js").read_text(encoding="utf-8")
