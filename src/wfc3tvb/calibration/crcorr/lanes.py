"""Hold many ramps side by side: the pixels of a block, each with the interval that is being worked on.

A block of pixels is fitted as one, a vector instruction for many of them. A pixel is at one interval of its ramp at a
time, the reads `low` to `high` (exclusive); one that is done has `low` at the end. Finished pixels are taken out of
the way when they become many. Every number is made by the same single-precision operations, in the same order of
time, as in the fit of one ramp (`hits`, `slope`); what a pixel leaves out is left out, not multiplied by 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.calibration.crcorr.hits import HIT as _HIT
from wfc3tvb.calibration.model import Float32Array
from wfc3tvb.system.compiled import compiled, vectorized

Int32Array = NDArray[np.int32]

#: Pixels of a block.
LANES = 256
HIT = np.int32(_HIT)
_ONE = np.int32(1)


#: Rows of `Lanes.floats` and of `Lanes.counts`; the functions below give them their names.
_FLOAT_ROWS, _COUNT_ROWS = 12, 6


class Lanes(NamedTuple):
    """Ramps of a block, and scratch rows of what the passes over them find.

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
    floats : ndarray, shape (12, LANES), float32
        Rows of `sums_of` (0 to 4), `line_of` (5, 6), `weight_of` (7), `search_of` (7 to 11).
    counts : ndarray, shape (6, LANES), int32
        Rows of `ends_of` (0 to 2), `sums_of` (3), `search_of` (0 to 4), `table_row_of` (5).
    """

    y: Float32Array
    e: Float32Array
    q: Int32Array
    home: Int32Array
    low: Int32Array
    high: Int32Array
    floats: Float32Array
    counts: Int32Array


class Sample(NamedTuple):
    """Read k, at time t [s], of the first m pixels: signal and error [DN], flags."""

    k: int
    t: np.float32
    y: Float32Array
    e: Float32Array
    q: Int32Array


class Interval(NamedTuple):
    """First read of each pixel's interval, and the one after the last."""

    low: Int32Array
    high: Int32Array


class Sums(NamedTuple):
    """Sums of w, w t, w y, w t^2, w t y over each pixel's interval, and number of samples in them."""

    s: Float32Array
    sx: Float32Array
    sy: Float32Array
    sxx: Float32Array
    sxy: Float32Array
    n: Int32Array


class Ends(NamedTuple):
    """First and last read used in each pixel's interval, and number of reads used."""

    first: Int32Array
    last: Int32Array
    n: Int32Array


class Line(NamedTuple):
    """Line through each pixel's interval: intercept [DN], slope [DN/s]."""

    intercept: Float32Array
    slope: Float32Array


class Search(NamedTuple):
    """State of the search for spikes and jumps in each pixel's interval.

    Attributes
    ----------
    residual, previous, before : ndarray, shape (m,), float32
        Residual of the read at hand, of the sample before it and of the one before that [errors].
    best_spike, best_jump : ndarray, shape (m,), float32
        Highest spike and largest jump so far [errors].
    spike, jump : ndarray, shape (m,), int32
        Their reads, 0 for none.
    n, last : ndarray, shape (m,), int32
        Samples seen, and the last one's read.
    used : ndarray, shape (m,), int32
        1 where the read at hand is a sample of the interval.
    """

    residual: Float32Array
    previous: Float32Array
    before: Float32Array
    best_spike: Float32Array
    best_jump: Float32Array
    spike: Int32Array
    jump: Int32Array
    n: Int32Array
    last: Int32Array
    used: Int32Array


def empty_lanes(n):
    """Return room for blocks of ramps of n reads."""
    y, e = np.empty((n, LANES), np.float32), np.empty((n, LANES), np.float32)
    q, home = np.empty((n, LANES), np.int32), np.empty(LANES, np.int32)
    low, high = np.empty(LANES, np.int32), np.empty(LANES, np.int32)
    floats, counts = np.empty((_FLOAT_ROWS, LANES), np.float32), np.empty((_COUNT_ROWS, LANES), np.int32)
    return Lanes(y, e, q, home, low, high, floats, counts)


@compiled
def sample_of(lanes, t, k, m):
    """Return read k of the first m pixels; t are the times of all reads [s]."""
    return Sample(k, t[k], lanes.y[k, :m], lanes.e[k, :m], lanes.q[k, :m])


@compiled
def interval_of(lanes, m):
    """Return the intervals that the first m pixels are at."""
    return Interval(lanes.low[:m], lanes.high[:m])


