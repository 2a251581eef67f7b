"""Compiled loops over pixels and histograms for the curve, which release Python's lock.

A plane is passed as `Words`, in either byte order, so that a memory-mapped FITS plane is read once and never copied.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.system.compiled import compiled


class Words(NamedTuple):
    """Plane as it lies in memory.

    Attributes
    ----------
    values : ndarray, shape (n,), uint16 or uint32
        Words from the first pixel to the last, with what lies between the rows (reference pixels).
    stride : int
        Words from one row to the next; 0 repeats the first row.
    """

    values: NDArray[Any]
    stride: int


class Difference(NamedTuple):
    """Rate of an interval: ``c_later * later - c_earlier * earlier``.

    Attributes
    ----------
    later, earlier : Words
        Planes of float32 that end and begin the interval.
    swap : bool
        Whether their words are in the other byte order.
    c_later, c_earlier : float32
        Factors.
    """

    later: Words
    earlier: Words
    swap: bool
    c_later: np.float32
    c_earlier: np.float32


class CellGrid(NamedTuple):
    """Cells of a frame that have a histogram each.

    Attributes
    ----------
    row_cell : ndarray, shape (ny,), int64
        Row of cells that each row of the frame belongs to.
    edges : ndarray, shape (n + 1,), int64
        Columns at which cells begin.
    """

    row_cell: NDArray[np.int64]
    edges: NDArray[np.int64]


class Bins(NamedTuple):
    """Bins of a histogram: bin 1 begins at `low`; bins are ``1 / scale`` wide."""

    low: np.float32
    scale: np.float32


class Mask(NamedTuple):
    """Flags of a read, and those of them, stored likewise, that leave a pixel out."""

    flags: Words
    bit: np.uint16


class Brightness(NamedTuple):
    """Limit that a pixel must exceed to be called bright in an interval.

    Attributes
    ----------
    level, draft_level : float32
        Sky of the interval and of the last read.
    limit : float32
        Limit for a pixel without a source.
    photons : float32
        Factor that turns the rate of a source into the variance it adds.
    """

    level: np.float32
    draft_level: np.float32
    limit: np.float32
    photons: np.float32


def flat_words(plane: NDArray[Any], dtype: str) -> Words:
    """Return a plane as words of a type; it is copied only if its pixels are apart."""
    size = plane.itemsize
    if plane.strides[1] != size or plane.strides[0] % size:
        plane = np.ascontiguousarray(plane)
    n = (plane.shape[0] - 1) * (plane.strides[0] // size) + plane.shape[1]
    words = np.lib.stride_tricks.as_strided(plane, (n,), (size,), writeable=False).view(np.dtype(dtype))
    return Words(words, plane.strides[0] // size)


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
    earlier = _no_flags(skip.shape[1]) if before is None else flat_words(before, "<u2")
    counts = np.zeros(skip.shape[1], np.uint16)
    return float(count_new(flat_words(flags, "<u2"), earlier, stored_bits(bits, flags), skip, counts)) / n


def stored_bits(bits: int, flags: NDArray[Any]) -> np.uint16:
    """Return flags as they look in the words of `flags`, in whichever byte order these are."""
    swap = flags.dtype.newbyteorder("=") != flags.dtype
    return np.uint16(int.from_bytes(bits.to_bytes(2, "big"), "little") if swap else bits)


def _no_flags(width: int) -> Words:
    none = np.zeros(width, np.uint16)
    none.flags.writeable = False
    return Words(none, 0)


#: Bins of a cell's histogram.
N_BINS = 2048


@compiled
def _native(word, swap) -> Any:
    """Return a word in the machine's byte order."""
    if swap:
        return (word >> 24) | ((word >> 8) & 0xFF00) | ((word << 8) & 0xFF0000) | (word << 24)
    return word


