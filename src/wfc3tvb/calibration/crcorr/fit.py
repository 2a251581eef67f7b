"""CRCORR: rates from ramps, cosmic rays rejected (WFC3 Data Handbook 3.3.10; Fixsen et al. 2000, PASP 112, 1350)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from wfc3tvb.calibration.crcorr import block as rampblock
from wfc3tvb.calibration.crcorr.block import empty_single
from wfc3tvb.calibration.crcorr.lane_hits import flag_hits
from wfc3tvb.calibration.crcorr.lane_slope import combine
from wfc3tvb.calibration.crcorr.lanes import LANES, empty_lanes
from wfc3tvb.calibration.crcorr.line import constants, weight_table
from wfc3tvb.calibration.model import Flags, Float32Array, Window
from wfc3tvb.system.compiled import compiled


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

    rate: Float32Array
    error: Float32Array
    dq: Flags
    samples: Flags
    time: Float32Array
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
    q = np.ascontiguousarray(dq, np.int16)
    t = np.ascontiguousarray(times, np.float32)
    if not (y.shape == e.shape == q.shape and t.shape == y.shape[:1]):
        raise ValueError(f"counts {y.shape}, error {e.shape}, dq {q.shape} and times {t.shape} do not fit together")
    shape, row = y.shape[1:], (t.size, 1, int(np.prod(y.shape[1:])))
    read_dq = np.zeros(row, np.int16)
    floats, flags = np.zeros((3, *row[1:]), np.float32), np.zeros((2, *row[1:]), np.int16)
    made = floats[0], floats[1], flags[0], flags[1], floats[2]
    cubes = y.reshape(row), e.reshape(row), q.reshape(row), read_dq
    settings = Settings(t, np.ones_like(t), float(gain), float(threshold), ignore, False)
    fit_window(cubes, settings, Window(0, 1, 0, row[2]), (0, 0), made)
    rate, uncertainty, time = (plane.reshape(shape) for plane in floats)
    out_dq, samples = (plane.reshape(shape) for plane in flags)
    return RampFit(rate, uncertainty, out_dq, samples, time, read_dq.reshape(y.shape))


@dataclass(frozen=True)
class Settings:
    """How ramps are fitted.

    Attributes
    ----------
    times : ndarray, shape (reads,), float32
        Time of each read since the zeroth [s].
    scale : ndarray, shape (reads,), float32
        What each read is multiplied by to have DN: 1, or its time where it is a rate.
    gain, threshold, ignore
        See `fit_ramps`.
    zeroth : bool
        Whether a pixel saturated in the first read is left as it is in the zeroth.
    """

    times: Float32Array
    scale: Float32Array
    gain: float
    threshold: float
    ignore: int
    zeroth: bool


def fit_window(
    cubes: tuple[Float32Array, Float32Array, Flags, Flags],
    settings: Settings,
    window: Window,
    corner: tuple[int, int],
    image: tuple[Float32Array, Float32Array, Flags, Flags, Float32Array],
) -> int:
    """Fit the ramps in a window of a cube, in place; return how many are unstable.

    Parameters
    ----------
    cubes : tuple of ndarray, shape (reads, ny, nx)
        Signal, error, flags, and the flags to which those found are added (may be the same).
    settings : Settings
        How.
    window : Window
        Where.
    corner : (int, int)
        Row and column of the cubes that belong to the image's first pixel.
    image : tuple of ndarray
        Filled: rate, error, flags, samples, time (see `RampFit`).
    """
    t = settings.times
    (inverse_variance, gain), dark = constants(np.float32(settings.gain), t)
    limits = np.float32(settings.threshold), settings.ignore, settings.zeroth
    tables = t, dark, settings.scale, weight_table(t.size)
    return int(_fit(*cubes, tables, (inverse_variance, gain), limits, window, corner, image))


@compiled
def _fit(sci, err, dq, into, tables, constant, limits, window, corner, image):
    """Fit the ramps of a window, block by block; see `fit_window`."""
    n = sci.shape[0]
    block, lanes, single = empty_lanes(n), empty_lanes(n), empty_single(n)
    made, hits, alone = np.empty((4, LANES), np.float32), np.empty(LANES, np.int32), np.empty(LANES, np.bool_)
    (t, dark, scale, weights), (inverse_variance, gain), (threshold, ignore, zeroth) = tables, constant, limits
    rate, error, out_dq, samples, time = image
    n_unstable = 0
    for y in range(window.y0, window.y1):
        for x0 in range(window.x0, window.x1, LANES):
            m = min(LANES, window.x1 - x0)
            row, a, b = y - corner[0], x0 - corner[1], x0 - corner[1] + m
            rates = rate[row, a:b], error[row, a:b], samples[row, a:b], time[row, a:b]
            rampblock.load(sci, err, dq, scale, y, x0, m, block)
            rampblock.sort(block, m, zeroth, alone)
            flag_hits(lanes, block, m, t, inverse_variance, threshold, hits)
            rampblock.drop_unstable(block, m, hits)
            combine(lanes, block, m, t, dark, weights, inverse_variance, gain, made)
            rampblock.store_rates(block, m, made, hits, t, ignore, single, rates)
            rampblock.fit_alone(block, m, alone, tables, constant, limits, single, rates)
            n_unstable += rampblock.store_flags(dq, into, y, x0, m, block, zeroth, out_dq[row, a:b])
    return n_unstable
