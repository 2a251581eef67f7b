"""Pages of the explorer that run a statement: the SQL console, and downloads in every format."""

from __future__ import annotations

import re
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
from starlette.requests import Request
from starlette.responses import Response

from wfc3tvb.catalog.export import FORMATS, write_table
from wfc3tvb.catalog.queries import Query, load_all
from wfc3tvb.catalog.results import Cap
from wfc3tvb.errors import BadArgumentError, CatalogError, QueryError
from wfc3tvb.models import Row
from wfc3tvb.web import site as limits
from wfc3tvb.web.security import came_by_a_link
from wfc3tvb.web.site import Site

#: Line of a statement in an error; that around it, which limits the rows, is one line more.
_LINE = re.compile(r"^LINE (\d+):", re.MULTILINE)
#: Number of characters of a cell that are shown.
CELL = 2000
#: Formats written directly from Arrow; others take several times the memory of the rows, so their limit is lower.
_FROM_ARROW, _DOWNLOADED_OTHERS = ("parquet", "csv"), Cap(1_000_000, 400, 64 * 2**20)
_ENDINGS = {"votable": "vot"}
_START = "SELECT visit, filter, n_exposures, n_flagged, worst_class, excess_visit FROM visits ORDER BY tvb_score DESC"


def console(site: Site, request: Request) -> Response:
    """Run a statement and show its first rows, with the schema beside it.

    A statement in a link of another site is shown and not run.
    """
    text, waits = request.query_params.get("q", _START), came_by_a_link(request) and "q" in request.query_params
    rows: list[Row] = []
    columns: list[str] = []
    problem = ""
    began = time.perf_counter()
    try:
        if not waits:
            found = fetch_limited(site, text, limits.SHOWN.rows, cap=limits.SHOWN)
            rows, columns = [shorten_cells(row) for row in found.to_pylist()], found.column_names
    except CatalogError as error:
        problem = str(error)
    context = {
        "text": text, "waits": waits, "rows": rows, "columns": columns, "problem": problem,
        "limit": limits.SHOWN.rows, "seconds": time.perf_counter() - began, "examples": examples(),
        "seconds_allowed": limits.SECONDS,
    }  # fmt: skip
    return site.page("sql.html", "SQL", status=400 if problem else 200, **context)


def download(site: Site, request: Request) -> Response:
    """Send the whole result of a statement in the chosen format."""
    text, form = request.query_params.get("q", ""), request.query_params.get("format", "csv")
    if form not in FORMATS:
        raise BadArgumentError(f"unknown format {form[:40]!r}; choose one of {', '.join(FORMATS)}")
    cap = limits.DOWNLOADED if form in _FROM_ARROW else _DOWNLOADED_OTHERS
    found = fetch_limited(site, text, cap.rows, cap=cap)
    with TemporaryDirectory() as scratch:
        content = write_table(found, Path(scratch) / "result", form).read_bytes()
    headers = {"Content-Disposition": f'attachment; filename="wfc3tvb.{_ENDINGS.get(form, form)}"'}
    return Response(content, media_type="application/octet-stream", headers=headers)


PAGES = {"/sql": console, "/download": download}


def fetch_limited(site: Site, text: str, limit: int, *, cap: Cap) -> pa.Table:
    """Run a statement and return at most `limit` rows; an error names the lines as the visitor wrote them."""
    limited = limit_rows(text, limit)
    try:
        return site.fetch(limited, cap=cap)
    except QueryError as error:
        if limited == text:
            raise
        raise QueryError(_LINE.sub(lambda found: f"LINE {int(found[1]) - 1}:", str(error))) from error


def limit_rows(text: str, limit: int) -> str:
    """Return a statement that yields at most `limit` rows; `Catalog.sql` refuses statements that write."""
    try:
        statements = duckdb.extract_statements(text)
        kinds = [statement.type for statement in statements]
    except (duckdb.Error, TypeError, ValueError):  # not SQL, not text, or a kind that DuckDB's Python does not know
        return text  # `Catalog.sql` raises an error that says what is wrong, and where
    if kinds != [duckdb.StatementType.SELECT]:
        return text
    return f"SELECT * FROM (\n{statements[0].query.strip().rstrip(';')}\n) LIMIT {limit}"


def shorten_cells(row: Row) -> Row:
    """Return a row with long cells shortened to `CELL` characters."""
    return {name: f"{text[:CELL]}... ({len(text)} characters)" if len(text := str(value)) > CELL else value
            for name, value in row.items()}  # fmt: skip


def examples() -> list[tuple[Query, str]]:
    """Return the documented queries that read only the catalog, each with a complete statement."""
    return [(query, query.example()) for query in load_all().values() if "read_csv" not in query.sql]
