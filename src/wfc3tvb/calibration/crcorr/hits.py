"""Find cosmic rays on a ramp: intervals between hits, spikes and jumps of residuals (WFC3 Data Handbook 3.3.10)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.calibration.crcorr.line import fit_line
from wfc3tvb.calibration.model import Flags, Float32Array
from wfc3tvb.system.compiled import compiled

#: Flags: a hit, a spike (inside the fit only), too many hits (inside the fit only).
HIT, SPIKE, UNSTABLE = 8192, 1024, 16384
#: Hits after which a pixel is called unstable; limit of the spike test [standard deviations].
MAX_HITS = 4
_SPIKE_LIMIT = np.float32(6.0)


class IntervalScratch(NamedTuple):
    """Room for the search of one ramp; see `empty_scratch`.

    Attributes
    ----------
    kept : ndarray, shape (reads,), int64
        The reads used.
    begin : ndarray, shape (reads + 2,), int64
        Position in `kept` at which each interval begins, and after the last.
    residual : ndarray, shape (reads,), float32
        Residuals of an interval's samples [errors].
    slots : ndarray, shape (reads + 2, reads + 2), int16
        Flags last stored at each position of each interval.
    """

    kept: NDArray[np.int64]
    begin: NDArray[np.int64]
    residual: Float32Array
    slots: Flags


def empty_scratch(n):
    """Return room for the search of a ramp of n reads."""
    kept, begin = np.empty(n, np.int64), np.empty(n + 2, np.int64)
    return IntervalScratch(kept, begin, np.empty(n, np.float32), np.empty((n + 2, n + 2), np.int16))


@compiled
def find_intervals(q, ignore, loose, scratch):
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
        Whether samples with other flags are used.
    scratch : IntervalScratch
        `kept` and `begin` are filled.

    Returns
    -------
    n_kept, n_intervals : int
        Reads used, and intervals; the first may be empty.
    """
    kept, begin = scratch.kept, scratch.begin
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
        kept[n_kept] = k
        n_kept += 1
    n_intervals = last + 1
    begin[n_intervals] = n_kept
    if n_kept > 0 and q[kept[n_kept - 1]] == HIT:
        n_intervals -= 1
    return n_kept, n_intervals


@compiled
def residuals(ramp, constants, index, line, loose, r):
    """Fill `r` with the residuals of an interval's samples, in errors; 0 where a sample has none or is flagged.

    Parameters
    ----------
    ramp : PixelRamp
        Samples of a pixel.
    constants : FitConstants
        Of the exposure.
    index : ndarray, int64
        Reads of the interval's samples.
    line : (float32, float32)
        Intercept and slope of the line through them [DN, DN/s].
    loose : bool
        Whether only the flags ``constants.ignore`` make a sample unusable; else any flag does.
    r : ndarray, float32
        Filled.
    """
    (y, e, q), (intercept, slope), t, ignore = ramp, line, constants.t, constants.ignore
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
def flag_hits(ramp, constants, loose, scratch):
    """Flag spikes and jumps of a ramp until none is left.

    Every round fits a line of equal weights through each interval in turn; the first interval with a spike, or else
    a jump, gets its flag, and the intervals are made anew. After 4 jumps the pixel is unstable.

    Parameters
    ----------
    ramp : PixelRamp
        Samples of a pixel; the flags are changed.
    constants : FitConstants
        Of the exposure.
    loose : bool
        See `find_intervals`.
    scratch : IntervalScratch
        Overwritten.

    Returns
    -------
    failed, empty : bool
        Whether the pixel is unstable; whether no sample was left.
    """
    q, ignore = ramp.q, constants.ignore
    n_hits, searched = 0, 0  # intervals before `searched` stay as they were: nothing is found there anew
    scratch.slots[:] = 0
    while True:
        n_kept, n_intervals = find_intervals(q, ignore, loose, scratch)
        if n_kept == 0:
            return False, True
        _store_slots(q, n_intervals, scratch)
        kind, k = 0, 0
        for i in range(searched, n_intervals):
            searched = i
            kind, k = _search(ramp, constants, loose, scratch, i)
            if kind != 0:
                break
        if kind == 0:
            return False, False
        if kind == HIT:
            n_hits += 1
        if n_hits == MAX_HITS:
            q[k] = (q[k] & ~HIT) | UNSTABLE
            return True, False
        q[k] |= kind


@compiled
def _store_slots(q, n_intervals, scratch):
    kept, begin, slots = scratch.kept, scratch.begin, scratch.slots
    for i in range(n_intervals):
        for j in range(begin[i], begin[i + 1]):
            slots[i, j - begin[i]] = q[kept[j]]


@compiled
def _search(ramp, constants, loose, scratch, i):
    """Return the flag that interval i calls for, `SPIKE`, `HIT` or 0, and the read that gets it."""
    own, r, flags = scratch.kept[scratch.begin[i] : scratch.begin[i + 1]], scratch.residual, scratch.slots[i]
    n = own.size
    if n < 2:
        return 0, 0
    intercept, slope, _ = fit_line(ramp, constants, own, constants.weights[0, 0])
    residuals(ramp, constants, own, (intercept, slope), loose, r)
    j = find_spike(r, flags, n, constants.ignore)
    if j >= 0:
        return SPIKE, own[j]
    j = find_jump(r, flags, n, constants.ignore, constants.threshold)
    if j >= 0:
        return HIT, own[j]
    return 0, 0
