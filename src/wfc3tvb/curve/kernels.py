"""The loops over pixels and histograms that a curve needs, compiled, free of Python's lock.

Pixels come as words in either byte order, a plane as one array from its first pixel to its last and the distance of
its rows, so that a memory-mapped FITS plane is read once and copied never.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.system.compiled import compiled


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


#: Bins of a cell's histogram.
N_BINS = 2048


@compiled
def _native(word, swap) -> Any:
    """Return a word in the machine's byte order."""
    if swap:
        return (word >> 24) | ((word >> 8) & 0xFF00) | ((word << 8) & 0xFF0000) | (word << 24)
    return word


@compiled
def difference_histogram(
    later, earlier, stride, swap, c_later, c_earlier, skip, row_cell, edges, low, scale, histogram
) -> Any:
    """Histogram ``c_later * later - c_earlier * earlier`` in every cell of a frame.

    Loops over columns are kept free of branches, so that the compiler makes vector instructions of them.

    Parameters
    ----------
    later, earlier : (n,) uint32
        Words of two float32 planes from their first pixel to their last, byte-swapped where `swap`.
    stride : (2,) int64
        Words from one row to the next, of each plane.
    swap : bool
        Whether the words are in the other byte order.
    c_later, c_earlier : float32
        Factors.
    skip : (ny, nx) uint8
        Pixels to leave out: 1, others 0.
    row_cell : (ny,) int64
        Row of cells that each row belongs to.
    edges : (n + 1,) int64
        Columns at which cells begin.
    low, scale : float32
        Bin 1 begins at `low`; bins are ``1 / scale`` wide.
    histogram : (cell rows, n, N_BINS + 2) uint32
        Counts are added to it; the first bin takes what is left out, lies below or is NaN, the last what lies above.
    """
    n_rows, n_columns = skip.shape
    words, words_earlier = np.empty(n_columns, np.uint32), np.empty(n_columns, np.uint32)
    a, b = words.view(np.float32), words_earlier.view(np.float32)
    bins = np.empty(n_columns, np.uint32)
    one, zero, top = np.float32(1), np.float32(0), np.float32(N_BINS + 1)
    for y in range(n_rows):
        row = later[y * stride[0] : y * stride[0] + n_columns]
        row_earlier = earlier[y * stride[1] : y * stride[1] + n_columns]
        for x in range(n_columns):
            words[x] = _native(row[x], swap)
            words_earlier[x] = _native(row_earlier[x], swap)
        for x in range(n_columns):
            position = (a[x] * c_later - b[x] * c_earlier - low) * scale + one
            position = position if position > zero else zero
            position = position if position < top else top
            bins[x] = np.uint32(np.int32(position)) * np.uint32(1 - skip[y, x])
        for cell in range(edges.size - 1):
            counts = histogram[row_cell[y], cell]
            for x in range(edges[cell], edges[cell + 1]):
                counts[bins[x]] += np.uint32(1)


@compiled
def clipped_medians(histogram, regions, clip, half) -> Any:
    """Return median and scatter [bin] and number of what regions of cells hold within `clip` standard deviations.

    Counts are whole numbers, so that differences of reads lie at the teeth of a comb and a median would be one of
    them. Every value is spread over a tooth's width, as for the median of grouped data.

    Parameters
    ----------
    histogram : (cell rows, cells, N_BINS + 2) uint32
        As `difference_histogram` fills it.
    regions : (k, 4) int64
        First row of cells and the one after the last, first column and the one after the last.
    clip : float
        Where to clip, iterated.
    half : int
        Half the width of a tooth [bin].

    Returns
    -------
    (k, 3) float64
        NaN, NaN, 0 where fewer than ten pixels are left.
    """
    out = np.empty((regions.shape[0], 3))
    total = np.empty(N_BINS + 1)
    for k in range(regions.shape[0]):
        total[:] = 0
        for row in range(regions[k, 0], regions[k, 1]):
            for column in range(regions[k, 2], regions[k, 3]):
                for i in range(N_BINS):
                    total[i + 1] += histogram[row, column, i + 1]
        for i in range(N_BINS):
            total[i + 1] += total[i]
        out[k] = _clipped_median(_spread(total, half), clip)
    return out


@compiled
def _spread(total, half) -> Any:
    """Return how many values lie below each edge of the bins when each is spread evenly over ``2 half`` bins."""
    n = total.size
    sums, out = np.zeros(n + 1), np.empty(n)
    for i in range(n):
        sums[i + 1] = sums[i] + total[i]
    for i in range(n):
        first, last = max(i - half, 0), min(i + half, n - 1)
        inside = sums[last + 1] - sums[first] + (i + half - last) * total[n - 1]
        out[i] = inside / (2 * half + 1)
    return out


