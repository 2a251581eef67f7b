"""Comparison of the catalog's dates (MJD, numbers) with dates written as text, as in ``expstart > '2013-01-31'``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from wfc3tvb.catalog.views import RELATIONS

_Node = dict[str, Any]
#: Columns that are dates.
_DATES = frozenset(column.name for table in RELATIONS.values() for column in table.columns if column.is_date)
_TEXT = re.compile(r"\d{4}-\d\d-\d\d(?:[ T].*)?")
_TYPES = frozenset({"date", "timestamp", "timestamptz", "datetime"})


def places(node: _Node) -> Iterator[tuple[_Node, str]]:
    """Yield the parts of a comparison in a syntax tree that are dates and are compared with a column of dates.

    Parameters
    ----------
    node : dict
        Node of a tree from DuckDB's ``json_serialize_sql``.

    Yields
    ------
    tuple
        The node, and the key under which it has the date.
    """
    if node.get("class") == "COMPARISON":
        pairs = [("left", "right"), ("right", "left")]
    elif node.get("class") == "BETWEEN":
        pairs = [("input", "lower"), ("input", "upper")]
    else:
        return
    yield from ((node, date) for column, date in pairs if _is_column(node[column]) and _is_date(node[date]))


def as_mjd(node: _Node, key: str) -> None:
    """Put a call of the macro ``mjd`` around the date under a key of a node."""
    node[key] = {
        "class": "FUNCTION", "type": "FUNCTION", "function_name": "mjd", "qualified_name": {"path": ["mjd"]},
        "arguments": [{"name": "", "expression": node[key]}],
        "order_bys": {"type": "ORDER_MODIFIER", "orders": []},
    }  # fmt: skip


def _is_column(node: _Node) -> bool:
    return node["class"] == "COLUMN_REF" and node["column_names"][-1].lower() in _DATES


def _is_date(node: _Node) -> bool:
    if node["class"] == "CAST":
        return node["child"]["class"] == "CONSTANT" and node["type_expr"].get("type_name", "").lower() in _TYPES
    literal = node.get("literal") or {}
    return literal.get("kind") == "STRING" and _TEXT.fullmatch(literal["text"]) is not None
