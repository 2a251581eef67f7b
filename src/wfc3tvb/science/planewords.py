"""Planes as the compiled loops take them: words in the byte order of their file, none copied."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.science.kernels import count_new


def flat_words(plane: NDArray[Any], dtype: str) -> tuple[NDArray[Any], int]:
    """Return a plane as one array of words, from its first pixel to its last, and the distance of its rows.

    What lies between the rows (reference pixels) is in the array too; nothing is copied unless pixels are apart.
    """
    size = plane.itemsize
    if plane.strides[1] != size or plane.strides[0] % size:
        plane = np.ascontiguousarray(plane)
    n = (plane.shape[0] - 1) * (plane.strides[0] // size) + plane.shape[1]
    words = np.lib.stride_tricks.as_strided(plane, (n,), (size,), writeable=False).view(np.dtype(dtype))
    return words, plane.strides[0] // size


def flagged_fraction(
    flags: NDArray[Any], bits: int, skip: NDArray[np.uint8], before: NDArray[Any] | None = None
) -> float:
    """Return the fraction of pixels with any of some flags; NaN where all pixels are left out.

    Parameters
    ----------
    flags : ndarray, shape (ny, nx), int16
        Flags, in any byte order.
    bits : int
        The flags looked for.
    skip : ndarray, shape (ny, nx), uint8
        1 where a pixel is left out.
    before : ndarray, shape (ny, nx), int16, optional
        Flags that do not count again.
    """
    n = int(skip.size - np.count_nonzero(skip))
    if n == 0:
        return float("nan")
    words, stride = flat_words(flags, "<u2")
    earlier, stride_earlier = (_nothing(skip.shape[1]), 0) if before is None else flat_words(before, "<u2")
    bit = stored_bits(bits, flags)
    return float(count_new(words, earlier, np.array([stride, stride_earlier]), bit, skip)) / n


def stored_bits(bits: int, flags: NDArray[Any]) -> np.uint16:
    """Return flags as they look in the words of `flags`, in whichever byte order these are."""
    swap = flags.dtype.newbyteorder("=") != flags.dtype
    return np.uint16(int.from_bytes(bits.to_bytes(2, "big"), "little") if swap else bits)


def _nothing(width: int) -> NDArray[np.uint16]:
    none = np.zeros(width, np.uint16)
    none.flags.writeable = False
    return none
