"""Tables that TAP offers, with their columns: TAP_SCHEMA in DuckDB, and the document of VOSI-tables.

All of it follows from the schema of the catalog. The tables and views of the catalog are in the schema `wfc3tvb`, the
view `obscore` is `ivoa.obscore` as the standard demands; a name without a schema works as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from xml.sax.saxutils import escape

import pyarrow as pa
from duckdb import DuckDBPyConnection

from wfc3tvb.catalog.views import RELATIONS
from wfc3tvb.schema import Column, Table, read_columns

_SCHEMAS = """
schema_name | str | | name of the schema | meta.id
utype | str | | utype | meta.ref
description | str | | description | meta.note
schema_index | int32 | | place in the order of the schemas | meta.number
"""
_TABLES = """
schema_name | str | | name of the schema | meta.id
table_name | str | | name of the table, as in queries | meta.id
table_type | str | | table or view | meta.code
utype | str | | utype | meta.ref
description | str | | description | meta.note
table_index | int32 | | place in the order of the tables | meta.number
"""
_COLUMNS = """
table_name | str | | name of the table | meta.id
column_name | str | | name of the column | meta.id
utype | str | | utype | meta.ref
ucd | str | | UCD | meta.ucd
unit | str | | unit | meta.unit
description | str | | description | meta.note
datatype | str | | type, as in VOTable | meta.code
arraysize | str | | size, as in VOTable | meta.code
xtype | str | | extended type, as in VOTable | meta.code
size | int32 | | length of a text; null | meta.number
principal | int32 | | 1 for the most important columns | meta.code
indexed | int32 | | 1 for a column that makes queries quick | meta.code
std | int32 | | 1 for a column that a standard defines | meta.code
column_index | int32 | | place in the order of the columns | meta.number
"""
_KEYS = """
key_id | str | | name of the key | meta.id
from_table | str | | table with the key | meta.id
target_table | str | | table that the key refers to | meta.id
utype | str | | utype | meta.ref
description | str | | description | meta.note
"""
_KEY_COLUMNS = """
key_id | str | | name of the key | meta.id
from_column | str | | column of the table with the key | meta.id
target_column | str | | column of the other table | meta.id
"""
TAP_SCHEMA = {
    name: Table(name, row, key, read_columns(text))
    for name, row, key, text in (
        ("schemas", "schema", ("schema_name",), _SCHEMAS),
        ("tables", "table", ("table_name",), _TABLES),
        ("columns", "column", ("table_name", "column_name"), _COLUMNS),
        ("keys", "foreign key", ("key_id",), _KEYS),
        ("key_columns", "column of a foreign key", ("key_id", "from_column"), _KEY_COLUMNS),
    )
}
#: Tables of every schema, with the description of the schema.
SCHEMAS: Mapping[str, tuple[str, Mapping[str, Table]]] = {
    "wfc3tvb": (
        "Exposures of WFC3/IR, their reads, and how variable the background of each is",
        {name: table for name, table in RELATIONS.items() if name != "obscore"},
    ),
    "ivoa": ("Tables that the IVOA defines", {"obscore": RELATIONS["obscore"]}),
    "tap_schema": ("Tables that describe these tables", TAP_SCHEMA),
}
_OBSCORE = "ivo://ivoa.net/std/ObsCore#core-1.1"
#: Foreign keys: table, column, table and column that they refer to.
_FOREIGN = (
    ("wfc3tvb.reads", "rootname", "wfc3tvb.exposures", "rootname"),
    ("wfc3tvb.visit_fits", "rootname", "wfc3tvb.exposures", "rootname"),
    ("wfc3tvb.reprocessed", "rootname", "wfc3tvb.exposures", "rootname"),
    ("wfc3tvb.exposures", "dataset", "wfc3tvb.datasets", "dataset"),
    ("wfc3tvb.exposures", "run_id", "wfc3tvb.runs", "run_id"),
    ("ivoa.obscore", "obs_id", "wfc3tvb.exposures", "rootname"),
    ("tap_schema.tables", "schema_name", "tap_schema.schemas", "schema_name"),
    ("tap_schema.columns", "table_name", "tap_schema.tables", "table_name"),
    ("tap_schema.keys", "from_table", "tap_schema.tables", "table_name"),
    ("tap_schema.keys", "target_table", "tap_schema.tables", "table_name"),
    ("tap_schema.key_columns", "key_id", "tap_schema.keys", "key_id"),
)
#: Type and size in VOTable of the types of the schema. Lists are text, joined by ";".
_DATATYPES = {
    "str": ("char", "*"),
    "int": ("long", ""),
    "int32": ("int", ""),
    "float": ("double", ""),
    "bool": ("boolean", ""),
}
#: Names of columns that are reserved words of ADQL, and stand in quotes.
_RESERVED = frozenset({"key", "pi", "read", "references", "size"})
_PRINCIPAL = ("rootname", "visit", "dataset", "filter", "tvb_class", "tvb_score", "flagged", "recommend", "sky_mean",
              "expstart", "exptime", "ra", "dec")  # fmt: skip


def table_names() -> dict[str, str]:
    """Return the names of the tables in queries, with and without their schema, and their names in DuckDB."""
    names: dict[str, str] = {}
    for schema, (_, tables) in SCHEMAS.items():
        home = _home(schema)
        names |= {f"{schema}.{name}": f"{home}.{name}" for name in tables}
        names |= {name: f"{home}.{name}" for name in tables if home == "main"}
    return names


def columns_of(names: Iterable[str]) -> Mapping[str, Column]:
    """Return the columns of tables by name, given the names of the tables in DuckDB; the first has precedence."""
    every = {
        f"{_home(schema)}.{name}": table for schema, (_, tables) in SCHEMAS.items() for name, table in tables.items()
    }
    found: dict[str, Column] = {}
    for name in names:
        for column in every[name].columns:
            found.setdefault(column.name, column)
    return found


def _home(schema: str) -> str:
    """Return the schema in DuckDB."""
    return "tap_schema" if schema == "tap_schema" else "main"


def datatype(column: Column) -> tuple[str, str, str]:
    """Return type, size and extended type of a column in VOTable."""
    kind, size = _DATATYPES.get(column.type, ("char", "*"))
    return kind, size, "adql:REGION" if column.name == "s_region" else ""


def create_tap_schema(connection: DuckDBPyConnection) -> None:
    """Create the tables of TAP_SCHEMA in a connection, which may be locked."""
    connection.execute("CREATE SCHEMA IF NOT EXISTS tap_schema")
    for name, table in _arrow_tables().items():
        connection.register("new_rows", table)
        connection.execute(f"CREATE OR REPLACE TABLE tap_schema.{name} AS FROM new_rows")
        connection.unregister("new_rows")


@cache
def _arrow_tables() -> Mapping[str, pa.Table]:
    """Return the tables of TAP_SCHEMA."""
    tables = {}
    for name, rows in _rows().items():
        kinds = [pa.int32() if column.type == "int32" else pa.string() for column in TAP_SCHEMA[name].columns]
        columns = [pa.array([row[i] or None if kind == pa.string() else row[i] for row in rows], kind)
                   for i, kind in enumerate(kinds)]  # fmt: skip
        tables[name] = pa.Table.from_arrays(columns, names=list(TAP_SCHEMA[name].names))
    return tables


def _rows() -> Mapping[str, list[tuple[str | int | None, ...]]]:
    """Return the rows of TAP_SCHEMA."""
    keys: list[tuple[str | int | None, ...]] = [
        (f"{a}.{b}", a, c, None, f"{b} of {c.partition('.')[2]}") for a, b, c, _ in _FOREIGN
    ]
    return {
        "schemas": [(schema, None, text, i) for i, (schema, (text, _)) in enumerate(SCHEMAS.items())],
        "tables": [
            (schema, f"{schema}.{name}", kind, utype, f"One row per {table.row}.", i)
            for i, (schema, name, table, kind, utype) in enumerate(_tables())
        ],
        "columns": [row for schema, name, table, _, _ in _tables() for row in _column_rows(f"{schema}.{name}", table)],
        "keys": keys,
        "key_columns": [(f"{a}.{b}", b, d) for a, b, _, d in _FOREIGN],
    }  # fmt: skip


def _tables() -> Iterator[tuple[str, str, Table, str, str]]:
    """Yield schema, name, columns, kind and utype of every table."""
    for schema, (_, tables) in SCHEMAS.items():
        for name, table in tables.items():
            is_view = name in ("visits", "programs", "flagged", "obscore")
            yield schema, name, table, "view" if is_view else "table", _OBSCORE if name == "obscore" else ""


def quoted(name: str) -> str:
    """Return the name of a column as queries write it."""
    return f'"{name}"' if name in _RESERVED else name


def _column_rows(name: str, table: Table) -> Iterator[tuple[str | int | None, ...]]:
    for index, column in enumerate(table.columns):
        kind, size, xtype = datatype(column)
        standard = int(bool(column.utype) or name.startswith("tap_schema."))
        principal = int(column.name in _PRINCIPAL or bool(standard))
        yield (
            name, quoted(column.name), column.utype, column.ucd, column.unit, column.description, kind, size, xtype,
            None, principal, int(column.name in table.key), standard, index,
        )  # fmt: skip


def tables_document() -> str:
    """Return the document of VOSI-tables 1.1."""
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n<vosi:tableset xmlns:vosi="http://www.ivoa.net/xml/VOSITables/v1.0"'
        ' xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    ]
    for schema, (text, _) in SCHEMAS.items():
        parts.append(f"<schema><name>{schema}</name><description>{escape(text)}</description>")
        parts += [_table_element(each) for each in _tables() if each[0] == schema]
        parts.append("</schema>")
    return "\n".join([*parts, "</vosi:tableset>\n"])


def _table_element(found: tuple[str, str, Table, str, str]) -> str:
    schema, name, table, kind, utype = found
    foreign = "".join(
        f"<foreignKey><targetTable>{c}</targetTable><fkColumn><fromColumn>{b}</fromColumn><targetColumn>{d}"
        f"</targetColumn></fkColumn></foreignKey>"
        for a, b, c, d in _FOREIGN
        if a == f"{schema}.{name}"
    )
    body = _tag("name", f"{schema}.{name}") + _tag("description", f"One row per {table.row}.") + _tag("utype", utype)
    inner = "\n".join(_column_element(column, indexed=column.name in table.key) for column in table.columns)
    return f'<table type="{kind}">{body}\n{inner}\n{foreign}</table>'


def _column_element(column: Column, *, indexed: bool) -> str:
    kind, size, xtype = datatype(column)
    parts = {"name": quoted(column.name), "description": column.description, "unit": column.unit, "ucd": column.ucd,
             "utype": column.utype}  # fmt: skip
    attributes = (f' arraysize="{size}"' if size else "") + (f' extendedType="{xtype}"' if xtype else "")
    body = "".join(_tag(name, value) for name, value in parts.items())
    flag = "<flag>indexed</flag>" if indexed else ""
    return f'<column>{body}<dataType xsi:type="vs:VOTableType"{attributes}>{kind}</dataType>{flag}</column>'


def _tag(name: str, value: str) -> str:
    return f"<{name}>{escape(value)}</{name}>" if value else ""
