"""Find satellite trails: straight streaks in one or two reads that hardly change the sky's median.

A trail is found in two steps, as by eye: an interval has more bright pixels than cosmic rays make in its time, and they
lie on a line. The line is the peak of a Hough transform (as in G. Brammer's reprocess_wfc3, anomalies.py); it counts
if its pixels are contiguous over a length that no cosmic ray has.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.curve.intervals import Curve
from wfc3tvb.curve.kernels import Brightness, Difference, Mask, bright_pixels, flat_words, stored_bits
from wfc3tvb.curve.sky_mask import BAD_PIXEL
from wfc3tvb.instrument import DQ
from wfc3tvb.models import ReadCube
from wfc3tvb.system.threads import for_each

Float64Array = NDArray[np.float64]

#: Approximate size of the grid of sampled pixels.
_GRID = 250
#: Threshold for bright pixels, in standard deviations of the interval above the sky.
_BRIGHT = 6.0
#: Excess of bright pixels over those from cosmic rays that is required: number, and standard deviations.
_MORE, _SIGMAS = 24, 5.0
#: Smallest length of a streak [pixel of the grid], and fraction of it that must be bright.
_LENGTH, _COVERED = 32, 0.6
#: Angles tried, width of the strips, half-width of a streak [pixel of the grid].
_ANGLES, _STRIP, _HALF = 180, 3.0, 2.0
#: Density of bright pixels in a streak, relative to the whole frame, that is required.
_DENSE = 2.5
#: Bright fraction of the grid above which the light is not that of a streak.
_TOO_MANY = 0.15
#: Charge above which a pixel may be saturated, flagged or not [electron]; the lowest full wells are at 70,000.
_FULL_WELL = 60_000.0


def read_streak_scores(cube: ReadCube, curve: Curve, *, threads: int = 2) -> Float64Array:
    """Return for each interval the fraction of the frame that a streak covers, shape (n,); 0 without a streak.

    Parameters
    ----------
    cube : ReadCube
        The reads.
    curve : Curve
        The curve measured from them.
    threads : int, optional
        Threads that share the intervals of large frames.
    """
    step = max(1, min(cube.rate.shape[1:]) // _GRID)
    n_pixels = cube.rate[0].size
    bad = _bad(cube)
    maps = for_each(lambda i: _bright(cube, curve, bad, i, step), cube.t.size, threads=threads, n_pixels=n_pixels)
    counts = np.array([0 if grid is None else np.count_nonzero(grid) for grid in maps])
    covered = np.zeros(cube.t.size)
    for i in _suspects(counts, curve.dt):
        grid = maps[i]
        if grid is not None:
            covered[i] = grid_streak_score(grid)
    return covered


def _suspects(counts: NDArray[np.int64], dt: Float64Array) -> Sequence[int]:
    """Return the intervals with more bright pixels than cosmic rays make in their time, judged by the others."""
    good = np.isfinite(dt) & (dt > 0)
    if good.sum() < 3:
        return []
    expected = np.where(good, np.median(counts[good] / dt[good]) * dt, 0.0)
    more = counts - expected
    return [int(i) for i in np.flatnonzero(good & (more > np.maximum(_MORE, _SIGMAS * np.sqrt(expected))))]


def _bad(cube: ReadCube) -> NDArray[np.uint16]:
    """Return 1 for pixels that are bad or saturate during the exposure.

    A saturated pixel collects nothing more, so its last read is too faint, and in the intervals before it seems to
    shine. In a dense field such pixels are so many that some lie on a line.
    """
    with np.errstate(invalid="ignore"):
        full = cube.rate[-1] * cube.t[-1] > _FULL_WELL
    bad: NDArray[np.bool_] = (cube.dq[0] & int(BAD_PIXEL) != 0) | (cube.dq[-1] & int(DQ.SATPIXEL) != 0) | full
    return bad.astype(np.uint16)


def _bright(cube: ReadCube, curve: Curve, bad: NDArray[np.uint16], i: int, step: int) -> NDArray[np.uint8] | None:
    """Return the grid of bright pixels of an interval; None if it has no rate."""
    if not np.isfinite([curve.rate[i], curve.scatter[i]]).all():
        return None
    last = int(np.flatnonzero(np.isfinite(curve.rate))[-1])
    sky = np.nansum(curve.rate * curve.dt) / cube.t[last]
    base, dt = curve.base[i], curve.dt[i]
    later, earlier, draft = (flat_words(cube.rate[k], "<u4") for k in (i, base if base >= 0 else i, last))
    swap = cube.rate.dtype.newbyteorder("=") != cube.rate.dtype
    difference = Difference(later, earlier, swap, np.float32(cube.t[i] / dt), np.float32(curve.t_start[i] / dt))
    mask = Mask(flat_words(bad, "<u2"), stored_bits(1, bad))
    limits = curve.rate[i], sky, _BRIGHT * curve.scatter[i], _BRIGHT**2 / dt
    ny, nx = cube.rate.shape[1:]
    out = np.zeros((-(-ny // step), -(-nx // step)), np.uint8)
    bright_pixels(difference, draft, mask, Brightness(*map(np.float32, limits)), step, np.empty(3, np.uint32), out)
    return out


def grid_streak_score(grid: NDArray[np.uint8]) -> float:
    """Return the fraction of a grid that its strongest straight streak covers; 0 without a streak.

    Parameters
    ----------
    grid : ndarray, shape (ny, nx), uint8
        1 where a pixel is bright.
    """
    points = np.argwhere(grid).astype(float)
    if not _LENGTH * _COVERED <= len(points) <= _TOO_MANY * grid.size:
        return 0.0
    origin, along = _strongest_line(points)
    for _ in range(3):
        near = np.abs(_across(points, origin, along)) <= _STRIP
        if near.sum() < _LENGTH * _COVERED:
            return 0.0
        origin, along = _line_through(points[near])
    near = np.abs(_across(points, origin, along)) <= _HALF
    strip = 2 * _HALF * max(float(np.ptp(points[near] @ along)), 1.0) if near.any() else 1.0
    dense = near.sum() / strip > _DENSE * len(points) / grid.size
    return int(near.sum()) / grid.size if dense and _is_contiguous(points[near] @ along) else 0.0


def _strongest_line(points: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return a point and the direction of the strip with the most points (Hough transform)."""
    angle = np.arange(_ANGLES) * np.pi / _ANGLES
    normals = np.stack([np.cos(angle), np.sin(angle)])
    strip = np.floor(points @ normals / _STRIP).astype(np.int64)
    strip -= strip.min()
    width = int(strip.max()) + 1
    counts = np.bincount((strip + np.arange(_ANGLES) * width).ravel(), minlength=_ANGLES * width)
    k = int(counts.argmax()) // width
    inside = strip[:, k] == int(counts.argmax()) % width
    return points[inside].mean(0), np.array([-normals[1, k], normals[0, k]])


def _line_through(points: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return the mean of points and the direction of their largest spread."""
    middle = points.mean(0)
    return middle, np.linalg.svd(points - middle, full_matrices=False)[2][0]


def _across(points: Float64Array, origin: Float64Array, along: Float64Array) -> Float64Array:
    return np.asarray((points - origin) @ np.array([-along[1], along[0]]))


def _is_contiguous(position: Float64Array) -> bool:
    """Return True if points cover a line over the length of a streak."""
    if position.size == 0:
        return False
    place = np.unique((position - position.min()).astype(np.int64))
    covered = np.zeros(int(place[-1]) + 1)
    covered[place] = 1
    if covered.size < _LENGTH:
        return False
    return bool(np.convolve(covered, np.ones(_LENGTH), "valid").max() >= _COVERED * _LENGTH)
