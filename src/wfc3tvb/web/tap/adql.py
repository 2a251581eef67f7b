"""Translate ADQL, the query language of the Virtual Observatory, into DuckDB's SQL.

ADQL 2.0 and the common part of 2.1 (WITH, OFFSET, set operations, ILIKE, CAST) with the geometry of points, circles,
boxes and polygons. The parser is that of sqlglot; what it accepts beyond ADQL, DuckDB checks.

Sources: REC-ADQL-2.0 (2008), PR-ADQL-2.1; REC-TAP-1.1 (2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp, parser, tokens
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.tokenizer_core import TokenType

from wfc3tvb.errors import QueryError
from wfc3tvb.web.tap.geometry import GEOMETRY, NotAShapeError, translate_geometry

#: Functions of ADQL that DuckDB names otherwise.
_NAMES = {"LOG": "ln", "RAND": "random", "TRUNCATE": "trunc", "CEILING": "ceil"}
#: What sqlglot raises for some texts that are not SQL, besides its own errors.
_UNREADABLE = (AttributeError, LookupError, TypeError, ValueError, AssertionError)
#: Longest query [characters].
LONGEST = 100_000


class Adql(Dialect):
    """ADQL for sqlglot: standard SQL with TOP, and functions kept under their names."""

    class Tokenizer(tokens.Tokenizer):
        """Tokens of ADQL."""

        KEYWORDS = {**tokens.Tokenizer.KEYWORDS, "TOP": TokenType.TOP}  # noqa: RUF012 (as in sqlglot)

    class Parser(parser.Parser):
        """Parser of ADQL."""

        FUNCTIONS = {  # noqa: RUF012 (as in sqlglot)
            name: build for name, build in parser.Parser.FUNCTIONS.items() if name not in {*GEOMETRY, *_NAMES}
        }


@dataclass(frozen=True)
class Translation:
    """Query in DuckDB's SQL, and the tables that it reads, by their names in DuckDB."""

    sql: str
    tables: tuple[str, ...]


def to_duckdb(text: str, tables: Mapping[str, str]) -> Translation:
    """Translate a query from ADQL to DuckDB's SQL.

    Parameters
    ----------
    text : str
        One query in ADQL.
    tables : mapping
        Name of every table as in TAP_SCHEMA, in lower case, and its name in DuckDB.

    Raises
    ------
    QueryError
        If it is not one query in ADQL.
    """
    if len(text) > LONGEST:
        raise QueryError(f"the query has {len(text)} characters, and the limit is {LONGEST}")
    try:
        tree = _parse(text)
        read = [_rename_table(table, tables) for table in list(tree.find_all(exp.Table))]
        for column in tree.find_all(exp.Column):
            column.set("db", None)
            column.set("catalog", None)
        translated = tree.transform(_translate).sql("duckdb")
    except SqlglotError as error:
        raise QueryError(f"this is not ADQL: {_first_error(error)}") from error
    except NotAShapeError as error:
        raise QueryError(f"ADQL: {error}") from error
    except RecursionError as error:
        raise QueryError("the query is nested too deeply; simplify it") from error
    except _UNREADABLE as error:
        raise QueryError(f"this is not ADQL ({type(error).__name__} in its parser)") from error
    return Translation(translated, tuple(name for name in read if name))


def _parse(text: str) -> exp.Expr:
    """Return the syntax tree of one query."""
    trees = [tree for tree in sqlglot.parse(text, read=Adql, error_level=ErrorLevel.RAISE) if tree is not None]
    if len(trees) != 1:
        raise QueryError(f"{len(trees)} statements were given; write exactly one")
    if not isinstance(trees[0], exp.Query):
        raise QueryError("this is not a query; ADQL has only SELECT")
    return trees[0]


def _first_error(error: Exception) -> str:
    """Return what is wrong, and where, of the first error of the parser."""
    found = getattr(error, "errors", None)
    if found:
        first = found[0]
        near = f" near {first['highlight']!r}" if first.get("highlight") else ""
        return f"{first['description'].rstrip('.')}{near}, line {first['line']}, column {first['col']}"
    return str(error).partition("\n")[0]


def _rename_table(table: exp.Table, tables: Mapping[str, str]) -> str | None:
    """Replace the name of a table by that in DuckDB, and return it.

    Names of WITH and unknown names stay, for DuckDB to judge, and the result is None.
    """
    if not isinstance(table.this, exp.Identifier):
        raise QueryError(f"{table.this.sql()[:60]} is not a table; ADQL has no functions that return tables")
    name = ".".join(part.name for part in table.parts).lower()
    if name not in tables or (not table.db and _is_common(table)):
        return None
    alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name))
    renamed = exp.to_table(tables[name])
    table.set("this", renamed.this)
    table.set("db", renamed.args.get("db"))
    table.set("catalog", None)
    table.set("alias", alias)
    return tables[name]


def _is_common(table: exp.Table) -> bool:
    """Return whether a WITH around a table defines its name."""
    node: exp.Expr | None = table
    while node is not None:
        found = node.args.get("with_") or node.args.get("with")
        if found and any(each.alias.lower() == table.name.lower() for each in found.expressions):
            return True
        node = node.parent
    return False


def _translate(node: exp.Expr) -> exp.Expr:
    """Return a node in DuckDB's words."""
    if isinstance(node, exp.Anonymous):
        name = node.name.upper()
        if name in GEOMETRY:
            return _parsed(translate_geometry(node, _as_sql))
        if name in _NAMES:
            return exp.Anonymous(this=_NAMES[name], expressions=node.expressions)
        if name == "IN_UNIT":
            raise NotAShapeError("IN_UNIT is not supported; convert the value with a factor")
    return node


def _as_sql(node: exp.Expr) -> str:
    """Return the DuckDB SQL of an expression within a geometry."""
    return node.copy().transform(_translate).sql("duckdb")


def _parsed(text: str) -> exp.Expr:
    return sqlglot.parse_one(text, read="duckdb")
