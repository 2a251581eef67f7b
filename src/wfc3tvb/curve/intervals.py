"""Measure the curve of an exposure: the sky rate between successive reads.

The rate of an interval is the clipped median over pixels of (C_i t_i - C_j t_j) / (t_i - t_j), C the cumulative rate
of reads i > j (WFC3 ISR 2018-05, eq. 3): per-pixel differences first, never a difference of medians.
One pass over the pixels fills a histogram per cell of the frame; the medians of the frame, its quadrants and its left
and right sides are quantiles of sums of these histograms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.curve.kernels import (
    N_BINS,
    Bins,
    CellGrid,
    Difference,
    clipped_medians,
    difference_histogram,
    flagged_fraction,
    flat_words,
)
from wfc3tvb.curve.sky_mask import BAD_PIXEL
from wfc3tvb.instrument import DQ
from wfc3tvb.models import ReadCube
from wfc3tvb.system.threads import for_each

Float64Array = NDArray[np.float64]

#: Sides of the frame that are compared, as columns and rows of a 1014-pixel frame. Difference: G. Brammer's
#: reprocess_wfc3 (anomalies.py); ratio: STScI's notebook ir_scattered_light.
_LEFT, _RIGHT = (40, 240), (760, 960)
_RATIO_LEFT, _RATIO_RIGHT, _RATIO_ROWS = (50, 250), (700, 900), (100, 900)
_FULL = 1014
#: Noise common to all pixels of a read, from the subtracted reference pixels [electron]: their number, eight per row,
#: gives 0.16 for a full frame; calibrated simulated exposures scatter by 0.16 to 0.18, whatever their size. It falls
#: with the square root of the number of rows.
_REFERENCE_NOISE = 0.18
#: Clipping limit and half the histogram's range, in standard deviations.
_CLIP, _RANGE = 3.0, 6.0
#: Electrons per count: measured gains of the four amplifiers are 2.31 to 2.38 (CCDTAB).
_COUNT = 2.35
#: Samples per side in the first check of a read for light.
_SAMPLED = 100
#: Result of `_interval` without a measurement.
_NOTHING = (np.nan, np.nan, 0.0, *[np.nan] * 8)


@dataclass(frozen=True)
class Curve:
    """Interval rates of an exposure, one element per read 1..N, NaN where there is no rate.

    Attributes
    ----------
    t_start, t_end : ndarray, shape (n,)
        Start and end of the interval, since the zeroth read [s]; it starts at the preceding usable read.
    rate, rate_err : ndarray, shape (n,)
        Sky rate and its error from pixels and reference pixels, without the systematic error [electron/s].
    scatter : ndarray, shape (n,)
        Standard deviation of the pixels [electron/s].
    n_pixels : ndarray, shape (n,), int
        Number of pixels in `rate`.
    quadrants : ndarray, shape (n, 4)
        Rates of the lower left, lower right, upper left, upper right quadrant [electron/s].
    lr_diff, lr_ratio : ndarray, shape (n,)
        Left minus right [electron/s], and left over right.
    frac_new_cr : ndarray, shape (n,)
        Fraction of the sky pixels with bit 8192 for the first time.
    base : tuple of int
        Index of the read at which each interval begins, -1 for the zeroth.
    """

    t_start: Float64Array
    t_end: Float64Array
    rate: Float64Array
    rate_err: Float64Array
    scatter: Float64Array
    n_pixels: NDArray[np.int64]
    quadrants: Float64Array
    lr_diff: Float64Array
    lr_ratio: Float64Array
    frac_new_cr: Float64Array
    base: tuple[int, ...] = ()

    @property
    def dt(self) -> Float64Array:
        """Length of the intervals [s]."""
        return self.t_end - self.t_start

    @property
    def signal(self) -> Float64Array:
        """Electrons since the zeroth read, S_i = sum of r_j dt_j over j <= i; NaN from the first gap on."""
        return np.cumsum(self.rate * self.dt)


@dataclass(frozen=True)
class _Cells:
    """Division of a frame into cells such that every region of interest is a union of cells."""

    row_cell: NDArray[np.int64]
    edges: NDArray[np.int64]
    row_starts: NDArray[np.int64]

    def region(self, columns: tuple[float, float], rows: tuple[float, float]) -> tuple[int, int, int, int]:
        """Return the rows and columns of cells for a region given in columns and rows of the frame."""
        x = np.searchsorted(self.edges, np.round(columns))
        y = np.searchsorted(self.row_starts, np.round(rows))
        return int(y[0]), int(y[1]), int(x[0]), int(x[1])


def measure_curve(cube: ReadCube, skip: NDArray[np.uint8], *, threads: int = 2) -> Curve:
    """Measure the interval rates of an exposure.

    Parameters
    ----------
    cube : ReadCube
        Its reads.
    skip : ndarray, shape (rows, columns), uint8
        Pixels that do not show the sky (`background.sky_mask`).
    threads : int, optional
        Threads that share the intervals of large frames.
    """
    n = cube.t.size
    good = [shows_sky(cube, skip, i) for i in range(n)]
    cells, base = _cells(cube), _bases(good)
    regions = _regions(cells, cube.shape)

    def measured(i: int) -> tuple[float, ...]:
        interval = _interval(cube, skip, cells, regions, i, base[i]) if good[i] else _NOTHING
        return (*interval, _new_hits(cube, skip, i))

    table = np.array(for_each(measured, n, threads=threads, n_pixels=skip.size), float)
    t_start = np.array([cube.t[b] if b >= 0 else 0.0 for b in base])
    dt = np.where(cube.t > t_start, cube.t - t_start, np.nan)
    reference = np.sqrt(2) * _REFERENCE_NOISE * np.sqrt(_FULL / cube.shape[0]) / dt
    n_pixels = table[:, 2].astype(np.int64)
    pixel = np.sqrt(np.pi / 2) * table[:, 1] / np.sqrt(np.maximum(n_pixels, 1))
    return Curve(
        t_start=t_start,
        t_end=cube.t.copy(),
        rate=table[:, 0],
        rate_err=np.hypot(pixel, reference),
        scatter=table[:, 1],
        n_pixels=n_pixels,
        quadrants=table[:, 3:7],
        lr_diff=table[:, 7] - table[:, 8],
        lr_ratio=_ratio(table[:, 9], table[:, 10]),
        frac_new_cr=table[:, 11],
        base=tuple(base),
    )


def shows_sky(cube: ReadCube, skip: NDArray[np.uint8], i: int) -> bool:
    """Return True if a read shows light: its sky pixels are finite, not all equal, and most are not flagged as bad.

    Parameters
    ----------
    cube : ReadCube
        The reads.
    skip : ndarray, shape (rows, columns), uint8
        Pixels that do not show the sky.
    i : int
        Index of the read, 0 for the first.
    """
    for n_samples in (_SAMPLED, max(skip.shape)):
        cut = tuple(slice(None, None, max(1, size // n_samples)) for size in skip.shape)
        sky = skip[cut] == 0
        values, flags = cube.rate[i][cut][sky], cube.dq[i][cut][sky]
        good = np.isfinite(values) & ((flags & int(BAD_PIXEL)) == 0)
        if 2 * np.count_nonzero(good) > np.count_nonzero(np.isfinite(values)):
            return bool(np.ptp(values[good]) > 0)
        if np.isfinite(values).any():
            return False
    return False


def _bases(good: Sequence[bool]) -> list[int]:
    """Return for each read the start of its interval: the last good read before it, or -1 for the zeroth."""
    bases, last = [], -1
    for i, usable in enumerate(good):
        bases.append(last)
        last = i if usable else last
    return bases


def _cells(cube: ReadCube) -> _Cells:
    height, width = cube.shape
    x = {0, *_LEFT, *_RIGHT, *_RATIO_LEFT, *_RATIO_RIGHT, _FULL / 2, _FULL}
    y = {0, *_RATIO_ROWS, _FULL / 2, _FULL}
    edges = np.unique(np.round(np.array(sorted(x)) * width / _FULL).astype(np.int64))
    starts = np.unique(np.round(np.array(sorted(y)) * height / _FULL).astype(np.int64))
    return _Cells(np.searchsorted(starts, cube.rows, "right") - 1, edges, starts)


def _interval(
    cube: ReadCube, skip: NDArray[np.uint8], cells: _Cells, regions: NDArray[np.int64], i: int, base: int
) -> tuple[float, ...]:
    """Return rate, scatter, number of pixels, quadrant rates, and both left/right pairs of one interval."""
    t, t_base = cube.t[i], cube.t[base] if base >= 0 else 0.0
    dt = t - t_base
    if not dt > 0 or not t > 0:
        return _NOTHING
    later, earlier = cube.rate[i], cube.rate[base if base >= 0 else i]  # the zeroth read is 0 in all pixels
    factors = np.float32(t / dt), np.float32(t_base / dt)
    middle, width = _bracket(later, earlier, skip, factors)
    if not np.isfinite(middle):
        return _NOTHING
    low, step = middle - _RANGE * width, 2 * _RANGE * width / N_BINS
    histogram = np.zeros((cells.row_starts.size - 1, cells.edges.size - 1, N_BINS + 2), np.uint32)
    swap = later.dtype.newbyteorder("=") != later.dtype
    difference = Difference(flat_words(later, "<u4"), flat_words(earlier, "<u4"), swap, *factors)
    grid, bins = CellGrid(cells.row_cell, cells.edges), Bins(np.float32(low), np.float32(1 / step))
    difference_histogram(difference, skip, grid, bins, np.empty((3, skip.shape[1]), np.uint32), histogram)
    found = clipped_medians(histogram, regions, clip=_CLIP, half=round(_COUNT / dt / step / 2))
    levels = (low + step * found[:, 0]).tolist()
    return levels[0], step * float(found[0, 1]), float(found[0, 2]), *levels[1:]


def _regions(cells: _Cells, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Return frame, quadrants and both left/right pairs as rows and columns of cells, shape (9, 4)."""
    height, width = shape[0] / _FULL, shape[1] / _FULL
    middle_x, middle_y = _FULL / 2 * width, _FULL / 2 * height
    x, y = ((0, middle_x), (middle_x, shape[1])), ((0, middle_y), (middle_y, shape[0]))
    quadrants = [cells.region(columns, rows) for rows in y for columns in x]
    all_rows, ratio_rows = (0, shape[0]), (_RATIO_ROWS[0] * height, _RATIO_ROWS[1] * height)
    strips = ((_LEFT, all_rows), (_RIGHT, all_rows), (_RATIO_LEFT, ratio_rows), (_RATIO_RIGHT, ratio_rows))
    sides = [cells.region((c[0] * width, c[1] * width), rows) for c, rows in strips]
    return np.array([cells.region((0, shape[1]), all_rows), *quadrants, *sides])


