"""Find the level of the reference pixels, which BLEVCORR subtracts (WFC3 Data Handbook 3.3.3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.calibration.model import Float32Array, Overscan

#: Clipping limit, and the standard deviation of a Gaussian clipped at it (polynomial of IDL's resistant_mean).
_SIGMAS = 3
_CLIPPED = -0.15405 + 0.90723 * _SIGMAS - 0.23584 * _SIGMAS**2 + 0.020142 * _SIGMAS**3


def reference_pixels(frame: Float32Array, overscan: Overscan) -> Float32Array:
    """Return the reference pixels of a frame, in the order in which calwf3 averages them.

    Parameters
    ----------
    frame : ndarray, shape (ny, nx)
        One read [DN].
    overscan : Overscan
        Their columns; the rows of the bottom and top trims are left out.
    """
    ny = frame.shape[0]
    low, middle, high = overscan.trimy[0], ny // 2, ny - overscan.trimy[1]
    left = slice(overscan.left[0] - 1, overscan.left[1])
    right = slice(overscan.right[0] - 1, overscan.right[1])
    upper, lower = slice(middle, high), slice(low, middle)
    order = ((upper, left), (lower, left), (lower, right), (upper, right))
    return np.concatenate([frame[part].ravel() for part in order])


def resistant_mean(values: Float32Array) -> np.float32:
    """Return the mean of the values within 3 standard deviations, clipped in two passes.

    The first pass clips about the median by the median absolute deviation, the second by the standard deviation of
    the remaining values, corrected for the clipping.

    Parameters
    ----------
    values : ndarray, shape (n,), float32
        The values.
    """
    deviation = np.abs(values - _median(values))
    mad = np.float32(float(_median(deviation)) / 0.6745)
    if mad < 1e-24:
        mad = np.float32(float(_mean(deviation)) / 0.8)
    kept = values[~(deviation > np.float32(np.float32(_SIGMAS) * mad))]
    spread = np.float32(float(_standard_deviation(kept)) / _CLIPPED)
    deviation = np.abs(kept - _median(kept))
    return _mean(kept[~(deviation > np.float32(np.float32(_SIGMAS) * spread))])


def _median(values: Float32Array) -> np.float32:
    ordered = np.sort(values)
    half = values.size // 2
    if values.size % 2:
        return np.float32(ordered[half])
    return np.float32(0.5 * float(np.float32(ordered[half - 1] + ordered[half])))


def _mean(values: Float32Array) -> np.float32:
    return np.float32(_sum(values) / values.size)


def _standard_deviation(values: Float32Array) -> np.float32:
    n, mean = values.size, _mean(values)
    variance = np.float32(n / (n - 1) * (_sum(values * values) / n - float(mean) * float(mean)))
    return np.float32(np.sqrt(float(variance))) if variance > 0 else np.float32(0)


def _sum(values: NDArray[np.float32]) -> float:
    """Return the sum in double precision, added one by one as in calwf3 (NumPy's own sum is pairwise)."""
    return float(np.cumsum(values, dtype=np.float64)[-1])