@compiled
def _clipped_median(total, clip) -> Any:
    """Return median, scatter and number, given how many values lie below each edge of the bins."""
    first, last = 0, N_BINS
    middle, half, n = np.nan, np.nan, 0.0
    for _ in range(10):
        n = total[last] - total[first]
        if n < 10:
            return np.array([np.nan, np.nan, 0.0])
        middle = _quantile(total, total[first] + 0.5 * n)
        half = (_quantile(total, total[first] + 0.8413 * n) - _quantile(total, total[first] + 0.1587 * n)) / 2
        width = max(half, 1.0)
        new_first, new_last = max(0, int(middle - clip * width)), min(N_BINS, int(middle + clip * width) + 1)
        if new_first == first and new_last == last:
            break
        first, last = new_first, new_last
    return np.array([middle, half, n])


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
def count_new(flags, earlier, stride, bit, skip) -> Any:
    """Count pixels in which any of `bit` is set in `flags` and not in `earlier`, `skip` left out.

    Parameters
    ----------
    flags, earlier : (n,) uint16
        Two planes from their first pixel to their last.
    stride : (2,) int64
        Words from one row to the next, of each plane; 0 repeats the first row.
    bit : uint16
        The flags looked for.
    skip : (ny, nx) uint8
        1 where a pixel is left out.
    """
    n_rows, n_columns = skip.shape
    counts, n = np.zeros(n_columns, np.uint16), 0
    for y in range(n_rows):
        row = flags[y * stride[0] : y * stride[0] + n_columns]
        row_earlier = earlier[y * stride[1] : y * stride[1] + n_columns]
        for x in range(n_columns):
            new = row[x] & ~row_earlier[x] & bit
            counts[x] += np.uint16(new != 0) & np.uint16(skip[y, x] == 0)
    for x in range(n_columns):
        n += counts[x]
    return n


@compiled
def bright_pixels(
    later, earlier, draft, stride, swap, factors, level, draft_level, limit, flags, bit, step, out
) -> Any:
    """Mark the pixels that shine in one interval and not in the whole exposure, on a grid of every `step`-th pixel.

    Parameters
    ----------
    later, earlier, draft : (n,) uint32
        Words of the planes that end and begin the interval, and of the last read, from first pixel to last.
    stride : (4,) int64
        Words from one row to the next, of each plane and of `flags`.
    swap : bool
        Whether the words are in the other byte order.
    factors : (3,) float32
        The interval's rate is ``factors[0] * later - factors[1] * earlier``; a source adds ``factors[2]`` times its
        rate to the variance.
    level, draft_level : float32
        Sky of the interval and of the last read.
    limit : float32
        What a pixel without a source must exceed.
    flags : (n,) uint16
        Flags of the first read, as they are stored.
    bit : uint16
        Flags, stored likewise, with any of which a pixel is left out.
    step : int
        Distance of the grid's pixels.
    out : (ny, nx) uint8
        1 where a pixel shines.

    Returns
    -------
    int
        How many do.
    """
    n = 0
    word = np.empty(3, np.uint32)
    value = word.view(np.float32)
    for row in range(out.shape[0]):
        y = row * step
        for column in range(out.shape[1]):
            x = column * step
            word[0] = _native(later[y * stride[0] + x], swap)
            word[1] = _native(earlier[y * stride[1] + x], swap)
            word[2] = _native(draft[y * stride[2] + x], swap)
            source = max(value[2] - draft_level, np.float32(0))
            above = value[0] * factors[0] - value[1] * factors[1] - level - source
            noise = np.float32(0.05) * source + limit
            shines = above > noise and (above - noise) ** 2 > factors[2] * source
            out[row, column] = shines and (flags[y * stride[3] + x] & bit) == 0
            n += out[row, column]
    return n


@compiled
def box_mean(image, skip, half) -> Any:
    """Return the mean of an image in a box of ``2 half + 1`` pixels around every pixel, float32, of the same shape.

    Parameters
    ----------
    image : (ny, nx) float32
        The image; NaN is left out.
    skip : (ny, nx) uint8
        1 where a pixel is left out.
    half : int
        Half the width of the box; pixels with nothing in theirs become NaN.
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
        total = number = 0.0
        for x in range(min(half, n_columns)):
            total += sums[x]
            number += numbers[x]
        for x in range(n_columns):
            if x + half < n_columns:
                total += sums[x + half]
                number += numbers[x + half]
            if x - half - 1 >= 0:
                total -= sums[x - half - 1]
                number -= numbers[x - half - 1]
            out[y, x] = total / number if number > 0.5 else np.nan
    return out
