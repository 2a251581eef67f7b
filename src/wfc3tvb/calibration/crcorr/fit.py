"""Fit ramps, cosmic rays rejected (CRCORR; WFC3 Data Handbook 3.3.10; Fixsen et al. 2000, PASP 112, 1350)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wfc3tvb.calibration.crcorr.block import (
    Cubes,
    Fitted,
    Segment,
    Single,
    drop_unstable,
    empty_single,
    fit_alone,
    load,
    sort,
    store_flags,
    store_rates,
)
from wfc3tvb.calibration.crcorr.lane_hits import flag_hits
from wfc3tvb.calibration.crcorr.lane_slope import Slopes, combine, empty_slopes
from wfc3tvb.calibration.crcorr.lanes import LANES, Lanes, empty_lanes
from wfc3tvb.calibration.crcorr.line import FitConstants, fit_constants
from wfc3tvb.calibration.model import Flags, Float32Array, Window
from wfc3tvb.display import Result
from wfc3tvb.system.compiled import compiled


@dataclass(frozen=True, repr=False)
class RampFit(Result):
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
    """Fit ramps as calwf3 does, with results identical to the last bit.

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
    made = Fitted(floats[0], floats[1], flags[0], flags[1], floats[2])
    cubes = Cubes(y.reshape(row), e.reshape(row), q.reshape(row), read_dq)
    constants = fit_constants(t, gain, threshold=threshold, ignore=ignore)
    fit_window(cubes, constants, Window(0, 1, 0, row[2]), (0, 0), made)
    rate, uncertainty, time = (plane.reshape(shape) for plane in floats)
    out_dq, samples = (plane.reshape(shape) for plane in flags)
    return RampFit(rate, uncertainty, out_dq, samples, time, read_dq.reshape(y.shape))


class _Scratch(NamedTuple):
    """Room for the fit of a block, used again for every block."""

    block: Lanes
    lanes: Lanes
    single: Single
    slopes: Slopes
    hits: NDArray[np.int32]
    alone: NDArray[np.bool_]


def fit_window(cubes: Cubes, constants: FitConstants, window: Window, corner: tuple[int, int], image: Fitted) -> int:
    """Fit the ramps in a window of a cube, in place; return how many are unstable.

    Parameters
    ----------
    cubes : Cubes
        The reads; flags found are added to `into`.
    constants : FitConstants
        Of the exposure.
    window : Window
        Where.
    corner : (int, int)
        Row and column of the cubes that belong to the image's first pixel.
    image : Fitted
        Filled in the window.
    """
    n = cubes.sci.shape[0]
    room = empty_lanes(n), empty_lanes(n), empty_single(n), empty_slopes()
    scratch = _Scratch(*room, np.empty(LANES, np.int32), np.empty(LANES, np.bool_))
    return int(_fit(cubes, constants, window, corner, image, scratch))


@compiled
def _fit(cubes, constants, window, corner, image, scratch):
    """Fit the ramps of a window, block by block; see `fit_window`."""
    n_unstable = 0
    for y in range(window.y0, window.y1):
        for x0 in range(window.x0, window.x1, LANES):
            m = min(LANES, window.x1 - x0)
            row, a, b = y - corner[0], x0 - corner[1], x0 - corner[1] + m
            fitted = Fitted(
                image.rate[row, a:b], image.error[row, a:b], image.dq[row, a:b], image.samples[row, a:b],
                image.time[row, a:b],
            )  # fmt: skip
            n_unstable += _fit_block(cubes, constants, Segment(y, x0, m), scratch, fitted)
    return n_unstable


@compiled
def _fit_block(cubes, constants, segment, scratch, fitted):
    """Fit the ramps of a block; return how many are unstable."""
    (block, lanes, single, slopes, hits, alone), m = scratch, segment.m
    load(cubes, constants.scale, segment, block)
    sort(block, m, constants.zeroth, alone)
    flag_hits(lanes, block, m, constants, hits)
    drop_unstable(block, m, hits)
    combine(lanes, block, m, constants, slopes)
    store_rates(block, constants, slopes, hits, single, fitted)
    fit_alone(block, constants, alone, single, fitted)
    return store_flags(cubes, segment, block, constants.zeroth, fitted.dq)
