"""Read the columns of binary tables of reference files as arrays (FITS Standard 4.0, section 7.3)."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.errors import BadFileError
from wfc3tvb.fits.blocks import CHECK_THE_COPY
from wfc3tvb.fits.hdus import Extension

#: Letters of TFORM and their types.
_KINDS = {"L": "S1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}


class Columns(UserDict[str, Any]):
    """Columns of a table, or cells of a row, by name; a missing one is an error."""

    def __init__(self, path: Path, columns: Mapping[str, Any]) -> None:
        self.path = path
        super().__init__(columns)

    def __missing__(self, name: str) -> Any:
        raise BadFileError(self.path, f"has no column {name}", CHECK_THE_COPY)


class _Field(NamedTuple):
    """A column: number, name and letter of TFORM, type of each row, and element letter of variable-length arrays."""

    number: int
    name: str
    letter: str
    stored: tuple[str, tuple[int, ...]]
    element: str


def read_columns(table: Extension) -> Columns:
    """Return the columns of a table by name in upper case; text loses its trailing blanks, but for the first.

    Raises
    ------
    BadFileError
        If it is not a binary table, or has a column of a format that no reference table has.
    """
    header = table.header
    if str(header.get("XTENSION", "")).strip() != "BINTABLE":
        raise BadFileError(table.path, "has no binary table", CHECK_THE_COPY)
    fields = [_field(table, i) for i in range(1, int(header.number("TFIELDS")) + 1)]
    sizes = [np.dtype(field.stored).itemsize for field in fields]
    layout = np.dtype({
        "names": [field.name for field in fields],
        "formats": [field.stored for field in fields],
        "offsets": np.cumsum([0, *sizes[:-1]]).tolist(),
        "itemsize": max(int(header.number("NAXIS1")), sum(sizes)),
    })  # fmt: skip
    if sum(sizes) > header["NAXIS1"] or len({field.name for field in fields}) < len(fields):
        raise BadFileError(table.path, "has a table whose columns do not fit its row length or names", CHECK_THE_COPY)
    rows = np.frombuffer(table.raw, layout, int(header.number("NAXIS2")))
    heap = table.raw[int(header.number("THEAP", rows.nbytes)) :]
    return Columns(table.path, {f.name: _readable(rows[f.name], f, heap, table) for f in fields})


def rows_of(columns: Columns) -> list[Columns]:
    """Return the rows of a small table."""
    rows = zip(*columns.values(), strict=True)
    return [Columns(columns.path, dict(zip(columns, row, strict=True))) for row in rows]


def _field(table: Extension, i: int) -> _Field:
    form = str(table.header.needed(f"TFORM{i}"))
    letters = form.lstrip("0123456789")
    repeat, letter = int(form[: len(form) - len(letters)] or 1), letters[:1]
    stored: tuple[str, tuple[int, ...]]
    if letter == "A":
        stored = f"S{repeat}", ()
    elif letter in ("P", "Q"):
        stored = (">i4" if letter == "P" else ">i8"), (2,)
    elif letter in _KINDS:
        stored = _KINDS[letter], (repeat,) if repeat != 1 else ()
    else:
        raise BadFileError(table.path, f"has a column of the unsupported format {form}", CHECK_THE_COPY)
    return _Field(i, str(table.header.needed(f"TTYPE{i}")).strip().upper(), letter, stored, letters[1:2])


def _readable(values: NDArray[Any], field: _Field, heap: memoryview, table: Extension) -> NDArray[Any]:
    if field.letter == "A":
        text = np.char.rstrip(np.char.decode(values, "latin-1"))
        blank = np.char.startswith(values, b" ") & (text == "")
        return np.where(blank, " ", text)  # as cfitsio reads it; an empty text is a cell without a value (NUL)
    if field.letter == "L":
        return np.asarray(values == b"T")
    if field.letter in ("P", "Q"):
        made = np.empty(len(values), object)
        for row, (count, offset) in enumerate(values.tolist()):
            made[row] = np.frombuffer(heap[offset:], _KINDS[field.element], count)
        return made
    scale, zero = (table.header.number(f"{word}{field.number}", n) for word, n in (("TSCAL", 1.0), ("TZERO", 0.0)))
    return values if (scale, zero) == (1, 0) else values * float(scale) + float(zero)
