"""Cosmic rays on many ramps side by side: what `rampsearch` does for one (WFC3 Data Handbook 3.3.10)."""

from __future__ import annotations

import numpy as np

from wfc3tvb.calibration.crcorr.hits import MAX_HITS
from wfc3tvb.calibration.crcorr.hits import SPIKE as _SPIKE
from wfc3tvb.calibration.crcorr.hits import UNSTABLE as _UNSTABLE
from wfc3tvb.calibration.crcorr.lanes import HIT, add_sample, clear, compact, end_of_interval, fill, note_ends, reads_of
from wfc3tvb.system.compiled import compiled, vectorized

SPIKE, UNSTABLE = np.int32(_SPIKE), np.int32(_UNSTABLE)
_ZERO, _ONE, _SPIKE_LIMIT = np.float32(0), np.int32(1), np.float32(6)
_LEAST = np.float32(1e-6)


@compiled
def flag_hits(lanes, block, m, t, inverse_variance, threshold, hits):
    """Flag spikes and jumps of the first m ramps of a block until none is left.

    An interval is searched until it has neither, then the next one is: nothing found later changes it.

    Parameters
    ----------
    lanes : Lanes
        Scratch.
    block : Lanes
        The ramps; `q` gets the flags. Those with `low` at the end are passed over.
    m : int
        Ramps.
    t : ndarray, shape (reads,), float32
        Time [s].
    inverse_variance, threshold : float32
        See `rampline.constants`; rejection threshold.
    hits : ndarray, shape (LANES,), int32
        Filled: jumps of each ramp; with `MAX_HITS` it is unstable.
    """
    fill(lanes, block, m)
    for x in range(m):
        hits[x] = 0
    left = compact(lanes, m)
    while left > 0:
        _fit_lines(lanes, left, t, inverse_variance)
        _search(lanes, left, t, threshold)
        _take(lanes, block, left, hits)
        left = compact(lanes, left)


@compiled
def _fit_lines(lanes, m, t, inverse_variance):
    """Put a line of equal weights through each pixel's interval: intercept in row 5, slope in row 6."""
    f, low, high = lanes.f, lanes.low[:m], lanes.high[:m]
    s, sx, sy, sxx, sxy, w = f[0, :m], f[1, :m], f[2, :m], f[3, :m], f[4, :m], f[7, :m]
    n, first, last = lanes.i[0, :m], lanes.i[1, :m], lanes.i[2, :m]
    clear(f, 0, 5, m)
    for x in range(m):
        w[x] = inverse_variance
    clear(lanes.i, 0, 1, m)
    a, b = reads_of(lanes, m)
    for k in range(a, b):
        add_sample(k, t[k], w, lanes.y[k, :m], lanes.q[k, :m], low, high, s, sx, sy, sxx, sxy, n)
    _solve(s, sx, sy, sxx, sxy, f[5, :m], f[6, :m])
    if _any_pair(n):
        clear(lanes.i, 0, 1, m)
        for k in range(a, b):
            note_ends(k, lanes.q[k, :m], low, high, first, last, n)
        _join_pairs(lanes, t, n, first, last)


@compiled
def _any_pair(n):
    pairs = 0
    for x in range(n.size):
        pairs += n[x] == 2
    return pairs > 0


@vectorized
def _solve(s, sx, sy, sxx, sxy, intercept, slope):
    for x in range(s.size):
        den = s[x] * sxx[x] - sx[x] * sx[x]
        den = _LEAST if den < _LEAST else den
        intercept[x] = (sxx[x] * sy[x] - sx[x] * sxy[x]) / den
        slope[x] = (s[x] * sxy[x] - sx[x] * sy[x]) / den


@compiled
def _join_pairs(lanes, t, n, first, last):
    """Put the line of an interval of two samples through both."""
    for x in range(n.size):
        if n[x] == 2:
            a, b = first[x], last[x]
            slope = (lanes.y[b, x] - lanes.y[a, x]) / (t[b] - t[a])
            lanes.f[5, x], lanes.f[6, x] = lanes.y[a, x] - slope * t[a], slope


