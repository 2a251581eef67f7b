"""The same fit for many unflagged ramps at once.

Most pixels have no flag, no hit and no spike: for them the sums over time are the same, and a row of pixels can be
fitted as one. Every number is made by the same single-precision operations in the same order as in `rampslope`.
"""

from __future__ import annotations

import numpy as np

from wfc3tvb.calibration.compiled import compiled
from wfc3tvb.calibration.rampline import power_of, signal_to_noise, slope_error

#: Pixels fitted together.
LANES = 256


@compiled
def time_sums(t, weights, inverse_variance):
    """Return what a fit of all samples after the zeroth needs of their times.

    Parameters
    ----------
    t : ndarray, shape (reads,), float32
        Time [s].
    weights : ndarray, shape (powers, reads), float32
        Weight of each position.
    inverse_variance : float32
        See `rampline.constants`.

    Returns
    -------
    ndarray, shape (powers, 3), float32
        S, Sx and the denominator S Sxx - Sx**2, by power; `Sxx` in the fourth column.
    """
    sums = np.zeros((weights.shape[0], 4), np.float32)
    for p in range(weights.shape[0]):
        s, sx, sxx = np.float32(0), np.float32(0), np.float32(0)
        for j in range(t.size - 1):
            w, x = weights[p, j] * inverse_variance, t[j + 1]
            s += w
            sx += x * w
            sxx += (x * x) * w
        den = s * sxx - sx * sx
        sums[p, 0], sums[p, 1], sums[p, 3] = s, sx, sxx
        sums[p, 2] = den if den >= np.float32(1e-6) else np.float32(1e-6)
    return sums


@compiled
def find_clean(y, e, dq, t, a, b, sums, inverse_variance, threshold, clean, work):
    """Say which ramps have no flag, no spike and no jump about a line of equal weights.

    Parameters
    ----------
    y, e, dq : ndarray, shape (reads, pixels)
        Signal, error, flags.
    t : ndarray, shape (reads,)
        Time [s].
    a, b : int
        Pixels a to b (exclusive).
    sums : ndarray
        See `time_sums`.
    inverse_variance, threshold : float32
        See `rampline.constants`; rejection threshold.
    clean : ndarray, shape (LANES,), bool
        Filled.
    work : ndarray, shape (7, LANES), float32
        Scratch.
    """
    n, m = t.size, b - a
    s, sx, den, sxx = sums[0]
    sy, sxy, slope, intercept, r0, r1, rising = work
    for x in range(m):
        clean[x] = True
        sy[x] = np.float32(0)
        sxy[x] = np.float32(0)
    for k in range(1, n):
        for x in range(m):
            clean[x] &= (dq[k, a + x] == 0) & (e[k, a + x] != 0)
            sy[x] += y[k, a + x] * inverse_variance
            sxy[x] += (t[k] * y[k, a + x]) * inverse_variance
    for x in range(m):
        slope[x] = (s * sxy[x] - sx * sy[x]) / den
        intercept[x] = (sxx * sy[x] - sx * sxy[x]) / den
        rising[x] = np.float32(0)
    for k in range(1, n):
        for x in range(m):
            r = (y[k, a + x] - (intercept[x] + slope[x] * t[k])) / e[k, a + x]
            if k > 1:
                step = r - r1[x]
                clean[x] &= not abs(step) > threshold
                # A spike rises by more than 6 from below the line and falls again by more than 6 to below it.
                clean[x] &= not (rising[x] > 0 and r1[x] - r > np.float32(6) and r < 0)
                rising[x] = np.float32(1) if step > np.float32(6) and r1[x] < 0 else np.float32(0)
            r0[x] = r1[x]
            r1[x] = r


@compiled
def fit_clean(y, e, t, dark, a, b, sums, weights, inverse_variance, gain, clean, rate, error, work):
    """Fit the clean ramps with the weights that suit their signal; fill rate and error [DN/s].

    Parameters
    ----------
    y, e, t, a, b, sums, inverse_variance, clean, work
        As `find_clean`.
    dark, gain, weights
        See `rampline.constants` and `time_sums`.
    rate, error : ndarray, shape (pixels,), float32
        Filled where `clean`.
    """
    n, m = t.size, b - a
    sy, sxy, power = work[0], work[1], work[2]
    dx, dd = t[n - 1] - t[1], dark[n - 1] - dark[1]
    for x in range(m):
        power[x] = np.float32(power_of(signal_to_noise(y[1, a + x], y[n - 1, a + x], e[n - 1, a + x])))
        sy[x] = np.float32(0)
        sxy[x] = np.float32(0)
    for k in range(1, n):
        for x in range(m):
            w = weights[np.int64(power[x]), k - 1] * inverse_variance
            sy[x] += y[k, a + x] * w
            sxy[x] += (t[k] * y[k, a + x]) * w
    for x in range(m):
        if not clean[x]:
            continue
        own = sums[np.int64(power[x])]
        slope = (own[0] * sxy[x] - own[1] * sy[x]) / own[2]
        plain = np.sqrt(own[0] / own[2])
        err = slope_error(plain, dx, y[n - 1, a + x] - y[1, a + x], dd, plain, gain)
        square = err * err
        if square == 0:
            clean[x] = False
            continue
        weight = np.float32(1.0 / np.float64(square))
        rate[a + x] = (slope / square) / weight
        error[a + x] = np.float32(np.sqrt(np.float64(np.float32(1) / weight)))
