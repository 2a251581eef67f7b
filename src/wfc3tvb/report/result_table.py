"""Table of a query's result for the terminal: headings with units, and numbers with the digits that they deserve."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, isfinite, log10
from statistics import median
from typing import Any

import pyarrow as pa
from rich.text import Text

from wfc3tvb.catalog.formats.column_notes import notes_of
from wfc3tvb.report.fitted_table import FittedColumn, FittedTable
from wfc3tvb.report.sentences import printable
from wfc3tvb.schema import Column

#: Columns that are never left out: what a row is, and the verdict on it.
_KEPT = ("rootname", "sky", "sky_mean", "tvb_score", "tvb_class", "worst_class", "tvb_kind", "recommend", "accepted")
#: Width from which a text may be folded [characters].
_LONG = 24
#: Fewest decimals of columns by their unit (dates to a second), and of directions on the sky.
_DECIMALS = {"electron/s": 3, "d": 5, "deg": 1, "s": 1, "arcsec": 3, "mag": 2, "": 2}
_DIRECTION, _ON_THE_SKY = 5, ("pos.eq", "pos.posAng")
#: Digits of a typical value of a column, of one that a query computed, and of an error.
_MEASURED, _COMPUTED, _OF_ERROR = 3, 4, 2
#: Most decimals of a column.
_MOST = 8
#: Computed numbers that are probably dates (MJD of 1995 to 2050).
_DATES = (49_700.0, 69_900.0)
_SHORT = {"electron/s": "e-/s", "electron": "e-", "electron2/s2": "(e-/s)^2"}


def relation(rows: pa.Table, limit: int | None = None) -> FittedTable:
    """Return the result of a query as a table of at most `limit` rows.

    All numbers of a column have the same decimals: those of two digits of its errors where the result has a column
    `<name>_err`, else those that its unit deserves and that leave a typical value three digits. Columns that the
    query computed have four digits, or fewer where the others are zeros.
    """
    shown = rows.slice(0, limit)
    notes, columns = notes_of(rows.schema), []
    for place, name in enumerate(rows.column_names):
        kind = rows.schema.field(name).type
        column, values = notes.get(name), shown[name].to_pylist()
        decimals = _decimals(values, _errors(shown, name), column) if pa.types.is_floating(kind) else 0
        cells = [Text(_cell(value, decimals)) for value in values]
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        is_folded = not is_number and max((cell.cell_len for cell in cells), default=0) > _LONG
        rank = 0 if place == 0 or name in _KEPT else place
        columns.append(FittedColumn(_heading(name, column), cells, is_number, rank, is_folded))
    return FittedTable(columns, [None] * shown.num_rows)


def _heading(name: str, column: Column | None) -> str:
    """Return the name of a column, and its unit in a line of its own."""
    unit = column.unit if column else ""
    return printable(name) + (f"\n[{_SHORT.get(unit, unit)}]" if unit else "")


def _errors(rows: pa.Table, name: str) -> list[float]:
    """Return the errors of a column, or of itself for a column of errors; empty where there are none."""
    error = name if name.endswith("_err") else f"{name}_err"
    if error not in rows.column_names or not pa.types.is_floating(rows.schema.field(error).type):
        return []
    return _nonzero(rows[error].to_pylist())


def _decimals(values: Sequence[Any], errors: Sequence[float], column: Column | None) -> int:
    """Return the decimals of a column."""
    known = _nonzero(values)
    if errors:
        return _within(_OF_ERROR - 1 - floor(log10(median(errors))))
    if not known or all(value % 1 == 0 for value in known):
        return 0
    typical = median(known)
    if column is None:
        is_date = _DATES[0] < typical < _DATES[1]
        return _DECIMALS["d"] if is_date else _needed(known, _within(_COMPUTED - 1 - floor(log10(typical))))
    fewest = _DIRECTION if column.ucd.startswith(_ON_THE_SKY) else _DECIMALS.get(column.unit, 0)
    return max(fewest, _within(_MEASURED - 1 - floor(log10(typical))))


def _nonzero(values: Sequence[Any]) -> list[float]:
    return [abs(value) for value in values if value is not None and isfinite(value) and value]


def _needed(values: Sequence[float], most: int) -> int:
    """Return the fewest decimals that show numbers as `most` decimals do: a query may have rounded them."""
    shown = [round(value, most) for value in values]
    return next(n for n in range(most + 1) if all(round(value, n) == value for value in shown))


def _within(decimals: int) -> int:
    return min(max(decimals, 0), _MOST)


def _cell(value: Any, decimals: int) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        text = f"{value:z.{decimals}f}"
        return f"{value:.1e}" if value and isfinite(value) and float(text) == 0 else text
    if isinstance(value, list):
        return ", ".join(_cell(each, decimals or 3) for each in value)
    return printable(str(value))
