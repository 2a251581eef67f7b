"""Shared ground of the explorer's pages: access to the catalog within limits, results kept for a version, pages."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from wfc3tvb import __version__
from wfc3tvb.catalog import queries
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.catalog.export import FORMATS
from wfc3tvb.catalog.release import is_synthetic
from wfc3tvb.catalog.results import Cap
from wfc3tvb.catalog.views import RELATIONS, column_comment
from wfc3tvb.report.rendering import environment
from wfc3tvb.report.thumbnails import surveyed_folders
from wfc3tvb.web.cells import cell, linked

#: Limits of a statement: seconds, DuckDB's memory, size of the result shown, and size of a download.
SECONDS, MEMORY = 20.0, "512MB"
SHOWN, DOWNLOADED = Cap(500, 400, 32 * 2**20), Cap(1_000_000, 400, 256 * 2**20)
#: Requests that query the catalog at the same time; others wait.
AT_A_TIME = 4
#: Rows on a page of a list.
ROWS_A_PAGE = 100
#: Most values that `Site.once` keeps.
_MOST_KNOWN = 200


T = TypeVar("T")
#: Version of every table.
Version = tuple[int, ...]


class Site:
    """One catalog as the explorer shows it.

    Parameters
    ----------
    folder : Path
        The catalog's folder.
    images : sequence of Path, optional
        Folders with FLT or IMA files for thumbnails, in addition to the folders that were surveyed.

    Raises
    ------
    NoCatalogError
        If there is no catalog in `folder`.
    """

    def __init__(self, folder: Path, images: Sequence[Path] = ()) -> None:
        self.folder = folder
        self._templates = environment()
        self._templates.globals |= {"table_cell": cell, "linked": linked}
        self.limiter = CapacityLimiter(AT_A_TIME)
        self._lock = threading.Lock()
        self._idle: list[tuple[Version, Catalog]] = []
        self._known: dict[str, tuple[Version, Any]] = {}
        self._making: dict[str, threading.Lock] = {}
        # Stays open, unlocked, and runs no statement of a visitor: it tells the newest version of the tables.
        self._watch = open_catalog(folder)
        self.images = [*images, *surveyed_folders(self._watch)]

    def endpoint(self, function: Callable[[Site, Request], Response]) -> Callable[[Request], Any]:
        """Return the endpoint of a function that may query the catalog: it runs in a thread, `AT_A_TIME` at once."""

        async def answer(request: Request) -> Response:
            return await to_thread.run_sync(function, self, request, limiter=self.limiter)

        return answer

    def routes(self, pages: Mapping[str, Callable[[Site, Request], Response]]) -> list[Route]:
        """Return the routes of functions by address."""
        return [Route(address, self.endpoint(function)) for address, function in pages.items()]

    # --- the catalog -----------------------------------------------------------------------------------------

    @contextmanager
    def open(self) -> Iterator[Catalog]:
        """Yield the newest version of the catalog, locked; it is opened only where no idle one is of that version.

        A catalog in which a statement failed is closed and not used again.
        """
        version = self.version()
        catalog = self._take(version) or open_catalog(self.folder, locked=True, memory_limit=MEMORY, threads=2)
        succeeded = False
        try:
            yield catalog
            succeeded = True
        finally:
            if succeeded:
                with self._lock:
                    self._idle.append((version, catalog))
            else:
                catalog.close()

    def _take(self, version: Version) -> Catalog | None:
        """Return an idle catalog of a version, None where there is none; those of other versions are closed."""
        with self._lock:
            old = [catalog for stored, catalog in self._idle if stored != version]
            current = [each for each in self._idle if each[0] == version]
            found = current.pop()[1] if current else None
            self._idle = current
        for catalog in old:
            catalog.close()
        return found

    def version(self) -> Version:
        """Return the newest version of every table."""
        with self._lock:
            self._watch.reload()
            return tuple(snapshot.version for snapshot in self._watch.snapshots.values())

    def fetch(self, text: str, params: Mapping[str, object] | None = None, *, cap: Cap | None = None) -> pa.Table:
        """Run one SELECT within the limits and return its rows; errors as in `Catalog.fetch`."""
        with self.open() as catalog:
            return catalog.fetch(text, params, timeout=SECONDS, cap=cap)

    def query(self, name: str, params: Mapping[str, object], *, cap: Cap | None = None) -> pa.Table:
        """Run a documented query within the limits and return its rows; errors as in `Catalog.query`."""
        documented = queries.load(name)
        return self.fetch(documented.sql, documented.values(params), cap=cap)

    def once(self, name: str, make: Callable[[Catalog], T]) -> T:
        """Return what a function finds in the catalog, computed once for every version of it.

        Of many values, those that were not asked for lately are computed again.
        """
        with self._lock:
            making = self._making.setdefault(name, threading.Lock())
        with making:  # who asks while it is computed waits for it
            version = self.version()
            with self._lock:
                stored, value = self._known.get(name, ((), None))
            try:
                if stored != version:
                    with self.open() as catalog:
                        value = make(catalog)
                self._keep(name, version, value)
            finally:
                with self._lock:
                    self._making.pop(name, None)
        found: T = value
        return found

    def _keep(self, name: str, version: Version, value: Any) -> None:
        """Keep a value at the end of the dictionary: the first ones have not been asked for the longest time."""
        with self._lock:
            self._known = {key: each for key, each in self._known.items() if each[0] == version and key != name}
            self._known[name] = version, value
            if len(self._known) > _MOST_KNOWN:
                del self._known[next(iter(self._known))]

    def knows(self, name: str) -> bool:
        """Return whether `once` has a value for the newest version."""
        return self._known.get(name, ((), None))[0] == self.version()

    @property
    def is_synthetic(self) -> bool:
        """Whether the catalog contains simulated exposures."""
        return self.once("synthetic", is_synthetic)

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for _, catalog in self._idle:
                catalog.close()
            self._idle = []
            self._watch.close()

    # --- pages -------------------------------------------------------------------------------------------------

    def page(self, template: str, title: str, status: int = 200, **context: Any) -> Response:
        """Return a page made from a template of the explorer."""
        common = {
            "title": title, "version": __version__, "source": self.folder.name, "relations": RELATIONS,
            "column_comment": column_comment, "formats": FORMATS,
        }  # fmt: skip
        context.setdefault("synthetic", self.is_synthetic if status < 500 else False)
        text = self._templates.get_template(f"explorer/{template}").render(**common, **context)
        return HTMLResponse(text, status)
