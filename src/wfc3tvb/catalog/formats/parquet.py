"""Parquet files that say what their columns mean: to Arrow, to TOPCAT (VOParquet) and to astropy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from wfc3tvb import __version__
from wfc3tvb.catalog.formats.column_notes import noted
from wfc3tvb.catalog.formats.rows import GROUP_ROWS, Extent, Rows
from wfc3tvb.schema import SCHEMA_VERSION, Column
from wfc3tvb.system.files import atomic_write
from wfc3tvb.system.object_code import folder_for

#: Entry with the columns as a VOTable.
_VOTABLE = "IVOA.VOTable-Parquet.content"
#: Number in the place of the first unknown length of a text; those of other columns follow.
_UNKNOWN_LENGTH = 9_000_000_000


def write(rows: Rows, path: Path, *, group_rows: int = GROUP_ROWS) -> None:
    """Write a Parquet file, batch by batch, with `notes` in its metadata and so many rows in a row group."""
    schema = noted(rows.schema, rows.columns, notes(rows))  # before the second reading begins
    write_batches(rows.read(), path, schema, group_rows=group_rows)


def write_batches(
    batches: Iterable[pa.RecordBatch], path: Path, schema: pa.Schema, *, group_rows: int = GROUP_ROWS
) -> None:
    """Write a Parquet file of batches that have the columns of a schema."""
    waiting: list[pa.RecordBatch] = []

    def rows() -> pa.Table:
        return pa.Table.from_batches(waiting).cast(schema) if waiting else schema.empty_table()

    # With a collector of footers, an error of the disk would be hidden by another one, of the footer that is missing.
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches:
            waiting.append(batch)
            if sum(each.num_rows for each in waiting) >= GROUP_ROWS:
                writer.write_table(rows(), group_rows)
                waiting.clear()
        writer.write_table(rows(), group_rows)


def notes(rows: Rows) -> dict[str, str]:
    """Return the entries of a Parquet file's metadata that describe its columns.

    They are the columns as a VOTable without data (VOParquet, IVOA Note "Parquet in the VO" 1.0), the header that
    astropy's Parquet reader looks for, the length of the longest text in each column for the same reader (which stops
    at a null without it), and the versions of the schema and of this package.
    """
    lengths = Extent.of(rows).lengths
    found = dict(_described(rows.schema.serialize().to_pybytes(), tuple(rows.columns.items())))
    for i, length in enumerate(lengths.values()):
        found[_VOTABLE] = found[_VOTABLE].replace(f'"{_UNKNOWN_LENGTH + i}"', f'"{length}"')
    return found | {f"table::len::{name}": str(length) for name, length in lengths.items()}


@lru_cache(maxsize=64)
def _described(schema: bytes, columns: tuple[tuple[str, Column], ...]) -> Mapping[str, str]:
    """Return the notes but for lengths, with numbers in their place.

    They are kept in a file for later processes: to import what makes them takes half of the time of a command that
    writes a few rows.
    """
    path = _kept_at(schema, columns)
    if path is None:
        return _made(schema, columns)
    if (kept := _read(path)) is not None:
        return kept
    found = _made(schema, columns)
    with suppress(OSError), atomic_write(path) as part:
        part.write_text(json.dumps(found), "utf-8")
    return found


def _read(path: Path) -> Mapping[str, str] | None:
    """Return the notes in a file; None where it is missing or damaged."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and _VOTABLE in found else None


def _kept_at(schema: bytes, columns: tuple[tuple[str, Column], ...]) -> Path | None:
    """Return the file for the notes of these columns by this code; None if no folder can be written."""
    folder = folder_for(Path(__file__).parent)
    sources = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    parts = (schema, columns, SCHEMA_VERSION, __version__, version("astropy"), sources)
    return folder and folder / f"notes-{hashlib.sha256(repr(parts).encode()).hexdigest()[:24]}.json"


def _made(schema: bytes, columns: tuple[tuple[str, Column], ...]) -> dict[str, str]:
    from astropy.table import meta

    from wfc3tvb.catalog.formats.astropy_tables import to_astropy
    from wfc3tvb.catalog.formats.votable import fields

    rows = Rows(pa.ipc.read_schema(pa.py_buffer(schema)), lambda: iter(()), 0, dict(columns))
    lengths = {name: _UNKNOWN_LENGTH + i for i, name in enumerate(Extent.of(rows).lengths)}
    empty = to_astropy(pa.Table.from_batches([], rows.schema))
    return {
        "wfc3tvb.schema_version": SCHEMA_VERSION,
        "wfc3tvb.package_version": __version__,
        "IVOA.VOTable-Parquet.version": "1.0",
        _VOTABLE: fields(rows, lengths=lengths, lists=True),
        "table_meta_yaml": "\n".join(meta.get_yaml_from_table(empty)),
    }
