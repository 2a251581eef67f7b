"""Run a query of TAP on a locked catalog, and write its result.

The walls are those of the explorer: DuckDB's own parser must find nothing but reading, DuckDB reads only the files of
the catalog and cannot write, and rows, memory and time are limited.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.csv

from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.catalog.export import write_table
from wfc3tvb.catalog.formats.column_notes import notes_of
from wfc3tvb.catalog.results import Cap
from wfc3tvb.schema import Column
from wfc3tvb.web.console_pages import limit_rows
from wfc3tvb.web.tap.adql import Translation, to_duckdb
from wfc3tvb.web.tap.metadata import columns_of, create_tap_schema, table_names
from wfc3tvb.web.tap.parameters import Format, Parameters
from wfc3tvb.web.tap.votable import flat_table, result_document

#: Columns and bytes of a result; formats that are not written from Arrow take several times the memory of the rows.
_COLUMNS, _BYTES, _BYTES_OTHERS = 1000, 256 * 2**20, 64 * 2**20
_FROM_ARROW = ("votable", "csv", "tsv", "parquet")


@dataclass(frozen=True)
class Limits:
    """Limits of a query: seconds, and DuckDB's memory."""

    seconds: float = 60.0
    memory: str = "512MB"


def run_query(
    folder: Path, asked: Parameters, limits: Limits, *, started: Callable[[Catalog], None] | None = None
) -> bytes:
    """Run a query and return its result in the format asked for.

    Parameters
    ----------
    folder : Path
        The catalog's folder.
    asked : Parameters
        The query.
    limits : Limits
        Its limits.
    started : callable, optional
        Told the opened catalog before the query runs, so that it can be interrupted.

    Raises
    ------
    QueryError
        If it is not a query of its language, fails, or exceeds a limit.
    """
    if asked.language == "ADQL":
        translated = to_duckdb(asked.query, table_names())
    else:
        translated = Translation(asked.query, tuple(table_names().values()))
    text = translated.sql
    n_bytes = _BYTES if asked.format.name in _FROM_ARROW else _BYTES_OTHERS
    cap = Cap(asked.maxrec + 1, _COLUMNS, n_bytes)
    with open_catalog(folder, locked=True, memory_limit=limits.memory, threads=2) as catalog:
        if "tap_schema" in text.lower():
            create_tap_schema(catalog.connection)
        if started is not None:
            started(catalog)
        found = catalog.fetch(limit_rows(text, cap.rows), timeout=limits.seconds, cap=cap)
    rows = found.slice(0, asked.maxrec)
    if asked.format.name == "votable":  # the only format that can say that there are more rows
        return result_document(rows, _columns(rows, translated.tables), overflow=found.num_rows > asked.maxrec)
    return _written(rows, asked.format)


def _columns(rows: pa.Table, tables: Sequence[str]) -> Mapping[str, Column]:
    """Return what is known of the columns of a result: their places in the tables say it, but not the utypes."""
    traced = notes_of(rows.schema)
    declared = {
        name: column
        for name, column in columns_of(tables).items()
        if name in traced and column.description == traced[name].description
    }
    return dict(columns_of(name for name in tables if name.startswith("tap_schema."))) | traced | declared


def _written(rows: pa.Table, form: Format) -> bytes:
    """Return rows in a format other than VOTable."""
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "result"
        if form.name == "tsv":
            options = pyarrow.csv.WriteOptions(delimiter="\t", quoting_style="needed")
            pyarrow.csv.write_csv(flat_table(rows), path, options)
        else:
            write_table(rows, path, form.name)
        return path.read_bytes()
