"""Hold the fetched parts of a remote file, each at its offset in the file."""

from __future__ import annotations

import mmap
from bisect import insort
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.errors import BadFileError
from wfc3tvb.fits.blocks import CHECK_THE_COPY, LARGEST_FILE
from wfc3tvb.fits.plane_headers import PlaneHeader, is_extension, plane_header

#: Returns ranges ``[start, stop)`` of a file; one past the end comes back shorter.
Fetch = Callable[[Sequence[tuple[int, int]]], list[bytes]]

#: Bytes between two ranges that cost less than a second request: the reference rows below a full frame's first row.
_CLOSE = 24_000


class IrregularLayoutError(BadFileError):
    """A file does not have the usual layout, in which all imsets have the length of the first."""


class SparseFile:
    """Bytes of a remote file that have been fetched, each at its offset in the file, with zeros elsewhere.

    The system gives no memory to pages that are never written, so this takes only the memory of the fetched bytes.

    Parameters
    ----------
    name : str
        Name of the file in messages.
    fetch : callable
        Returns ranges of the file.
    """

    def __init__(self, name: str, fetch: Fetch) -> None:
        self.path, self._fetch = Path(name), fetch
        self._room = _blank(LARGEST_FILE)
        self.data = self._room[:0]
        self.n_bytes = 0
        self._have: list[tuple[int, int]] = []

    @property
    def size(self) -> int:
        """Length of the file, as far as it is known [byte]."""
        return self.data.size

    def need(self, ranges: Sequence[tuple[int, int]], *, exact: bool = False) -> None:
        """Fetch those of `ranges` that have not been fetched yet.

        Raises
        ------
        IrregularLayoutError
            If, with `exact`, the file ends within a range.
        NoRangesError, MissingProductError, ServiceError
            The errors of `fetch`.
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
        """Return a piece, cut at the first gap; if its first byte is missing, the piece is fetched."""
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
            If it is not the header expected there.
        BadFileError
            If it implies more data than a file of the archive has; also the errors of `plane_header`.
        """
        if not is_extension(self, start):
            raise IrregularLayoutError(self.path, f"{name},{version} is not where it should be")
        found = plane_header(self, start, self.path)
        if (found.name, found.version) != (name, version) or found.tiled:
            raise IrregularLayoutError(self.path, f"{name},{version} is not where it should be")
        if found.end > LARGEST_FILE:
            raise BadFileError(
                self.path, f"the header of {name},{version} implies more data than a frame has", CHECK_THE_COPY
            )
        return found

    def _stop(self, start: int) -> int:
        """Return the end of the fetched bytes that begin at `start` without a gap."""
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
        if size > LARGEST_FILE:
            raise BadFileError(self.path, "its headers imply more data than any _ima.fits file has", CHECK_THE_COPY)
        if size > self.data.size:
            self.data = self._room[:size]


def joined(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ranges ``[start, stop)`` in order, those that are close to one another joined into one."""
    found: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if found and start - found[-1][1] <= _CLOSE:
            start, last = found.pop()
            stop = max(last, stop)
        found.append((start, stop))
    return found


def _blank(size: int) -> NDArray[np.uint8]:
    """Return zeros that take memory only where they are written, in small pages."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, np.uint8)
