"""Checks that an SQL statement only reads, by the syntax tree from DuckDB's own parser.

The kind of statement is not enough: a WITH may contain a COPY, an EXPLAIN ANALYZE runs the statement, and some
functions run SQL from an argument or write files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from duckdb import DuckDBPyConnection

from wfc3tvb.catalog.sql import dates
from wfc3tvb.catalog.views import RELATIONS
from wfc3tvb.errors import QueryError
from wfc3tvb.schema import TABLES

_Node = dict[str, Any]

#: Prefix of the names of files that DuckDB reads through `readonly.ReadOnlyFiles`, and the replacement in them for
#: "..", which DuckDB would reject.
READONLY = "readonly://"
ABOVE, _INSTEAD = "..", ".\x01."

#: Query nodes that only read; others write (COPY_QUERY_NODE, INSERT_QUERY_NODE, ...).
_READING = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
#: Table functions that read only their arguments and the state of the connection.
_TABLES = re.compile(
    r"range|generate_series|unnest|repeat|repeat_row|json_each|json_tree|summary|histogram|histogram_values|query_table"
    r"|icu_calendar_names|pg_timezone_names|test_all_types|test_vector_types|duckdb_(?!secrets|logs)\w+|pragma_\w+"
)
#: Those that may be given the name of a table, or list the names.
_TAKES_NAMES = re.compile(r"summary|histogram|query_table|duckdb_|pragma_", re.IGNORECASE)
#: Table functions that read files, which are their first argument.
_FILES = re.compile(r"read_(?:csv|parquet|json|ndjson|text|blob)\w*|parquet_\w+|glob|sniff_csv")
#: Scalar functions that have side effects, run SQL, or only waste time.
_ACTING = frozenset({"json_serialize_plan", "nextval", "setseed", "setval", "sleep_ms", "write_log"})
#: Names that DuckDB takes for a file in the place of a table.
_FILE_NAME = re.compile(r"(?is).+\.(?:csv|tsv|parquet|json|jsonl|ndjson)(?:\.(?:gz|zst))?(?:\?.*)?")
#: Most brackets within one another.
_DEEPEST = 250
#: Possessive, so that many comments cannot cause exponential backtracking.
_SPACE = r"(?>\s+|--[^\n]*\n|/\*.*?\*/)*+"
_EXPLAIN = re.compile(rf"{_SPACE}(explain\b(?:\s*\(\s*format\s+\w+\s*\))?)", re.IGNORECASE | re.DOTALL)
_PIVOTING = re.compile(rf"{_SPACE}(?:pivot|from|with|select|\()", re.IGNORECASE | re.DOTALL)
_WRITING = frozenset(
    {"copy", "create", "delete", "execute", "explain", "export", "import", "insert", "merge", "update"}
)


@dataclass(frozen=True)
class Checked:
    """Statement that only reads.

    Attributes
    ----------
    sql : str
        The form of it that may run.
    tree : mapping or None
        Its syntax tree; None for an EXPLAIN, and for a PIVOT that takes its columns from the data.
    tables : frozenset of str
        Names of tables in it, without the names of files.
    """

    sql: str
    tree: Mapping[str, Any] | None = None
    tables: frozenset[str] = frozenset()

    @property
    def tables_alone(self) -> bool:
        """Whether it surely reads tables of the schema, and no view derived from them."""
        return bool(self.tables) and self.tables <= TABLES.keys() and not _TAKES_NAMES.search(self.sql)


def check_statement(connection: DuckDBPyConnection, text: str, *, own_files: bool = True, scheme: str = "") -> Checked:
    """Check that a text is one statement that only reads, and return it in the form that may run.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Connection whose parser is used; the statement does not run.
    text : str
        SELECT, WITH, FROM, VALUES, PIVOT, DESCRIBE, SUMMARIZE, SHOW, or EXPLAIN (without ANALYZE) of one of them.
    own_files : bool, optional
        Whether it may read local files by name.
    scheme : str, optional
        Prefix to add to the names of files.

    Raises
    ------
    QueryError
        If it is not one statement, or does more than read.
    duckdb.ParserException
        If it is not SQL.
    """
    check_text(text)
    _check_depth(text)
    match = _EXPLAIN.match(text)
    body = text[match.end() :] if match else text
    # A separate cursor, because a query on the connection would end the results that it is still yielding.
    with connection.cursor() as parser:
        found = _Found(own_files, scheme)
        tree = _tree(_call_function(parser, "json_serialize_sql", body), found)
        if tree["error"]:
            _check_pivot(parser, text, body, own_files)
        elif len(tree["statements"]) != 1:
            raise QueryError(f"{len(tree['statements'])} SQL statements were given; write exactly one")
        elif found.refused:
            raise _refused(found.refused[0])
        found.write_dates()
        if found.changed:
            body = _call_function(parser, "json_deserialize_sql", json.dumps(tree))
    if match:
        return Checked(f"{match[1]} {body}", tables=frozenset(found.tables))  # only the part that was checked
    return Checked(body, None if tree["error"] else tree, frozenset(found.tables))


def _check_depth(text: str) -> None:
    """Raise `QueryError` for brackets within brackets, beyond any use.

    The time of DuckDB's parser grows with the square of their number, and nothing interrupts it: 7 s for 4000.
    """
    depth = 0
    for bracket in re.findall("[()]", text):
        depth += 1 if bracket == "(" else -1
        if depth > _DEEPEST:
            raise QueryError(f"more than {_DEEPEST} brackets are open at the same time; simplify the statement")


def check_text(*values: object) -> None:
    """Raise `QueryError` where a text contains lone surrogates, as file names that are not UTF-8 do in Python."""
    for value in values:
        if isinstance(value, list | tuple):
            check_text(*value)
        elif isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError as error:
                shown = value.encode("utf-8", "backslashreplace").decode()[:60]
                raise QueryError(f"{shown} is not valid UTF-8 text; correct it") from error


def readonly_name(path: str) -> str:
    """Return the name under which DuckDB reads a file through `readonly.ReadOnlyFiles`."""
    return READONLY + path.replace(ABOVE, _INSTEAD)


def own_name(text: str) -> str:
    """Undo `readonly_name` for the names of files in a text."""
    return text.replace(READONLY, "").replace(_INSTEAD, ABOVE)


class _Found:
    """Findings in a statement's tree: elements that are refused, its tables, and whether the tree was changed."""

    def __init__(self, own_files: bool, scheme: str) -> None:
        self.own_files, self.scheme = own_files, scheme
        self.refused: list[str] = []
        self.tables: set[str] = set()
        self.own_names: set[str] = set()
        self.dates: list[tuple[_Node, str]] = []
        self.changed = False

    def look(self, node: _Node) -> _Node:
        """Check a node, whose child nodes have been checked before."""
        kind = node.get("type")
        if "cte_map" in node and kind not in _READING:
            self.refused.append(str(kind).removesuffix("_QUERY_NODE"))
        if node.get("function_name", "").lower() in _ACTING:
            self.refused.append(f"the function {node['function_name']}")
        if kind == "TABLE_FUNCTION":
            self._table_function(node["function"])
        elif kind == "BASE_TABLE" and not node["schema_name"] and _FILE_NAME.fullmatch(node["table_name"]):
            self._file(node)
        elif kind == "BASE_TABLE":
            self.tables.add(node["table_name"])
        self.dates += dates.places(node)
        self.own_names |= {each["key"] for each in (node.get("cte_map") or {}).get("map", ())}
        return node

    def write_dates(self) -> None:
        """Make dates that are compared with the catalog's numbers; other tables may have columns of real dates."""
        if self.dates and not self.changed and self.tables <= RELATIONS.keys() | self.own_names:
            self.changed = True
            for node, key in self.dates:
                dates.as_mjd(node, key)

    def _table_function(self, function: _Node) -> None:
        name = function["function_name"].lower()
        if self.own_files and _FILES.fullmatch(name):
            for argument in function["arguments"][:1] if self.scheme else ():
                argument["expression"] = self._renamed(argument["expression"])
        elif not _TABLES.fullmatch(name):
            self.refused.append(f"the function {name}")

    def _file(self, table: _Node) -> None:
        """Check a file that is named in the place of a table."""
        if not self.own_files:
            self.refused.append(f"the file {table['table_name']}")
        elif self.scheme:
            self.changed = True
            table["table_name"] = self.scheme + table["table_name"].replace(ABOVE, _INSTEAD)
            table["qualified_name"] = {"path": [table["table_name"]]}

    def _renamed(self, expression: _Node) -> _Node:
        """Return the expression of a file name, or of a list of names, with the scheme added."""
        self.changed = True
        if expression.get("function_name") == "list_value":
            for argument in expression["arguments"]:
                argument["expression"] = self._renamed(argument["expression"])
            return expression
        scheme, above, instead = map(_constant, (self.scheme, ABOVE, _INSTEAD))
        return _call("concat", scheme, _call("replace", expression, above, instead))


