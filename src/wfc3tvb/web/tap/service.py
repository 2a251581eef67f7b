"""Routes of the TAP service: queries, tables, availability, capabilities and examples."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from wfc3tvb.errors import TvbError
from wfc3tvb.web.tap.asynchronous import AsynchronousQueries
from wfc3tvb.web.tap.documents import availability, capabilities, examples_page
from wfc3tvb.web.tap.metadata import tables_document
from wfc3tvb.web.tap.parameters import read_parameters
from wfc3tvb.web.tap.request import TOO_LARGE, request_pairs
from wfc3tvb.web.tap.run import Limits, run_query
from wfc3tvb.web.tap.votable import MEDIA_TYPE, error_document

#: Path of the service below the address of the explorer.
PATH = "/tap"


class TapService:
    """TAP service of one catalog.

    Parameters
    ----------
    folder : Path
        The catalog's folder.
    limiter : CapacityLimiter
        Lets only a few queries run at the same time.
    limits : Limits, optional
        Limits of a query.
    """

    def __init__(self, folder: Path, limiter: CapacityLimiter, limits: Limits | None = None) -> None:
        self.folder, self.limiter, self.limits = folder, limiter, limits or Limits()
        self.started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def routes(self) -> list[Route]:
        """Return the routes of the service."""
        return [
            Route(PATH, self.start),
            Route(f"{PATH}/sync", self.sync, methods=["GET", "POST"]),
            *AsynchronousQueries(self.folder, self.limiter, self.limits, f"{PATH}/async").routes(),
            Route(f"{PATH}/tables", self.document(tables_document)),
            Route(f"{PATH}/availability", self.document(lambda: availability(self.started))),
            Route(f"{PATH}/capabilities", self.capabilities),
            Route(f"{PATH}/examples", self.document(examples_page, "application/xhtml+xml")),
        ]

    async def start(self, _: Request) -> Response:
        """Show the examples to a person who opens the address of the service."""
        return RedirectResponse(f"{PATH}/examples")

    async def sync(self, request: Request) -> Response:
        """Run a query, and answer with its result or with the document of an error."""
        try:
            asked = read_parameters(await request_pairs(request))
            content = await to_thread.run_sync(run_query, self.folder, asked, self.limits, limiter=self.limiter)
        except (TvbError, MemoryError) as error:
            return Response(error_document(str(error) or TOO_LARGE), 400, media_type=MEDIA_TYPE)
        return Response(content, media_type=asked.format.media_type)

    async def capabilities(self, request: Request) -> Response:
        """Describe the service, with addresses as the client sees them."""
        base = str(request.base_url).rstrip("/") + PATH
        return Response(capabilities(base, self.limits.seconds), media_type="text/xml")

    @staticmethod
    def document(make: Callable[[], str], media_type: str = "text/xml") -> Callable[[Request], Any]:
        """Return a route that answers with a document."""

        async def answer(_: Request) -> Response:
            return Response(make(), media_type=media_type)

        return answer
