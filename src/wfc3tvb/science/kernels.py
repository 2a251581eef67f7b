"""The three loops over pixels that a curve needs, compiled, free of Python's lock.

Pixels come as 32-bit words in either byte order, so that a memory-mapped FITS plane is read once and copied never.
"""
# mypy: disable-error-code="no-untyped-def, untyped-decorator"

from __future__ import annotations

import numpy as np
from numba import njit

#: Bins of a cell's histogram.
N_BINS = 2048


@njit(nogil=True, cache=True, inline="always")
def _native(word, swap):
    """Return a word in the machine's byte order."""
    if swap:
        return (word >> 24) | ((word >> 8) & 0xFF00) | ((word << 8) & 0xFF0000) | (word << 24)
    return word


@njit(nogil=True, cache=True)
def difference_histogram(later, earlier, swap, c_later, c_earlier, skip, row_cell, edges, low, scale, histogram):
    """Histogram ``c_later * later - c_earlier * earlier`` in every cell of a frame.

    Parameters
    ----------
    later, earlier : (ny, nx) uint32
        Words of two float32 planes, byte-swapped where `swap`.
    c_later, c_earlier : float32
        Factors.
    skip : (ny, nx) uint8
        Pixels to leave out.
    row_cell : (ny,) int64
        Row of cells that each row belongs to.
    edges : (n + 1,) int64
        Columns at which cells begin.
    low, scale : float32
        The bin of a value is ``(value - low) * scale``.
    histogram : (cell rows, n, N_BINS) uint32
        Counts are added to it; what lies outside of the bins, or is NaN, is not counted.
    """
    n_rows, n_columns = later.shape
    words, words_earlier = np.empty(n_columns, np.uint32), np.empty(n_columns, np.uint32)
    a, b = words.view(np.float32), words_earlier.view(np.float32)
    bins = np.empty(n_columns, np.float32)
    for y in range(n_rows):
        for x in range(n_columns):
            words[x] = _native(later[y, x], swap)
            words_earlier[x] = _native(earlier[y, x], swap)
        for x in range(n_columns):
            position = (a[x] * c_later - b[x] * c_earlier - low) * scale
            bins[x] = np.float32(-1) if skip[y, x] else position
        for cell in range(edges.size - 1):
            counts = histogram[row_cell[y], cell]
            for x in range(edges[cell], edges[cell + 1]):
                if bins[x] >= 0 and bins[x] < N_BINS:
                    counts[int(bins[x])] += 1


@njit(nogil=True, cache=True)
def count_new(flags, earlier, bit, skip):
    """Count pixels in which `bit` is set in `flags` and not in `earlier`, `skip` left out; (ny, nx) integers."""
    n = 0
    for y in range(flags.shape[0]):
        for x in range(flags.shape[1]):
            n += ((flags[y, x] & ~earlier[y, x] & bit) != 0) & (skip[y, x] == 0)
    return n


@njit(nogil=True, cache=True)
def box_mean(image, skip, half):
    """Return the mean of `image` in a box of ``2 half + 1`` pixels around every pixel, `skip` and NaN left out.

    Pixels with nothing in their box become NaN.
    """
    n_rows, n_columns = image.shape
    sums, numbers = np.zeros(n_columns), np.zeros(n_columns)
    out = np.empty((n_rows, n_columns), np.float32)
    for y in range(-half, n_rows):
        for row, sign in ((y + half, 1.0), (y - half - 1, -1.0)):
            if 0 <= row < n_rows:
                for x in range(n_columns):
                    value = image[row, x]
                    if skip[row, x] == 0 and value == value:
                        sums[x] += sign * value
                        numbers[x] += sign
        if y < 0:
            continue
        total, number = sums[:half].sum(), numbers[:half].sum()
        for x in range(n_columns):
            if x + half < n_columns:
                total += sums[x + half]
                number += numbers[x + half]
            if x - half - 1 >= 0:
                total -= sums[x - half - 1]
                number -= numbers[x - half - 1]
            out[y, x] = total / number if number > 0.5 else np.nan
    return out