@compiled
def _search(lanes, m, t, threshold):
    """Find the highest spike (row 2 of `i`) and the largest jump (row 3) of each pixel's interval; 0 for none."""
    f, i, low, high = lanes.f, lanes.i, lanes.low[:m], lanes.high[:m]
    n, last, spike, jump, own = i[0, :m], i[1, :m], i[2, :m], i[3, :m], i[4, :m]
    intercept, slope, residual, before, previous = f[5, :m], f[6, :m], f[7, :m], f[8, :m], f[9, :m]
    best_spike, best_jump = f[10, :m], f[11, :m]
    clear(f, 7, 12, m)
    clear(i, 0, 5, m)
    a, b = reads_of(lanes, m)
    for k in range(a, b):
        _compare(k, t[k], threshold, lanes.y[k, :m], lanes.e[k, :m], lanes.q[k, :m], low, high, intercept, slope,
                 residual, previous, n, own, jump, best_jump)  # fmt: skip
        _see_spikes(k, own, residual, before, previous, n, last, spike, best_spike)


@vectorized
def _compare(k, t, threshold, y, e, q, low, high, intercept, slope, residual, previous, n, own, jump, best_jump):
    """Take the residuals of read k [errors] and note jumps since the sample before; a hit's own residual is 0."""
    read = np.int32(k)
    for x in range(low.size):
        mine = (low[x] <= read) & (read < high[x]) & ((q[x] == 0) | (q[x] == HIT))
        r = (y[x] - (intercept[x] + slope[x] * t)) / e[x]
        r = _ZERO if q[x] == HIT else r
        size = abs(r - previous[x])
        found = mine & (n[x] > 0) & (size > threshold) & (size > best_jump[x])
        jump[x] = read if found else jump[x]
        best_jump[x] = size if found else best_jump[x]
        residual[x] = r
        own[x] = _ONE if mine else np.int32(0)


@vectorized
def _see_spikes(k, own, residual, before, previous, n, last, spike, best_spike):
    """Note a spike at the sample before read k: more than 6 above its neighbours, which lie below the line."""
    read = np.int32(k)
    for x in range(own.size):
        mine, count, at = own[x] != 0, n[x], last[x]
        r0, r1, r2 = before[x], previous[x], residual[x]
        high = (r1 - r0 > _SPIKE_LIMIT) & (r1 - r2 > _SPIKE_LIMIT) & (r0 < _ZERO) & (r2 < _ZERO)
        found = mine & (count > 1) & high & (abs(r1) > best_spike[x])
        spike[x] += (at - spike[x]) * (_ONE if found else np.int32(0))
        best_spike[x] = r1 if found else best_spike[x]
        before[x] = r1 if mine else r0
        previous[x] = r2 if mine else r1
        last[x] = read if mine else at
        n[x] = count + own[x]


@compiled
def _take(lanes, block, m, hits):
    """Flag what was found in each pixel's interval; where nothing was, go to the next interval."""
    end = np.int32(lanes.y.shape[0])
    for x in range(m):
        spike, jump, home = lanes.i[2, x], lanes.i[3, x], lanes.home[x]
        if lanes.low[x] == end:
            continue
        if spike > 0:
            lanes.q[spike, x] |= SPIKE
            block.q[spike, home] |= SPIKE
        elif jump > 0:
            hits[home] += 1
            if hits[home] == MAX_HITS:
                block.q[jump, home] = UNSTABLE
                lanes.low[x] = lanes.high[x] = end
            else:
                lanes.q[jump, x] = block.q[jump, home] = HIT
                lanes.high[x] = jump
        else:
            lanes.low[x] = lanes.high[x]
            if lanes.low[x] < end:
                lanes.high[x] = end_of_interval(lanes.q, lanes.low[x], x)
