"""Tables of quantities: astropy QTables with the units and descriptions of the schema's columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from astropy.table import Column as AstropyColumn
from astropy.table import MaskedColumn, QTable
from astropy.time import Time
from numpy.typing import NDArray

from wfc3tvb.schema import Column

_DTYPES: Mapping[str, Any] = {"int": np.int64, "float": np.float64, "bool": np.bool_, "str": np.str_}
_FILL: Mapping[str, Any] = {"int": 0, "float": np.nan, "bool": False, "str": ""}


class Values(NamedTuple):
    """Values of a column, and which of them are null."""

    values: NDArray[Any]
    nulls: NDArray[np.bool_]


def quantity_table(arrays: Mapping[str, Values], columns: Mapping[str, Column], *, times: bool = True) -> QTable:
    """Return a table of quantities.

    Parameters
    ----------
    arrays : mapping
        Name to values of every column, in order.
    columns : mapping
        Name to `Column` of those that have a unit and a description; the others are plain.
    times : bool, optional
        Whether dates are `astropy.time.Time` (scale UTC, format mjd), or quantities [d].

    Returns
    -------
    astropy.table.QTable
        Nulls are masked; a column without nulls has no mask.
    """
    table = QTable()
    for name, each in arrays.items():
        column = columns.get(name)
        table[name] = _time(each) if times and column and column.is_date else _column(each, column)
        if column:
            table[name].info.description = column.description
    return table


def table_of(rows: Iterable[Mapping[str, Any]], columns: Iterable[Column], *, times: bool = True) -> QTable:
    """Return rows of a table of the schema as a table of quantities; lists are joined to text by semicolons."""
    rows, columns = list(rows), list(columns)
    arrays = {column.name: _values([row[column.name] for row in rows], column) for column in columns}
    return quantity_table(arrays, {column.name: column for column in columns}, times=times)


def _values(values: list[Any], column: Column) -> Values:
    if column.type.endswith("[]"):
        values = [None if value is None else ";".join(map(str, value)) for value in values]
    kind = column.type if column.type in _DTYPES else "str"
    nulls = np.array([value is None for value in values], dtype=np.bool_)
    filled = [_FILL[kind] if value is None else value for value in values]
    return Values(np.array(filled, dtype=_DTYPES[kind]), nulls)


def _column(each: Values, column: Column | None) -> AstropyColumn:
    unit = (column.unit if column else None) or None
    if each.nulls.any():
        return MaskedColumn(each.values, mask=each.nulls, unit=unit)
    return AstropyColumn(each.values, unit=unit)


def _time(each: Values) -> Time:
    known = np.where(each.nulls, 0.0, each.values)
    times = Time(known, format="mjd", scale="utc")
    if each.nulls.any():
        times[each.nulls] = np.ma.masked
    return times
