"""Find cosmic rays on many ramps side by side, as `hits` does on one (WFC3 Data Handbook 3.3.10)."""

from __future__ import annotations

import numpy as np

from wfc3tvb.calibration.crcorr.hits import MAX_HITS
from wfc3tvb.calibration.crcorr.hits import SPIKE as _SPIKE
from wfc3tvb.calibration.crcorr.hits import UNSTABLE as _UNSTABLE
from wfc3tvb.calibration.crcorr.lanes import (
    HIT,
    add_sample,
    clear,
    compact,
    end_of_interval,
    ends_of,
    fill,
    interval_of,
    line_of,
    note_ends,
    reads_of,
    sample_of,
    search_of,
    sums_of,
    weight_of,
)
from wfc3tvb.system.compiled import compiled, vectorized

SPIKE, UNSTABLE = np.int32(_SPIKE), np.int32(_UNSTABLE)
_ZERO, _ONE, _SPIKE_LIMIT = np.float32(0), np.int32(1), np.float32(6)
_LEAST = np.float32(1e-6)


@compiled
def flag_hits(lanes, block, m, constants, hits):
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
    constants : FitConstants
        Of the exposure.
    hits : ndarray, shape (LANES,), int32
        Filled: jumps of each ramp; with `MAX_HITS` it is unstable.
    """
    fill(lanes, block, m)
    for x in range(m):
        hits[x] = 0
    left = compact(lanes, m)
    while left > 0:
        _fit_lines(lanes, left, constants)
        _search(lanes, left, constants)
        _take(lanes, block, left, hits)
        left = compact(lanes, left)


@compiled
def _fit_lines(lanes, m, constants):
    """Put a line of equal weights through each pixel's interval."""
    interval, sums, weight = interval_of(lanes, m), sums_of(lanes, m), weight_of(lanes, m)
    clear(lanes.floats, 0, 5, m)
    clear(lanes.counts, 3, 4, m)
    inverse_variance = constants.inverse_variance
    for x in range(m):
        weight[x] = inverse_variance
    a, b = reads_of(lanes, m)
    for k in range(a, b):
        add_sample(sample_of(lanes, constants.t, k, m), weight, interval, sums)
    _solve(sums, line_of(lanes, m))
    if _any_pair(sums.n):
        ends = ends_of(lanes, m)
        clear(lanes.counts, 0, 1, m)
        for k in range(a, b):
            note_ends(k, lanes.q[k, :m], interval, ends)
        _join_pairs(lanes, constants.t, ends, line_of(lanes, m))


@compiled
def _any_pair(n):
    pairs = 0
    for x in range(n.size):
        pairs += n[x] == 2
    return pairs > 0


@vectorized
def _solve(sums, line):
    (s, sx, sy, sxx, sxy, _), (intercept, slope) = sums, line
    for x in range(s.size):
        den = s[x] * sxx[x] - sx[x] * sx[x]
        den = _LEAST if den < _LEAST else den
        intercept[x] = (sxx[x] * sy[x] - sx[x] * sxy[x]) / den
        slope[x] = (s[x] * sxy[x] - sx[x] * sy[x]) / den


@compiled
def _join_pairs(lanes, t, ends, line):
    """Put the line of an interval of two samples through both."""
    (first, last, n), (intercept, slope), y = ends, line, lanes.y
    for x in range(n.size):
        if n[x] == 2:
            a, b = first[x], last[x]
            own = (y[b, x] - y[a, x]) / (t[b] - t[a])
            intercept[x], slope[x] = y[a, x] - own * t[a], own


@compiled
def _search(lanes, m, constants):
    """Find the highest spike and the largest jump of each pixel's interval; see `search_of`."""
    interval, line, search = interval_of(lanes, m), line_of(lanes, m), search_of(lanes, m)
    clear(lanes.floats, 7, 12, m)
    clear(lanes.counts, 0, 5, m)
    a, b = reads_of(lanes, m)
    for k in range(a, b):
        _compare(sample_of(lanes, constants.t, k, m), interval, line, constants.threshold, search)
        _see_spikes(k, search)


@vectorized
def _compare(sample, interval, line, threshold, search):
    """Take the residuals of a read [errors] and note jumps since the sample before; a hit's own residual is 0."""
    (k, t, y, e, q), (low, high), (intercept, slope) = sample, interval, line
    residual, previous, _, _, best_jump, _, jump, n, _, used = search
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
        used[x] = _ONE if mine else np.int32(0)


@vectorized
def _see_spikes(k, search):
    """Note a spike at the sample before read k: more than 6 above its neighbours, which lie below the line."""
    residual, previous, before, best_spike, _, spike, _, n, last, used = search
    read = np.int32(k)
    for x in range(used.size):
        mine, count, at = used[x] != 0, n[x], last[x]
        r0, r1, r2 = before[x], previous[x], residual[x]
        high = (r1 - r0 > _SPIKE_LIMIT) & (r1 - r2 > _SPIKE_LIMIT) & (r0 < _ZERO) & (r2 < _ZERO)
        found = mine & (count > 1) & high & (abs(r1) > best_spike[x])
        spike[x] += (at - spike[x]) * (_ONE if found else np.int32(0))
        best_spike[x] = r1 if found else best_spike[x]
        before[x] = r1 if mine else r0
        previous[x] = r2 if mine else r1
        last[x] = read if mine else at
        n[x] = count + used[x]


@compiled
def _take(lanes, block, m, hits):
    """Flag what was found in each pixel's interval; where nothing was, go to the next interval."""
    end, search = np.int32(lanes.y.shape[0]), search_of(lanes, m)
    spikes, jumps, homes, low, high = search.spike, search.jump, lanes.home, lanes.low, lanes.high
    q, block_q = lanes.q, block.q
    for x in range(m):
        spike, jump, home = spikes[x], jumps[x], homes[x]
        if low[x] == end:
            continue
        if spike > 0:
            q[spike, x] |= SPIKE
            block_q[spike, home] |= SPIKE
        elif jump > 0:
            hits[home] += 1
            if hits[home] == MAX_HITS:
                block_q[jump, home] = UNSTABLE
                low[x] = high[x] = end
            else:
                q[jump, x] = block_q[jump, home] = HIT
                high[x] = jump
        else:
            low[x] = high[x]
            if low[x] < end:
                high[x] = end_of_interval(q, low[x], x)
