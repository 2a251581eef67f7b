"""Partition of rows on the sky into HEALPix pixels of different orders, and the rows around each of them.

Source: HATS (IVOA Note "HATS", 2025); Gorski et al. 2005, ApJ 622, 759 (HEALPix, nested numbering).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.curve.footprint import HEALPIX_ORDER

#: Order of the cells that are shared out, and of the smallest partitions.
CELL_ORDER = 10
#: Every position within this angle of another lies in its cell or in a neighbour of it [arcsec]: no cell is narrower.
MARGIN = 120
_BASE_PIXELS = 12


@dataclass(frozen=True, order=True)
class Pixel:
    """HEALPix pixel: order and number (nested)."""

    order: int
    number: int

    @property
    def cells(self) -> tuple[int, int]:
        """The first of its cells, and the first after them."""
        shift = 2 * (CELL_ORDER - self.order)
        return self.number << shift, (self.number + 1) << shift

    @property
    def path(self) -> str:
        """Path of its file in a HATS catalog."""
        return f"Norder={self.order}/Dir={self.number // 10_000 * 10_000}/Npix={self.number}.parquet"


def cells_of(healpix: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the cells of positions that are given as pixels of the catalog's column `healpix`."""
    return healpix >> 2 * (HEALPIX_ORDER - CELL_ORDER)


def partition(cells: NDArray[np.int64], *, max_rows: int) -> list[Pixel]:
    """Return pixels, in order of their cells, that together hold all rows.

    Parameters
    ----------
    cells : ndarray of int, shape (n,)
        Cell of every row, sorted.
    max_rows : int
        Pixels with more rows are divided into four, down to a cell.
    """

    def divided(pixel: Pixel) -> list[Pixel]:
        first, end = np.searchsorted(cells, pixel.cells)
        if end - first <= max_rows or pixel.order == CELL_ORDER:
            return [pixel] if end > first else []
        return [part for k in range(4) for part in divided(Pixel(pixel.order + 1, 4 * pixel.number + k))]

    return [part for number in range(_BASE_PIXELS) for part in divided(Pixel(0, number))]


def pixel_of(cells: NDArray[np.int64], pixels: Sequence[Pixel]) -> NDArray[np.int64]:
    """Return the place in `pixels` (as from `partition`) of the pixel of every cell; -1 where there is none."""
    first, end = np.array([pixel.cells for pixel in pixels], np.int64).reshape(-1, 2).T
    place = np.searchsorted(first, cells, side="right") - 1
    return np.where((place >= 0) & (cells < end[place]), place, -1)


def around(cells: NDArray[np.int64], pixels: Sequence[Pixel]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which cells lie around which pixels: all positions within `MARGIN` of a pixel, and some beyond.

    Parameters
    ----------
    cells : ndarray of int, shape (n,)
        Cells with rows, each once.
    pixels : sequence of Pixel
        As from `partition`.

    Returns
    -------
    cells, places : ndarray of int, shape (m,)
        A cell, and the place in `pixels` of a pixel that it lies beside.
    """
    from astropy_healpix import neighbours  # 0.2 s

    beside = neighbours(cells, 2**CELL_ORDER, order="nested").ravel()  # eight for each, -1 where there are only seven
    own = np.tile(cells, 8)
    places = np.where(beside >= 0, pixel_of(beside, pixels), -1)
    outside = (places >= 0) & (places != pixel_of(own, pixels))
    pairs = np.unique(np.column_stack([own, places])[outside], axis=0)
    return pairs[:, 0], pairs[:, 1]
