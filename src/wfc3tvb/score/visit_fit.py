"""Fit all reads of a visit and filter jointly: a zodiacal level, helium and scattered light per read.

    rate_i    = Z + h_i + share * s_i          (median of the frame)
    lr_diff_i = s_i                            (left minus right)

Z is constant: the zodiacal light changes by less than 1 % within a visit. Helium h_i is free if the Sun is above the
limb and zero in Earth's shadow; scattered light s_i has a fixed shape (WFC3 Data Handbook 7.10), of which the median of
the frame contains the fraction `share`. Constant helium, which no ratio reveals, is found without a model of the
zodiacal light, as long as one read of the visit is dark; if none is, Z is an upper limit and `anchored` is false.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.config import MeasureSettings

Float64Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Fraction of left minus right that is contained in the median of the frame, and its error: the left 200 of 1014
#: columns are up to twice as bright as the rest, so it lies between 0.2 and 1.3. It has one value in a visit.
SHARE, SHARE_ERROR = 0.75, 0.3
#: Prior width of each amplitude [electron/s]: free helium, helium in shadow, scattered light.
_FREE, _SHADOW, _SCATTERED = 3.0, 0.005, 1.0
#: Left minus right of a frame without scattered light, from flat fields and sources [electron/s]; number of errors
#: above which it counts as scattered light.
_SIDE_ERROR, _SIDED = 0.02, 3.0


@dataclass(frozen=True)
class VisitFit:
    """Components of the light of a visit [electron/s].

    Attributes
    ----------
    zodi, zodi_err : float
        Zodiacal light, with thermal emission.
    helium, helium_err : ndarray, shape (n,)
        Helium in each read.
    scattered, scattered_err : ndarray, shape (n,)
        Scattered light in each read, as left minus right.
    covariance : ndarray, shape (1 + 2 n, 1 + 2 n)
        Covariance of zodi, helium and scattered, in this order.
    anchored : bool
        Whether a read in Earth's shadow fixes the zodiacal level; otherwise it is an upper limit.
    chi2 : float
        Chi^2 of the residuals and the priors.
    """

    zodi: float
    zodi_err: float
    helium: Float64Array
    helium_err: Float64Array
    scattered: Float64Array
    scattered_err: Float64Array
    covariance: Float64Array
    anchored: bool
    chi2: float


def fit_visit(
    rate: Float64Array,
    error: Float64Array,
    lr_diff: Float64Array,
    *,
    dark: Bools,
    exposure: NDArray[np.int64],
    systematic: float = MeasureSettings.systematic,
    share: float = SHARE,
    share_err: float = SHARE_ERROR,
) -> VisitFit:
    """Fit the reads of a visit in one filter.

    Parameters
    ----------
    rate, error, lr_diff : ndarray, shape (n,)
        Used reads of all its exposures, in time order: interval rates, their errors, left minus right [electron/s].
    dark : ndarray of bool, shape (n,)
        Reads in Earth's shadow (Sun at least some degrees below the limb).
    exposure : ndarray, shape (n,), int
        Index of the exposure of each read: neighbors within an exposure share the noise of a read.
    systematic : float, optional
        Independent error of every rate, in addition to that of the reference pixels [electron/s].
    share, share_err : float, optional
        Fraction of left minus right that is contained in the median of the frame, and its error, common to all reads.
    """
    n = rate.size
    anchored = bool(dark.any())
    # Without a dark read the lowest one is assumed to be nearly dark, which makes Z an upper limit.
    shadow = dark if anchored else rate <= rate.min()
    design = design_matrix(n, share)
    data = np.concatenate([rate, np.nan_to_num(lr_diff)])
    side = np.where(np.isfinite(lr_diff), np.hypot(3 * error, _SIDE_ERROR), 1e3)
    scattered = np.where(data[n:] > _SIDED * side, data[n:], 0.0)
    noise = rate_covariance(error, exposure, systematic) + share_err**2 * np.outer(scattered, scattered)
    prior = np.concatenate([[0.0], np.where(shadow, _SHADOW, _FREE) ** -2.0, np.full(n, _SCATTERED**-2.0)])
    # Rates and sides share no noise, so only the covariance of the rates has to be solved.
    both = np.column_stack([design, data])
    weighted = np.vstack([np.linalg.solve(noise, both[:n]), both[n:] / side[:, None] ** 2])
    covariance = np.linalg.inv(design.T @ weighted[:, :-1] + np.diag(prior))
    best = covariance @ (weighted[:, :-1].T @ data)
    residual = data - design @ best
    chi2 = float(residual @ (weighted[:, -1] - weighted[:, :-1] @ best) + prior @ best**2)
    sigma = np.sqrt(np.diag(covariance))
    return VisitFit(
        zodi=float(best[0]),
        zodi_err=float(sigma[0]),
        helium=best[1 : n + 1],
        helium_err=sigma[1 : n + 1],
        scattered=best[n + 1 :],
        scattered_err=sigma[n + 1 :],
        covariance=covariance,
        anchored=anchored,
        chi2=chi2,
    )


def design_matrix(n: int, share: float) -> Float64Array:
    """Return the design matrix from zodi, helium and scattered of n reads to rates and lr_diffs, (2 n, 1 + 2 n)."""
    one, none = np.eye(n), np.zeros((n, n))
    rates = np.hstack([np.ones((n, 1)), one, share * one])
    sides = np.hstack([np.zeros((n, 1)), none, one])
    return np.vstack([rates, sides])


def rate_covariance(error: Float64Array, exposure: NDArray[np.int64], systematic: float) -> Float64Array:
    """Return the covariance of interval rates, shape (n, n).

    The noise of a read enters the two adjacent intervals with opposite signs: neighbors within an exposure have a
    correlation of -1/2.
    """
    covariance = np.diag(error**2 + systematic**2)
    same = exposure[1:] == exposure[:-1]
    beside = np.where(same, -0.5 * error[1:] * error[:-1], 0.0)
    i = np.arange(error.size - 1)
    covariance[i, i + 1] = covariance[i + 1, i] = beside
    return covariance
