"""Released tables, one Parquet file per table in a folder, opened as a catalog for reading."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from wfc3tvb.catalog.delta.snapshot import Snapshot
from wfc3tvb.catalog.delta.tables import Tables
from wfc3tvb.errors import DamagedCatalogError
from wfc3tvb.schema import TABLES, arrow_type
from wfc3tvb.schema.migrations import StoredSchema

#: File of the checksums of all others, as sha256sum writes it.
SUMS = "SHA256SUMS"
_KINDS = {arrow_type(kind): kind for kind in ("str", "int", "float", "bool", "str[]", "int[]")}
_SCHEMA, _PACKAGE = b"wfc3tvb.schema_version", b"wfc3tvb.package_version"


def is_release(folder: Path) -> bool:
    """Return whether a folder holds released tables and no catalog."""
    return any(_file(folder, name) for name in TABLES) and not any(
        (folder / name / "_delta_log").is_dir() for name in TABLES
    )


def released_snapshots(tables: Tables) -> dict[str, Snapshot]:
    """Return the released tables of a catalog's folder; empty where it holds a catalog, or neither.

    Raises
    ------
    DamagedCatalogError
        If a file is not a Parquet file.
    """
    return {name: released_snapshot(name, path) for name, path in released_files(tables.folder).items()}


def released_files(folder: Path) -> dict[str, Path]:
    """Return the file of every released table in a folder; empty where it holds a catalog, or neither."""
    if not is_release(folder):
        return {}
    paths = {name: _file(folder, name) for name in TABLES}
    return {name: path for name, path in paths.items() if path}


def _file(folder: Path, table: str) -> Path | None:
    """Return the file of a table: named after it or as a high-level science product; None if not one is."""
    plain = folder / f"{table}.parquet"
    found = [plain] if plain.is_file() else list(folder.glob(f"hlsp_*_{table}.parquet"))
    return found[0] if len(found) == 1 else None


def released_snapshot(table: str, path: Path) -> Snapshot:
    """Return a released table; errors as in `released_snapshots`."""
    try:
        file = pa.parquet.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise DamagedCatalogError(path.parent, f"{path.name} is not a whole Parquet file") from error
    schema, notes = file.schema.to_arrow_schema(), file.metadata or {}
    types = {field.name: _KINDS.get(_plain(field.type), str(field.type)) for field in schema}
    stored = StoredSchema(notes.get(_SCHEMA, b"").decode(), notes.get(_PACKAGE, b"").decode(), types)
    return Snapshot(table, 0, (path,), file.num_rows, (path.stat().st_size,), stored)


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return a type with the usual name for the elements of lists, which Parquet files name in different ways."""
    return pa.list_(kind.value_type) if pa.types.is_list(kind) else kind