def _constant(text: str) -> _Node:
    return {"class": "CONSTANT", "type": "VALUE_CONSTANT", "literal": {"kind": "STRING", "text": text}}


def _call(function: str, *arguments: _Node) -> _Node:
    """Return the node of a function call."""
    return {
        "class": "FUNCTION", "type": "FUNCTION", "function_name": function, "qualified_name": {"path": [function]},
        "arguments": [{"name": "", "expression": argument} for argument in arguments],
        "order_bys": {"type": "ORDER_MODIFIER", "orders": []},
    }  # fmt: skip


def _call_function(parser: DuckDBPyConnection, function: str, text: str) -> str:
    """Return the result of one of DuckDB's functions for a text."""
    return str(parser.execute(f"SELECT {function}($1)", [text]).fetchall()[0][0])


def _tree(answer: str, found: _Found) -> Mapping[str, Any]:
    try:
        tree: Mapping[str, Any] = json.loads(answer, object_hook=found.look)
    except RecursionError as error:
        raise QueryError("the statement is nested too deeply; simplify it") from error
    return tree


def _check_pivot(parser: DuckDBPyConnection, text: str, body: str, own_files: bool) -> None:
    """Refuse statements for which DuckDB has no tree, except a PIVOT that takes its columns from the data.

    Such a PIVOT must not contain any word that writes, or the name of a function that is refused.
    """
    kinds = _kinds(parser, text)
    if len(kinds) != 1:
        raise QueryError(f"{len(kinds)} SQL statements were given; write exactly one")
    if kinds[0] != "MULTI" or not _PIVOTING.match(body):
        kind = kinds[0] if kinds[0] != "MULTI" else _first_word(text)
        raise _refused("EXPLAIN with ANALYZE or of a statement that writes" if kind == "EXPLAIN" else kind)
    words = set(re.findall(r"\w+", body.lower()))
    if bad := sorted(words & (_WRITING | _ACTING | set(_forbidden(parser, own_files)))):
        raise QueryError(f"PIVOT: the word {bad[0]} is not allowed; name the columns with IN (...)")


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
    return QueryError(f"{what} is not allowed; only statements that read the catalog are, such as SELECT")
