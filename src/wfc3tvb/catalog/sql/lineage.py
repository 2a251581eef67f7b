"""Which columns of the catalog a SELECT returns unchanged, also under another name, by its syntax tree.

A column that is computed has no origin, nor has one whose origin is not certain: the result is by name, and two columns
of one name must agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wfc3tvb.catalog.views import RELATIONS
from wfc3tvb.schema import Column

_Node = Mapping[str, Any]
#: Name in lower case to its column; None where it is computed, or not certain.
_Columns = dict[str, Column | None]
#: Alias of each relation in a FROM clause to its columns.
_Scope = dict[str, _Columns]


def origins(tree: _Node | None) -> dict[str, Column]:
    """Return the columns of the catalog that a statement returns, by their name in the result, in lower case.

    Parameters
    ----------
    tree : mapping or None
        Tree of one statement from DuckDB's ``json_serialize_sql``; None where there is none, as of a PIVOT.
    """
    if not tree or len(tree.get("statements", ())) != 1:
        return {}
    return query_columns(tree["statements"][0]["node"])


def query_columns(node: _Node) -> dict[str, Column]:
    """Return the columns of the catalog that the query at a node returns, as `origins` does."""
    return {name: column for name, column in _query(node, {}).items() if column is not None}


def _query(node: _Node, known: Mapping[str, _Columns]) -> _Columns:
    """Return the columns of a query; `known` has those of the WITH clauses around it."""
    known = dict(known)
    for each in node.get("cte_map", {}).get("map", ()):
        value = each["value"]
        known[each["key"].lower()] = {} if value.get("aliases") else _query(_with_query(value), known)
    if node["type"] == "SELECT_NODE":
        return _selected(node, _scope(node["from_table"], known))
    if node["type"] == "SET_OPERATION_NODE":
        children = node.get("children") or [node["left"], node["right"]]
        return _agreed([_query(child, known) for child in children])
    return {}


def _with_query(value: _Node) -> _Node:
    node: _Node = value.get("query_node") or value["query"]["node"]
    return node


def _selected(node: _Node, scope: _Scope) -> _Columns:
    """Return the columns of a SELECT."""
    found: _Columns = {}
    for item in node["select_list"]:
        for name, column in _item(item, scope):
            found[name] = column if name not in found or found[name] == column else None
    return found


def _item(item: _Node, scope: _Scope) -> Iterator[tuple[str, Column | None]]:
    """Yield names and origins of an element of a SELECT."""
    if item["class"] == "STAR":
        yield from _star(item, scope)
    elif item["class"] == "COLUMN_REF":
        names = item["column_names"]
        yield (item.get("alias") or names[-1]).lower(), _lookup(names, scope)
    elif item.get("alias"):
        yield item["alias"].lower(), None


def _star(item: _Node, scope: _Scope) -> Iterator[tuple[str, Column | None]]:
    """Yield the columns of a ``*``; those that it excludes do no harm."""
    one = item.get("relation_name", "").lower()
    for alias, columns in scope.items():
        if one in ("", alias):
            yield from columns.items()
    for each in item.get("rename_list", ()):
        yield each["value"].lower(), _lookup([each["key"]["column"]], scope)
    for each in item.get("replace_list", ()):
        yield each["key"].lower(), None


def _lookup(names: list[str], scope: _Scope) -> Column | None:
    """Return the column that a reference such as ``ra`` or ``e.ra`` means."""
    name = names[-1].lower()
    if len(names) > 1:
        return scope.get(names[-2].lower(), {}).get(name)
    return next((columns[name] for columns in scope.values() if name in columns), None)


def _scope(table: _Node, known: Mapping[str, _Columns]) -> _Scope:
    """Return the relations of a FROM clause."""
    kind, aliases = table["type"], table.get("column_name_alias")
    if kind == "JOIN":
        left, right = _scope(table["left"], known), _scope(table["right"], known)
        return left if table["join_type"] in ("SEMI", "ANTI") else left | right
    if kind == "SUBQUERY":
        return {table.get("alias", "").lower(): {} if aliases else _query(table["subquery"]["node"], known)}
    if kind != "BASE_TABLE":  # a function, VALUES, a PIVOT
        return {table.get("alias", "").lower(): {}}
    name = table["table_name"].lower()
    columns = known.get(name, {}) if name in known else _relation(name)
    return {(table.get("alias") or name).lower(): {} if aliases else columns}


def _relation(name: str) -> _Columns:
    return {column.name.lower(): column for column in RELATIONS[name].columns} if name in RELATIONS else {}


def _agreed(branches: list[_Columns]) -> _Columns:
    """Return the columns of which all branches of a UNION say the same."""
    first, *others = branches
    return {name: column for name, column in first.items() if all(each.get(name) == column for each in others)}
