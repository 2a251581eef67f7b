"""CRCORR: rates from ramps, cosmic rays rejected (WFC3 Data Handbook 3.3.10; Fixsen et al. 2000, PASP 112, 1350)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from wfc3tvb.calibration.compiled import compiled
from wfc3tvb.calibration.model import Flags, Floats
from wfc3tvb.calibration.ramplanes import LANES, find_clean, fit_clean, time_sums
from wfc3tvb.calibration.rampline import constants, weight_table
from wfc3tvb.calibration.rampsearch import HIT, SPIKE, UNSTABLE
from wfc3tvb.calibration.rampslope import fit_pixel

_ZEROSIG, _SATURATED, _BAD, _UNSTABLE = 2048, 256, 4, 32


@dataclass(frozen=True)
class RampFit:
    """The fit of many ramps.

    Attributes
    ----------
    rate, error : ndarray, float32
        Rate and its error [DN/s]; a pixel without a usable sample has rate 0 and error 1e5.
    dq : ndarray, int16
        Flags of any read but saturation; 32 for unstable pixels.
    samples : ndarray, int16
        Samples that made the rate, the zeroth read included.
    time : ndarray, float32
        Time that made the rate [s].
    read_dq : ndarray, shape (reads, ...), int16
        Flags to be added to the reads: 8192 from a hit on, 4 for a spike, 32 in all reads of an unstable pixel.
    """

    rate: Floats
    error: Floats
    dq: Flags
    samples: Flags
    time: Floats
    read_dq: Flags


def fit_ramps(
    counts: ArrayLike,
    error: ArrayLike,
    dq: ArrayLike,
    times: ArrayLike,
    *,
    gain: float,
    threshold: float = 4.0,
    ignore: int = 256,
) -> RampFit:
    """Fit ramps as calwf3 does, equal to it to the last bit.

    Parameters
    ----------
    counts, error : array_like, shape (reads, ...)
        Signal and error of each read in time order, the zeroth first [DN]; taken as float32. The zeroth read is not
        fitted.
    dq : array_like, shape (reads, ...)
        Data-quality flags.
    times : array_like, shape (reads,)
        Time of each read since the zeroth [s].
    gain : float
        Mean gain [electron/DN].
    threshold : float, optional
        Rejection threshold in standard deviations (CRREJTAB).
    ignore : int, optional
        Flags that make a sample unusable even in a pixel flagged in all reads (CRREJTAB's BADINPDQ).

    Returns
    -------
    RampFit
        With arrays of the shape of one read.

    Raises
    ------
    ValueError
        If the shapes do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.array([0, 100, 200, 300])
    >>> fit = fit_ramps(2.0 * t[:, None], np.full((4, 1), 5.0), np.zeros((4, 1)), t, gain=2.35)
    >>> float(fit.rate[0])
    2.0
    """
    y = np.ascontiguousarray(counts, np.float32)
    e = np.ascontiguousarray(error, np.float32)
    q = np.array(dq, np.int16, order="C", ndmin=1)
    t = np.ascontiguousarray(times, np.float32)
    if not (y.shape == e.shape == q.shape and t.shape == y.shape[:1]):
        raise ValueError(f"counts {y.shape}, error {e.shape}, dq {q.shape} and times {t.shape} do not fit together")
    shape, n = y.shape[1:], t.size
    flat = (n, int(np.prod(shape)))
    q &= np.int16(~_ZEROSIG)
    out_dq = np.bitwise_or.reduce(q.reshape(flat), axis=0) & np.int16(~_SATURATED)
    made = _Made.empty(flat[1])
    settings = np.float32(gain), np.float32(threshold), ignore
    _fit_pixels(y.reshape(flat), e.reshape(flat), q.reshape(flat), t, settings, made)
    read_dq = _propagate(q.reshape(flat))
    unstable = (q.reshape(flat)[-1] & UNSTABLE) != 0
    out_dq[unstable] = (out_dq[unstable] | _UNSTABLE) & ~HIT
    return RampFit(
        rate=made.rate.reshape(shape),
        error=made.error.reshape(shape),
        dq=out_dq.reshape(shape),
        samples=made.samples.reshape(shape),
        time=made.time.reshape(shape),
        read_dq=read_dq.reshape(y.shape),
    )


@dataclass(frozen=True)
class _Made:
    rate: Floats
    error: Floats
    samples: Flags
    time: Floats

    @classmethod
    def empty(cls, n: int) -> _Made:
        return cls(np.zeros(n, np.float32), np.zeros(n, np.float32), np.zeros(n, np.int16), np.zeros(n, np.float32))


def _fit_pixels(
    y: Floats, e: Floats, q: Flags, t: Floats, settings: tuple[np.float32, np.float32, int], made: _Made
) -> None:
    gain, threshold, ignore = settings
    (inverse_variance, gain), dark = constants(gain, t)
    weights = weight_table(t.size)
    arguments = inverse_variance, gain, threshold, ignore, weights, made.rate, made.error, made.samples, made.time
    _fit_all(y, e, q, t, dark, *arguments)


@compiled
def _fit_all(y, e, q, t, dark, inverse_variance, gain, threshold, ignore, weights, rate, error, samples, time):
    n, n_pixels = y.shape
    all_weights = np.ascontiguousarray(weights[:, n - 1, : n - 1])
    sums = time_sums(t, all_weights, inverse_variance)
    clean, work = np.zeros(LANES, np.bool_), np.zeros((7, LANES), np.float32)
    yp, ep, qp = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.int16)
    index, begin = np.empty(n, np.int64), np.empty(n + 2, np.int64)
    residual, slots = np.empty(n, np.float32), np.empty((n + 2, n + 2), np.int16)
    whole = (t[1] - t[0]) + (t[n - 1] - t[1])
    for a in range(0, n_pixels, LANES):
        b = min(a + LANES, n_pixels)
        clean[:] = False
        if n > 3:
            find_clean(y, e, q, t, a, b, sums, inverse_variance, threshold, clean, work)
            fit_clean(y, e, t, dark, a, b, sums, all_weights, inverse_variance, gain, clean, rate, error, work)
        for x in range(b - a):
            p = a + x
            if clean[x]:
                samples[p], time[p] = n, whole
                continue
            for k in range(n):
                yp[k], ep[k], qp[k] = y[k, p], e[k, p], q[k, p]
            rate[p], error[p], samples[p], time[p] = fit_pixel(
                yp, ep, t, dark, qp, threshold, ignore, weights, inverse_variance, gain, index, begin, residual, slots
            )
            for k in range(n):
                q[k, p] = qp[k]


@compiled
def _propagate(q):
    """Carry hits to all later reads and instability to all reads; return the flags that the reads get of them."""
    n, n_pixels = q.shape
    added = np.zeros((n, n_pixels), np.int16)
    for p in range(n_pixels):
        hit, unstable = False, False
        for k in range(n - 1):
            unstable |= q[k, p] & UNSTABLE != 0
        for k in range(n):
            hit |= q[k, p] & HIT != 0
            if unstable:
                q[k, p] = (q[k, p] & ~HIT) | UNSTABLE
            elif hit:
                q[k, p] |= HIT
            if q[k, p] & HIT != 0:
                added[k, p] |= HIT
            if q[k, p] & SPIKE != 0:
                added[k, p] |= _BAD
            if q[k, p] & UNSTABLE != 0:
                added[k, p] |= _UNSTABLE
    return added
