"""Compute the photon and read noise of a blank pixel for each method."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.instrument import DARK, READ_NOISE, SINGLE_READ_NOISE

Float64Array = NDArray[np.float64]

#: Signal-to-noise ratio of the last read above which calwf3 uses each power for its weights (Fixsen et al. 2000).
_POWERS = ((100.0, 10.0), (50.0, 6.0), (20.0, 3.0), (10.0, 1.0), (5.0, 0.4))


def last_minus_first(times: Float64Array, sky: Float64Array) -> float:
    """Return the noise of the last read minus the zeroth, divided by the time [electron/s].

    Parameters
    ----------
    times : ndarray, shape (n,)
        Times of the reads since the zeroth [s].
    sky : ndarray, shape (n,)
        Cumulative sky rate at each read [electron/s].
    """
    return last_minus_first_noise(float(sky[-1] * times[-1]), float(times[-1]))


def last_minus_first_noise(signal: float, exptime: float) -> float:
    """Return the noise of the last read minus the zeroth in a blank pixel, divided by the time [electron/s].

    Parameters
    ----------
    signal : float
        Electrons of sky collected; negative values count as 0.
    exptime : float
        Time [s].
    """
    return float(np.sqrt(READ_NOISE**2 + max(signal, 0.0) + DARK * exptime) / exptime)


def ramp_fit(times: Float64Array, sky: Float64Array) -> float:
    """Return the noise of calwf3's weighted line fit to an unbroken ramp [electron/s].

    The fit is linear in the reads, so its variance is exact; each read contains the photons of the earlier ones.

    Parameters
    ----------
    times, sky : ndarray, shape (n,)
        See `last_minus_first`; with fewer than three reads its noise is returned.
    """
    if len(times) < 3:
        return last_minus_first(times, sky)
    electrons = np.maximum(sky, 0.0) * times + DARK * times
    slope = _slope_coefficients(times, _power(electrons))
    covariance = np.minimum.outer(electrons, electrons) + np.diag(np.full(len(times), READ_NOISE**2 / 2))
    return float(np.sqrt(slope @ covariance @ slope))


def ramp_fit_level(times: Float64Array, sky: Float64Array) -> float:
    """Return the level of the sky in an image of calwf3's weighted line fit to an unbroken ramp [electron/s].

    Parameters
    ----------
    times, sky : ndarray, shape (n,)
        See `last_minus_first`; with fewer than three reads the level of the last is returned.
    """
    if len(times) < 3:
        return float(sky[-1])
    electrons = np.maximum(sky, 0.0) * times + DARK * times
    return float(_slope_coefficients(times, _power(electrons)) @ (sky * times))


def optimal(times: Float64Array, sky: Float64Array) -> float:
    """Return the smallest possible noise of an unbiased rate of a blank pixel [electron/s].

    This is the Cramer-Rao limit for Gaussian differences of reads with a known sky; two neighbors share a read.

    Parameters
    ----------
    times, sky : ndarray, shape (n,)
        See `last_minus_first`.
    """
    lengths, n = np.diff(times, prepend=0.0), len(times)
    photons = np.maximum(np.diff(sky * times, prepend=0.0), 0.0) + DARK * lengths
    shared = SINGLE_READ_NOISE**2 * (np.eye(n, k=1) + np.eye(n, k=-1))
    covariance = np.diag(photons + 2 * SINGLE_READ_NOISE**2) - shared
    return float(1 / np.sqrt(lengths @ np.linalg.solve(covariance, lengths)))


def drizzled(
    noises: Float64Array, exptimes: Float64Array, *, scale: float = 1.0, weights: Float64Array | None = None
) -> float:
    """Return the noise of a drizzled pixel, corrected for correlation [electron/s].

    Parameters
    ----------
    noises, exptimes : ndarray, shape (n,)
        Noise of a sky pixel [electron/s], and time [s], of each exposure.
    scale : float
        Size of an output pixel in input pixels.
    weights : ndarray, shape (n,), optional
        Weight of each exposure; by default its time.
    """
    weights = exptimes if weights is None else weights
    return float(np.sqrt(np.sum((weights * noises) ** 2)) / np.sum(weights) * scale)


def _power(electrons: Float64Array) -> float:
    """Return the power of calwf3's weights."""
    signal = electrons[-1] - electrons[0]
    snr = signal / np.sqrt(READ_NOISE**2 + max(electrons[-1], 0.0))
    return next((power for limit, power in _POWERS if snr > limit), 0.0)


def _slope_coefficients(times: Float64Array, power: float) -> Float64Array:
    """Return the coefficient of each read in the slope of the weighted fit."""
    middle = (len(times) - 1) / 2
    w = np.abs((np.arange(len(times)) - middle) / middle) ** power
    s, sx, sxx = w.sum(), (w * times).sum(), (w * times**2).sum()
    return np.asarray(w * (s * times - sx) / (s * sxx - sx**2))
