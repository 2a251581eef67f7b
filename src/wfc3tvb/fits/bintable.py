"""Read the columns of binary tables of reference files as arrays (FITS Standard 4.0, section 7.3)."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Iterable, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.errors import BadFileError
from wfc3tvb.fits.blocks import CHECK_THE_COPY
from wfc3tvb.fits.hdus import Extension

#: Letters of TFORM whose columns are read, and their types.
_KINDS = {"L": "S1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
#: Bits of an element of any letter (FITS Standard 4.0, table 18).
_BITS = {"L": 8, "X": 1, "B": 8, "I": 16, "J": 32, "K": 64, "A": 8, "E": 32, "D": 64, "C": 64, "M": 128, "P": 64,
         "Q": 128}  # fmt: skip

#: Longest row of which numpy can describe the layout [byte].
_LONGEST_ROW = 2**31


class Columns(UserDict[str, Any]):
    """Columns of a table, or cells of a row, by name; a missing one is an error."""

    def __init__(self, path: Path, columns: Mapping[str, Any]) -> None:
        self.path = path
        super().__init__(columns)

    def __missing__(self, name: str) -> Any:
        raise BadFileError(self.path, f"has no column {name}", CHECK_THE_COPY)

    def numbers(self, name: str) -> NDArray[Any]:
        """Return a column of numbers, one a row, or the array of numbers in a cell.

        Raises
        ------
        BadFileError
            If it is missing, or holds something else.
        """
        values = np.asarray(self[name])
        if values.dtype.kind not in "iuf" or values.ndim != 1:
            raise BadFileError(self.path, f"has no numbers in column {name}", CHECK_THE_COPY)
        return values

    def number(self, name: str) -> Any:
        """Return the number in a cell; see `numbers` for the errors."""
        value = self[name]
        if not isinstance(value, np.integer | np.floating):
            raise BadFileError(self.path, f"has no number in column {name}", CHECK_THE_COPY)
        return value

    def whole(self, name: str) -> int:
        """Return the whole number in a cell, which may be stored with decimals; see `numbers` for the errors."""
        value = self.number(name)
        if not np.isfinite(value):
            raise BadFileError(self.path, f"has no number in column {name}", CHECK_THE_COPY)
        return int(value)


class _Field(NamedTuple):
    """A column: number, name, bytes of a row; repeat, letter and letter of the elements of arrays of TFORM."""

    number: int
    name: str
    size: int
    repeat: int
    letter: str
    element: str

    @property
    def stored(self) -> tuple[str, tuple[int, ...]]:
        """Type of a row."""
        if self.letter == "A":
            return f"S{self.repeat}", ()
        if self.letter in ("P", "Q"):
            return (">i4" if self.letter == "P" else ">i8"), (2,)
        if self.letter in _KINDS:
            return _KINDS[self.letter], (self.repeat,) if self.repeat != 1 else ()
        return f"V{self.size}", ()


def read_columns(table: Extension, names: Iterable[str] | None = None) -> Columns:
    """Return the columns of a table by name in upper case; text loses its trailing blanks, but for the first.

    Parameters
    ----------
    table : Extension
        The table.
    names : iterable of str, optional
        The columns wanted, in any case; by default all. Others may be of formats that are not read, and those that the
        table lacks, or that have no bytes (0A), are left out.

    Raises
    ------
    BadFileError
        If it is not a binary table, its columns do not fit its rows, or one wanted is of a format that no reference
        table has.
    """
    header = table.header
    if str(header.get("XTENSION", "")).strip() != "BINTABLE":
        raise BadFileError(table.path, "has no binary table", CHECK_THE_COPY)
    length, count = (_whole(table, keyword) for keyword in ("NAXIS1", "NAXIS2"))
    if not 0 < length < _LONGEST_ROW or length * count > len(table.raw):
        raise BadFileError(table.path, f"has no table of {count} rows of {length} bytes", CHECK_THE_COPY)
    fields = [_field(table, i) for i in range(1, int(header.number("TFIELDS")) + 1)]
    ends = list(accumulate((field.size for field in fields), initial=0))
    wanted = None if names is None else {name.upper() for name in names}
    read = {field.name: (field, at) for field, at in zip(fields, ends, strict=False)}
    if ends[-1] > length or not 0 < len(read) == len(fields):
        raise BadFileError(table.path, "has a table whose columns do not fit its row length or names", CHECK_THE_COPY)
    chosen = [(f, at) for name, (f, at) in read.items() if f.size and (wanted is None or name in wanted)]
    layout = np.dtype({
        "names": [field.name for field, _ in chosen],
        "formats": [field.stored for field, _ in chosen],
        "offsets": [at for _, at in chosen],
        "itemsize": length,
    })  # fmt: skip
    rows = np.frombuffer(table.raw, layout, count)
    heap = table.raw[_whole(table, "THEAP", rows.nbytes) :]
    return Columns(table.path, {f.name: _readable(rows[f.name], f, heap, table) for f, _ in chosen})


def _whole(table: Extension, keyword: str, default: int | None = None) -> int:
    """Return a number of bytes or rows."""
    value = table.header.number(keyword, default)
    if value < 0:
        raise BadFileError(table.path, f"has a table of {keyword} {value}", CHECK_THE_COPY)
    return int(value)


def rows_of(columns: Columns) -> list[Columns]:
    """Return the rows of a small table."""
    rows = zip(*columns.values(), strict=True)
    return [Columns(columns.path, dict(zip(columns, row, strict=True))) for row in rows]


def _field(table: Extension, i: int) -> _Field:
    form = str(table.header.needed(f"TFORM{i}")).strip()
    letters = form.lstrip("0123456789")
    repeat, letter = int(form[: len(form) - len(letters)] or 1), letters[:1]
    if letter not in _BITS:
        raise BadFileError(table.path, f"has a column of the unknown format {form!r}", CHECK_THE_COPY)
    size = -(-repeat * _BITS[letter] // 8)
    return _Field(i, str(table.header.needed(f"TTYPE{i}")).strip().upper(), size, repeat, letter, letters[1:2])


def _readable(values: NDArray[Any], field: _Field, heap: memoryview, table: Extension) -> NDArray[Any]:
    if field.letter == "A":
        text = np.char.rstrip(np.char.decode(values, "latin-1"))
        blank = np.char.startswith(values, b" ") & (text == "")
        return np.where(blank, " ", text)  # as cfitsio reads it; an empty text is a cell without a value (NUL)
    if field.letter == "L":
        return np.asarray(values == b"T")
    if field.letter in ("P", "Q"):
        return _arrays(values, field, heap, table)
    if field.letter not in _KINDS:
        raise BadFileError(table.path, f"has a column {field.name} of an unsupported format", CHECK_THE_COPY)
    scale, zero = (table.header.number(f"{word}{field.number}", n) for word, n in (("TSCAL", 1.0), ("TZERO", 0.0)))
    return values if (scale, zero) == (1, 0) else values * float(scale) + float(zero)


def _arrays(values: NDArray[Any], field: _Field, heap: memoryview, table: Extension) -> NDArray[Any]:
    """Return the arrays of a column of variable length."""
    made = np.empty(len(values), object)
    for row, (count, offset) in enumerate(values.tolist()):
        if field.element not in _KINDS or count < 0 or not 0 <= offset <= len(heap):
            raise BadFileError(table.path, f"has a column {field.name} that does not fit its heap", CHECK_THE_COPY)
        kind = np.dtype(_KINDS[field.element])
        if count * kind.itemsize > len(heap) - offset:
            raise BadFileError(table.path, f"has a column {field.name} that does not fit its heap", CHECK_THE_COPY)
        made[row] = np.frombuffer(heap[offset:], kind, count)
    return made
