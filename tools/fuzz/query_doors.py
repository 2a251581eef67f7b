"""Doors for what users and strangers write: SQL, ADQL, and requests to the explorer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

from starlette.applications import Starlette
from tests.helpers import hostile, known
from tools.fuzz.judge import Door
from tools.fuzz.mutate_text import text_mutator

from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.catalog.queries import load_all
from wfc3tvb.catalog.results import Cap
from wfc3tvb.web import site
from wfc3tvb.web.app import application
from wfc3tvb.web.tap import service as tap
from wfc3tvb.web.tap.adql import to_duckdb
from wfc3tvb.web.tap.documents import EXAMPLES
from wfc3tvb.web.tap.metadata import table_names
from wfc3tvb.web.tap.run import Limits

#: Longest time of a statement, which the explorer's limit of 20 s stands for [s].
_SECONDS = 0.4
_CAP = Cap(500, 400, 32 * 2**20)
#: What is in a file beside the catalog, and must never be in an answer.
SECRET = "a54b6cf1f0"
_SQL = (
    b"SELECT FROM WHERE WITH AS UNION ALL RECURSIVE JOIN ON LATERAL GROUP BY HAVING ORDER LIMIT OFFSET VALUES PIVOT "
    b"UNNEST EXPLAIN ANALYZE DESCRIBE SUMMARIZE COPY TO ATTACH INSERT INTO DROP CREATE TABLE PRAGMA SET INSTALL "
    b"LOAD CALL exposures reads visits flagged datasets runs rootname sky_mean range repeat generate_series "
    b"read_csv read_text read_blob glob query_table getenv current_setting list_transform regexp_replace array_agg "
    b"string_agg CAST DECIMAL BLOB MAP STRUCT TOP CIRCLE POINT CONTAINS POLYGON BOX DISTANCE tap_schema.tables "
    b"ivoa.obscore 1000000000 NULL TRUE * 'ICRS'"
).split()
_HTTP = (
    b"GET", b"POST", b"HEAD", b"/api/", b"/tap/sync", b"/tap/async", b"/download/csv", b"/sql", b"?q=", b"&sql=",
    b"QUERY=",
    b"LANG=ADQL", b"MAXREC=", b"FORMAT=", b"REQUEST=doQuery", b"UPLOAD=", b"PHASE=RUN", b"ibohbf", b"ibohbfb9q",
    b"page=", b"limit=",
    b"sort=", b"token=", b"Host: evil", b"Sec-Fetch-Site: cross-site", b"Authorization: Basic ////",
    b"Cookie: wfc3tvb-token=\xe9",
    b"Range: bytes=0-", b"Accept: text/csv", b"Content-Type: application/x-www-form-urlencoded", b"%2e%2e%2f",
    b"%C0%80", b"+", b"//",
)  # fmt: skip
_PARTICULAR = re.compile(r"[^A-Z/a-z ]+.*", re.DOTALL)
_FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Beside:
    """A catalog, a secret file beside it, and a copy of what is in the folder of both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.catalog = folder / "catalog"
        self.secret = folder / "secret.csv"
        self.secret.write_text(f"a\n{SECRET}\n")
        known.make(self.catalog).close()
        self._contents: dict[Path, bytes] = {}
        self._n = 0

    def watch(self) -> None:
        """Remember what is in the folder, once the catalog is open."""
        self._contents = hostile.contents(self.folder)

    def check(self, answer: bytes) -> None:
        """Raise an error if an answer holds the secret or, now and then looked for, a file was written."""
        self._n += 1
        if SECRET.encode() in answer:
            raise AssertionError("a file beside the catalog was read")
        if self._n % 100 == 0 and (now := hostile.contents(self.folder)) != self._contents:
            changed = sorted({path for path, _ in now.items() ^ self._contents.items()})
            self._contents = now
            raise AssertionError(f"a file was written: {changed[:3]}")

    def words(self) -> tuple[bytes, ...]:
        """Return the names of the files, as a stranger may know them."""
        return tuple(
            f"'{path}'".encode() for path in (self.secret, self.folder / "new.csv", self.catalog / "exposures")
        )


def sql(folder: Path) -> Door:
    """Return the door for SQL on a locked catalog, as the explorer's console runs it."""
    beside = Beside(folder)
    catalog = open_catalog(beside.catalog, locked=True, memory_limit="512MB", threads=1)
    beside.watch()

    def read(data: bytes) -> None:
        found = catalog.fetch(data.decode("utf-8", "surrogateescape"), timeout=_SECONDS, cap=_CAP)
        beside.check(str(found.slice(0, 50).to_pydict()).encode("utf-8", "replace"))

    mutate = text_mutator((*_SQL, *beside.words()))
    writing = tuple(text.encode() for text in hostile.statements(beside.catalog, beside.folder / "new"))
    seeds = (*(query.sql.encode() for query in load_all().values()), *writing)
    return Door("sql", "SQL on a locked catalog", seeds, mutate, read, one_line=False, close=catalog.close)


