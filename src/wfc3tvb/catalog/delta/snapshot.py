"""Version of a table: its live files, and the schema that it was written with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deltalake import DeltaTable
from deltalake.schema import ArrayType, PrimitiveType

from wfc3tvb.schema.migrations import StoredSchema

#: Size below which a file counts as small [byte].
SMALL_SIZE = 16 * 2**20
#: Keys of a table's Delta configuration: version of the schema, version of the package that recorded it, and version of
#: the schema that added columns after the table was created.
SCHEMA_KEY, PACKAGE_KEY = "wfc3tvb.schema_version", "wfc3tvb.package_version"
EXTENDED_KEY = "wfc3tvb.columns_added_in"
#: Delta's types, as named in `schema.Column.type`.
_TYPES = {"string": "str", "long": "int", "double": "float", "boolean": "bool"}


@dataclass(frozen=True)
class Snapshot:
    """Version of a table: number, live Parquet files (absolute paths), number of rows, file sizes [byte], schema.

    A table that is missing because the catalog's schema is older has version -1 and no files.
    """

    table: str
    version: int
    files: tuple[Path, ...]
    n_rows: int
    sizes: tuple[int, ...]
    stored: StoredSchema

    @property
    def n_small(self) -> int:
        """Number of files below `SMALL_SIZE`."""
        return sum(size < SMALL_SIZE for size in self.sizes)


def stored_schema(delta: DeltaTable) -> StoredSchema:
    """Return the schema of a Delta table."""
    configuration = delta.metadata().configuration
    types = {field.name: _type_name(field.type) for field in delta.schema().fields}
    version, package = configuration.get(SCHEMA_KEY, ""), configuration.get(PACKAGE_KEY, "")
    return StoredSchema(version, package, types, EXTENDED_KEY in configuration)


def _type_name(kind: object) -> str:
    """Return the name of a Delta type in `schema.Column.type`."""
    if isinstance(kind, ArrayType):
        return f"{_type_name(kind.element_type)}[]"
    name = kind.type if isinstance(kind, PrimitiveType) else str(kind)
    return _TYPES.get(name, name)