@compiled
def difference_histogram(difference, skip, cells, bins, rows, histogram) -> Any:
    """Histogram the rates of an interval in every cell of a frame.

    Loops over columns are kept free of branches, so that the compiler makes vector instructions of them.

    Parameters
    ----------
    difference : Difference
        The interval.
    skip : (ny, nx) uint8
        Pixels to leave out: 1, others 0.
    cells : CellGrid
        The cells.
    bins : Bins
        The bins.
    rows : (3, nx) uint32
        Scratch.
    histogram : (cell rows, cell columns, N_BINS + 2) uint32
        Counts are added to it; the first bin takes what is left out, lies below or is NaN, the last what lies above.
    """
    (later, later_stride), (earlier, earlier_stride), swap, c_later, c_earlier = difference
    (row_cell, edges), (low, scale) = cells, bins
    n_rows, n_columns = skip.shape
    words, words_earlier, bin_of = rows[0], rows[1], rows[2]
    a, b = words.view(np.float32), words_earlier.view(np.float32)
    one, zero, top = np.float32(1), np.float32(0), np.float32(N_BINS + 1)
    for y in range(n_rows):
        row = later[y * later_stride : y * later_stride + n_columns]
        row_earlier = earlier[y * earlier_stride : y * earlier_stride + n_columns]
        for x in range(n_columns):
            words[x] = _native(row[x], swap)
            words_earlier[x] = _native(row_earlier[x], swap)
        for x in range(n_columns):
            position = (a[x] * c_later - b[x] * c_earlier - low) * scale + one
            position = position if position > zero else zero
            position = position if position < top else top
            bin_of[x] = np.uint32(np.int32(position)) * np.uint32(1 - skip[y, x])
        for cell in range(edges.size - 1):
            counts = histogram[row_cell[y], cell]
            for x in range(edges[cell], edges[cell + 1]):
                counts[bin_of[x]] += np.uint32(1)


def clipped_medians(
    histogram: NDArray[np.uint32], regions: NDArray[np.int64], *, clip: float, half: int
) -> NDArray[np.float64]:
    """Return median and scatter [bin] and number of what regions of cells hold within `clip` standard deviations.

    Counts are whole numbers, so that differences of reads lie at the teeth of a comb and a median would be one of
    them. Every value is spread over a tooth's width, as for the median of grouped data.

    Parameters
    ----------
    histogram : ndarray, shape (cell rows, cells, N_BINS + 2), uint32
        As `difference_histogram` fills it.
    regions : ndarray, shape (k, 4), int64
        First row of cells and the one after the last, first column and the one after the last.
    clip : float
        Where to clip, iterated.
    half : int
        Half the width of a tooth [bin].

    Returns
    -------
    ndarray, shape (k, 3)
        NaN, NaN, 0 where fewer than ten pixels are left.
    """
    out = np.empty((regions.shape[0], 3))
    _medians(histogram, regions, clip, half, np.empty((3, N_BINS + 2)), out)
    return out


# Kernels that allocate memory need numba at run time, whose import takes longer than a curve: scratch is passed in.
@compiled
def _medians(histogram, regions, clip, half, scratch, out) -> Any:
    """Fill `out` as `clipped_medians` returns it; `scratch` has the shape (3, N_BINS + 2)."""
    total, sums, spread = scratch[0, : N_BINS + 1], scratch[1], scratch[2, : N_BINS + 1]
    for k in range(regions.shape[0]):
        total[:] = 0
        for row in range(regions[k, 0], regions[k, 1]):
            for column in range(regions[k, 2], regions[k, 3]):
                for i in range(N_BINS):
                    total[i + 1] += histogram[row, column, i + 1]
        for i in range(N_BINS):
            total[i + 1] += total[i]
        _spread(total, half, sums, spread)
        out[k, 0], out[k, 1], out[k, 2] = _clipped_median(spread, clip)


@compiled
def _spread(total, half, sums, out) -> Any:
    """Find how many values lie below each edge of the bins when each is spread evenly over ``2 half`` bins."""
    n = total.size
    sums[0] = 0.0
    for i in range(n):
        sums[i + 1] = sums[i] + total[i]
    for i in range(n):
        first, last = max(i - half, 0), min(i + half, n - 1)
        inside = sums[last + 1] - sums[first] + (i + half - last) * total[n - 1]
        out[i] = inside / (2 * half + 1)


