"""Load a block of ramps for the fit and store what was found: samples, flags, rates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from wfc3tvb.calibration.crcorr.hits import MAX_HITS, IntervalScratch, empty_scratch
from wfc3tvb.calibration.crcorr.lane_hits import SPIKE, UNSTABLE
from wfc3tvb.calibration.crcorr.lane_slope import mean_slope
from wfc3tvb.calibration.crcorr.lanes import HIT, clear
from wfc3tvb.calibration.crcorr.line import PixelRamp
from wfc3tvb.calibration.crcorr.slope import between_ends, fit_pixel
from wfc3tvb.calibration.model import Flags, Float32Array
from wfc3tvb.system.compiled import compiled, vectorized

_NOT_ZEROSIG, _SATURATED, _BAD, _UNSTABLE = np.int32(~2048), np.int32(256), np.int32(4), np.int32(32)
_NONE = np.int32(0)


class Cubes(NamedTuple):
    """Reads to be fitted, shape (reads, ny, nx).

    Attributes
    ----------
    sci, err : ndarray, float32
        Signal and error; see `FitConstants.scale`.
    dq : ndarray, int16
        Flags.
    into : ndarray, int16
        Flags that those found are added to; may be `dq`.
    """

    sci: Float32Array
    err: Float32Array
    dq: Flags
    into: Flags


class Segment(NamedTuple):
    """Pixels of a row of the cubes that are fitted as one block: row, first column, number."""

    y: int
    x0: int
    m: int


class Fitted(NamedTuple):
    """Results of the fit, arrays of the shape of an image or of a block; see `RampFit`."""

    rate: Float32Array
    error: Float32Array
    dq: Flags
    samples: Flags
    time: Float32Array


class Single(NamedTuple):
    """Room for one ramp."""

    ramp: PixelRamp
    scratch: IntervalScratch


def empty_single(n):
    """Return room for a ramp of n reads."""
    return Single(PixelRamp(np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.int16)), empty_scratch(n))


@compiled
def load(cubes, scale, segment, block):
    """Load ramps into a block, as signal and error in DN.

    Parameters
    ----------
    cubes : Cubes
        The reads.
    scale : ndarray, shape (n,), float32
        What brings each read to DN.
    segment : Segment
        Which ramps.
    block : Lanes
        Where they go.
    """
    y, x0, m = segment
    for k in range(cubes.sci.shape[0]):
        own = k, y, slice(x0, x0 + m)
        _scale(cubes.sci[own], scale[k], block.y[k, :m])
        _scale(cubes.err[own], scale[k], block.e[k, :m])
        _load_flags(cubes.dq[own], block.q[k, :m])


@vectorized
def _scale(row, scale, scaled):
    for x in range(row.size):
        scaled[x] = row[x] * scale


@vectorized
def _load_flags(dq, q):
    for x in range(dq.size):
        q[x] = np.int32(dq[x]) & _NOT_ZEROSIG


@compiled
def sort(block, m, zeroth, alone):
    """Decide which ramps are fitted side by side (`block.low` 1) and which `alone`.

    Alone are those with a hit from before, with samples without error, and without any unflagged sample. Ramps that
    are saturated in the first read are neither where `zeroth` says that the zeroth stands for them.
    """
    n = block.y.shape[0]
    unflagged, odd = block.counts[0, :m], block.counts[1, :m]
    clear(block.counts, 0, 2, m)
    for k in range(1, n):
        _see_read(block.e[k, :m], block.q[k, :m], unflagged, odd)
    q, low = block.q, block.low
    for x in range(m):
        taken = zeroth and q[1, x] & _SATURATED != 0
        alone[x] = not taken and (odd[x] != 0 or unflagged[x] == 0)
        low[x] = n if taken or alone[x] else 1


@vectorized
def _see_read(e, q, unflagged, odd):
    for x in range(e.size):
        unflagged[x] |= np.int32(1) if q[x] == 0 else _NONE
        odd[x] |= np.int32(1) if (e[x] == 0) | (q[x] & HIT != 0) else _NONE


@compiled
def drop_unstable(block, m, hits):
    """Leave out the ramps with too many hits."""
    low, end = block.low, block.y.shape[0]
    for x in range(m):
        if hits[x] == MAX_HITS:
            low[x] = end


@compiled
def store_rates(block, constants, slopes, hits, single, fitted):
    """Store the results of the ramps that were fitted side by side; those with too many hits get last minus first.

    Parameters
    ----------
    block : Lanes
        The ramps.
    constants : FitConstants
        Of the exposure.
    slopes : Slopes
        What `lane_slope.combine` filled in.
    hits : ndarray, shape (LANES,), int
        Hits found in each.
    single : Single
        Overwritten.
    fitted : Fitted
        Results of the block, shape (m,); all but the flags are filled.
    """
    rate, error, _, samples, time = fitted
    weights, rates, times, numbers = slopes
    low, n = block.low, block.y.shape[0]
    for x in range(rate.size):
        if low[x] < n:
            rate[x], error[x] = mean_slope(weights[x], rates[x])
            samples[x], time[x] = np.int16(numbers[x]), times[x]
        if hits[x] == MAX_HITS or (low[x] < n and error[x] < 0):
            _take_out(block, x, single.ramp)
            rate[x], error[x], samples[x], time[x] = between_ends(single.ramp, constants)


@compiled
def fit_alone(block, constants, alone, single, fitted):
    """Fit the ramps that cannot be fitted side by side, one after the other.

    Parameters
    ----------
    block : Lanes
        The ramps; hits are flagged in it.
    constants : FitConstants
        Of the exposure.
    alone : ndarray of bool, shape (LANES,)
        Which ones, see `sort`.
    single, fitted
        As in `store_rates`.
    """
    (rate, error, _, samples, time), (ramp, scratch) = fitted, single
    q, own_q = block.q, ramp.q
    for x in range(rate.size):
        if not alone[x]:
            continue
        _take_out(block, x, ramp)
        rate[x], error[x], samples[x], time[x] = fit_pixel(ramp, constants, scratch)
        for k in range(own_q.size):
            q[k, x] = own_q[k]


@compiled
def _take_out(block, x, ramp):
    (y, e, q), all_y, all_e, all_q = ramp, block.y, block.e, block.q
    for k in range(y.size):
        y[k], e[k], q[k] = all_y[k, x], all_e[k, x], np.int16(all_q[k, x])


@compiled
def store_flags(cubes, segment, block, zeroth, out):
    """Carry hits to all later reads, instability to all reads; store the flags of the reads and of the image.

    Parameters
    ----------
    cubes : Cubes
        The reads; flags are added to `into`.
    segment : Segment
        Which ramps.
    block : Lanes
        The flags found.
    zeroth : bool
        As `sort`: ramps that the zeroth read stands for keep their flags.
    out : ndarray, shape (m,), int16
        Filled: flags of any read but saturation.

    Returns
    -------
    int
        Number of ramps found unstable.
    """
    (y, x0, m), n, n_unstable = segment, cubes.dq.shape[0], 0
    found, hit, unstable, kept = block.counts[0, :m], block.counts[1, :m], block.counts[2, :m], block.counts[3, :m]
    clear(block.counts, 0, 4, m)
    if zeroth:
        _mark(block.q[1, :m], _SATURATED, kept)
    for k in range(n):
        _gather(cubes.dq[k, y, x0 : x0 + m], found)
        if k < n - 1:
            _mark(block.q[k, :m], UNSTABLE, unstable)
    for k in range(n):
        _propagate(block.q[k, :m], hit, unstable, kept, cubes.into[k, y, x0 : x0 + m])
    last = block.q[n - 1]
    for x in range(m):
        flags = found[x] & ~_SATURATED
        out[x] = flags
        if last[x] & UNSTABLE:
            out[x] = np.int16((flags | _UNSTABLE) & ~HIT)
            n_unstable += kept[x] == 0
    return n_unstable


@vectorized
def _mark(q, flag, marked):
    for x in range(q.size):
        marked[x] |= q[x] & flag


@vectorized
def _gather(dq, found):
    for x in range(found.size):
        found[x] |= np.int32(dq[x]) & _NOT_ZEROSIG


@vectorized
def _propagate(q, hit, unstable, kept, into):
    for x in range(q.size):
        flags = q[x]
        seen = hit[x] | (flags & HIT)
        flags = (flags & ~HIT) | UNSTABLE if unstable[x] != 0 else flags | seen
        added = flags & HIT
        added |= _BAD if flags & SPIKE != 0 else _NONE
        added |= _UNSTABLE if flags & UNSTABLE != 0 else _NONE
        hit[x] = seen
        q[x] = flags
        into[x] |= np.int16(added if kept[x] == 0 else _NONE)
