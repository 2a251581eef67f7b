"""Results of DuckDB as Arrow tables of limited size, with types that every export format supports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from duckdb import DuckDBPyRelation

from wfc3tvb.catalog.duckdb_views import connection_without_views
from wfc3tvb.errors import QueryError

#: Rows that are read from DuckDB at a time.
_BATCH_ROWS = 2048
#: Largest value, in types whose values Python accepts although the next larger one is infinity, or 24 o'clock.
_LAST = {pa.timestamp("ns"): 2**63 - 2, pa.time64("us"): 86_400 * 10**6 - 1, pa.time64("ns"): 86_400 * 10**9 - 1}


@dataclass(frozen=True)
class Cap:
    """Limits of a result: rows (further rows are left out), columns and bytes (more is an error)."""

    rows: int
    columns: int
    n_bytes: int


def capped(relation: DuckDBPyRelation, cap: Cap) -> pa.Table:
    """Return the rows of a relation up to a cap, read in batches because DuckDB's memory limit does not include them.

    Raises
    ------
    QueryError
        If there are too many columns, or the rows take too much memory.
    """
    if len(relation.columns) > cap.columns:
        found = len(relation.columns)
        raise QueryError(f"the result has {found} columns, and the limit is {cap.columns}; name those you want")
    reader = relation.to_arrow_reader(_BATCH_ROWS)
    pieces, n_rows, n_bytes = [], 0, 0
    try:
        while n_rows < cap.rows and (piece := _next(reader)) is not None:
            pieces.append(piece.slice(0, cap.rows - n_rows))
            n_rows, n_bytes = n_rows + piece.num_rows, n_bytes + pieces[-1].nbytes
            if n_bytes > cap.n_bytes:
                most = f"{cap.n_bytes / 1e6:.0f} MB"
                raise QueryError(f"the result takes more than {most}; name the columns you want, or add a LIMIT")
        return pa.Table.from_batches(pieces, reader.schema)
    finally:
        reader.close()


def _next(reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
    """Return the next batch, None after the last; DuckDB's errors arrive here as an OSError from Arrow."""
    try:
        return reader.read_next_batch()
    except StopIteration:
        return None
    except OSError as error:
        kind = duckdb.InterruptException if "INTERRUPT" in str(error) else duckdb.Error
        raise kind(str(error)) from error


def tidy(rows: pa.Table) -> pa.Table:
    """Return a result with unique column names, and types that every format supports.

    Columns of the same name get a number (``rootname``, ``rootname_1``, as in DuckDB's ``.df()``). Sums and decimals,
    for which DuckDB uses 38 digits, become int or float; intervals, bytes, and values that Python or a format does not
    support (an infinite date, one before the year 1, a union) become text.
    """
    # `pa.table` would import pandas, which takes longer than most queries.
    return pa.Table.from_arrays([_tidy(column) for column in rows.columns], names=unique(rows.column_names))


def unique(names: Sequence[str]) -> list[str]:
    """Return names without repetition: the second ``x`` becomes ``x_1``."""
    found: list[str] = []
    for name in names:
        number, free = 1, name
        while free in found or (free != name and free in names):
            number, free = number + 1, f"{name}_{number}"
        found.append(free)
    return found


def _tidy(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_decimal(kind) or pa.types.is_uint64(kind):
        try:
            return column.cast(pa.int64())
        except pa.ArrowInvalid:  # a fraction, or too large
            return column.cast(pa.float64(), safe=False)
    if pa.types.is_interval(kind) or pa.types.is_binary(kind):
        return pa.chunked_array([[None if v is None else _as_text(v) for v in column.to_pylist()]], pa.string())
    kinds = list(_kinds(kind))
    if any(map(_unsupported, kinds)) or (any(map(pa.types.is_temporal, kinds)) and _exceeds_python(column)):
        return _cast_to_text(column)
    return column


def _kinds(kind: pa.DataType) -> Iterator[pa.DataType]:
    """Yield a type and the types nested in it."""
    yield kind
    for number in range(kind.num_fields):
        yield from _kinds(kind.field(number).type)


def _unsupported(kind: pa.DataType) -> bool:
    """Return whether some format does not support a type."""
    special = pa.types.is_union(kind) or pa.types.is_interval(kind) or isinstance(kind, pa.BaseExtensionType)
    return special or (pa.types.is_struct(kind) and not kind.num_fields)


def _exceeds_python(column: pa.ChunkedArray) -> bool:
    """Return whether a column has times that Python does not: infinity, before year 1, after 9999, 24 o'clock."""
    try:
        if not pa.types.is_temporal(column.type):
            column.to_pylist()
        elif len(column):
            pc.min_max(column).as_py()
    except (OverflowError, ValueError):
        return True
    if column.type not in _LAST:
        return False
    numbers = pc.min_max(column.cast(pa.int64())).as_py()
    return max((abs(n) for n in numbers.values() if n is not None), default=0) > _LAST[column.type]


def _cast_to_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as text, as DuckDB writes it."""
    with connection_without_views() as connection:
        rows = connection.from_arrow(pa.Table.from_arrays([column], names=["x"]))
        try:
            return rows.project("CAST(x AS VARCHAR) AS x").to_arrow_table().column("x")
        except duckdb.Error as error:  # DuckDB cannot read back every type that it exports to Arrow
            raise QueryError(f"a column of type {column.type} is not supported; cast it to VARCHAR") from error


def _as_text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    months, days, nanoseconds = value
    return f"{months} months {days} days {nanoseconds / 1e9:g} s"
