"""Cosmic rays on a ramp: intervals between hits, spikes and jumps of the residuals (WFC3 Data Handbook 3.3.10)."""

from __future__ import annotations

import numpy as np

from wfc3tvb.calibration.crcorr.line import fit_line
from wfc3tvb.system.compiled import compiled

#: Flags: a hit, a spike (inside the fit only), too many hits (inside the fit only).
HIT, SPIKE, UNSTABLE = 8192, 1024, 16384
#: Hits after which a pixel is called unstable; limit of the spike test [standard deviations].
MAX_HITS = 4
_SPIKE_LIMIT = np.float32(6.0)


@compiled
def find_intervals(q, ignore, loose, index, begin):
    """Find the samples that are used, and the intervals that hits cut them into.

    A good pixel (`loose` False) leaves out every flagged read; a pixel flagged in all reads leaves out only those
    with a flag of `ignore`. A hit begins an interval; a hit that is the last sample makes none.

    Parameters
    ----------
    q : ndarray, shape (reads,), int16
        Flags.
    ignore : int
        Flags that make a sample unusable.
    loose : bool
        Whether other flags are suffered.
    index : ndarray, shape (reads,), int64
        Filled: the reads used.
    begin : ndarray, shape (reads + 2,), int64
        Filled: position in `index` at which each interval begins, and after the last.

    Returns
    -------
    n_kept, n_intervals : int
        Reads used, and intervals; the first may be empty.
    """
    n_kept, last = 0, 0
    begin[0] = 0
    for k in range(1, q.size):
        if loose:
            starts = q[k] & HIT != 0
            keeps = starts or q[k] & (ignore | HIT) == 0
        else:
            starts = q[k] == HIT
            keeps = starts or q[k] == 0
        if not keeps:
            continue
        if starts:
            last += 1
            begin[last] = n_kept
        index[n_kept] = k
        n_kept += 1
    n_intervals = last + 1
    begin[n_intervals] = n_kept
    if n_kept > 0 and q[index[n_kept - 1]] == HIT:
        n_intervals -= 1
    return n_kept, n_intervals


@compiled
def residuals(y, e, t, q, index, intercept, slope, ignore, loose, r):
    """Fill `r` with the residuals of an interval's samples, in errors; 0 where a sample has none or is flagged.

    Parameters
    ----------
    y, e, t, q : ndarray, shape (n,)
        Signal and error [DN], time [s] and flags of a ramp.
    index : ndarray, int
        Reads of the interval's samples.
    intercept, slope : float32
        The line through them [DN, DN/s].
    ignore : int
        Flags that make a sample unusable where `loose`; else any flag does.
    loose : bool
        See `ignore`.
    r : ndarray, float32
        Filled.
    """
    for j in range(index.size):
        k = index[j]
        flagged = q[k] & ignore != 0 if loose else q[k] != 0
        if e[k] == 0 or flagged:
            r[j] = np.float32(0)
        else:
            r[j] = (y[k] - (intercept + slope * t[k])) / e[k]


@compiled
def find_spike(r, flags, n, ignore):
    """Return the position of the highest spike of an interval, -1 without one.

    A spike stands more than 6 above both its neighbours, which lie below the line.

    Parameters
    ----------
    r : ndarray, float32
        Residuals.
    flags : ndarray, int16
        Flags of the samples; one more is looked at than there are samples, as calwf3 does.
    n : int
        Number of samples.
    ignore : int
        Flags that make a sample unusable.
    """
    bad = ignore | HIT | SPIKE
    best, found = np.float32(0), -1
    for j in range(1, n - 1):
        if (flags[j] | flags[j + 1] | flags[j + 2]) & bad != 0:
            continue
        above = r[j] - r[j - 1] > _SPIKE_LIMIT and r[j] - r[j + 1] > _SPIKE_LIMIT
        if above and r[j - 1] < 0 and r[j + 1] < 0 and abs(r[j]) > best:
            best, found = r[j], j  # not its absolute value: after a spike below the line any later one wins
    return found


@compiled
def find_jump(r, flags, n, ignore, threshold):
    """Return the position of the largest jump between neighbours above `threshold`, -1 without one.

    Parameters
    ----------
    r, flags, n, ignore
        As in `find_spike`.
    threshold : float32
        Least jump that counts [errors].
    """
    bad = ignore | HIT
    best, found, previous = np.float32(0), -1, np.float32(0)
    for j in range(1, n):
        if flags[j - 1] & bad == 0:
            previous = r[j - 1]
        if flags[j] & bad == 0:
            jump = abs(r[j] - previous)
            if jump > threshold and jump > best:
                best, found = jump, j
            previous = r[j]
    return found


@compiled
def flag_hits(y, e, t, dark, q, threshold, ignore, loose, weights, inverse_variance, gain, index, begin, r, slots):
    """Flag spikes and jumps of a ramp until none is left.

    Every round fits a line of equal weights through each interval in turn; the first interval with a spike, or else
    a jump, gets its flag, and the intervals are made anew. After 4 jumps the pixel is unstable.

    Parameters
    ----------
    y, e, t, dark : ndarray, shape (reads,), float32
        Signal, error [DN], time [s], dark current [DN].
    q : ndarray, shape (reads,), int16
        Flags; changed.
    threshold, ignore, loose
        Rejection threshold, flags that make a sample unusable, see `find_intervals`.
    weights : ndarray, float32
        Ones.
    inverse_variance, gain : float32
        See `rampline.constants`.
    index, begin, r, slots : ndarray
        Scratch; `slots` (intervals, reads + 2) keeps the flags last stored at each position of each interval.

    Returns
    -------
    failed, empty : bool
        Whether the pixel is unstable; whether no sample was left.
    """
    n_hits, searched = 0, 0  # intervals before `searched` stay as they were: nothing is found there anew
    slots[:] = 0
    while True:
        n_kept, n_intervals = find_intervals(q, ignore, loose, index, begin)
        if n_kept == 0:
            return False, True
        for i in range(n_intervals):
            for j in range(begin[i], begin[i + 1]):
                slots[i, j - begin[i]] = q[index[j]]
        found = False
        for i in range(searched, n_intervals):
            own = index[begin[i] : begin[i + 1]]
            n = own.size
            searched = i
            if n < 2:
                continue
            intercept, slope, _ = fit_line(y, e, t, dark, own, weights, inverse_variance, gain)
            residuals(y, e, t, q, own, intercept, slope, ignore, loose, r)
            j = find_spike(r, slots[i], n, ignore)
            if j >= 0:
                q[own[j]] |= SPIKE
                found = True
                break
            j = find_jump(r, slots[i], n, ignore, threshold)
            if j >= 0:
                n_hits += 1
                if n_hits == MAX_HITS:
                    q[own[j]] = (q[own[j]] & ~HIT) | UNSTABLE
                    return True, False
                q[own[j]] |= HIT
                found = True
                break
        if not found:
            return False, False