def _bracket(
    later: NDArray[Any], earlier: NDArray[Any], skip: NDArray[np.uint8], factors: tuple[Any, Any]
) -> tuple[float, float]:
    """Estimate median and scatter of an interval's rates from a strided subsample."""
    step = (9, 7) if later.size > 300_000 else (3, 2) if later.size > 60_000 else (1, 1)
    cut = tuple(slice(None, None, s) for s in step)
    with np.errstate(invalid="ignore", over="ignore"):
        values = (later[cut] * factors[0] - earlier[cut] * factors[1])[skip[cut] == 0]
    values = values[np.isfinite(values)].astype(float)
    if values.size < 10:
        return float("nan"), float("nan")
    values.sort()
    low, middle, high = (values[int(q * values.size)] for q in (0.1587, 0.5, 0.8413))
    return float(middle), float(max((high - low) / 2, 1e-6 * abs(middle), 1e-9))


def _new_hits(cube: ReadCube, skip: NDArray[np.uint8], i: int) -> float:
    return flagged_fraction(cube.dq[i], int(DQ.DATAREJECT), skip, cube.dq[i - 1] if i else None)


def _ratio(left: Float64Array, right: Float64Array) -> Float64Array:
    ratio: Float64Array = np.divide(left, right, out=np.full(left.shape, np.nan), where=right > 0)
    return ratio


def unsteady(t: Sequence[float]) -> bool:
    """Return True if read times fail to increase."""
    return any(not later > earlier for earlier, later in pairwise((0.0, *t)))
