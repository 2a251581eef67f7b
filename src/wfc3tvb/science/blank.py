"""calwf3's ramp fit for pixels without flags, sources or saturation: all that blank sky needs.

The steps are those of hstcal's cridcalc.c (search for cosmic rays, then optimally weighted slopes; Fixsen et al. 2000,
PASP 112, 1350) in double precision, for signals in electrons (a gain of 1): 0.5 microseconds a pixel.
"""
# mypy: disable-error-code="no-untyped-def, untyped-decorator"

from __future__ import annotations

import numpy as np
from numba import njit

#: Read noise of two reads [electron] and dark rate [electron/s] in the errors of slopes; limit of the spike test.
_READ_NOISE, _DARK, _SPIKE = 21.0, 0.036, 6.0
#: Hits after which a pixel is called unstable.
_MAX_HITS = 4
#: States of a sample.
_GOOD, _SPIKED, _HIT, _UNSTABLE = 0, 1, 2, 3


@njit(nogil=True, cache=True)
def fit_blank(signal, t, threshold, read_noise, dark):
    """Fit ramps of blank pixels as calwf3 does.

    Parameters
    ----------
    signal : (pixels, n) float32
        Electrons since the zeroth read.
    t : (n,) float64
        Times of the reads [s].
    threshold : float
        Rejection threshold of the CRREJTAB.
    read_noise, dark : float
        What calwf3 takes the error of a sample from, beside its signal [electron, electron/s].

    Returns
    -------
    rate : (pixels,) float64
        Fitted rate [electron/s].
    hit : (pixels,) bool
        Whether a false cosmic ray was found.
    """
    n_pixels, n = signal.shape
    rate, hit = np.zeros(n_pixels), np.zeros(n_pixels, np.bool_)
    y, e, r = np.zeros(n), np.zeros(n), np.zeros(n)
    kept, state = np.zeros(n, np.int64), np.zeros(n, np.uint8)
    for p in range(n_pixels):
        for k in range(n):
            y[k] = signal[p, k]
            e[k] = np.sqrt(read_noise**2 + abs(y[k] + dark * t[k]))
            state[k] = _GOOD
        n_hits = 0
        while n_hits < _MAX_HITS:
            found = _search(y, e, t, threshold, state, kept, r)
            if found == 0:
                break
            n_hits += found == _HIT
        hit[p] = n_hits > 0
        rate[p] = _unstable(y, t, state) if n_hits == _MAX_HITS else _combine(y, e, t, state, kept)
    return rate, hit


@njit(nogil=True, cache=True)
def _interval(state, first, kept):
    """Collect the samples of the interval at or after `first`; return their number and where the next one begins."""
    n, k = 0, first
    while k < state.size and not (state[k] == _HIT and n > 0):
        if state[k] == _GOOD or state[k] == _HIT:
            kept[n] = k
            n += 1
        k += 1
    return n, k


@njit(nogil=True, cache=True)
def _search(y, e, t, threshold, state, kept, r):
    """Mark the strongest spike or jump of the first interval that has one; return its kind, 0 where there is none."""
    k = 0
    while k < y.size:
        n, k = _interval(state, k, kept)
        if n < 2:
            continue
        slope, offset, _ = _line(y, e, t, kept, n, 0.0)
        for j in range(n):
            i = kept[j]
            r[j] = (y[i] - (offset + slope * t[i])) / e[i] if state[i] == _GOOD else 0.0
        j = _spike(r, state, kept, n)
        if j >= 0:
            state[kept[j]] = _SPIKED
            return _SPIKED
        j = _jump(r, state, kept, n, threshold)
        if j >= 0:
            state[kept[j]] = _HIT
            return _HIT
    return 0


@njit(nogil=True, cache=True)
def _spike(r, state, kept, n):
    best, at = 0.0, -1
    for j in range(1, n - 1):
        high = r[j] - r[j - 1] > _SPIKE and r[j] - r[j + 1] > _SPIKE and r[j - 1] < 0 and r[j + 1] < 0
        if high and state[kept[j]] == _GOOD and abs(r[j]) > best:
            best, at = abs(r[j]), j
    return at


@njit(nogil=True, cache=True)
def _jump(r, state, kept, n, threshold):
    best, at, before = 0.0, -1, 0.0
    for j in range(1, n):
        if state[kept[j - 1]] == _GOOD:
            before = r[j - 1]
        size = abs(r[j] - before)
        if size > threshold and size > best:
            best, at = size, j
        before = r[j]
    return at


@njit(nogil=True, cache=True)
def _line(y, e, t, kept, n, power):
    """Return slope, offset and error of the slope of an interval."""
    weight = 1 / _READ_NOISE**2
    s = sx = sy = sxx = sxy = 0.0
    half = (n - 1) / 2
    for j in range(n):
        i = kept[j]
        w = weight if power == 0 else abs(abs(j - half) / half) ** power * weight
        s += w
        sx += t[i] * w
        sy += y[i] * w
        sxx += t[i] * t[i] * w
        sxy += t[i] * y[i] * w
    first, last = kept[0], kept[n - 1]
    dt, dy = t[last] - t[first], y[last] - y[first]
    if n == 2:
        slope, offset, sigma, noise = dy / dt, y[first] - dy / dt * t[first], np.hypot(e[first], e[last]) / dt, 0.0
    else:
        den = max(s * sxx - sx * sx, 1e-6)
        slope, offset, sigma = (s * sxy - sx * sy) / den, (sxx * sy - sx * sxy) / den, np.sqrt(s / den)
        noise = sigma * dt
    variance = noise * noise + _DARK * dt + dy
    return slope, offset, np.sqrt(variance) / dt if variance > 0 else sigma


@njit(nogil=True, cache=True)
def _power(ratio):
    """Return the power of the weights for a signal-to-noise ratio."""
    for limit, power in ((100.0, 10.0), (50.0, 6.0), (20.0, 3.0), (10.0, 1.0), (5.0, 0.4)):
        if ratio > limit:
            return power
    return 0.0


@njit(nogil=True, cache=True)
def _combine(y, e, t, state, kept):
    """Return the weighted mean of the slopes of all intervals."""
    weights, total, k = 0.0, 0.0, 0
    while k < y.size:
        n, k = _interval(state, k, kept)
        if n > 1:
            last = kept[n - 1]
            slope, _, sigma = _line(y, e, t, kept, n, _power((y[last] - y[kept[0]]) / e[last]))
        elif n == 1 and state[kept[0]] != _HIT:
            slope, sigma = y[kept[0]] / t[kept[0]], e[kept[0]] / t[kept[0]]
        else:
            continue
        weights += 1 / sigma**2
        total += slope / sigma**2
    return total / weights if weights > 0 else _unstable(y, t, state)


@njit(nogil=True, cache=True)
def _unstable(y, t, state):
    """Return last good minus first sample."""
    last = 0
    for k in range(y.size):
        if state[k] == _GOOD:
            last = k
    return (y[last] - y[0]) / (t[last] - t[0]) if last > 0 else 0.0
