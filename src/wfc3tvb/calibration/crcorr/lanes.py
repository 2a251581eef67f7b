"""Many ramps side by side: the pixels of a block, each with the interval it is worked on at.

A block of pixels is fitted as one, a vector instruction for many of them. A pixel is at one interval of its ramp at a
time, the reads `low` to `high` (exclusive); one that is done has `low` at the end. Finished pixels are taken out of
the way when they become many. Every number is made by the same single-precision operations, in the same order of
time, as in the fit of one ramp (`rampsearch`, `rampslope`); what a pixel leaves out is left out, not multiplied by 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.calibration.crcorr.hits import HIT as _HIT
from wfc3tvb.calibration.model import Float32Array
from wfc3tvb.system.compiled import compiled, vectorized

#: Pixels of a block.
LANES = 256
HIT = np.int32(_HIT)
_ONE = np.int32(1)


class Lanes(NamedTuple):
    """Ramps of a block, and what the passes over them note down.

    Attributes
    ----------
    y, e : ndarray, shape (reads, LANES), float32
        Signal and error [DN].
    q : ndarray, shape (reads, LANES), int32
        Flags.
    home : ndarray, shape (LANES,), int32
        Place of each pixel in its block.
    low, high : ndarray, shape (LANES,), int32
        The interval each pixel is at.
    f : ndarray, shape (15, LANES), float32
        Sums, lines, residuals.
    i : ndarray, shape (6, LANES), int32
        Counts and reads.
    """

    y: Float32Array
    e: Float32Array
    q: NDArray[np.int32]
    home: NDArray[np.int32]
    low: NDArray[np.int32]
    high: NDArray[np.int32]
    f: Float32Array
    i: NDArray[np.int32]


@compiled
def empty_lanes(n):
    """Return room for blocks of ramps of n reads."""
    y, e = np.empty((n, LANES), np.float32), np.empty((n, LANES), np.float32)
    q, home = np.empty((n, LANES), np.int32), np.empty(LANES, np.int32)
    low, high = np.empty(LANES, np.int32), np.empty(LANES, np.int32)
    return Lanes(y, e, q, home, low, high, np.empty((15, LANES), np.float32), np.empty((6, LANES), np.int32))


@compiled
def fill(lanes, block, m):
    """Copy the first m ramps of a block, to be worked on from their first interval; `block.low` tells which."""
    n = block.y.shape[0]
    for k in range(1, n):
        _copy_read(block.y[k, :m], block.e[k, :m], block.q[k, :m], lanes.y[k, :m], lanes.e[k, :m], lanes.q[k, :m])
    for x in range(m):
        lanes.home[x] = x
        lanes.low[x] = block.low[x]
        lanes.high[x] = end_of_interval(block.q, block.low[x], x)


@vectorized
def _copy_read(y, e, q, to_y, to_e, to_q):
    for x in range(y.size):
        to_y[x], to_e[x], to_q[x] = y[x], e[x], q[x]


@compiled
def clear(rows, first, last, m):
    """Set the first m pixels of rows `first` to `last` (exclusive) to 0."""
    for row in range(first, last):
        for x in range(m):
            rows[row, x] = 0


@compiled
def end_of_interval(q, low, x):
    """Return the read of the first hit of pixel x after the read `low`, or the number of reads."""
    for k in range(low + 1, q.shape[0]):
        if q[k, x] == HIT:
            return np.int32(k)
    return np.int32(q.shape[0])


@compiled
def compact(lanes, m):
    """Take finished pixels out where they are more than a quarter of m; return how many pixels there are left."""
    n = lanes.y.shape[0]
    going = 0
    for x in range(m):
        going += lanes.low[x] < n
    if 4 * going > 3 * m:
        return m
    to = 0
    for x in range(m):
        if lanes.low[x] == n:
            continue
        if to < x:
            for k in range(1, n):
                lanes.y[k, to], lanes.e[k, to], lanes.q[k, to] = lanes.y[k, x], lanes.e[k, x], lanes.q[k, x]
            lanes.home[to], lanes.low[to], lanes.high[to] = lanes.home[x], lanes.low[x], lanes.high[x]
        to += 1
    return to


@compiled
def reads_of(lanes, m):
    """Return the first read of any pixel's interval, and the one after the last."""
    first, last = lanes.y.shape[0], 1
    for x in range(m):
        if lanes.low[x] < lanes.high[x]:
            first, last = min(first, lanes.low[x]), max(last, lanes.high[x])
    return first, last


@vectorized
def add_sample(k, t, w, y, q, low, high, s, sx, sy, sxx, sxy, n):
    """Add a read to the sums of the line through each pixel's interval.

    Parameters
    ----------
    k, t : int, float32
        Number of the read, and its time [s].
    w, y : ndarray, shape (m,), float32
        Weight and signal of each pixel in this read.
    q : ndarray, shape (m,), int32
        Its flags: only unflagged samples and hits count.
    low, high : ndarray, shape (m,), int32
        First read of each pixel's interval, and the one after the last.
    s, sx, sy, sxx, sxy, n : ndarray, shape (m,)
        Sums of w, w t, w y, w t^2, w t y, and number of samples; changed in place.
    """
    read = np.int32(k)
    for x in range(low.size):
        own = (low[x] <= read) & (read < high[x]) & ((q[x] == 0) | (q[x] == HIT))
        v, weight = y[x], w[x]
        s[x] = s[x] + weight if own else s[x]
        sx[x] = sx[x] + t * weight if own else sx[x]
        sy[x] = sy[x] + v * weight if own else sy[x]
        sxx[x] = sxx[x] + (t * t) * weight if own else sxx[x]
        sxy[x] = sxy[x] + (t * v) * weight if own else sxy[x]
        n[x] += _ONE if own else np.int32(0)


@vectorized
def note_ends(k, q, low, high, first, last, n):
    """Note a read as the first or the last sample of each pixel's interval, and count it.

    Parameters
    ----------
    k : int
        Number of the read.
    q, low, high : ndarray, shape (m,), int32
        As in `add_sample`.
    first, last, n : ndarray, shape (m,), int32
        First and last read, and number of samples; changed in place.
    """
    read = np.int32(k)
    for x in range(low.size):
        own = (low[x] <= read) & (read < high[x]) & ((q[x] == 0) | (q[x] == HIT))
        count = n[x]
        first[x] = read if own & (count == 0) else first[x]
        last[x] = read if own else last[x]
        n[x] = count + _ONE if own else count
