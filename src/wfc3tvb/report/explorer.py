"""The explorer: a local web page to search a catalog, look at curves, and ask in SQL.

The catalog is opened locked: DuckDB reads nothing but the catalog's folder, no setting can be changed, and every
statement is limited in rows, memory and time. Everything works without JavaScript but the plots, which have their
numbers beside them.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
from plotly.offline import get_plotlyjs
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from wfc3tvb import __version__
from wfc3tvb.errors import BadArgumentError, CatalogError, TvbError, UnknownDatasetError
from wfc3tvb.io.catalog import Catalog, open_catalog
from wfc3tvb.io.export import FORMATS, write_table
from wfc3tvb.io.views import RELATIONS, column_comment
from wfc3tvb.report.html import environment
from wfc3tvb.report.search import Search
from wfc3tvb.report.terminal import why
from wfc3tvb.report.zoom import visit_plot

#: Limits of a statement: rows shown, rows downloaded, seconds, DuckDB's memory.
ROWS_SHOWN, ROWS_DOWNLOADED, SECONDS, MEMORY = 500, 1_000_000, 20.0, "1GB"
_ENDINGS = {"votable": "vot"}
_COOKIE = "wfc3tvb-token"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src data: blob: "
    "'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_START = "SELECT visit, filter, n_exposures, n_flagged, worst_class, excess_visit FROM visits ORDER BY tvb_score DESC"
Next = Callable[[Request], Awaitable[Response]]


class Explorer:
    """The pages of one catalog.

    Parameters
    ----------
    folder : Path
        Of the catalog.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._templates = environment()
        self._open().close()  # a missing catalog is an error now, not at the first request

    def routes(self) -> list[Route]:
        """Return the addresses."""
        return [
            Route("/", self.search),
            Route("/visit/{visit}", self.visit),
            Route("/sql", self.console),
            Route("/download", self.download),
            Route("/static/{name}", self.static),
        ]

    async def search(self, request: Request) -> Response:
        """Search exposures by program, visit, target, class or cone; sort by any column."""
        search = Search.from_query(request.query_params)
        rows = await run_in_threadpool(self._rows, search.sql(ROWS_SHOWN), search.values())
        return self._page("explorer/search.html", "Exposures", search=search, rows=rows, limit=ROWS_SHOWN)

    async def visit(self, request: Request) -> Response:
        """Show a visit: exposures, curves, verdicts."""
        return await run_in_threadpool(self._visit, request.path_params["visit"])

    async def console(self, request: Request) -> Response:
        """Run a statement and show its first rows, with the schema beside it."""
        text = request.query_params.get("q", _START)
        return await run_in_threadpool(self._console, text)

    async def download(self, request: Request) -> Response:
        """Send the whole result of a statement in a format of choice."""
        text, form = request.query_params.get("q", ""), request.query_params.get("format", "csv")
        return await run_in_threadpool(self._download, text, form)

    async def static(self, request: Request) -> Response:
        """Send the plotting library, and what draws with it."""
        name = request.path_params["name"]
        if name == "plotly.js":
            return Response(get_plotlyjs(), media_type="text/javascript", headers={"Cache-Control": "max-age=86400"})
        if name == "draw.js":
            return Response(_DRAW, media_type="text/javascript")
        raise UnknownDatasetError(name, "the explorer")

    # --- how -----------------------------------------------------------------------------------------------------

    def _open(self) -> Catalog:
        return open_catalog(self.folder, locked=True, memory_limit=MEMORY, threads=2)

    def _rows(self, text: str, values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        with self._open() as catalog:
            rows: list[dict[str, Any]] = catalog.fetch(text, values, timeout=SECONDS).to_pylist()
            return rows

    def _visit(self, visit: str) -> Response:
        with self._open() as catalog:
            exposures = catalog.query("visit_exposures", visit=visit).to_arrow_table().to_pylist()
            reads = catalog.query("visit_reads", visit=visit).to_arrow_table().to_pylist()
        if not exposures:
            raise UnknownDatasetError(visit, f"the catalog in {self.folder}")
        verdicts = [(row, why(row) if row["sky_mean"] is not None else row["quality_flags"]) for row in exposures]
        plot = visit_plot(exposures, reads)
        context = {"exposures": exposures, "reads": reads, "verdicts": verdicts, "plot": plot, "visit": visit}
        return self._page("explorer/visit.html", f"Visit {visit}", **context)

    def _console(self, text: str) -> Response:
        rows, columns, problem = [], [], ""
        try:
            with self._open() as catalog:
                found = catalog.fetch(_limited(catalog, text, ROWS_SHOWN), timeout=SECONDS)
            rows, columns = found.to_pylist(), found.column_names
        except CatalogError as error:
            problem = str(error)
        context = {"text": text, "rows": rows, "columns": columns, "problem": problem, "limit": ROWS_SHOWN}
        return self._page("explorer/sql.html", "SQL", status=400 if problem else 200, **context)

    def _download(self, text: str, form: str) -> Response:
        if form not in FORMATS:
            raise BadArgumentError(f"{form!r} is no format; take one of {', '.join(FORMATS)}")
        with self._open() as catalog:
            found = catalog.fetch(_limited(catalog, text, ROWS_DOWNLOADED), timeout=SECONDS)
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

    def problem(self, request: Request, error: Exception) -> Response:
        """Return the page of an error of this package."""
        status = 404 if isinstance(error, UnknownDatasetError) else 400
        return self._page("explorer/problem.html", "Not possible", status, problem=str(error))


class _Guard(BaseHTTPMiddleware):
    """Asks for the token where there is one, and sets the headers that keep a hostile cell harmless."""

    def __init__(self, app: Any, token: str | None) -> None:
        super().__init__(app)
        self.token = token

    async def dispatch(self, request: Request, call_next: Next) -> Response:
        """Let a request pass, or not."""
        given = request.query_params.get("token", "")
        if self.token and self._fits(given) and request.method == "GET":
            answer: Response = RedirectResponse(request.url.remove_query_params("token"))
            answer.set_cookie(_COOKIE, self.token, httponly=True, samesite="strict")
        elif self.token and not self._fits(request.cookies.get(_COOKIE, "")):
            answer = Response("a token is needed: open the address that wfc3tvb serve printed\n", 403)
        else:
            answer = await call_next(request)
        answer.headers.update(_HEADERS)
        return answer

    def _fits(self, given: str) -> bool:
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())


