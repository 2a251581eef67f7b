"""What DuckDB answers, as a table of Arrow that is not too large and that every format holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from duckdb import DuckDBPyRelation

from wfc3tvb.catalog.duckdb_views import bare
from wfc3tvb.errors import QueryError

#: Rows that are taken from DuckDB at a time.
_PIECE = 2048
#: Last number of types of which Python takes all numbers: the next is infinity, or 24 o'clock.
_LAST = {pa.timestamp("ns"): 2**63 - 2, pa.time64("us"): 86_400 * 10**6 - 1, pa.time64("ns"): 86_400 * 10**9 - 1}


@dataclass(frozen=True)
class Cap:
    """What a result may be at most: rows (the others are left out), columns and bytes (more is an error)."""

    rows: int
    columns: int
    n_bytes: int


def capped(relation: DuckDBPyRelation, cap: Cap) -> pa.Table:
    """Return the rows of a relation, read piece by piece up to a cap: DuckDB's memory limit does not count them.

    Raises
    ------
    QueryError
        If it has too many columns, or its rows take too much memory.
    """
    if len(relation.columns) > cap.columns:
        found = len(relation.columns)
        raise QueryError(f"the result has {found} columns, at most {cap.columns} are taken; name those you want")
    reader = relation.to_arrow_reader(_PIECE)
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
    """Return the next rows, None after the last; what fails on the way reaches Arrow as an error of the system's."""
    try:
        return reader.read_next_batch()
    except StopIteration:
        return None
    except OSError as error:
        kind = duckdb.InterruptException if "INTERRUPT" in str(error) else duckdb.Error
        raise kind(str(error)) from error


def tidy(rows: pa.Table) -> pa.Table:
    """Return the rows of a statement as every format can hold them.

    Columns of one name get a number (``rootname``, ``rootname_1``, as DuckDB's own ``.df()`` does). Sums and decimal
    fractions, which DuckDB reckons with 38 digits, become int or float; intervals, bytes, and what Python or a format
    cannot hold (a date of infinity or before Christ, a union) become text.
    """
    # `pa.table` would import pandas, which takes longer than most queries.
    return pa.Table.from_arrays([_tidy(column) for column in rows.columns], names=_unique(rows.column_names))


def _unique(names: Sequence[str]) -> list[str]:
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
    if any(map(_foreign, kinds)) or (any(map(pa.types.is_temporal, kinds)) and _beyond(column)):
        return _in_words(column)
    return column


def _kinds(kind: pa.DataType) -> Iterator[pa.DataType]:
    """Yield a type and those of what it is made of."""
    yield kind
    for number in range(kind.num_fields):
        yield from _kinds(kind.field(number).type)


def _foreign(kind: pa.DataType) -> bool:
    """Say whether a format does not know a type."""
    odd = pa.types.is_union(kind) or pa.types.is_interval(kind) or isinstance(kind, pa.BaseExtensionType)
    return odd or (pa.types.is_struct(kind) and not kind.num_fields)


def _beyond(column: pa.ChunkedArray) -> bool:
    """Say whether a column holds moments that Python has not: infinity, before the year 1, after 9999, 24 o'clock."""
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


def _in_words(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as DuckDB writes it."""
    with bare() as connection:
        rows = connection.from_arrow(pa.Table.from_arrays([column], names=["x"]))
        try:
            return rows.project("CAST(x AS VARCHAR) AS x").to_arrow_table().column("x")
        except duckdb.Error as error:  # it takes back not all that it gives to Arrow
            raise QueryError(f"no table holds a column of type {column.type}; cast it to VARCHAR") from error


def _as_text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    months, days, nanoseconds = value
    return f"{months} months {days} days {nanoseconds / 1e9:g} s"
