"""Hold a remote file of which only some bytes are here, each where it is in the file."""

from __future__ import annotations

import mmap
from bisect import insort
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.errors import BadFileError
from wfc3tvb.fits.blocks import CHECK_THE_COPY
from wfc3tvb.fits.ima_layout import PlaneHeader, plane_header

#: Gives ranges ``[start, stop)`` of a file; of one beyond its end, what there is.
Fetch = Callable[[Sequence[tuple[int, int]]], list[bytes]]
#: No intermediate file is longer: what claims to be is lying [byte].
_LARGEST = 300_000_000


class IrregularLayoutError(BadFileError):
    """An imset is not where the first one says it should be."""


class SparseFile:
    """The bytes of a remote file that have been fetched, each where it is in the file, and zeros elsewhere.

    Memory that nobody writes to is never taken, so this costs what was fetched.

    Parameters
    ----------
    name : str
        What messages call the file.
    fetch : callable
        Gives ranges of it.
    """

    def __init__(self, name: str, fetch: Fetch) -> None:
        self.path, self._fetch = Path(name), fetch
        self._room = _blank(_LARGEST)
        self.data = self._room[:0]
        self.n_bytes = 0
        self._have: list[tuple[int, int]] = []

    @property
    def size(self) -> int:
        """Bytes of the file, as far as is known."""
        return self.data.size

    def need(self, ranges: Sequence[tuple[int, int]], *, exact: bool = False) -> None:
        """Fetch what of `ranges` is not here yet.

        Raises
        ------
        IrregularLayoutError
            If, with `exact`, the file ends within a range.
        NoRangesError, MissingProductError, ServiceError
            As `fetch` raises them.
        """
        ranges = [(start, stop) for start, stop in ranges if self._stop(start) < stop]
        if not ranges:
            return
        self.grow(max(stop for _, stop in ranges))
        for (start, stop), data in zip(ranges, self._fetch(ranges), strict=True):
            if exact and len(data) < stop - start:
                raise IrregularLayoutError(self.path, "the file ends before its data do")
            data = data[: stop - start]
            self.data[start : start + len(data)] = np.frombuffer(data, np.uint8)
            insort(self._have, (start, start + len(data)))
            self.n_bytes += len(data)

    def __getitem__(self, piece: slice, /) -> NDArray[np.uint8]:
        """Return a piece, as much of it as is here from its start on; where there is nothing, it is fetched."""
        start, stop = int(piece.start), int(piece.stop)
        have = self._stop(start)
        if have == start:
            self.need([(start, stop)])
            have = self._stop(start)
        return self.data[start : min(stop, have)]

    def plane(self, start: int, name: str, version: int) -> PlaneHeader:
        """Return the header of the plane at `start`.

        Raises
        ------
        IrregularLayoutError
            If it is not the one expected there.
        BadFileError
            If it claims more data than a file of the archive has; else as `plane_header`.
        """
        found = plane_header(self, start, self.path)
        keywords = found.keywords
        if (keywords.get("EXTNAME"), int(keywords.get("EXTVER", 1))) != (name, version) or "BITPIX" not in keywords:
            raise IrregularLayoutError(self.path, f"there is no {name},{version} where it should be")
        if found.end > _LARGEST:
            raise BadFileError(
                self.path, f"the header of {name},{version} claims more data than a frame has", CHECK_THE_COPY
            )
        return found

    def _stop(self, start: int) -> int:
        """Return where what is here without a gap from `start` on ends."""
        stop = start
        for first, last in self._have:
            if first > stop:
                break
            stop = max(stop, last)
        return stop

    def grow(self, size: int) -> None:
        """Make room for a file of `size` bytes.

        Raises
        ------
        BadFileError
            If no file of the archive is that large.
        """
        if size > _LARGEST:
            raise BadFileError(self.path, "claims to be larger than any intermediate file", CHECK_THE_COPY)
        if size > self.data.size:
            self.data = self._room[:size]


def _blank(size: int) -> NDArray[np.uint8]:
    """Return zeros that take memory by the small page, and only where they are written."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, np.uint8)
