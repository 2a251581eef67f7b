"""Parameters and result of the likelihood fit, and the arguments of its kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.display import Result

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]
FlagArray = NDArray[np.int16]

#: A read with one of these flags is left out if other reads lack it (Reed-Solomon error, lost telemetry, spike).
LOST = 1 | 2 | 1024
#: A saturated read is left out with all later ones.
SATURATED = 256
#: A known hit: the interval that ends at the first read with this flag is left out.
HIT = 8192
#: All reads of a pixel without these flags are usable.
UNUSABLE = LOST | SATURATED | HIT
#: Number of hits from which calwf3 calls a pixel unstable; no more are searched for.
MOST_HITS = 4


@dataclass(frozen=True)
class OptimalSettings:
    """Settings of the search for hits.

    Attributes
    ----------
    threshold : float
        Jump of an interval, in its standard deviations, that counts as a hit: 4.45 finds 1.3 false hits in 10^4 blank
        pixels of 15 intervals, and half of the single hits of 110 electrons on STEP200.
    neighbor_threshold : float
        Threshold beside a strong hit in the same interval, for the edges of cosmic rays.
    strong : float
        Height from which a hit is strong, in standard deviations.
    signal_floor : float
        Change of rate that is not a hit, as a fraction of a pixel's signal: residuals of the nonlinearity correction.
    drift : float
        Drift of the image from read to read that must not be taken for hits on its slopes [pixel]: guiding errors.
    """

    threshold: float = 4.45
    neighbor_threshold: float = 3.6
    strong: float = 9.0
    signal_floor: float = 0.01
    drift: float = 0.015


@dataclass(frozen=True, repr=False)
class OptimalFit(Result):
    """Image of an exposure, fitted with the known sky of every interval.

    Attributes
    ----------
    sci : ndarray, shape (ny, nx), float32
        Rate, with the mean sky of the exposure [electron/s]; 0 where no read is usable.
    err : ndarray, shape (ny, nx), float32
        Its standard deviation [electron/s]; 1e5 where no read is usable, as in calwf3.
    chi2 : ndarray, shape (ny, nx), float32
        Chi^2 per degree of freedom; 0 where there are no degrees of freedom.
    hits : ndarray, shape (ny, nx), uint32
        Bit k is set where the interval that ends at read k (counted from 1) has a hit.
    samp : ndarray, shape (ny, nx), int16
        Number of reads used for each pixel, the zeroth included.
    time : ndarray, shape (ny, nx), float32
        Time that they cover [s].
    """

    sci: Float32Array
    err: Float32Array
    chi2: Float32Array
    hits: NDArray[np.uint32]
    samp: FlagArray
    time: Float32Array


class Exposure(NamedTuple):
    """Quantities that all pixels of an exposure share: arrays of shape (n,), float64.

    Attributes
    ----------
    times : ndarray
        Time of each read since the zeroth [s].
    lengths : ndarray
        Length of the interval that ends at each [s].
    sky : ndarray
        Rate of the sky in the interval [electron/s].
    amplitudes : ndarray
        Amplitude of the template in the interval [electron/s].
    left_out : ndarray of bool
        Whether the interval is left out of every pixel.
    """

    times: Float64Array
    lengths: Float64Array
    sky: Float64Array
    amplitudes: Float64Array
    left_out: NDArray[np.bool_]


class Frame(NamedTuple):
    """Input of the fit for every pixel.

    Attributes
    ----------
    rate : ndarray, shape (n, ny, nx), float32
        Cumulative rate since the zeroth read [electron/s, after the flat].
    dq : ndarray, shape (n, ny, nx), int16
        Flags.
    flat, dark, variance, template : ndarray, shape (ny, nx), float32
        Flat field; dark rate that was subtracted [electron/s, before the flat]; variance of a single read [electron^2,
        before the flat]; shape of scattered light.
    """

    rate: Float32Array
    dq: FlagArray
    flat: Float32Array
    dark: Float32Array
    variance: Float32Array
    template: Float32Array


class Limits(NamedTuple):
    """Squares of `OptimalSettings.threshold`, `neighbor_threshold` and `strong`."""

    hit: float
    neighbor: float
    strong: float


class Output(NamedTuple):
    """Planes that the kernels fill, of shape (ny, nx); see `OptimalFit`. `source` is the rate without the sky."""

    source: Float32Array
    err: Float32Array
    chi2: Float32Array
    hits: NDArray[np.uint32]
    strong: NDArray[np.uint32]
    samp: FlagArray
    time: Float32Array
