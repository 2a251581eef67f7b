"""The bytes of a file, read where they are asked for: of a few rows of every read no more than these comes from disk.

A mapped file brings 128 kB with every first touch, which for 80 rows of a full frame is twice the time of measuring.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Bytes(Protocol):
    """What can be cut like an array of bytes: an array, a mapped file, or a file that is read piece by piece."""

    @property
    def size(self) -> int:
        """Number of bytes."""

    def __getitem__(self, piece: slice, /) -> NDArray[np.uint8]:
        """Return a piece."""


class FileBytes:
    """A file whose pieces are read when they are asked for; a context manager that closes it.

    Raises
    ------
    OSError
        If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self.size = os.fstat(self._file.fileno()).st_size
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)

    def __getitem__(self, piece: slice, /) -> NDArray[np.uint8]:
        """Return a piece, shorter where the file ends."""
        start, stop, _ = piece.indices(self.size)
        return np.frombuffer(os.pread(self._file.fileno(), max(stop - start, 0), start), np.uint8)

    def __enter__(self) -> FileBytes:
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()
