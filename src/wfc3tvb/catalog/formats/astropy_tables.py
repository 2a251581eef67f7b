"""Conversion of rows to astropy tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from astropy.table import MaskedColumn, QTable
from astropy.table import Table as AstropyTable
from numpy.typing import NDArray

from wfc3tvb.catalog.formats.column_notes import notes_of
from wfc3tvb.catalog.formats.rows import flatten_nested
from wfc3tvb.schema import Column
from wfc3tvb.schema.quantities import Values, quantity_table

_NULL = {"i": 0, "f": np.nan, "b": False}
_DTYPE = {"i": np.int64, "f": np.float64, "b": np.bool_}


def to_astropy(rows: pa.Table) -> AstropyTable:
    """Return `rows` as an astropy table with units and descriptions, nulls masked, lists as text."""
    found = {name: MaskedColumn(each.values, mask=each.nulls) for name, each in _arrays(rows).items()}
    return add_descriptions(AstropyTable(found), notes_of(rows.schema))


def to_quantities(rows: pa.Table, *, times: bool = True) -> QTable:
    """Return `rows` as a table of quantities; see `wfc3tvb.schema.quantities.quantity_table`."""
    return quantity_table(_arrays(rows), notes_of(rows.schema), times=times)


def add_descriptions(table: AstropyTable, columns: Mapping[str, Column]) -> AstropyTable:
    """Set unit and description of some columns of a table, and return the table."""
    for name in columns:
        if name in table.colnames:
            table[name].unit = columns[name].unit or None
            table[name].description = columns[name].description
    return table


def _arrays(rows: pa.Table) -> dict[str, Values]:
    """Return the values of every column, and which are null."""
    flat = pa.Table.from_batches([flatten_nested(batch) for batch in rows.to_batches()] or _no_rows(rows.schema))
    return {name: Values(_values(flat[name]), np.asarray(flat[name].is_null())) for name in flat.column_names}


def _no_rows(schema: pa.Schema) -> list[pa.RecordBatch]:
    return [flatten_nested(pa.RecordBatch.from_pylist([], schema))]


def _values(column: pa.ChunkedArray) -> NDArray[Any]:
    kind = _kind(column.type)
    if kind == "U":
        texts = ["" if value is None else str(value) for value in column.to_pylist()]
        return np.array(texts, dtype=np.str_)
    return np.asarray(column.fill_null(_NULL[kind])).astype(_DTYPE[kind])


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "b"
    return "i" if pa.types.is_integer(kind) else "f" if pa.types.is_floating(kind) else "U"