@compiled
def sums_of(lanes, m):
    """Return the sums of the first m pixels."""
    f = lanes.floats
    return Sums(f[0, :m], f[1, :m], f[2, :m], f[3, :m], f[4, :m], lanes.counts[3, :m])


@compiled
def ends_of(lanes, m):
    """Return the ends of the first m pixels' intervals."""
    return Ends(lanes.counts[1, :m], lanes.counts[2, :m], lanes.counts[0, :m])


@compiled
def line_of(lanes, m):
    """Return the lines of the first m pixels."""
    return Line(lanes.floats[5, :m], lanes.floats[6, :m])


@compiled
def weight_of(lanes, m):
    """Return the weights of the first m pixels' samples; they share memory with `search_of`."""
    return lanes.floats[7, :m]


@compiled
def table_row_of(lanes, m):
    """Return where the weights of the first m pixels begin in the table of weights."""
    return lanes.counts[5, :m]


@compiled
def search_of(lanes, m):
    """Return the state of the search of the first m pixels; it shares memory with `ends_of` and `weight_of`."""
    f, i = lanes.floats, lanes.counts
    return Search(f[7, :m], f[9, :m], f[8, :m], f[10, :m], f[11, :m], i[2, :m], i[3, :m], i[0, :m], i[1, :m], i[4, :m])


@compiled
def fill(lanes, block, m):
    """Copy the first m ramps of a block, to be worked on from their first interval; `block.low` tells which."""
    n = block.y.shape[0]
    for k in range(1, n):
        _copy(block.y[k, :m], lanes.y[k, :m])
        _copy(block.e[k, :m], lanes.e[k, :m])
        _copy(block.q[k, :m], lanes.q[k, :m])
    (_, _, _, home, low, high, _, _), q, begins = lanes, block.q, block.low
    for x in range(m):
        home[x] = x
        low[x] = begins[x]
        high[x] = end_of_interval(q, begins[x], x)


@vectorized
def _copy(row, to):
    for x in range(row.size):
        to[x] = row[x]


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
    y, e, q, home, low, high, _, _ = lanes
    n, going = y.shape[0], 0
    for x in range(m):
        going += low[x] < n
    if 4 * going > 3 * m:
        return m
    to = 0
    for x in range(m):
        if low[x] == n:
            continue
        if to < x:
            for k in range(1, n):
                y[k, to], e[k, to], q[k, to] = y[k, x], e[k, x], q[k, x]
            home[to], low[to], high[to] = home[x], low[x], high[x]
        to += 1
    return to


@compiled
def reads_of(lanes, m):
    """Return the first read of any pixel's interval, and the one after the last."""
    low, high = lanes.low, lanes.high
    first, last = lanes.y.shape[0], 1
    for x in range(m):
        if low[x] < high[x]:
            first, last = min(first, low[x]), max(last, high[x])
    return first, last


@vectorized
def add_sample(sample, weight, interval, sums):
    """Add a read to the sums of the line through each pixel's interval.

    Parameters
    ----------
    sample : Sample
        The read; only unflagged samples and hits count.
    weight : ndarray, shape (m,), float32
        Weight of each pixel in this read.
    interval : Interval
        Where each pixel is.
    sums : Sums
        Changed.
    """
    (k, t, y, _, q), (low, high), (s, sx, sy, sxx, sxy, n) = sample, interval, sums
    read = np.int32(k)
    for x in range(low.size):
        own = (low[x] <= read) & (read < high[x]) & ((q[x] == 0) | (q[x] == HIT))
        v, w = y[x], weight[x]
        s[x] = s[x] + w if own else s[x]
        sx[x] = sx[x] + t * w if own else sx[x]
        sy[x] = sy[x] + v * w if own else sy[x]
        sxx[x] = sxx[x] + (t * t) * w if own else sxx[x]
        sxy[x] = sxy[x] + (t * v) * w if own else sxy[x]
        n[x] += _ONE if own else np.int32(0)


@vectorized
def note_ends(k, q, interval, ends):
    """Note a read as the first or the last sample of each pixel's interval, and count it.

    Parameters
    ----------
    k : int
        Number of the read.
    q : ndarray, shape (m,), int32
        Its flags; only unflagged samples and hits count.
    interval : Interval
        Where each pixel is.
    ends : Ends
        Changed.
    """
    (low, high), (first, last, n) = interval, ends
    read = np.int32(k)
    for x in range(low.size):
        own = (low[x] <= read) & (read < high[x]) & ((q[x] == 0) | (q[x] == HIT))
        count = n[x]
        first[x] = read if own & (count == 0) else first[x]
        last[x] = read if own else last[x]
        n[x] = count + _ONE if own else count