def application(
    folder: Path, *, token: str | None = None, hosts: tuple[str, ...] = ("127.0.0.1", "localhost")
) -> Starlette:
    """Return the web application of a catalog.

    Parameters
    ----------
    folder : Path
        Of the catalog.
    token : str, optional
        What a browser must show; needed when others than this machine can connect.
    hosts : tuple of str, optional
        Host names that are answered (against DNS rebinding); ``*`` answers to all.

    Raises
    ------
    NoCatalogError
        If there is none in `folder`.
    """
    explorer = Explorer(folder)
    middleware = [Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts)), Middleware(_Guard, token=token)]
    return Starlette(routes=explorer.routes(), middleware=middleware, exception_handlers={TvbError: explorer.problem})


def _limited(catalog: Catalog, text: str, limit: int) -> str:
    """Return a statement that yields at most `limit` rows; only what reads passes (`Catalog.sql` sees to that)."""
    try:
        statements = duckdb.extract_statements(text)
    except duckdb.Error:
        return text  # the catalog says what is wrong with it, and where
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        return text
    return f"SELECT * FROM (\n{statements[0].query.strip().rstrip(';')}\n) LIMIT {limit}"


#: Draws the plots of a page from the JSON beside them (the page's policy forbids scripts inside it).
_DRAW = """
for (const place of document.querySelectorAll("[data-plot]")) {
  const plot = JSON.parse(place.dataset.plot);
  Plotly.newPlot(place, plot.data, plot.layout, {responsive: true, displaylogo: false});
}
"""
