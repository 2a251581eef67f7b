"""Rates of many ramps side by side: what `rampslope` does for one (Fixsen et al. 2000, section 3)."""

from __future__ import annotations

import math

import numpy as np

from wfc3tvb.calibration.crcorr.lanes import HIT, add_sample, clear, compact, end_of_interval, fill, note_ends, reads_of
from wfc3tvb.calibration.crcorr.line import power_of, signal_to_noise, slope_error
from wfc3tvb.system.compiled import compiled, vectorized

_ZERO, _LEAST = np.float32(0), np.float32(1e-6)


@compiled
def combine(lanes, block, m, t, dark, weights, inverse_variance, gain, made):
    """Combine the slopes of the intervals of the first m ramps of a block.

    Parameters
    ----------
    lanes : Lanes
        Scratch.
    block : Lanes
        The ramps with their flags. Those with `low` at the end are passed over.
    m : int
        Ramps.
    t, dark : ndarray, shape (reads,), float32
        Time [s], dark current [DN].
    weights : ndarray, shape (powers, reads + 1, reads), float32
        See `rampline.weight_table`.
    inverse_variance, gain : float32
        See `rampline.constants`.
    made : ndarray, shape (4, LANES), float32
        Filled: sum of the weights, weighted sum of the slopes, time [s], samples.
    """
    fill(lanes, block, m)
    clear(made, 0, 3, m)
    for x in range(m):
        made[3, x] = np.float32(1)
    table = weights.ravel()
    left = compact(lanes, m)
    while left > 0:
        _add_up(lanes, left, t, weights, table, inverse_variance)
        _add_slopes(lanes, left, t, dark, gain, made)
        left = compact(lanes, left)


@compiled
def _add_up(lanes, m, t, weights, table, inverse_variance):
    """Make the sums of the weighted line through each pixel's interval (rows 0 to 4), and find its ends."""
    f, i, low, high = lanes.f, lanes.i, lanes.low[:m], lanes.high[:m]
    n, first, last, position, row = i[0, :m], i[1, :m], i[2, :m], i[3, :m], i[4, :m]
    s, sx, sy, sxx, sxy, w = f[0, :m], f[1, :m], f[2, :m], f[3, :m], f[4, :m], f[5, :m]
    clear(f, 0, 5, m)
    clear(i, 0, 5, m)
    a, b = reads_of(lanes, m)
    for k in range(a, b):
        note_ends(k, lanes.q[k, :m], low, high, first, last, n)
    for x in range(m):
        y0, y1, e1 = lanes.y[first[x], x], lanes.y[last[x], x], lanes.e[last[x], x]
        power = power_of(signal_to_noise(y0, y1, e1)) if n[x] > 1 else 0
        row[x] = (power * weights.shape[1] + n[x]) * weights.shape[2]
    for k in range(a, b):
        _weigh(table, row, position, inverse_variance, w)
        add_sample(k, t[k], w, lanes.y[k, :m], lanes.q[k, :m], low, high, s, sx, sy, sxx, sxy, position)


@vectorized
def _weigh(table, row, position, inverse_variance, w):
    """Fill the weights of each pixel's next sample."""
    for x in range(w.size):
        w[x] = table[row[x] + position[x]] * inverse_variance


@compiled
def _add_slopes(lanes, m, t, dark, gain, made):
    """Add the slope of each pixel's interval to its sums, and go to the next interval."""
    end = np.int32(lanes.y.shape[0])
    for x in range(m):
        if lanes.low[x] == end:
            continue
        n, a, b, home = lanes.i[0, x], lanes.i[1, x], lanes.i[2, x], lanes.home[x]
        begins = lanes.q[a, x] != HIT  # the ramp's first interval
        made[3, home] += n if begins else n - 1
        if begins and (n > 1 or t[a] != 0):
            made[2, home] += t[a] - t[a - 1]
        if n == 1 and begins and t[a] != 0:
            rate, error = lanes.y[a, x] / t[a], lanes.e[a, x] / t[a]
            square = error * error
            if square != 0:
                made[0, home] += np.float32(1) / square
                made[1, home] += rate / square
        elif n > 1:
            rate, error = _slope(lanes, x, n, a, b, t, dark, gain)
            made[2, home] += t[b] - t[a]
            square = error * error
            if square != 0:
                made[0, home] = np.float32(np.float64(made[0, home]) + 1.0 / np.float64(square))
                made[1, home] += rate / square
        lanes.low[x] = lanes.high[x]
        if lanes.low[x] < end:
            lanes.high[x] = end_of_interval(lanes.q, lanes.low[x], x)


@compiled
def _slope(lanes, x, n, a, b, t, dark, gain):
    """Return slope and error of the interval of n samples from read a to b [DN/s]."""
    dx, dy, dd = t[b] - t[a], lanes.y[b, x] - lanes.y[a, x], dark[b] - dark[a]
    if n == 2:
        u, v = lanes.e[a, x] / t[a], lanes.e[b, x] / t[b]
        return dy / dx, slope_error(_ZERO, dx, dy, dd, np.sqrt(u * u + v * v), gain)
    s, sx, sy, sxx, sxy = lanes.f[0, x], lanes.f[1, x], lanes.f[2, x], lanes.f[3, x], lanes.f[4, x]
    den = s * sxx - sx * sx
    if den < _LEAST:
        den = _LEAST
    plain = np.sqrt(s / den)
    return (s * sxy - sx * sy) / den, slope_error(plain, dx, dy, dd, plain, gain)


@compiled
def mean_slope(made, x):
    """Return rate and error of pixel x [DN/s]; an error below 0 where no interval had weight."""
    if made[0, x] > 0:
        return made[1, x] / made[0, x], np.float32(math.sqrt(np.float64(np.float32(1) / made[0, x])))
    return _ZERO, np.float32(-1)
