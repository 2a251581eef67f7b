"""Pattern of scattered light on the detector, and its amplitude in each interval, from the reads of an exposure.

The difference of two reads minus the mean rate of each pixel contains no source. What is left of it is one number per
interval (helium), and a pattern that is the same in all intervals, times an amplitude (light scattered from the bright
Earth has one shape; WFC3 Data Handbook 7.10). Both are fitted to the means of blocks of pixels by alternating least
squares, with the pattern a smooth surface.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from wfc3tvb.instrument import SINGLE_READ_NOISE

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Blocks along each side of the frame, pixels that a block needs, and blocks that a fit needs.
_BLOCKS, _FEW_PIXELS, _FEW_BLOCKS = 32, 12, 200
#: Light of a source above which its pixels are left out, and most scattered light that is looked for [electron/s];
#: clipping of cosmic rays in standard deviations of a pixel, beyond that light.
_SOURCE, _BRIGHTEST, _CLIP = 3.0, 3.0, 4.0
#: Degree of the surface in x and y together. It follows light that falls off over a quarter of the frame to 0.3 %.
_DEGREE = 6
_TERMS = tuple((i, j) for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i))
#: Rounds of the fit, which converges in three or four.
_ROUNDS = 12
#: Columns whose difference is called left minus right, as fractions of the width (40-240 and 760-960 of 1014).
_LEFT, _RIGHT = (40 / 1014, 240 / 1014), (760 / 1014, 960 / 1014)
#: Quiet intervals needed, in which the amplitude is zero.
MIN_QUIET = 3
#: Difference of amplitudes that belong to one level, in electron/s and in errors.
_SAME, _SAME_ERRORS = 0.005, 3.0
#: Reduced chi^2 of the blocks up to which one pattern describes them; it allows for flat-field errors of the sky.
_DESCRIBED = 2.0


@dataclass(frozen=True)
class ScatteredLight:
    """Pattern of scattered light and its amplitudes.

    Attributes
    ----------
    pattern : ndarray, shape (ny, nx), float32
        Its mean over good pixels is 0, and left (columns 40-240) minus right (760-960) is 1. The median of an interval,
        whose noise is much larger than the pattern, sees its mean.
    amplitudes, errors : ndarray, shape (n,)
        Left minus right in each interval, and its error [electron/s]; the lowest level that three intervals share is 0.
    chi2 : float
        Reduced chi^2 of the blocks.
    """

    pattern: Float32Array
    amplitudes: Float64Array
    errors: Float64Array
    chi2: float

    @property
    def is_described(self) -> bool:
        """True if one pattern describes the light."""
        return self.chi2 < _DESCRIBED


def fit_scattered_light(
    rate: Float32Array, times: Float64Array, quiet: Bools, *, good: Bools, lost: Bools | None = None
) -> ScatteredLight | None:
    """Fit the pattern and the amplitudes of scattered light.

    Parameters
    ----------
    rate : ndarray, shape (n, ny, nx)
        Cumulative rate of reads 1..n since the zeroth [electron/s].
    times : ndarray, shape (n,)
        Time of each read since the zeroth [s].
    quiet : ndarray of bool, shape (n,)
        Intervals without scattered light.
    good : ndarray of bool, shape (ny, nx)
        Pixels without defects.
    lost : ndarray of bool, shape (n,), optional
        Reads that are lost; the interval then begins at the last read before.

    Returns
    -------
    ScatteredLight or None
        None if there are too few quiet intervals or pixels.
    """
    kept = np.flatnonzero(np.ones(len(times), bool) if lost is None else ~lost)
    quiet_kept = np.logical_and.reduceat(quiet, np.concatenate([[0], kept[:-1] + 1]))
    if quiet_kept.sum() < MIN_QUIET or quiet_kept.all() or good.sum() < _FEW_BLOCKS * _FEW_PIXELS:
        return None
    blocks = _block_means(rate, times, kept, good)
    used = np.isfinite(blocks.rates).all(axis=0)
    if used.sum() < _FEW_BLOCKS:
        return None
    surface = _design(*(place[used] for place in blocks.places))
    fit = _alternate(blocks.rates[:, used], blocks.errors[:, used], surface, quiet_kept)
    amplitudes, errors, chi2, coefficients = fit
    pattern = _surface(coefficients, rate.shape[1:])
    height, middle = _left_minus_right(pattern), float(np.mean(pattern[good]))
    if height == 0:
        return None
    amplitudes, errors = amplitudes * height, errors * abs(height)
    amplitudes = amplitudes - lowest_level(amplitudes, errors, same=_SAME)
    every = np.zeros(len(times)), np.full(len(times), np.nan)
    share = np.searchsorted(kept, np.arange(len(times)))
    inside = share < len(kept)
    for target, values in zip(every, (amplitudes, errors), strict=True):
        target[inside] = values[share[inside]]
    return ScatteredLight(((pattern - middle) / height).astype(np.float32), *every, chi2)


@dataclass(frozen=True)
class _Blocks:
    """Mean rates of blocks minus their mean over time, with errors, shape (n, m), and their centers in -1..1."""

    rates: Float64Array
    errors: Float64Array
    places: tuple[Float64Array, Float64Array]


def _block_means(rate: Float32Array, times: Float64Array, kept: NDArray[np.int64], good: Bools) -> _Blocks:
    """Return the clipped means of blocks in all intervals between the reads kept."""
    last, lengths = kept[-1], np.diff(times[kept], prepend=0.0)
    level = float(np.median(rate[last][good]))
    noise = np.sqrt(2 * SINGLE_READ_NOISE**2 + max(level, 0.0) * lengths) / lengths
    blank = good & (np.abs(rate[last] - level) < _SOURCE)
    starts = [np.linspace(0, n, min(_BLOCKS, n // 4) + 1).astype(int)[:-1] for n in good.shape]
    rates, counts = [], []
    before = np.zeros(good.shape, np.float32)
    for k, read in enumerate(kept):
        total = rate[read] * np.float32(times[read])
        image = (total - before) / np.float32(lengths[k]) - rate[last]
        before = total
        usable = blank & (np.abs(image - np.median(image[blank])) < _CLIP * noise[k] + _BRIGHTEST)
        count = _sums(usable.astype(np.float32), starts)
        sums = _sums(np.where(usable, image, np.float32(0)), starts)
        rates.append(np.where(count >= _FEW_PIXELS, sums / np.maximum(count, 1), np.nan))
        counts.append(count)
    centers = [(start + np.append(start[1:], n)) / n - 1 for start, n in zip(starts, good.shape, strict=True)]
    y, x = np.meshgrid(*centers, indexing="ij")
    return _Blocks(np.array(rates), noise[:, None] / np.sqrt(np.maximum(counts, 1)), (y.ravel(), x.ravel()))


def _sums(image: Float32Array, starts: list[NDArray[np.int64]]) -> Float64Array:
    """Return the sums of an image over blocks, shape (m,)."""
    rows = np.add.reduceat(image, starts[0], axis=0, dtype=np.float64)
    return np.asarray(np.add.reduceat(rows, starts[1], axis=1).ravel())


def _alternate(
    rates: Float64Array, errors: Float64Array, surface: Float64Array, quiet: Bools
) -> tuple[Float64Array, Float64Array, float, Float64Array]:
    """Fit amplitude times surface plus one number per interval and block; return amplitudes, errors, chi^2, surface.

    A pattern common to all intervals went away with the mean over time, so amplitudes are relative to the quiet ones.
    """
    weights = 1 / errors**2
    data = rates - np.average(rates[quiet], axis=0, weights=weights[quiet])
    data = data - _interval_means(data, weights)
    amplitudes = np.where(quiet, 0.0, 1.0)
    for _ in range(_ROUNDS):
        block_weights = (weights * amplitudes[:, None] ** 2).sum(axis=0)
        block_means = (weights * data * amplitudes[:, None]).sum(axis=0) / block_weights
        root = np.sqrt(block_weights)
        coefficients = np.linalg.lstsq(surface * root[:, None], block_means * root, rcond=None)[0]
        pattern = surface @ coefficients
        pattern = pattern - np.average(pattern, weights=weights[0])
        information = (weights * pattern**2).sum(axis=1)
        amplitudes = (weights * data * pattern).sum(axis=1) / information
        amplitudes = amplitudes - np.average(amplitudes[quiet], weights=information[quiet])
    left = data - np.outer(amplitudes, pattern)
    freedom = left.size - surface.shape[1] - 2 * len(amplitudes) - left.shape[1]
    return amplitudes, 1 / np.sqrt(information), float((weights * left**2).sum() / freedom), coefficients


def _interval_means(data: Float64Array, weights: Float64Array) -> Float64Array:
    """Return the weighted mean over the blocks of each interval, shape (n, 1): the part that is flat."""
    return np.asarray((weights * data).sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True))


def _design(y: Float64Array, x: Float64Array) -> Float64Array:
    """Return the terms of the surface at places in -1..1, shape (m, terms)."""
    across, along = chebyshev.chebvander(x, _DEGREE), chebyshev.chebvander(y, _DEGREE)
    return np.stack([across[:, i] * along[:, j] for i, j in _TERMS], axis=1)


def _surface(coefficients: Float64Array, shape: tuple[int, ...]) -> Float64Array:
    """Return the surface on the pixels of a frame."""
    y, x = (2 * (np.arange(n) + 0.5) / n - 1 for n in shape)
    table = np.zeros((_DEGREE + 1, _DEGREE + 1))
    for (i, j), value in zip(_TERMS, coefficients, strict=True):
        table[i, j] = value
    return np.asarray(chebyshev.chebgrid2d(x, y, table).T)


def _left_minus_right(pattern: Float64Array) -> float:
    """Return the median of the left columns minus that of the right."""
    width = pattern.shape[1]
    left, right = (pattern[:, round(a * width) : round(b * width)] for a, b in (_LEFT, _RIGHT))
    return float(np.median(left) - np.median(right))


def lowest_level(values: Float64Array, errors: Float64Array, *, same: float) -> float:
    """Return the mean of the lowest values that agree; the median where no three do.

    Scattered light only adds, and may last for most of an exposure, so its zero is the lowest level that is seen.

    Parameters
    ----------
    values, errors : ndarray, shape (n,)
        Left minus right in each interval, and its error [electron/s].
    same : float
        Difference of values that agree, if it is larger than their errors allow [electron/s].
    """
    near = max(same, _SAME_ERRORS * float(np.median(errors)))
    ordered = np.sort(values)
    starts = [i for i in range(len(ordered) - MIN_QUIET + 1) if ordered[i + MIN_QUIET - 1] - ordered[i] <= near]
    if not starts:
        return float(np.median(values))
    level = float(ordered[starts[0] : starts[0] + MIN_QUIET].mean())
    for _ in range(5):
        inside = np.abs(values - level) <= near
        level = float(np.average(values[inside], weights=1 / errors[inside] ** 2))
    return level
