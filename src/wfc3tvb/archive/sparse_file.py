"""A remote file of which only some bytes are here, each where it is in the file."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.errors import BadFileError, NotFitsError, TruncatedFileError
from wfc3tvb.fits.ima_layout import PlaneHeader, plane_header

_BLOCK = 2880
#: Bytes fetched of a header at first.
_HEADER = 3 * _BLOCK
#: No header is longer, and no intermediate file: what claims to be is lying.
_LONGEST_HEADER, _LARGEST = 400 * _BLOCK, 300_000_000


class Files(Protocol):
    """A place that gives files, whole or by ranges."""

    @property
    def service(self) -> str:
        """What messages call it."""

    def fetch(self, rootname: str, suffix: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return ranges ``[start, stop)`` of a file; of one beyond its end, what there is.

        Raises
        ------
        NoRangesError
            If the place gives whole files only.
        MissingProductError, ServiceError
            If there is no such file, or no answer.
        """

    def download(self, rootname: str, suffix: str, folder: Path) -> Path:
        """Fetch a file whole into a folder, and return its path; raises as `fetch`."""


class IrregularLayoutError(BadFileError):
    """An imset is not where the first one says it should be."""


class SparseFile:
    """The bytes of a remote file that have been fetched, each where it is in the file, and zeros elsewhere.

    Memory that nobody writes to is never taken, so this costs what was fetched.
    """

    def __init__(self, files: Files, rootname: str, suffix: str = "ima") -> None:
        self.files, self.rootname, self.suffix = files, rootname, suffix
        self.path = Path(f"{rootname}_{suffix}.fits")
        self._room = _blank(_LARGEST)
        self.data = self._room[:0]
        self.n_bytes = 0
        self._have: list[tuple[int, int]] = []

    def need(self, ranges: Sequence[tuple[int, int]], *, exact: bool = False) -> None:
        """Fetch what of `ranges` is not here yet.

        Raises
        ------
        IrregularLayoutError
            If, with `exact`, the file ends within a range.
        NoRangesError, MissingProductError, ServiceError
            As `Files.fetch`.
        """
        ranges = [(start, stop) for start, stop in ranges if self._stop(start) < stop]
        if not ranges:
            return
        self.grow(max(stop for _, stop in ranges))
        for (start, stop), data in zip(ranges, self.files.fetch(self.rootname, self.suffix, ranges), strict=True):
            if exact and len(data) < stop - start:
                raise IrregularLayoutError(self.path, "the file ends before its data do")
            data = data[: stop - start]
            self.data[start : start + len(data)] = np.frombuffer(data, np.uint8)
            self._have.append((start, start + len(data)))
            self.n_bytes += len(data)

    def header(self, start: int) -> NDArray[np.uint8]:
        """Return the file's bytes up to the end of what is here of the header at `start`, fetched until it is whole.

        Raises
        ------
        NotFitsError, TruncatedFileError, BadFileError
            If the file is no FITS file, ends within the header, or the header has no end.
        """
        if start == 0 and bytes(self.data[:6]) != b"SIMPLE":
            raise NotFitsError(self.path, "not a FITS file", "the archive's copy is broken")
        stop = self._stop(start)
        while not _has_end(self.data[start:stop]):
            step = max(stop - start, _HEADER)
            if stop - start > _LONGEST_HEADER:
                raise BadFileError(self.path, "a header is longer than any real one", "the archive's copy is broken")
            before = stop
            self.need([(stop, stop + step)])
            stop = self._stop(start)
            if stop == before:
                raise TruncatedFileError(self.path, "the file is cut short in a header", "the archive's copy is broken")
        return self.data[:stop]

    def plane(self, start: int, name: str, version: int) -> PlaneHeader:
        """Return the header of the plane at `start`.

        Raises
        ------
        IrregularLayoutError
            If it is not the one expected there.
        BadFileError
            If it claims more data than a file of the archive has; else as `header`.
        """
        found = plane_header(self.header(start), start, self.path)
        keywords = found.keywords
        if (keywords.get("EXTNAME"), int(keywords.get("EXTVER", 1))) != (name, version) or "BITPIX" not in keywords:
            raise IrregularLayoutError(self.path, f"there is no {name},{version} where it should be")
        if found.end > _LARGEST:
            raise BadFileError(self.path, f"the header of {name},{version} claims more data than a frame has")
        return found

    def _stop(self, start: int) -> int:
        """Return where what is here without a gap from `start` on ends."""
        stop = start
        for first, last in sorted(self._have):
            if first <= stop < last:
                stop = last
        return stop

    def grow(self, size: int) -> None:
        """Make room for a file of `size` bytes.

        Raises
        ------
        BadFileError
            If no file of the archive is that large.
        """
        if size > _LARGEST:
            raise BadFileError(self.path, "claims to be larger than any intermediate file")
        if size > self.data.size:
            self.data = self._room[:size]


def _blank(size: int) -> NDArray[np.uint8]:
    """Return zeros that take memory by the small page, and only where they are written."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, np.uint8)


def _has_end(data: NDArray[np.uint8]) -> bool:
    raw = bytes(data)
    return any(raw[card : card + 8] == b"END     " for card in range(0, len(raw) - 79, 80))
