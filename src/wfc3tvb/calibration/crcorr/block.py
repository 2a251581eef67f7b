"""A block of ramps on its way into the fit and out of it: samples, flags, rates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.calibration.crcorr.hits import MAX_HITS
from wfc3tvb.calibration.crcorr.lane_hits import SPIKE, UNSTABLE
from wfc3tvb.calibration.crcorr.lane_slope import mean_slope
from wfc3tvb.calibration.crcorr.lanes import HIT, clear
from wfc3tvb.calibration.crcorr.slope import between_ends, fit_pixel
from wfc3tvb.calibration.model import Flags, Float32Array
from wfc3tvb.system.compiled import compiled, vectorized

_NOT_ZEROSIG, _SATURATED, _BAD, _UNSTABLE = np.int32(~2048), np.int32(256), np.int32(4), np.int32(32)
_NONE = np.int32(0)


class Single(NamedTuple):
    """Room for one ramp: signal, error, flags, and what `rampslope.fit_pixel` needs."""

    y: Float32Array
    e: Float32Array
    q: Flags
    kept: NDArray[np.int64]
    begin: NDArray[np.int64]
    residual: Float32Array
    slots: Flags


@compiled
def empty_single(n):
    """Return room for a ramp of n reads."""
    y, e, q = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.int16)
    kept, begin = np.empty(n, np.int64), np.empty(n + 2, np.int64)
    return Single(y, e, q, kept, begin, np.empty(n, np.float32), np.empty((n + 2, n + 2), np.int16))


@compiled
def load(sci, err, dq, scale, y, x0, m, block):
    """Load m ramps into a block, as signal and error in DN.

    Parameters
    ----------
    sci, err, dq : ndarray, shape (n, ny, nx)
        Signal, error and flags of every read, in time order.
    scale : ndarray, shape (n,), float32
        What brings each read to DN.
    y, x0, m : int
        Row, first column and number of the ramps.
    block : Lanes
        Where they go.
    """
    for k in range(sci.shape[0]):
        own = k, y, slice(x0, x0 + m)
        _load_read(scale[k], sci[own], err[own], dq[own], block.y[k, :m], block.e[k, :m], block.q[k, :m])


@vectorized
def _load_read(scale, sci, err, dq, y, e, q):
    for x in range(sci.size):
        y[x] = sci[x] * scale
        e[x] = err[x] * scale
        q[x] = np.int32(dq[x]) & _NOT_ZEROSIG


@compiled
def sort(block, m, zeroth, alone):
    """Say which ramps are fitted side by side (`block.low` 1) and which `alone`.

    Alone are those with a hit from before, with samples without error, and without any unflagged sample. Ramps that
    are saturated in the first read are neither where `zeroth` says that the zeroth stands for them.
    """
    n = block.y.shape[0]
    unflagged, odd = block.i[0, :m], block.i[1, :m]
    clear(block.i, 0, 2, m)
    for k in range(1, n):
        _see_read(block.e[k, :m], block.q[k, :m], unflagged, odd)
    for x in range(m):
        taken = zeroth and block.q[1, x] & _SATURATED != 0
        alone[x] = not taken and (odd[x] != 0 or unflagged[x] == 0)
        block.low[x] = n if taken or alone[x] else 1


@vectorized
def _see_read(e, q, unflagged, odd):
    for x in range(e.size):
        unflagged[x] |= np.int32(1) if q[x] == 0 else _NONE
        odd[x] |= np.int32(1) if (e[x] == 0) | (q[x] & HIT != 0) else _NONE


@compiled
def drop_unstable(block, m, hits):
    """Leave out the ramps with too many hits."""
    for x in range(m):
        if hits[x] == MAX_HITS:
            block.low[x] = block.y.shape[0]


@compiled
def store_rates(block, m, made, hits, t, ignore, single, rates):
    """Store the results of the ramps that were fitted side by side; those with too many hits get last minus first.

    Parameters
    ----------
    block, m : Lanes, int
        The ramps, and how many.
    made : ndarray, shape (4, LANES), float32
        What `laneslope.combine` filled in.
    hits : ndarray, shape (m,), int
        Hits found in each.
    t : ndarray, shape (n,), float32
        Time of every read [s].
    ignore : int
        Flags that make a sample unusable.
    single : Single
        Room for one ramp.
    rates : tuple of ndarray, shape (m,)
        Rate and error [DN/s], samples, time [s]; filled.
    """
    rate, error, samples, time = rates
    n = block.y.shape[0]
    for x in range(m):
        if block.low[x] < n:
            rate[x], error[x] = mean_slope(made, x)
            samples[x], time[x] = np.int16(made[3, x]), made[2, x]
        if hits[x] == MAX_HITS or (block.low[x] < n and error[x] < 0):
            _take_out(block, x, single)
            rate[x], error[x], samples[x], time[x] = between_ends(single.y, single.e, t, single.q, ignore)


@compiled
def fit_alone(block, m, alone, tables, constants, limits, single, rates):
    """Fit the ramps that cannot be fitted side by side, one after the other.

    Parameters
    ----------
    block, m : Lanes, int
        The ramps, and how many; hits are flagged in it.
    alone : ndarray of bool, shape (m,)
        Which ones, see `sort`.
    tables : tuple
        Time [s], dark current and scale of every read, weights; see `rampline.constants` and `weight_table`.
    constants, limits : tuple
        Inverse variance of a read and gain; threshold of a hit, and flags that make a sample unusable.
    single, rates
        As in `store_rates`.
    """
    (t, dark, _, weights), (inverse_variance, gain) = tables, constants
    rate, error, samples, time = rates
    for x in range(m):
        if not alone[x]:
            continue
        _take_out(block, x, single)
        rate[x], error[x], samples[x], time[x] = fit_pixel(
            single.y, single.e, t, dark, single.q, limits[0], limits[1], weights, inverse_variance, gain,
            single.kept, single.begin, single.residual, single.slots,
        )  # fmt: skip
        for k in range(t.size):
            block.q[k, x] = single.q[k]


@compiled
def _take_out(block, x, single):
    for k in range(block.y.shape[0]):
        single.y[k], single.e[k], single.q[k] = block.y[k, x], block.e[k, x], np.int16(block.q[k, x])


@compiled
def store_flags(dq, into, y, x0, m, block, zeroth, out):
    """Carry hits to all later reads, instability to all reads; store the flags of the reads and of the image.

    Parameters
    ----------
    dq, into : ndarray, shape (reads, ny, nx), int16
        Flags as they were; those to be added to (may be the same).
    y, x0, m : int
        Row, first column and number of the ramps.
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
    n, i, n_unstable = dq.shape[0], block.i, 0
    found, hit, unstable, kept = i[0, :m], i[1, :m], i[2, :m], i[3, :m]
    clear(i, 0, 4, m)
    if zeroth:
        _mark(block.q[1, :m], _SATURATED, kept)
    for k in range(n):
        _gather(dq[k, y, x0 : x0 + m], found)
        if k < n - 1:
            _mark(block.q[k, :m], UNSTABLE, unstable)
    for k in range(n):
        _propagate(block.q[k, :m], hit, unstable, kept, into[k, y, x0 : x0 + m])
    for x in range(m):
        flags = found[x] & ~_SATURATED
        out[x] = flags
        if block.q[n - 1, x] & UNSTABLE:
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
