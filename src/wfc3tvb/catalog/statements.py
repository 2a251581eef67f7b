"""What a statement may do: read. One SELECT passes, judged by the tree that DuckDB's own parser makes of it.

The kind alone tells nothing: a WITH may hold a COPY, an EXPLAIN ANALYZE runs what it explains, and some functions run
the SQL they are given or write files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from duckdb import DuckDBPyConnection

from wfc3tvb.errors import QueryError

_Node = dict[str, Any]

#: What stands before the names of files that DuckDB reads through `readonly.ReadOnlyFiles`, and what in them for the
#: folder above, which it would not follow.
READONLY = "readonly://"
ABOVE, _INSTEAD = "..", ".\x01."

#: Queries within a statement that only read; the others write (COPY_QUERY_NODE, INSERT_QUERY_NODE, ...).
_READING = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
#: Table functions that read nothing but what they are given and what the connection knows of itself.
_TABLES = re.compile(
    r"range|generate_series|unnest|repeat|repeat_row|json_each|json_tree|summary|histogram|histogram_values|query_table"
    r"|icu_calendar_names|pg_timezone_names|test_all_types|test_vector_types|duckdb_(?!secrets|logs)\w+|pragma_\w+"
)
#: Table functions that read files; what they read is their first argument.
_FILES = re.compile(r"read_(?:csv|parquet|json|ndjson|text|blob)\w*|parquet_\w+|glob|sniff_csv")
#: Functions of a value that leave something behind, run SQL, or only cost time.
_ACTING = frozenset({"json_serialize_plan", "nextval", "setseed", "setval", "sleep_ms", "write_log"})
#: A name that DuckDB takes for a file where a table is named.
_FILE_NAME = re.compile(r"(?is).+\.(?:csv|tsv|parquet|json|jsonl|ndjson)(?:\.(?:gz|zst))?(?:\?.*)?")
#: Possessive: many comments are read in one way only.
_SPACE = r"(?>\s+|--[^\n]*\n|/\*.*?\*/)*+"
_EXPLAIN = re.compile(rf"{_SPACE}(explain\b(?:\s*\(\s*format\s+\w+\s*\))?)", re.IGNORECASE | re.DOTALL)
_PIVOTING = re.compile(rf"{_SPACE}(?:pivot|from|with|select|\()", re.IGNORECASE | re.DOTALL)
_WRITING = frozenset(
    {"copy", "create", "delete", "execute", "explain", "export", "import", "insert", "merge", "update"}
)


def reading(connection: DuckDBPyConnection, text: str, *, own_files: bool = True, scheme: str = "") -> str:
    """Return a statement as it may run; refuse all but one that reads.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Whose parser is asked; nothing of the statement runs.
    text : str
        SELECT, WITH, FROM, VALUES, PIVOT, DESCRIBE, SUMMARIZE, SHOW, or EXPLAIN (without ANALYZE) of one of them.
    own_files : bool, optional
        Whether files may be named in it.
    scheme : str, optional
        What is put before the names of files.

    Raises
    ------
    QueryError
        If it is not one statement, or does anything but read.
    duckdb.ParserException
        If it is no SQL.
    """
    check_text(text)
    match = _EXPLAIN.match(text)
    body = text[match.end() :] if match else text
    # Of a connection of its own: one that is asked for something loses what it was yielding.
    with connection.cursor() as parser:
        found = _Found(own_files, scheme)
        tree = _tree(_answer(parser, "json_serialize_sql", body), found)
        if tree["error"]:
            _check_pivot(parser, text, body, own_files)
        elif len(tree["statements"]) != 1:
            raise QueryError(f"one SQL statement is needed, {len(tree['statements'])} were given")
        elif found.refused:
            raise _refused(found.refused[0])
        if found.named:
            body = _answer(parser, "json_deserialize_sql", json.dumps(tree))
    return f"{match[1]} {body}" if match else body  # of an EXPLAIN nothing runs that was not looked at


def check_text(*values: object) -> None:
    """Raise `QueryError` where a text holds half a character, as names of files that are not UTF-8 do."""
    for value in values:
        if isinstance(value, list | tuple):
            check_text(*value)
        elif isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError as error:
                shown = value.encode("utf-8", "backslashreplace").decode()[:60]
                raise QueryError(f"{shown} is no text (UTF-8); write it anew") from error


def readonly_name(path: str) -> str:
    """Return the name under which DuckDB reads a file through `readonly.ReadOnlyFiles`."""
    return READONLY + path.replace(ABOVE, _INSTEAD)


def own_name(text: str) -> str:
    """Return the names of files in a text as they were before `readonly_name`."""
    return text.replace(READONLY, "").replace(_INSTEAD, ABOVE)


class _Found:
    """What is found in a statement's tree: things that are refused, and whether files were given another name."""

    def __init__(self, own_files: bool, scheme: str) -> None:
        self.own_files, self.scheme = own_files, scheme
        self.refused: list[str] = []
        self.named = False

    def look(self, node: _Node) -> _Node:
        """Look at a node; its own nodes have been looked at before."""
        kind = node.get("type")
        if "cte_map" in node and kind not in _READING:
            self.refused.append(str(kind).removesuffix("_QUERY_NODE"))
        if node.get("function_name", "").lower() in _ACTING:
            self.refused.append(f"the function {node['function_name']}")
        if kind == "TABLE_FUNCTION":
            self._table_function(node["function"])
        elif kind == "BASE_TABLE" and not node["schema_name"] and _FILE_NAME.fullmatch(node["table_name"]):
            self._file(node)
        return node

    def _table_function(self, function: _Node) -> None:
        name = function["function_name"].lower()
        if self.own_files and _FILES.fullmatch(name):
            for argument in function["arguments"][:1] if self.scheme else ():
                argument["expression"] = self._renamed(argument["expression"])
        elif not _TABLES.fullmatch(name):
            self.refused.append(f"the function {name}")

    def _file(self, table: _Node) -> None:
        """Look at a file that is named as if it were a table."""
        if not self.own_files:
            self.refused.append(f"the file {table['table_name']}")
        elif self.scheme:
            self.named = True
            table["table_name"] = self.scheme + table["table_name"].replace(ABOVE, _INSTEAD)
            table["qualified_name"] = {"path": [table["table_name"]]}

    def _renamed(self, expression: _Node) -> _Node:
        """Return the name of a file, or a list of them, with the scheme before it."""
        self.named = True
        if expression.get("function_name") == "list_value":
            for argument in expression["arguments"]:
                argument["expression"] = self._renamed(argument["expression"])
            return expression
        scheme, above, instead = map(_constant, (self.scheme, ABOVE, _INSTEAD))
        return _call("concat", scheme, _call("replace", expression, above, instead))


