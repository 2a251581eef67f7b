"""Parameters and result of the likelihood fit, and what its kernels work on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]
FlagArray = NDArray[np.int16]

#: A read with one of these is left out where other reads are without (Reed-Solomon error, lost telemetry, spike).
LOST = 1 | 2 | 1024
#: A read that is saturated is left out with all that follow.
SATURATED = 256
#: A hit found before: the interval that ends at the first read with it is left out.
HIT = 8192
#: Pixels without any of these have reads that can all be used.
TROUBLE = LOST | SATURATED | HIT
#: Hits of a pixel from which on calwf3 calls it unstable, and most that are looked for.
MOST_HITS = 4


@dataclass(frozen=True)
class OptimalSettings:
    """How hits are found.

    Attributes
    ----------
    threshold : float
        Jump of an interval, in its standard deviations, that is taken for a hit: 4.45 finds 1.3 false hits in
        10^4 blank pixels of 15 intervals, and half of the single hits of 110 electrons on STEP200.
    neighbor_threshold : float
        The same beside a strong hit in the same interval: the edges of a cosmic ray.
    strong : float
        A hit this many standard deviations high is strong.
    signal_floor : float
        Part of a pixel's own signal that is no hit: what the nonlinearity correction leaves.
    drift : float
        Wander of the image from read to read that is no hit where the image has a slope [pixel]: that of the guiding.
    """

    threshold: float = 4.45
    neighbor_threshold: float = 3.6
    strong: float = 9.0
    signal_floor: float = 0.01
    drift: float = 0.015


@dataclass(frozen=True)
class OptimalFit:
    """Image of an exposure, fitted with the sky of every interval known.

    Attributes
    ----------
    sci : ndarray, shape (ny, nx), float32
        Rate, with the mean sky of the exposure [electron/s]; 0 where no read can be used.
    err : ndarray, shape (ny, nx), float32
        Its standard deviation [electron/s]; 1e5 where no read can be used, as calwf3 has it.
    chi2 : ndarray, shape (ny, nx), float32
        Chi^2 per degree of freedom; 0 where there is no freedom.
    hits : ndarray, shape (ny, nx), uint32
        Bit k is set where the interval that ends at read k (counted from 1) holds a hit.
    samp : ndarray, shape (ny, nx), int16
        Number of reads that made each pixel, the zeroth included.
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
    """What all pixels of an exposure share: arrays of shape (n,), float64.

    Attributes
    ----------
    times : ndarray
        Time of each read since the zeroth [s].
    lengths : ndarray
        Length of the interval that ends at each [s].
    sky : ndarray
        Rate of the sky in it [electron/s].
    amplitudes : ndarray
        What the template is multiplied by in it [electron/s].
    """

    times: Float64Array
    lengths: Float64Array
    sky: Float64Array
    amplitudes: Float64Array


class Frame(NamedTuple):
    """What is known of every pixel.

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
