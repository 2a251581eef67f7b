"""SQL console of the explorer: limits on the rows and cells of a result, and example statements."""

from __future__ import annotations

import duckdb

from wfc3tvb.catalog.queries import Query, load_all
from wfc3tvb.models import Row

#: Number of characters of a cell that are shown.
CELL = 2000


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
