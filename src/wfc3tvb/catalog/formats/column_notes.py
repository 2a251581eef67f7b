"""Units, descriptions and UCDs of the columns of a result, kept as metadata of its Arrow fields.

The columns of the schema have them by their place in a SELECT (`wfc3tvb.catalog.sql.lineage`); a computed column has
none. Rows that were not selected from a catalog, such as those of a file, have them by name.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from wfc3tvb.catalog.views import RELATIONS
from wfc3tvb.schema import TABLES, Column

#: All columns of the schema and of the derived views, by name; those of `exposures` come first.
COLUMNS: Mapping[str, Column] = {
    column.name: column
    for table in (*reversed(tuple(RELATIONS.values())), TABLES["exposures"])
    for column in table.columns
}
#: Marks a schema whose fields say all that is known of them.
_MARK = b"wfc3tvb.noted"


def with_notes(rows: pa.Table, columns: Mapping[str, Column]) -> pa.Table:
    """Return `rows` with unit, description and UCD of some columns, and none of the others."""
    return rows.cast(noted(rows.schema, columns))


def noted(schema: pa.Schema, columns: Mapping[str, Column], more: Mapping[str, str] | None = None) -> pa.Schema:
    """Return a schema with unit, description and UCD of some columns, none of the others, and `more` metadata."""
    fields = [field.with_metadata(_notes(columns.get(field.name))) for field in schema]
    return pa.schema(fields, (schema.metadata or {}) | {_MARK: b"1"} | dict(more or {}))


def notes_of(schema: pa.Schema) -> dict[str, Column]:
    """Return the columns of a result that have unit, description and UCD, by name."""
    metadata = schema.metadata or {}
    if _MARK in metadata:
        found = {field.name: _column(field) for field in schema if field.metadata and b"description" in field.metadata}
        return {name: column for name, column in found.items() if column.description}
    table = RELATIONS.get(metadata.get(b"wfc3tvb.table", b"").decode())
    known = COLUMNS if table is None else {column.name: column for column in table.columns}
    return {name: known[name] for name in schema.names if name in known}


def _notes(column: Column | None) -> dict[str, str] | None:
    if column is None:
        return None
    return {"unit": column.unit, "description": column.description, "ucd": column.ucd, "type": column.type}


def _column(field: pa.Field) -> Column:
    texts = {name.decode(): text.decode() for name, text in field.metadata.items()}
    return Column(field.name, texts.get("type", "str"), texts["unit"], texts["description"], texts.get("ucd", ""))
