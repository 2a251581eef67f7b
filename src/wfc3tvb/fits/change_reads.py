"""Write into the reads of an IMA what a fit removed from them or found in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from wfc3tvb.instrument import BORDER, DQ

_INNER = slice(BORDER, -BORDER)


def change_reads(
    ima: Path,
    *,
    added: NDArray[np.float32] | None = None,
    hits: NDArray[np.uint32] | None = None,
    cards: Mapping[str, tuple[Any, str]],
) -> None:
    """Change the reads of an IMA in place.

    Parameters
    ----------
    ima : Path
        The file.
    added : ndarray, shape (n,), float32, optional
        Rate to add to the light-sensitive pixels of reads 1..n [electron/s].
    hits : ndarray, shape (ny, nx), uint32, optional
        Bit k is set where the interval that ends at read k has a hit: DQ 8192 in this read and all later ones.
    cards : mapping
        Values and comments of keywords for the primary header.
    """
    with fits.open(ima, mode="update", memmap=False) as hdus:
        for read, version in _reads(hdus):
            if added is not None:
                hdus["SCI", version].data[_INNER, _INNER] += added[read - 1]
            if hits is not None:
                hit = (hits & np.uint32(2 ** (read + 1) - 2)) != 0
                flags = _flags(hdus, version)
                flags[_INNER, _INNER] |= np.where(hit, np.int16(DQ.DATAREJECT), np.int16(0))
                hdus["DQ", version] = fits.ImageHDU(flags, _without_constant(hdus["DQ", version].header))
        for keyword, card in cards.items():
            hdus[0].header[keyword] = card


def _reads(hdus: fits.HDUList) -> Iterator[tuple[int, int]]:
    """Yield the number of each read after the zeroth, in time order, and its EXTVER, which counts backwards."""
    n = int(hdus[0].header["NSAMP"])
    for read in range(1, n):
        yield read, n - read


def _flags(hdus: fits.HDUList, version: int) -> NDArray[np.int16]:
    """Return a copy of a DQ plane; one that is constant has a value (PIXVALUE) and no pixels."""
    hdu = hdus["DQ", version]
    if hdu.data is not None:
        return np.array(hdu.data, np.int16)
    return np.full(hdus["SCI", version].data.shape, int(hdu.header.get("PIXVALUE", 0)), np.int16)


def _without_constant(header: fits.Header) -> fits.Header:
    for keyword in ("NPIX1", "NPIX2", "PIXVALUE"):
        header.remove(keyword, ignore_missing=True)
    return header
