"""Rate of a ramp: slopes of its intervals, weighted by their errors (Fixsen et al. 2000, section 3)."""

from __future__ import annotations

import math

import numpy as np

from wfc3tvb.calibration.crcorr.hits import HIT, find_intervals, flag_hits
from wfc3tvb.calibration.crcorr.line import fit_line, power_of, signal_to_noise
from wfc3tvb.system.compiled import compiled

#: Error of a pixel without any usable sample.
NO_DATA = np.float32(1e5)


@compiled
def combine(ramp, constants, scratch, n_intervals):
    """Combine the slopes of a ramp's intervals.

    Parameters
    ----------
    ramp : PixelRamp
        Samples of a pixel.
    constants : FitConstants
        Of the exposure; the power of the weights follows the signal-to-noise ratio of each interval.
    scratch, n_intervals : IntervalScratch, int
        As `find_intervals` left them.

    Returns
    -------
    rate, error : float32
        Mean of the slopes and its error [DN/s]; an error below 0 where no interval had weight.
    n_samples : int
        Samples of the intervals, the zeroth read included, less one for every interval after the first.
    time : float32
        Time of the intervals [s].
    """
    (y, e, q), t, weights = ramp, constants.t, constants.weights
    kept, begin = scratch.kept, scratch.begin
    sum_weight, sum_rate, time = np.float32(0), np.float32(0), np.float32(0)
    n_samples = 1
    for i in range(n_intervals):
        own = kept[begin[i] : begin[i + 1]]
        n = own.size
        n_samples += n if i == 0 else n - 1
        if n == 0 or (n == 1 and q[own[0]] & HIT != 0):
            continue
        first, last = own[0], own[n - 1]
        if n == 1:
            if t[first] == 0:
                continue
            rate, error = y[first] / t[first], e[first] / t[first]
            time += t[first] - t[first - 1]
            square = error * error
            if square != 0:
                sum_weight += np.float32(1) / square
                sum_rate += rate / square
            continue
        if i == 0:
            time += t[first] - t[first - 1]
        power = power_of(signal_to_noise(y[first], y[last], e[last]))
        _, rate, error = fit_line(ramp, constants, own, weights[power, n])
        time += t[last] - t[first]
        square = error * error
        if square != 0:
            sum_weight = np.float32(np.float64(sum_weight) + 1.0 / np.float64(square))
            sum_rate += rate / square
    if sum_weight > 0:
        return sum_rate / sum_weight, np.float32(math.sqrt(np.float64(np.float32(1) / sum_weight))), n_samples, time
    return np.float32(0), np.float32(-1), 0, np.float32(0)


@compiled
def between_ends(ramp, constants):
    """Return rate, error, samples and time from the first usable to the last unflagged sample of an unstable ramp."""
    (y, e, q), t, ignore = ramp, constants.t, constants.ignore
    n = q.size
    first, last, n_good = 0, 0, 0
    for k in range(1, n):
        if q[k] & ignore == 0:
            first, n_good = k, 1
            break
    last = first
    for k in range(first, n):
        if q[k] == 0:
            last = k
            n_good += 1
    if last == first:
        return np.float32(0), np.float32(0), 0, np.float32(0)
    dt = t[last] - t[first]
    return (y[last] - y[first]) / dt, (e[last] - e[first]) / dt, n_good, dt


@compiled
def fit_pixel(ramp, constants, scratch):
    """Fit the ramp of one pixel: flag its hits, then combine what lies between them.

    Parameters
    ----------
    ramp : PixelRamp
        Samples of a pixel; the flags of hits are added.
    constants : FitConstants
        Of the exposure.
    scratch : IntervalScratch
        Overwritten.

    Returns
    -------
    rate, error, n_samples, time
        As `combine`; a pixel without a usable sample has the error `NO_DATA`.
    """
    failed, empty, used_loose = False, True, False
    for loose in (False, True):
        if empty:
            used_loose = loose
            failed, empty = flag_hits(ramp, constants, loose, scratch)
    if empty:
        return np.float32(0), NO_DATA, 0, np.float32(0)
    if not failed:
        _, n_intervals = find_intervals(ramp.q, constants.ignore, used_loose, scratch)
        fitted = combine(ramp, constants, scratch, n_intervals)
        if fitted[1] >= 0:
            return fitted
    return between_ends(ramp, constants)
