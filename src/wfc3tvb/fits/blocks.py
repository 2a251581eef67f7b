"""FITS blocks and cards, and the search for the end of a header (FITS Standard 4.0, sections 3 and 4)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.errors import BadFileError, MissingKeywordError, TruncatedFileError

#: Bytes of a block and of a card.
BLOCK, CARD = 2880, 80
#: No real header is longer; searching further for END in a damaged file would only use memory [byte].
LONGEST_HEADER = 400 * BLOCK
#: No file of an exposure is longer; a header that implies more is damaged [byte].
LARGEST_FILE = 300_000_000
#: Remedy for a damaged file, which may be the user's own or a downloaded one.
CHECK_THE_COPY = "check the copy"
#: BITPIX and the type of the numbers stored.
STORED = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
#: Most axes that the standard allows.
_AXES = 999
_END = b"END"
#: What may follow END: blanks, or the NULs with which some programs fill a header.
_FILL = b" \0"


class Bytes(Protocol):
    """Anything sliced like an array of bytes: an array, a mapped file, or a file that is read piece by piece."""

    @property
    def size(self) -> int:
        """Number of bytes."""

    def __getitem__(self, piece: slice, /) -> NDArray[np.uint8]:
        """Return a piece, shorter at the end of the file; it may be shorter elsewhere too, so callers ask again."""


class FileBytes:
    """File that is read piece by piece, on demand; a context manager that closes it.

    Raises
    ------
    OSError
        If the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, path.open("rb", buffering=0)
        self.size = os.fstat(self._file.fileno()).st_size
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)

    def __getitem__(self, piece: slice, /) -> NDArray[np.uint8]:
        """Return a piece, shorter at the end of the file; raises TruncatedFileError if the file is cut meanwhile."""
        start, stop, _ = piece.indices(self.size)
        found = np.frombuffer(os.pread(self._file.fileno(), max(stop - start, 0), start), np.uint8)
        if found.size < stop - start:
            raise TruncatedFileError(self._path, "was cut short while it was read", CHECK_THE_COPY)
        return found

    def __enter__(self) -> FileBytes:
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()


def whole_blocks(size: int) -> int:
    """Return a number of bytes, rounded up to whole blocks."""
    return -(-size // BLOCK) * BLOCK


def read_cards(data: Bytes | memoryview, start: int, path: Path, *, step: int = 3 * BLOCK) -> bytes:
    """Return the cards of the header that starts at `start`, without END; its data follow after `header_size` bytes.

    Parameters
    ----------
    data : Bytes or memoryview
        The file; it is read no further than needed.
    start : int
        Offset of the header [byte].
    path : Path
        Name of the file in messages.
    step : int, optional
        Bytes to read first; each further read doubles them. The header of a plane has three blocks.

    Raises
    ------
    TruncatedFileError
        If the file ends within the header.
    BadFileError
        If the header is longer than any real one.
    """
    raw, end = b"", -1
    while piece := bytes(data[start + len(raw) : start + len(raw) + max(step, len(raw))]):
        searched, raw = len(raw) // CARD * CARD, raw + piece
        end = _find_end(raw, searched) if end < 0 else end
        if (len(raw) if end < 0 else end) > LONGEST_HEADER:
            raise BadFileError(path, f"the header at byte {start} is longer than any real one", CHECK_THE_COPY)
        if end >= 0 and len(raw) >= whole_blocks(end + CARD):
            return raw[:end]
    raise TruncatedFileError(path, "the file is cut short in a header", CHECK_THE_COPY)


def header_size(cards: bytes) -> int:
    """Return the bytes that a header takes in the file: its cards, END, and the padding."""
    return whole_blocks(len(cards) + CARD)


def _find_end(raw: bytes, start: int) -> int:
    """Return the offset of the card END, or -1; the text END within another card does not count."""
    found = raw.find(_END, start)
    while found >= 0 and (found % CARD or raw[found + len(_END) : found + 8].strip(_FILL)):
        found = raw.find(_END, found + 1)
    return found


def data_size(header: Mapping[str, Any], path: Path, label: str) -> int:
    """Return the bytes of a header's data, without the padding (FITS Standard 4.0, sections 4.4.1 and 6.1).

    Parameters
    ----------
    header : mapping
        BITPIX, NAXIS, NAXISn, PCOUNT, GCOUNT and, of random groups, GROUPS.
    path : Path
        Name of the file in messages.
    label : str
        Name of the header in messages.

    Raises
    ------
    BadFileError
        If a keyword is missing (`MissingKeywordError`), no whole number, or not possible.
    """

    def whole(keyword: str, default: int | None = None) -> int:
        value = header.get(keyword, default)
        if value is None:
            raise MissingKeywordError(path, keyword, label)
        if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 != 0:
            raise BadFileError(path, f"{label} has {keyword} {value!r}, not a whole number", CHECK_THE_COPY)
        if value < 0 and keyword != "BITPIX":
            raise BadFileError(path, f"{label} has {keyword} {value:g}, a negative size", CHECK_THE_COPY)
        return int(value)

    if whole("BITPIX") not in STORED or whole("NAXIS") > _AXES:
        problem = f"{label} has BITPIX {whole('BITPIX')} and NAXIS {whole('NAXIS')}"
        raise BadFileError(path, problem, CHECK_THE_COPY)
    shape = [whole(f"NAXIS{i}") for i in range(1, whole("NAXIS") + 1)]
    if shape and shape[0] == 0 and header.get("GROUPS") is True:
        shape = shape[1:]
    pixels = prod(shape) + whole("PCOUNT", 0) if shape else 0
    return abs(whole("BITPIX")) // 8 * whole("GCOUNT", 1) * pixels
