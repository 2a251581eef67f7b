"""Text formats: CSV, ECSV and JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from wfc3tvb.catalog.formats.column_notes import COLUMNS
from wfc3tvb.catalog.formats.rows import Rows, json_value
from wfc3tvb.schema import Column, arrow_type

#: Decimals of columns whose unit says how many are of use: dates to a millisecond, directions to 4 milliarcsec.
_DECIMALS = {"d": 8, "deg": 6}
#: Significant digits of other measured columns, and of columns that a query computed.
_MEASURED, _COMPUTED = 7, 12
#: Digits of a value beyond the first digit of its error.
_BEYOND_ERROR = 2
#: Largest power of ten that a float represents exactly.
_EXACT = 22
#: Texts that need quotes: separators, an empty text, which would be read as null, and what looks like a comment.
_SPECIAL = '[",\\r\\n]|^$|^\\s|\\s$|^#'
#: Line ends, those of Unicode included: astropy's reader of ECSV breaks rows there, in quotes too, or drops what
#: follows if it is empty or looks like a comment.
_BREAKS = "\\r\\n|[\\n\\r\\x0b\\x0c\\x1c-\\x1e\\x{85}\\x{2028}\\x{2029}]"


def write_csv(rows: Rows, path: Path, *, units: bool = False) -> None:
    """Write CSV: quotes only where a text needs them, and numbers with the digits that they deserve.

    A null is an empty cell, and an empty text is ``""``. A number has two digits more than its error where the row has
    one (column ``<name>_err``); else dates are given to a millisecond, directions to 4 milliarcsec, and other measured
    numbers with 7 digits. With `units`, headings are like ``sky_mean [electron/s]``; without, names only, which
    programs expect.
    """
    flat = rows.flat()
    names = [_heading(name, flat.columns.get(name) if units else None) for name in flat.schema.names]
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(_quoted(pa.array(names, pa.string())).to_pylist()) + "\n")
        for batch in flat.read():
            _write_lines(file, [_csv_cells(batch, name, flat.columns.get(name)) for name in batch.schema.names])


def write_ecsv(rows: Rows, path: Path) -> None:
    """Write ECSV: astropy's header, and rows as CSV with all digits; line ends within a text become blanks."""
    from wfc3tvb.catalog.formats.astropy_tables import to_astropy

    flat, head = rows.flat(), io.StringIO()
    to_astropy(pa.Table.from_batches([], flat.schema)).write(head, format="ascii.ecsv", delimiter=",")
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(head.getvalue())
        for batch in flat.read():
            _write_lines(file, [_ecsv_cells(column) for column in batch.columns])


def write_json(rows: Rows, path: Path) -> None:
    """Write JSON: a list of rows, with all digits."""
    before = "["
    with path.open("w", encoding="utf-8") as file:
        for batch in rows.read():
            for row in batch.to_pylist():
                file.write(f"{before}\n{json.dumps(json_value(row), indent=1, default=str, allow_nan=False)}")
                before = ","
        file.write("[]\n" if before == "[" else "\n]\n")


def read_csv(path: Path) -> pa.Table:
    """Read a CSV file, also one with units in its headings; columns of the schema get their type."""
    known = {name: c for name, c in COLUMNS.items() if not c.type.endswith("[]")}
    types = {heading: arrow_type(c.type) for name, c in known.items() for heading in {name, _heading(name, c)}}
    options = {"column_types": types, "null_values": [""], "strings_can_be_null": True}
    found = pa.csv.read_csv(
        path,
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(quoted_strings_can_be_null=False, **options),
    )
    plain = {_heading(name, column): name for name, column in COLUMNS.items()}
    return found.rename_columns([plain.get(heading, heading) for heading in found.column_names])


def _heading(name: str, column: Column | None) -> str:
    """Return the heading of a column, with its unit where the column is given."""
    return f"{name} [{column.unit}]" if column and column.unit else name


def _write_lines(file: io.TextIOBase, cells: list[pa.Array]) -> None:
    file.writelines(f"{line}\n" for line in pc.binary_join_element_wise(*cells, ",").to_pylist())


def _csv_cells(batch: pa.RecordBatch, name: str, column: Column | None) -> pa.Array:
    """Return the cells of a column."""
    values = batch.column(name)
    if not pa.types.is_floating(values.type):
        return pc.fill_null(_quoted(values.cast(pa.string())), "")
    numbers = np.asarray(values.cast(pa.float64()).fill_null(np.nan))
    rounded = _rounded(numbers, _decimals(numbers, column, _error_of(batch, name)))
    return pc.if_else(values.is_null(), "", pa.array(rounded).cast(pa.string()))


def _ecsv_cells(column: pa.Array) -> pa.Array:
    if pa.types.is_boolean(column.type):
        return pc.fill_null(pc.if_else(column, "True", "False"), "")
    return pc.fill_null(_quoted(pc.replace_substring_regex(column.cast(pa.string()), _BREAKS, " ")), "")


def _quoted(texts: pa.Array) -> pa.Array:
    """Return texts, in quotes where they need them."""
    inside = pc.replace_substring(texts, '"', '""')
    return pc.if_else(
        pc.match_substring_regex(texts, _SPECIAL), pc.binary_join_element_wise('"', inside, '"', ""), texts
    )


def _error_of(batch: pa.RecordBatch, name: str) -> NDArray[np.float64] | None:
    """Return the errors of a column, or of itself for a column of errors."""
    error = name if name.endswith("_err") else f"{name}_err"
    if error not in batch.schema.names or not pa.types.is_floating(batch.schema.field(error).type):
        return None
    return np.asarray(batch.column(error).cast(pa.float64()).fill_null(np.nan))


def _decimals(
    numbers: NDArray[np.float64], column: Column | None, error: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return how many decimals each number deserves; NaN where nothing is to be rounded."""
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.floor(np.log10(np.abs(numbers)))
        decimals = (_MEASURED if column else _COMPUTED) - 1 - first
        if column and column.unit in _DECIMALS:
            decimals = np.full_like(first, _DECIMALS[column.unit])
        if error is not None:
            by_error = _BEYOND_ERROR - np.floor(np.log10(np.abs(error)))
            decimals = np.where(np.isfinite(by_error), by_error, decimals)
    return np.where(np.isfinite(numbers) & (np.abs(decimals) <= _EXACT), decimals, np.nan)


def _rounded(numbers: NDArray[np.float64], decimals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return numbers rounded to some decimals."""
    up, down = (10.0 ** np.clip(np.nan_to_num(sign * decimals), 0, _EXACT) for sign in (1, -1))
    with np.errstate(invalid="ignore", over="ignore"):
        rounded = np.rint(numbers * up / down) / up * down + 0.0  # no -0.0
    return np.where(np.isfinite(decimals) & np.isfinite(rounded), rounded, numbers)
