"""Write an IMA band by band, while the bands are in the processor's cache: pixels in their places, headers last."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wfc3tvb.calibration.model import Imset
from wfc3tvb.engines.products import KINDS, Plane
from wfc3tvb.fits.hdus import Piece, Pixels, write_at, write_pieces


class ImaFile:
    """IMA whose pixels are written before the numbers of its headers are known; a context manager that closes it.

    Parameters
    ----------
    path : Path
        The file; an existing one is replaced.
    expected : list
        Pieces of the file, see `products.ima_pieces`: no plane is expected to be constant.
    """

    def __init__(self, path: Path, expected: Sequence[Piece | Plane]) -> None:
        self._path, self._layout = path, _layout(expected)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        os.truncate(self._file, self._layout.size)

    def __enter__(self) -> ImaFile:
        return self

    def __exit__(self, *_: Any) -> None:
        os.close(self._file)

    def store(self, y0: int, reads: Imset) -> None:
        """Write a band of all reads, from row `y0` on; bands come in any order, and from several threads."""
        for number, (planes, kind) in enumerate(zip(reads, KINDS.values(), strict=True)):
            for k, rows in enumerate(np.asarray(planes).astype(kind)):
                at = self._layout.places[k, number] + y0 * rows[0].nbytes
                write_at(self._file, rows.data.cast("B"), at)

    def finish(self, pieces: Sequence[Piece | Plane]) -> None:
        """Write the headers; the pixels are moved where planes turned out constant, which have none in the file."""
        if _layout(pieces) == self._layout:
            for at, piece in zip(self._layout.starts, pieces, strict=True):
                if not isinstance(piece, Plane):
                    write_at(self._file, piece.stored() if isinstance(piece, Pixels) else piece, at)
            return
        write_pieces(self._path, [self._written(piece) if isinstance(piece, Plane) else piece for piece in pieces])

    def _written(self, plane: Plane) -> bytes:
        return os.pread(self._file, plane.size, self._layout.places[plane.read, plane.number])


@dataclass(frozen=True)
class _Layout:
    """Where the pieces of a file begin, where the planes of the reads do, and the size of the file [byte]."""

    starts: tuple[int, ...]
    places: dict[tuple[int, int], int]
    size: int


def _layout(pieces: Sequence[Piece | Plane]) -> _Layout:
    *starts, size = np.cumsum([0, *(len(p) if isinstance(p, bytes) else p.size for p in pieces)]).tolist()
    places = {(p.read, p.number): at for p, at in zip(pieces, starts, strict=True) if isinstance(p, Plane)}
    return _Layout(tuple(starts), places, size)