@compiled
def _clipped_median(total, clip) -> Any:
    """Return median, scatter and number, given how many values lie below each edge of the bins."""
    first, last = 0, N_BINS
    middle, half, n = np.nan, np.nan, 0.0
    for _ in range(10):
        n = total[last] - total[first]
        if n < 10:
            return np.nan, np.nan, 0.0
        middle = _quantile(total, total[first] + 0.5 * n)
        half = (_quantile(total, total[first] + 0.8413 * n) - _quantile(total, total[first] + 0.1587 * n)) / 2
        width = max(half, 1.0)
        new_first, new_last = max(0, int(middle - clip * width)), min(N_BINS, int(middle + clip * width) + 1)
        if new_first == first and new_last == last:
            break
        first, last = new_first, new_last
    return middle, half, n


@compiled
def _quantile(total, rank) -> Any:
    """Return the position, in bins, below which `rank` counts lie."""
    k, end = 0, total.size  # bisection; numba's own, and its array sums, would load scipy.linalg at every start
    while k < end:
        middle = (k + end) // 2
        if total[middle] < rank:
            k = middle + 1
        else:
            end = middle
    below, above = total[k - 1], total[k]
    return k - 1 + (rank - below) / (above - below)


@compiled
def count_new(flags, earlier, bit, skip, counts) -> Any:
    """Count pixels in which any of `bit` is set in `flags` and not in `earlier`, `skip` left out.

    Parameters
    ----------
    flags, earlier : Words
        Two planes of uint16.
    bit : uint16
        The flags looked for.
    skip : (ny, nx) uint8
        1 where a pixel is left out.
    counts : (nx,) uint16
        Zeros; becomes the number of each column.
    """
    n_rows, n_columns = skip.shape
    (words, stride), (words_earlier, stride_earlier) = flags, earlier
    n = 0
    for y in range(n_rows):
        row = words[y * stride : y * stride + n_columns]
        row_earlier = words_earlier[y * stride_earlier : y * stride_earlier + n_columns]
        for x in range(n_columns):
            new = row[x] & ~row_earlier[x] & bit
            counts[x] += np.uint16(new != 0) & np.uint16(skip[y, x] == 0)
    for x in range(n_columns):
        n += counts[x]
    return n


@compiled
def bright_pixels(difference, draft, mask, brightness, step, word, out) -> Any:
    """Mark the pixels that shine in one interval and not in the whole exposure, on a grid of every `step`-th pixel.

    Parameters
    ----------
    difference : Difference
        The interval.
    draft : Words
        The last read, in the same byte order.
    mask : Mask
        Pixels to leave out.
    brightness : Brightness
        Limit for bright pixels.
    step : int
        Distance of the grid's pixels.
    word : (3,) uint32
        Scratch.
    out : (ny, nx) uint8
        1 where a pixel shines.

    Returns
    -------
    int
        Number of them.
    """
    (later, s0), (earlier, s1), swap, c_later, c_earlier = difference
    (rate, s2), ((flags, s3), bit) = draft, mask
    level, draft_level, limit, photons = brightness
    n = 0
    value = word.view(np.float32)
    for row in range(out.shape[0]):
        y = row * step
        for column in range(out.shape[1]):
            x = column * step
            word[0] = _native(later[y * s0 + x], swap)
            word[1] = _native(earlier[y * s1 + x], swap)
            word[2] = _native(rate[y * s2 + x], swap)
            source = max(value[2] - draft_level, np.float32(0))
            above = value[0] * c_later - value[1] * c_earlier - level - source
            noise = np.float32(0.05) * source + limit
            shines = above > noise and (above - noise) ** 2 > photons * source
            out[row, column] = shines and (flags[y * s3 + x] & bit) == 0
            n += out[row, column]
    return n
