"""Binary tables of reference files: their columns as arrays (FITS Standard 4.0, section 7.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.errors import BadFileError
from wfc3tvb.io.fitsfile import Extension

#: Letters of TFORM and what they store.
_KINDS = {"L": "S1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}

Columns = Mapping[str, NDArray[Any]]


class _Field(NamedTuple):
    """A column: its number, name and letter, what each row stores, and for arrays of any length their letter."""

    number: int
    name: str
    letter: str
    stored: tuple[str, tuple[int, ...]]
    element: str


def read_columns(table: Extension) -> Columns:
    """Return the columns of a table by name, upper case; text without trailing blanks.

    Raises
    ------
    BadFileError
        If it is no binary table, or has columns of a kind that no reference table has.
    """
    header = table.header
    if str(header.get("XTENSION", "")).strip() != "BINTABLE":
        raise BadFileError(table.path, "has no binary table", "fetch it again")
    fields = [_field(table, i) for i in range(1, int(header["TFIELDS"]) + 1)]
    sizes = [np.dtype(field.stored).itemsize for field in fields]
    layout = np.dtype({
        "names": [field.name for field in fields],
        "formats": [field.stored for field in fields],
        "offsets": np.cumsum([0, *sizes[:-1]]).tolist(),
        "itemsize": int(header["NAXIS1"]),
    })  # fmt: skip
    rows = np.frombuffer(table.raw, layout, int(header["NAXIS2"]))
    heap = table.raw[int(header.get("THEAP") or rows.nbytes) :]
    return {field.name: _readable(rows[field.name], field, heap, table) for field in fields}


def rows_of(columns: Columns) -> list[dict[str, Any]]:
    """Return the rows of a small table."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _field(table: Extension, i: int) -> _Field:
    form = str(table.header[f"TFORM{i}"])
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
        raise BadFileError(table.path, f"has a column of format {form}, as no reference table has", "fetch it again")
    return _Field(i, str(table.header[f"TTYPE{i}"]).strip().upper(), letter, stored, letters[1:2])


def _readable(values: NDArray[Any], field: _Field, heap: memoryview, table: Extension) -> NDArray[Any]:
    if field.letter == "A":
        return np.char.rstrip(np.char.decode(values, "latin-1"))
    if field.letter == "L":
        return np.asarray(values == b"T")
    if field.letter in ("P", "Q"):
        made = np.empty(len(values), object)
        for row, (count, offset) in enumerate(values.tolist()):
            made[row] = np.frombuffer(heap[offset:], _KINDS[field.element], count)
        return made
    scale, zero = (table.header.get(f"{word}{field.number}") for word in ("TSCAL", "TZERO"))
    return values if scale in (None, 1) and zero in (None, 0) else values * float(scale or 1) + float(zero or 0)
