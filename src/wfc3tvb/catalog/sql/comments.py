"""Units and descriptions in the answers to SHOW TABLES and DESCRIBE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wfc3tvb.catalog.sql.lineage import query_columns
from wfc3tvb.catalog.views import RELATIONS, literal


def with_comments(statement: str, tree: Mapping[str, Any] | None) -> str:
    """Return a statement whose answer has descriptions, where it is a SHOW TABLES or DESCRIBE; else the statement."""
    node = tree["statements"][0]["node"] if tree else {}
    table = node.get("from_table") or {}
    if table.get("type") != "SHOW_REF":
        return statement
    if table["show_type"] == "SHOW_SPECIAL" and table["table_name"] == '"tables"':
        meanings = {name: f"one row per {relation.row}" for name, relation in RELATIONS.items()}
        return f"SELECT name, {_map(meanings)}[name] AS description FROM ({_inner(statement)})"
    if table["show_type"] not in ("DESCRIBE", "SHOW"):
        return statement
    query = table.get("query") or {"type": "SELECT_NODE", "select_list": [{"class": "STAR"}],
                                   "from_table": {"type": "BASE_TABLE", "table_name": table["table_name"]}}  # fmt: skip
    columns = query_columns(query)
    units = {name: column.unit for name, column in columns.items() if column.unit}
    texts = {name: column.description for name, column in columns.items()}
    return f"""SELECT column_name, column_type, {_map(units)}[lower(column_name)] AS unit,
        {_map(texts)}[lower(column_name)] AS description FROM ({_inner(statement)})"""


def _inner(statement: str) -> str:
    """Return a statement that can stand in brackets: it may end with a semicolon or a comment."""
    return statement.rstrip().rstrip(";") + "\n"


def _map(texts: Mapping[str, str]) -> str:
    """Return an SQL map from names to texts."""
    pairs = ", ".join(f"{literal(name)}: {literal(text)}" for name, text in texts.items())
    return f"CAST(MAP {{{pairs}}} AS MAP(VARCHAR, VARCHAR))"
