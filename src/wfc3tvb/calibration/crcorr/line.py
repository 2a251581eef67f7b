"""The line through the samples of a ramp, in single precision and in order of time (Fixsen et al. 2000, section 2)."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from wfc3tvb.calibration.model import Float32Array
from wfc3tvb.system.compiled import compiled

#: Read noise of two reads [electron] and dark current [electron/s] that calwf3 takes for the errors of slopes.
READ_NOISE, DARK_CURRENT = 21.0, 0.036
#: Powers of the weights, and the signal-to-noise ratios above which they are taken (Fixsen et al. 2000, table 1).
POWERS = (0.0, float(np.float32(0.4)), 1.0, 3.0, 6.0, 10.0)
_RATIOS = (5.0, 10.0, 20.0, 50.0, 100.0)


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


def constants(gain: np.float32, times: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Return what every fit of an exposure needs.

    Parameters
    ----------
    gain : float32
        Mean gain [electron/DN].
    times : ndarray, shape (n,), float32
        Time of every read [s].

    Returns
    -------
    inverse_variance : float32 array of one value and the gain
        ``1 / (21 e / gain)**2`` [DN-2], and the gain.
    dark : ndarray, shape (n,), float32
        Dark current collected until each read [DN].
    """
    read_noise = np.float32(READ_NOISE / float(gain))
    inverse_variance = np.float32(1.0 / float(np.float32(read_noise * read_noise)))
    dark = times * np.float32(DARK_CURRENT / float(gain))
    return np.array([inverse_variance, gain], np.float32), dark


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
def slope_error(fit_err, dx, dy, dd, plain, gain):
    """Return the error of a slope: that of the fit with the photons of signal and dark, `plain` where that has none.

    Parameters
    ----------
    fit_err : float32
        Error of the slope from the fit [DN/s].
    dx, dy, dd : float32
        Time [s], signal [DN] and dark current [DN] between the interval's ends.
    plain : float32
        Error without photons [DN/s].
    gain : float32
        Mean gain [electron/DN].
    """
    u = (gain * fit_err) * dx
    variance = (u * u + gain * dd) + gain * dy
    if variance > 0:
        return np.float32((math.sqrt(np.float64(variance)) / np.float64(dx)) / np.float64(gain))
    return plain


@compiled
def fit_line(y, e, t, dark, index, weights, inverse_variance, gain):
    """Fit a line through samples.

    Parameters
    ----------
    y, e : ndarray, shape (reads,), float32
        Signal and error [DN].
    t, dark : ndarray, shape (reads,), float32
        Time [s] and dark current [DN].
    index : ndarray, shape (n,), int64
        Reads that belong to the interval, n >= 2.
    weights : ndarray, float32
        Weight of each position.
    inverse_variance, gain : float32
        See `constants`.

    Returns
    -------
    intercept, slope, error : float32
        [DN], [DN/s], [DN/s]. Samples without error are left out; without any the error is 1e9.
    """
    n = index.size
    zero = np.float32(0)
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
    dx, dy, dd = t[b] - t[a], y[b] - y[a], dark[b] - dark[a]
    if n == 2:
        slope = dy / dx
        intercept = y[a] - slope * t[a]
        u, v = e[a] / t[a], e[b] / t[b]
        return intercept, slope, slope_error(zero, dx, dy, dd, np.sqrt(u * u + v * v), gain)
    den = s * sxx - sx * sx
    if den < np.float32(1e-6):
        den = np.float32(1e-6)
    slope = (s * sxy - sx * sy) / den
    intercept = (sxx * sy - sx * sxy) / den
    fit_err = np.sqrt(s / den)
    return intercept, slope, slope_error(fit_err, dx, dy, dd, fit_err, gain)
