"""The explorer: a local web application to search a catalog, view curves, and run SQL; and its API.

The catalog is opened locked: DuckDB reads only the catalog's tables and cannot write, no setting can be changed, and
every statement is limited in rows, columns, memory and time. Everything except the plots works without JavaScript, and
every plot has a table of its numbers.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from wfc3tvb.errors import (
    CatalogError,
    QueryError,
    QueryParameterError,
    TvbError,
    UnknownDatasetError,
    UnknownQueryError,
)
from wfc3tvb.report.rendering import icon
from wfc3tvb.web import api, console_pages, list_pages, pictures, statistics_pages, visit_pages
from wfc3tvb.web.security import Guard
from wfc3tvb.web.site import Site
from wfc3tvb.web.tap.service import TapService

#: Memory of the whole process [byte]: requests that run at the same time, pages, pictures, downloads and stacks.
PROCESS_MEMORY = 4 * 2**30
#: Modules with the functions of addresses, ``PAGES``; a service is added to the explorer by its module here.
_PARTS: tuple[Any, ...] = (list_pages, visit_pages, pictures, statistics_pages, console_pages, api)
_KEPT = {"Cache-Control": "max-age=86400"}
_TYPES = {"explorer.js": "text/javascript", "favicon.svg": "image/svg+xml"}


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
        As in `Site`.

    Raises
    ------
    NoCatalogError
        If there is no catalog in `folder`.
    """
    site = Site(folder, images)
    answers = Answers(site)
    tap = TapService(folder, site.limiter)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        stop = threading.Event()
        charts = threading.Thread(target=statistics_pages.compute_in_advance, args=(site, stop))
        charts.start()
        yield
        stop.set()
        charts.join()
        site.close()

    routes = [route for part in _PARTS for route in site.routes(part.PAGES)]
    return Starlette(
        routes=[*routes, *tap.routes(), Route("/static/{name}", static), Route("/favicon.ico", favicon)],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts)), Middleware(Guard, token=token)],
        exception_handlers=dict.fromkeys((TvbError, MemoryError, HTTPException), answers.problem) | {500: answers.bug},
        lifespan=lifespan,
    )


async def static(request: Request) -> Response:
    """Send the plotting library, the script of the pages, or the icon."""
    name = request.path_params["name"]
    if name == "plotly.js":
        return Response(get_plotlyjs(), media_type="text/javascript", headers=_KEPT)
    if name not in _TYPES:
        raise HTTPException(404)
    return Response(icon() if name == "favicon.svg" else _own_file(name), media_type=_TYPES[name])


async def favicon(request: Request) -> Response:
    """Send the icon of the pages."""
    return Response(icon(), media_type=_TYPES["favicon.svg"], headers=_KEPT)


class Answers:
    """Answers to errors: a page, or JSON where a program asked."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def problem(self, request: Request, error: Exception) -> Response:
        """Answer to an error of the package, an unknown address, another method than GET, or a lack of memory."""
        if isinstance(error, HTTPException):
            text = error.detail if error.detail != "Not Found" else f"there is no page {request.url.path}"
            return self._answer(request, text, error.status_code)
        text = str(error) or "the result takes too much memory; select less, or run the statement with wfc3tvb sql"
        return self._answer(request, text, status_of(error))

    async def bug(self, request: Request, error: Exception) -> Response:
        """Answer to an unexpected error, which the server logs."""
        text = f"{type(error).__name__} in {request.url.path}: this is a bug; wfc3tvb serve has printed the traceback"
        return self._answer(request, text, 500)

    def _answer(self, request: Request, text: str, status: int) -> Response:
        if request.url.path.startswith("/api/"):
            return api.problem(text, status)
        title = "Internal error" if status == 500 else "Not possible"
        return self._site.page("problem.html", title, status, problem=text)


def status_of(error: Exception) -> int:
    """Return the HTTP status for an error: 404 for an unknown name, 500 for a fault of the catalog, 400 otherwise."""
    if isinstance(error, UnknownDatasetError | UnknownQueryError):
        return 404
    fault = isinstance(error, CatalogError) and not isinstance(error, QueryError | QueryParameterError)
    return 500 if fault else 400


@cache
def _own_file(name: str) -> str:
    return (files("wfc3tvb.report") / "templates" / "explorer" / name).read_text(encoding="utf-8")