def _constant(text: str) -> _Node:
    return {"class": "CONSTANT", "type": "VALUE_CONSTANT", "literal": {"kind": "STRING", "text": text}}


def _call(function: str, *arguments: _Node) -> _Node:
    """Return the node of a function of some values."""
    return {
        "class": "FUNCTION", "type": "FUNCTION", "function_name": function, "qualified_name": {"path": [function]},
        "arguments": [{"name": "", "expression": argument} for argument in arguments],
        "order_bys": {"type": "ORDER_MODIFIER", "orders": []},
    }  # fmt: skip


def _answer(parser: DuckDBPyConnection, function: str, text: str) -> str:
    """Return what one of DuckDB's functions of a text answers."""
    return str(parser.execute(f"SELECT {function}($1)", [text]).fetchall()[0][0])


def _tree(answer: str, found: _Found) -> Mapping[str, Any]:
    try:
        tree: Mapping[str, Any] = json.loads(answer, object_hook=found.look)
    except RecursionError as error:
        raise QueryError("the statement is nested too deeply; make it simpler") from error
    return tree


def _check_pivot(parser: DuckDBPyConnection, text: str, body: str, own_files: bool) -> None:
    """Refuse what DuckDB makes no tree of, but a PIVOT that finds its columns in the data, which is two statements.

    That one may not hold a word that writes or a function that is refused, wherever it stands.
    """
    kinds = _kinds(parser, text)
    if len(kinds) != 1:
        raise QueryError(f"one SQL statement is needed, {len(kinds)} were given")
    if kinds[0] != "MULTI" or not _PIVOTING.match(body):
        kind = kinds[0] if kinds[0] != "MULTI" else _first_word(text)
        raise _refused("EXPLAIN with ANALYZE, or of what does not read," if kind == "EXPLAIN" else kind)
    words = set(re.findall(r"\w+", body.lower()))
    if bad := sorted(words & (_WRITING | _ACTING | set(_forbidden(parser, own_files)))):
        raise QueryError(f"PIVOT: the word {bad[0]} is refused in it; name the columns with IN (...)")


def _kinds(parser: DuckDBPyConnection, text: str) -> list[str]:
    """Return the kinds of statements in a text."""
    try:
        return [statement.type.name for statement in parser.extract_statements(text)]
    except ValueError:  # a kind that DuckDB's Python does not know, e.g. UPDATE EXTENSIONS
        return [_first_word(text)]


def _first_word(text: str) -> str:
    return next(iter(re.findall(r"\w+", re.sub(r"--[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL))), "this").upper()


def _forbidden(parser: DuckDBPyConnection, own_files: bool) -> Iterator[str]:
    """Yield the names of the table functions that are refused."""
    kinds = "('table', 'table_macro', 'pragma')"
    query = f"SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type IN {kinds}"
    for (name,) in parser.execute(query).fetchall():
        if not _TABLES.fullmatch(name) and not (own_files and _FILES.fullmatch(name)):
            yield name


def _refused(what: str) -> QueryError:
    return QueryError(f"the catalog is read with SELECT; {what} is refused")
