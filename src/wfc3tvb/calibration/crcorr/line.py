"""Fit a line through the samples of a ramp, in single precision and order of time (Fixsen et al. 2000, section 2)."""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np

from wfc3tvb.calibration.model import Flags, Float32Array
from wfc3tvb.system.compiled import compiled

#: Read noise of two reads [electron] and dark current [electron/s] that calwf3 takes for the errors of slopes.
READ_NOISE, DARK_CURRENT = 21.0, 0.036
#: Powers of the weights, and the signal-to-noise ratios above which they are taken (Fixsen et al. 2000, table 1).
POWERS = (0.0, float(np.float32(0.4)), 1.0, 3.0, 6.0, 10.0)
_RATIOS = (5.0, 10.0, 20.0, 50.0, 100.0)


class FitConstants(NamedTuple):
    """What all ramps of an exposure share; see `fit_constants`.

    Attributes
    ----------
    t : ndarray, shape (reads,), float32
        Time of each read since the zeroth [s].
    dark : ndarray, shape (reads,), float32
        Dark current collected until each read [DN].
    scale : ndarray, shape (reads,), float32
        What each read is multiplied by to have DN: 1, or its time where it is a rate.
    weights : ndarray, shape (powers, reads + 1, reads), float32
        See `weight_table`.
    weight_row : ndarray, float32
        The same as one row.
    inverse_variance : float32
        ``1 / (21 e / gain)**2`` [DN-2].
    gain : float32
        Mean gain [electron/DN].
    threshold : float32
        Rejection threshold [standard deviations].
    ignore : int
        Flags that make a sample unusable even in a pixel flagged in all reads.
    zeroth : bool
        Whether a pixel saturated in the first read is left as it is in the zeroth.
    """

    t: Float32Array
    dark: Float32Array
    scale: Float32Array
    weights: Float32Array
    weight_row: Float32Array
    inverse_variance: np.float32
    gain: np.float32
    threshold: np.float32
    ignore: int
    zeroth: bool


class PixelRamp(NamedTuple):
    """Samples of one pixel.

    Attributes
    ----------
    y, e : ndarray, shape (reads,), float32
        Signal and error [DN].
    q : ndarray, shape (reads,), int16
        Flags.
    """

    y: Float32Array
    e: Float32Array
    q: Flags


class Rise(NamedTuple):
    """Differences between the ends of an interval: time [s], signal [DN], dark current [DN]; float32."""

    dx: np.float32
    dy: np.float32
    dd: np.float32


@cache
def weight_table(n_reads: int) -> Float32Array:
    """Return the weights of samples: ``|(j - h) / h|**p`` with ``h = (n - 1) / 2``.

    Parameters
    ----------
    n_reads : int
        Largest number of samples.

    Returns
    -------
    ndarray, shape (6, n_reads + 1, n_reads), float32
        By power, number of samples, position.
    """
    table = np.ones((len(POWERS), n_reads + 1, n_reads), np.float32)
    for p, power in enumerate(POWERS[1:], 1):
        for n in range(2, n_reads + 1):
            half = (n - 1) / 2
            table[p, n, :n] = [np.float32(abs(math.pow(abs(j - half) / half, power))) for j in range(n)]
    return table


def fit_constants(
    times: Float32Array,
    gain: float,
    *,
    scale: Float32Array | None = None,
    threshold: float = 4.0,
    ignore: int = 256,
    zeroth: bool = False,
) -> FitConstants:
    """Return what every fit of an exposure needs.

    Parameters
    ----------
    times : ndarray, shape (n,), float32
        Time of every read since the zeroth [s].
    gain : float
        Mean gain [electron/DN].
    scale, threshold, ignore, zeroth
        See `FitConstants`; by default the reads are in DN.
    """
    mean_gain = np.float32(gain)
    read_noise = np.float32(READ_NOISE / float(mean_gain))
    inverse_variance = np.float32(1.0 / float(np.float32(read_noise * read_noise)))
    dark = times * np.float32(DARK_CURRENT / float(mean_gain))
    own_scale = np.ones_like(times) if scale is None else scale
    return FitConstants(
        times,
        dark,
        own_scale,
        weight_table(times.size),
        weight_table(times.size).ravel(),
        inverse_variance,
        mean_gain,
        np.float32(threshold),
        ignore,
        zeroth,
    )


@compiled
def power_of(ratio):
    """Return the index of the power that is best at a signal-to-noise ratio."""
    index = 0
    for limit in _RATIOS:
        if ratio > np.float32(limit):
            index += 1
    return index


@compiled
def signal_to_noise(first, last, last_err):
    """Return the signal-to-noise ratio of an interval: last minus first sample over the last error."""
    return (last - first) / last_err if last_err > 0 else np.float32(0)


@compiled
def slope_error(fit_err, plain, rise, gain):
    """Return the error of a slope: that of the fit with the photons of signal and dark, `plain` where that has none.

    Parameters
    ----------
    fit_err : float32
        Error of the slope from the fit [DN/s].
    plain : float32
        Error without photons [DN/s].
    rise : Rise
        Between the interval's ends.
    gain : float32
        Mean gain [electron/DN].
    """
    u = (gain * fit_err) * rise.dx
    variance = (u * u + gain * rise.dd) + gain * rise.dy
    if variance > 0:
        return np.float32((math.sqrt(np.float64(variance)) / np.float64(rise.dx)) / np.float64(gain))
    return plain


@compiled
def fit_line(ramp, constants, index, weights):
    """Fit a line through samples.

    Parameters
    ----------
    ramp : PixelRamp
        Samples of a pixel.
    constants : FitConstants
        Of the exposure.
    index : ndarray, shape (n,), int64
        Reads that belong to the interval, n >= 2.
    weights : ndarray, float32
        Weight of each position.

    Returns
    -------
    intercept, slope, error : float32
        [DN], [DN/s], [DN/s]. Samples without error are left out; without any the error is 1e9.
    """
    y, e, _ = ramp
    t, dark, gain, n, zero = constants.t, constants.dark, constants.gain, index.size, np.float32(0)
    inverse_variance = constants.inverse_variance
    s, sx, sy, sxx, sxy = zero, zero, zero, zero, zero
    for j in range(n):
        k = index[j]
        if e[k] == 0:
            continue
        w = weights[j] * inverse_variance
        x = t[k]
        s += w
        sy += y[k] * w
        sx += x * w
        sxx += (x * x) * w
        sxy += (x * y[k]) * w
    if s <= 0:
        return zero, zero, np.float32(1e9)
    a, b = index[0], index[n - 1]
    rise = Rise(t[b] - t[a], y[b] - y[a], dark[b] - dark[a])
    if n == 2:
        slope = rise.dy / rise.dx
        intercept = y[a] - slope * t[a]
        u, v = e[a] / t[a], e[b] / t[b]
        return intercept, slope, slope_error(zero, np.sqrt(u * u + v * v), rise, gain)
    den = s * sxx - sx * sx
    if den < np.float32(1e-6):
        den = np.float32(1e-6)
    slope = (s * sxy - sx * sy) / den
    intercept = (sxx * sy - sx * sxy) / den
    fit_err = np.sqrt(s / den)
    return intercept, slope, slope_error(fit_err, fit_err, rise, gain)
