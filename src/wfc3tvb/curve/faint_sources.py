"""Estimate and subtract the light of sources too faint to mask, in crowded fields.

Where sources overlap, every pixel has some of their light, and the median of the frame lies above the sky. The darkest
parts show by how much: the means of small boxes scatter about the sky by their noise, which follows from the difference
of two halves of the exposure, and upwards by the light of sources. The faint end of that light is close to log-normal
(simulated fields of 3,000 to 40,000 sources on a full frame); sky, median and width of the light are fitted to the
histogram, with its bright end as one bin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.curve.intervals import Curve
from wfc3tvb.curve.sky_mask import BAD_PIXEL, SkyMask
from wfc3tvb.instrument import SINGLE_READ_NOISE
from wfc3tvb.models import ReadCube

Float64Array = NDArray[np.float64]

#: Fractions of the frame brighter than the sky by 3 standard deviations from which faint light is subtracted in part,
#: and in full: simulated fields of 2,500 and of 5,000 sources on a full frame.
_FROM, _FULL = 0.014, 0.022
#: Rows used, in bands as high as a box; samples per side for the fraction above.
_ROWS, _SAMPLED = 200, 200
#: Side of a box [pixel], fewest good pixels in a box, fewest boxes.
_BOX, _ENOUGH, _BOXES = 4, 12, 300
#: A pixel that differs between the halves by this many standard deviations was hit by a cosmic ray.
_HIT = 4.0
#: Upper end of the histogram (quantile), its bins, nodes that represent the log-normal distribution.
_UPPER, _BINS, _NODES = 0.85, 60, 41
#: Prior of the width of the log-normal distribution: mean and standard deviation.
_WIDTH = (1.2, 0.3)
#: Relative error of the light: in simulated fields of up to 200,000 stars it is found too small or too large by a third
#: of itself, and by as much as itself where most of it comes from sources fainter than the noise.
_ERROR = 0.6


@dataclass(frozen=True)
class FaintLight:
    """Light of unmasked sources in the sky pixels.

    Attributes
    ----------
    level, error : float
        Level, the same in all intervals, and its error [electron/s]; 0 if sources are few or it cannot be measured.
    covered : float
        Fraction of the frame covered by sources brighter than the noise, without cosmic rays.
    """

    level: float
    error: float
    covered: float = 0.0


def faint_light(cube: ReadCube, mask: SkyMask, *, flat_fielded: bool = True) -> FaintLight:
    """Estimate the light of unmasked sources.

    Parameters
    ----------
    cube : ReadCube
        The reads.
    mask : SkyMask
        Pixels left out of the sky.
    flat_fielded : bool, optional
        Whether the pixels are flat-fielded; if not, the structure of the flat would pass for light, so the level is 0.
    """
    ny = cube.rate.shape[1]
    rows = np.arange(ny // _BOX * _BOX).reshape(-1, _BOX)[:: max(1, ny // _ROWS)].ravel()
    planes = _halves(cube, rows)
    if planes is None or not np.isfinite(planes[0] - planes[1]).any():
        return FaintLight(0.0, 0.0)
    first, second, whole, times = planes
    bad, skip = (cube.dq[0][rows] & int(BAD_PIXEL)) != 0, mask.skip[rows] != 0
    step = max(1, min(whole.shape) // _SAMPLED)
    cut = slice(None, None, step), slice(None, None, step)
    covered = _covered(first[cut], second[cut], whole[cut], bad[cut])
    weight = float(np.clip((covered - _FROM) / (_FULL - _FROM), 0, 1))
    if weight == 0 or not flat_fielded:
        return FaintLight(0.0, 0.0, covered)
    good = _steady(first, second, whole) & ~bad
    flat = _even(whole, skip)
    sample = flat[~skip & good]
    if not np.isfinite(sample).any():
        return FaintLight(0.0, 0.0, covered)
    boxes = [_box_means(plane, good) for plane in (first, second, flat)]
    kept = np.isfinite(boxes[0])
    if kept.sum() < _BOXES:
        return FaintLight(0.0, 0.0, covered)
    a, b, both = (box[kept] for box in boxes)
    sky = _fit_sky(both, _noise(a - b, times))
    level = max(_clipped_median(sample) - sky, 0.0)
    return FaintLight(weight * level, _ERROR * level if level > 0 else 0.0, covered)


def subtract_faint_light(curve: Curve, light: FaintLight) -> Curve:
    """Subtract the light of unmasked sources from a curve.

    Its error is the same in all intervals, and not part of `rate_err`, which is that of the changes.
    """
    return replace(curve, rate=curve.rate - light.level, quadrants=curve.quadrants - light.level)


def _covered(first: Float64Array, second: Float64Array, whole: Float64Array, bad: NDArray[np.bool_]) -> float:
    """Return the fraction of the pixels 3 standard deviations above the sky, without those hit by cosmic rays."""
    kept = np.sort(whole[_steady(first, second, whole) & ~bad])
    if kept.size < 10:
        return 0.0
    low, middle = kept[int(0.1587 * kept.size)], kept[kept.size // 2]
    return float((kept > middle + 3 * (middle - low)).mean())


def _halves(
    cube: ReadCube, rows: NDArray[np.int64]
) -> tuple[Float64Array, Float64Array, Float64Array, tuple[float, float, float]] | None:
    """Return the rates over both halves (which share no read) and the whole exposure, and the times of these."""
    sampled = np.isfinite(cube.rate[:, ::17, ::17]).any((1, 2))
    reads = np.flatnonzero(sampled & (np.diff(cube.t, prepend=0) > 0))
    if reads.size < 4:
        return None
    k = int(np.clip(np.argmin(np.abs(cube.t[reads] - cube.t[reads[-1]] / 2)), 0, reads.size - 3))
    i, j, last = (int(reads[m]) for m in (k, k + 1, -1))
    (first, until, whole), length = (cube.rate[m][rows].astype(float) for m in (i, j, last)), cube.t[last] - cube.t[j]
    return first, (whole * cube.t[last] - until * cube.t[j]) / length, whole, (cube.t[i], length, cube.t[last])


def _steady(first: Float64Array, second: Float64Array, whole: Float64Array) -> NDArray[np.bool_]:
    """Return the pixels without cosmic rays: their rates in both halves differ only by the change of the sky."""
    difference = first - second
    step = max(1, min(whole.shape) // _SAMPLED)
    low, middle, high = np.nanpercentile(difference[::step, ::step], (15.87, 50, 84.13))
    source = np.maximum(whole - np.nanmedian(whole[::step, ::step]), 0)
    return np.asarray(np.abs(difference - middle) < _HIT * (high - low) / 2 + 0.05 * source)


def _even(plane: Float64Array, skip: NDArray[np.bool_], blocks: int = 8) -> Float64Array:
    """Return a plane with the slope of scattered light along its rows subtracted."""
    edges = np.linspace(0, plane.shape[1], blocks + 1).astype(int)
    sky = np.where(skip, np.nan, plane)
    blocks_of_columns = (sky[::2, a:b] for a, b in zip(edges[:-1], edges[1:], strict=True))
    levels = np.array([np.nanmedian(b) if np.isfinite(b).any() else np.nan for b in blocks_of_columns])
    middle = (edges[1:] + edges[:-1]) / 2
    slope = np.polynomial.Polynomial.fit(middle, np.nan_to_num(levels, nan=float(np.nanmean(levels))), 2)
    profile = slope(np.arange(plane.shape[1]))
    return np.asarray(plane - (profile - profile.mean()))


def _box_means(plane: Float64Array, good: NDArray[np.bool_]) -> Float64Array:
    """Return means over the good pixels of boxes; NaN for a box with too few."""
    ny, nx = (n // _BOX * _BOX for n in plane.shape)
    shape = (ny // _BOX, _BOX, nx // _BOX, _BOX)
    n_good = good[:ny, :nx].reshape(shape).sum((1, 3))
    total = np.where(good, plane, 0.0)[:ny, :nx].reshape(shape).sum((1, 3))
    return np.asarray(np.where(n_good >= _ENOUGH, total / np.maximum(n_good, 1), np.nan)).ravel()


def _noise(difference: Float64Array, times: tuple[float, float, float]) -> float:
    """Return the noise of boxes over the whole exposure, from the difference of its halves."""
    low, high = np.percentile(difference, (15.87, 84.13))
    first, second, whole = times
    reads = 2 * (SINGLE_READ_NOISE / _BOX) ** 2
    photons = max(((high - low) / 2) ** 2 - reads * (first**-2 + second**-2), 0.0) / (1 / first + 1 / second)
    return float(np.sqrt(photons / whole + reads / whole**2))


def _fit_sky(boxes: Float64Array, noise: float) -> float:
    """Return the level of the sky under log-normal light and Gaussian noise, by maximum likelihood."""
    # Imported here: few fields are crowded, and workers start much faster without SciPy.
    from scipy.optimize import minimize
    from scipy.special import ndtr, ndtri

    low, high, middle = np.quantile(boxes, (0.0005, _UPPER, 0.5))
    edges = np.linspace(low, high, _BINS)
    counts = np.concatenate([[(boxes < low).sum()], np.histogram(boxes, edges)[0], [(boxes > high).sum()]])
    nodes = ndtri((np.arange(_NODES) + 0.5) / _NODES)

    def loss(p: Float64Array) -> float:
        light = np.exp(p[1] + p[2] * nodes)
        below = ndtr((edges[:, None] - p[0] - light) / noise).mean(1)
        share = np.diff(np.concatenate([[0.0], below, [1.0]]))
        prior = ((p[2] - _WIDTH[0]) / _WIDTH[1]) ** 2 / 2 + ((p[1] + 5) / 3) ** 2 / 2
        return float(prior - counts @ np.log(np.maximum(share, 1e-12)))

    light = max(high - middle - noise, 0.1 * noise)
    start = [middle - light / 2, np.log(light / 2), _WIDTH[0]]
    simplex = np.array([start, *(np.add(start, step) for step in np.diag([light / 2, 1.0, 0.3]))])
    options = {"xatol": 2e-4, "fatol": 0.05, "maxiter": 400, "initial_simplex": simplex}
    return float(minimize(loss, start, method="Nelder-Mead", options=options).x[0])


def _clipped_median(values: Float64Array) -> float:
    """Return the median of values iteratively clipped at three standard deviations, as for the curve's rates."""
    kept = np.sort(values[np.isfinite(values)])
    for _ in range(10):
        low, middle, high = (kept[int(q * kept.size)] for q in (0.1587, 0.5, 0.8413))
        clip = 1.5 * (high - low)
        inside = slice(*np.searchsorted(kept, (middle - clip, middle + clip)))
        if kept[inside].size in (0, kept.size):  # 0 where most values are the same
            break
        kept = kept[inside]
    return float(middle)
