"""Combine the rates of many ramps side by side, as `slope` does for one (Fixsen et al. 2000, section 3)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from wfc3tvb.calibration.crcorr.lanes import (
    HIT,
    LANES,
    add_sample,
    clear,
    compact,
    end_of_interval,
    ends_of,
    fill,
    interval_of,
    note_ends,
    reads_of,
    sample_of,
    sums_of,
    table_row_of,
    weight_of,
)
from wfc3tvb.calibration.crcorr.line import Rise, power_of, signal_to_noise, slope_error
from wfc3tvb.calibration.model import Float32Array
from wfc3tvb.system.compiled import compiled, vectorized

_ZERO, _LEAST = np.float32(0), np.float32(1e-6)


class Slopes(NamedTuple):
    """Slopes of each ramp of a block, combined.

    Attributes
    ----------
    weight, rate : ndarray, shape (LANES,), float32
        Sum of the weights, weighted sum of the slopes.
    time, samples : ndarray, shape (LANES,), float32
        Time [s] and samples of the intervals, the zeroth read included.
    """

    weight: Float32Array
    rate: Float32Array
    time: Float32Array
    samples: Float32Array


class PixelSums(NamedTuple):
    """Sums of one pixel's interval; see `Sums`."""

    s: np.float32
    sx: np.float32
    sy: np.float32
    sxx: np.float32
    sxy: np.float32


def empty_slopes():
    """Return room for the slopes of a block."""
    return Slopes(
        np.empty(LANES, np.float32),
        np.empty(LANES, np.float32),
        np.empty(LANES, np.float32),
        np.empty(LANES, np.float32),
    )


@compiled
def combine(lanes, block, m, constants, slopes):
    """Combine the slopes of the intervals of the first m ramps of a block.

    Parameters
    ----------
    lanes : Lanes
        Scratch.
    block : Lanes
        The ramps with their flags. Those with `low` at the end are passed over.
    m : int
        Ramps.
    constants : FitConstants
        Of the exposure.
    slopes : Slopes
        Filled.
    """
    fill(lanes, block, m)
    weights, rates, times, samples = slopes
    for x in range(m):
        weights[x] = rates[x] = times[x] = _ZERO
        samples[x] = np.float32(1)
    left = compact(lanes, m)
    while left > 0:
        _add_up(lanes, left, constants)
        _add_slopes(lanes, left, constants, slopes)
        left = compact(lanes, left)


@compiled
def _add_up(lanes, m, constants):
    """Make the sums of the weighted line through each pixel's interval, and find its ends."""
    interval, ends, sums = interval_of(lanes, m), ends_of(lanes, m), sums_of(lanes, m)
    row, weight, weights = table_row_of(lanes, m), weight_of(lanes, m), constants.weights
    clear(lanes.floats, 0, 5, m)
    clear(lanes.counts, 0, 4, m)
    a, b = reads_of(lanes, m)
    for k in range(a, b):
        note_ends(k, lanes.q[k, :m], interval, ends)
    (first, last, n), y, e = ends, lanes.y, lanes.e
    for x in range(m):
        y0, y1, e1 = y[first[x], x], y[last[x], x], e[last[x], x]
        power = power_of(signal_to_noise(y0, y1, e1)) if n[x] > 1 else 0
        row[x] = (power * weights.shape[1] + n[x]) * weights.shape[2]
    for k in range(a, b):
        _weigh(constants.weight_row, row, sums.n, constants.inverse_variance, weight)
        add_sample(sample_of(lanes, constants.t, k, m), weight, interval, sums)


@vectorized
def _weigh(table, row, position, inverse_variance, w):
    """Fill the weights of each pixel's next sample."""
    for x in range(w.size):
        w[x] = table[row[x] + position[x]] * inverse_variance


@compiled
def _add_slopes(lanes, m, constants, slopes):
    """Add the slope of each pixel's interval to its sums, and go to the next interval."""
    (weights, rates, times, samples), t, dark, gain = slopes, constants.t, constants.dark, constants.gain
    y, e, q, homes, low, high, _, _ = lanes
    (first, last, numbers), (s, sx, sy, sxx, sxy, _) = ends_of(lanes, m), sums_of(lanes, m)
    end = np.int32(y.shape[0])
    for x in range(m):
        if low[x] == end:
            continue
        n, a, b, home = numbers[x], first[x], last[x], homes[x]
        begins = q[a, x] != HIT  # the ramp's first interval
        samples[home] += n if begins else n - 1
        if begins and (n > 1 or t[a] != 0):
            times[home] += t[a] - t[a - 1]
        if n == 1 and begins and t[a] != 0:
            rate, error = y[a, x] / t[a], e[a, x] / t[a]
            square = error * error
            if square != 0:
                weights[home] += np.float32(1) / square
                rates[home] += rate / square
        elif n > 1:
            rise = Rise(t[b] - t[a], y[b, x] - y[a, x], dark[b] - dark[a])
            if n == 2:
                rate, error = _slope_of_two(e[a, x] / t[a], e[b, x] / t[b], rise, gain)
            else:
                rate, error = _slope_of_many(PixelSums(s[x], sx[x], sy[x], sxx[x], sxy[x]), rise, gain)
            times[home] += t[b] - t[a]
            square = error * error
            if square != 0:
                weights[home] = np.float32(np.float64(weights[home]) + 1.0 / np.float64(square))
                rates[home] += rate / square
        low[x] = high[x]
        if low[x] < end:
            high[x] = end_of_interval(q, low[x], x)


@compiled
def _slope_of_two(u, v, rise, gain):
    """Return slope and error of an interval of two samples with the errors u and v over their times [DN/s]."""
    return rise.dy / rise.dx, slope_error(_ZERO, np.sqrt(u * u + v * v), rise, gain)


@compiled
def _slope_of_many(sums, rise, gain):
    """Return slope and error of an interval of three samples or more [DN/s]."""
    s, sx, sy, sxx, sxy = sums
    den = s * sxx - sx * sx
    if den < _LEAST:
        den = _LEAST
    plain = np.sqrt(s / den)
    return (s * sxy - sx * sy) / den, slope_error(plain, plain, rise, gain)


@compiled
def mean_slope(weight, rate):
    """Return rate and error of combined slopes [DN/s]; an error below 0 where no interval had weight."""
    if weight > 0:
        return rate / weight, np.float32(math.sqrt(np.float64(np.float32(1) / weight)))
    return _ZERO, np.float32(-1)
