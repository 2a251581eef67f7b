"""The explorer's SQL console: statements that yield a page, cells that fit on it, examples to start from."""

from __future__ import annotations

import duckdb

from wfc3tvb.catalog.queries import Query, load_all
from wfc3tvb.models import Row

#: Characters of a cell that are shown.
CELL = 2000


def limited(text: str, limit: int) -> str:
    """Return a statement that yields at most `limit` rows; only what reads passes (`Catalog.sql` sees to that)."""
    try:
        statements = duckdb.extract_statements(text)
        kinds = [statement.type for statement in statements]
    except (duckdb.Error, TypeError, ValueError):  # no SQL, no text, a kind that DuckDB's Python does not know
        return text  # the catalog says what is wrong with it, and where
    if kinds != [duckdb.StatementType.SELECT]:
        return text
    return f"SELECT * FROM (\n{statements[0].query.strip().rstrip(';')}\n) LIMIT {limit}"


def cut(row: Row) -> Row:
    """Return a row whose cells are not longer than a page can show."""
    return {name: f"{text[:CELL]}... ({len(text)} characters)" if len(text := str(value)) > CELL else value
            for name, value in row.items()}  # fmt: skip


def examples() -> list[tuple[Query, str]]:
    """Return the documented queries that read nothing but the catalog, each with the statement to start from."""
    return [(query, query.example()) for query in load_all().values() if "read_csv" not in query.sql]
