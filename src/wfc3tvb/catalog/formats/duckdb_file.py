"""Export of a catalog as one DuckDB file: its tables with their rows, and its views, macros, units and descriptions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from duckdb import DuckDBPyConnection

from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.catalog.duckdb_views import STORAGE_VERSION, add_macros
from wfc3tvb.catalog.release import published_rows, write_texts
from wfc3tvb.catalog.views import DERIVED, comment_statements, derived_statements
from wfc3tvb.schema import TABLES, Table
from wfc3tvb.system.files import atomic_write

#: Name of the file.
FILE = "wfc3tvb.duckdb"


def write_duckdb(catalog: Catalog, out: Path) -> Iterator[Path]:
    """Write a DuckDB file with README, citation, licence and checksums into a folder, and yield the files written.

    Unlike the views in the catalog's folder, the file contains the rows: it can be copied, and needs no other file.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    out : Path
        Folder, created if needed.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / FILE
    config: dict[str, Any] = {"storage_compatibility_version": STORAGE_VERSION}
    with atomic_write(path) as part, duckdb.connect(str(part), config=config) as connection:
        n_rows = {table.name: _copy(catalog, table, connection) for table in TABLES.values()}
        add_macros(connection)
        connection.execute("; ".join([*derived_statements(), *comment_statements(are_tables=True)]))
        n_rows |= {name: _count(name, connection) for name in DERIVED}
    yield path
    yield from write_texts(catalog, out, {name: (path, n) for name, n in n_rows.items()}, how=how_to_read())


def how_to_read() -> str:
    """Return the command and the Python expression that open the file."""
    return f'duckdb {FILE}, or duckdb.connect("{FILE}", read_only=True).sql("FROM visits")'


def _count(name: str, connection: DuckDBPyConnection) -> int:
    (row,) = connection.execute(f"SELECT count(*) FROM {name}").fetchall()  # noqa: S608 (a view of this package)
    return int(row[0])


def _copy(catalog: Catalog, table: Table, connection: DuckDBPyConnection) -> int:
    """Copy a table into the file, in the order of its key, and return its number of rows."""
    rows = published_rows(catalog, table)
    connection.register("source", pa.RecordBatchReader.from_batches(rows.schema, rows.read()))
    connection.execute(f"CREATE TABLE {table.name} AS FROM source")
    connection.unregister("source")
    return rows.n_rows