def adql(folder: Path) -> Door:
    """Return the door for ADQL, as the TAP service runs it."""
    beside = Beside(folder)
    catalog = open_catalog(beside.catalog, locked=True, memory_limit="512MB", threads=1)
    beside.watch()

    def read(data: bytes) -> None:
        translated = to_duckdb(data.decode("utf-8", "surrogateescape"), table_names()).sql
        found = catalog.fetch(translated, timeout=_SECONDS, cap=_CAP)
        beside.check(str(found.slice(0, 50).to_pydict()).encode("utf-8", "replace"))

    seeds = tuple(query.encode() for _, _, query in EXAMPLES)
    mutate = text_mutator((*_SQL, *beside.words()))
    return Door("adql", "ADQL of the TAP service", seeds, mutate, read, one_line=False, close=catalog.close)


def http(folder: Path) -> Door:
    """Return the door for requests to the explorer: their method, path, query, headers and body.

    They come as a server passes them on: it refuses names of headers and line ends that HTTP does not have.
    """
    beside = Beside(folder)
    opened = ExitStack()
    opened.enter_context(mock.patch.object(site, "SECONDS", _SECONDS))
    with mock.patch.object(tap, "Limits", lambda: Limits(_SECONDS)):
        app = application(beside.catalog)
    runner = opened.enter_context(asyncio.Runner())
    opened.callback(lambda: runner.run(_end(app)))
    beside.watch()

    def read(data: bytes) -> str:
        status, body = runner.run(asyncio.wait_for(_call(app, data), 8))
        if status >= 500:
            raise AssertionError(f"HTTP {status}: {body[:300]!r}")
        beside.check(body)
        return f"HTTP {status}, {_PARTICULAR.sub('#', data[:30].decode('latin-1'))}"

    paths = (
        "/", "/exposures?q=ibohbf", "/visits", "/visit/ibohbf", "/exposure/ibohbfb9q", "/programs", "/program/12442",
        "/statistics",
        "/statistics/filters", "/sql?sql=SELECT%201", "/download?format=csv&sql=FROM%20exposures", "/api",
        "/api/exposures?filter=F105W", "/api/visits/ibohbf",
        "/tap/tables", "/tap/availability", "/tap/capabilities",
        "/tap/sync?LANG=ADQL&QUERY=SELECT%20TOP%202%20rootname%20FROM%20exposures",
        "/tap/async", "/static/explorer.js", "/favicon.ico", "/thumbnail/ibohbfb9q.png",
    )  # fmt: skip
    seeds = [f"GET {path}\nHost: localhost\n\n".encode() for path in paths]
    form = b"Host: localhost\nContent-Type: application/x-www-form-urlencoded\n\nLANG=ADQL&QUERY=SELECT+1&PHASE=RUN"
    seeds += [b"POST /tap/sync\n" + form, b"POST /tap/async\n" + form]
    mutate = text_mutator((*_HTTP, *_SQL))
    return Door("http", "HTTP requests to the explorer", tuple(seeds), mutate, read, close=opened.close)


async def _end(app: Starlette) -> None:
    """Close what an application has opened."""
    async with app.router.lifespan_context(app):
        pass


async def _call(app: Callable[..., Any], data: bytes) -> tuple[int, bytes]:
    """Return status and body of the answer of an application (ASGI) to a request."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    method, _, target = first.partition(b" ")
    path, _, query = target.partition(b"?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "server": ("localhost",
        80),
        "client": ("127.0.0.1", 5), "method": method.decode("latin-1").upper() or "GET", "root_path": "",
        "path": path.decode("utf-8", "replace") or "/", "raw_path": path, "query_string": query,
        "headers": _headers(lines),
    }  # fmt: skip
    parts: list[dict[str, Any]] = []
    requests = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return requests.pop() if requests else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        parts.append(message)

    await app(scope, receive, send)
    return parts[0]["status"], b"".join(part.get("body", b"") for part in parts)


def _headers(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Return the headers that a server passes on, with a host where there is none."""
    pairs = ((name, value.strip()) for name, _, value in (line.partition(b":") for line in lines))
    found = [(name.lower(), re.sub(rb"[\0-\x1f]", b"", value)) for name, value in pairs if _FIELD.fullmatch(name)]
    return found if any(name == b"host" for name, _ in found) else [*found, (b"host", b"localhost")]
