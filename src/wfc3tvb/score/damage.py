"""Predict the damage of calwf3's ramp fit to blank sky under a measured curve, and the resulting class.

Blank pixels are drawn around the curve (photons, dark current, read noise) and fitted by the engine's own ramp fit, in
electrons (a gain of 1). On the published curves of visit IBOHBF040 this gives the levels, the histograms and the
fractions that STScI's calwf3 gives for simulated exposures, and the three peaks of STScI's FLT of ibohbfb9q.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import erf, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.calibration.crcorr.fit import RampFit, fit_ramps
from wfc3tvb.curve import noise_model
from wfc3tvb.instrument import DARK, DQ, SINGLE_READ_NOISE
from wfc3tvb.score.recommend import BIAS, GRADIENT, WORTH

Float64Array = NDArray[np.float64]
Float32Array = NDArray[np.float32]

#: Pixels drawn; one in `_FEW` of them is also fitted to the flattened ramp, and only so many are drawn if more than the
#: fraction `_MOST` break.
N_PIXELS, _FEW, _MOST = 4000, 4, 0.5
#: Read noise in the CCDTAB, from which calwf3 computes the error of a sample [electron].
_TABLE_NOISE = 20.0
#: Flags of the last read of a broken ramp: a hit, or too many.
_BROKEN = int(DQ.DATAREJECT | DQ.UNSTABLE)
#: Fraction of the frame that scattered light brightens, and the median's excess over the other side as a fraction of
#: left minus right.
_LEFT, _SHARE = 0.3, 0.15
#: Boundaries of the classes in the predicted fraction broken, excess [electron/s] and bias [electron/s] (design).
NONE, MILD, MODERATE, VARIABLE, BIASED = 0.005, 0.02, 0.3, 0.1, 0.1
#: Left minus right of the image from scattered light above which the class is moderate, or severe [electron/s].
STEEP, STEEPEST = 0.1, 0.5
#: Change of ln(f / (1 - f)) of the fraction broken per unit of the jump statistic (nine sample sequences), and scatter
#: of the prediction in it.
_SLOPE, _SCATTER = 3.0, 0.4
#: Errors of the noise factor, from the pixels drawn, and of left minus right [electron/s]; smallest error of the level
#: bias at its lower boundary, and at the higher one [electron/s].
_FACTOR_ERR, _GRADIENT_ERR, _BIAS_ERRS = 0.012, 0.01, (0.01, 0.02)


@dataclass(frozen=True)
class Damage:
    """Damage that the ramp fit does to blank sky.

    Attributes
    ----------
    frac_broken : float
        Fraction of the pixels with a false cosmic-ray hit.
    noise_inflation : float
        Noise of the fit divided by that of last minus first.
    level_bias : float
        Median of the fit minus the true mean [electron/s].
    noise_pipeline, noise_omit, noise_flatten : float
        Noise of a pixel in the pipeline's FLT, of last minus first, of the fit to the flattened ramp [electron/s].
    rates : ndarray
        The fitted rates [electron/s]: the histogram of the FLT.
    """

    frac_broken: float
    noise_inflation: float
    level_bias: float
    noise_pipeline: float
    noise_omit: float
    noise_flatten: float
    rates: Float64Array

    @property
    def level_bias_err(self) -> float:
        """Error of `level_bias` from the number of pixels drawn, that of a median of Gaussian values [electron/s]."""
        return sqrt(pi / 2) * self.noise_pipeline / sqrt(self.rates.size)

    @property
    def noises(self) -> dict[str, float | None]:
        """Noise by method of repair, for the methods tried on the drawn pixels [electron/s]."""
        return {"omit": self.noise_omit, "flatten": self.noise_flatten}


def predict(
    t: Float64Array,
    total: Float64Array,
    sigma: float,
    rng: np.random.Generator,
    *,
    side: Float64Array | None = None,
    n_pixels: int = N_PIXELS,
) -> Damage:
    """Predict the damage of an exposure.

    Parameters
    ----------
    t, total : ndarray, shape (n,)
        Times [s] of the reads 1..N and electrons of sky since the zeroth.
    sigma : float
        Rejection threshold of the exposure's CRREJTAB.
    rng : numpy.random.Generator
        Generator for the pixels.
    side : ndarray, shape (n,), optional
        Electrons by which the left side exceeds the right; the left side is drawn separately.
    n_pixels : int, optional
        Number of pixels to draw.
    """
    few = _predict(t, total, sigma, rng, side, n_pixels // _FEW)
    return few if few.frac_broken > _MOST else _predict(t, total, sigma, rng, side, n_pixels)


def _predict(
    t: Float64Array,
    total: Float64Array,
    sigma: float,
    rng: np.random.Generator,
    side: Float64Array | None,
    n_pixels: int,
) -> Damage:
    sky = np.broadcast_to(total.astype(np.float32)[:, None], (t.size, n_pixels))
    if side is not None:
        left = np.arange(n_pixels) < _LEFT * n_pixels
        sky = sky + side.astype(np.float32)[:, None] * np.where(left, 1 - _SHARE, -_SHARE).astype(np.float32)
    noise = _noise(t, sky, rng)
    fit = _fit(t, sky + noise, sigma)
    mean = sky[-1] / t[-1]
    few = slice(None, None, max(1, n_pixels * _FEW // N_PIXELS))
    flat = _fit(t, noise[:, few] + np.outer(t, mean[few]).astype(np.float32), sigma)
    omit, pipeline = float(np.std(noise[-1] / t[-1])), float(np.std(fit.rate - mean))
    return Damage(
        frac_broken=float(np.mean((fit.read_dq[-1] & _BROKEN) != 0)),
        noise_inflation=pipeline / omit,
        level_bias=float(np.median(fit.rate) - np.median(mean)),
        noise_pipeline=pipeline,
        noise_omit=omit,
        noise_flatten=float(np.std(flat.rate - mean[few])),
        rates=fit.rate.astype(float),
    )


def _noise(t: Float64Array, sky: Float32Array, rng: np.random.Generator) -> Float32Array:
    """Return the noise of every sample: that of photons and dark current accumulates, read noise does not."""
    n, n_pixels = sky.shape
    dark = (DARK * np.diff(t, prepend=0.0)).astype(np.float32)
    collected = np.diff(sky, axis=0, prepend=np.float32(0)) + dark[:, None]
    draws = rng.standard_normal((2 * n + 1, n_pixels), dtype=np.float32)
    photons = np.cumsum(np.sqrt(np.maximum(collected, 0)) * draws[:n], axis=0)
    reads: Float32Array = np.float32(SINGLE_READ_NOISE) * (draws[n + 1 :] - draws[n])
    return photons + reads


def _fit(t: Float64Array, signal: Float32Array, sigma: float) -> RampFit:
    """Fit ramps of unflagged pixels, with the zeroth read added, which calwf3 does not fit."""
    n, n_pixels = signal.shape
    counts = np.zeros((n + 1, n_pixels), np.float32)
    counts[1:] = signal
    times = np.concatenate([[0.0], t]).astype(np.float32)
    error = np.sqrt(np.float32(_TABLE_NOISE**2) + np.abs(counts + np.float32(DARK) * times[:, None]))
    return fit_ramps(counts, error, np.zeros(counts.shape, np.int16), times, gain=1.0, threshold=sigma)


def noise_factor(t: Float64Array, total: Float64Array, noise_pipeline: float) -> float:
    """Return the factor by which the variable sky raises the noise of calwf3's fit.

    It is the noise over the least possible, divided by the same ratio for a constant sky of the same mean.

    Parameters
    ----------
    t, total : ndarray, shape (n,)
        Times [s] of the reads 1..N and electrons of sky since the zeroth.
    noise_pipeline : float
        Noise of the fit [electron/s].
    """
    return noise_pipeline / noise_model.optimal(t, total / t) / steady_factor(t, total)


def steady_factor(t: Float64Array, total: Float64Array) -> float:
    """Return the noise of calwf3's fit over the least possible, for a constant sky of the same mean."""
    sky = np.full(t.size, total[-1] / t[-1])
    return noise_model.ramp_fit(t, sky) / noise_model.optimal(t, sky)


def damage_class(
    frac_broken: float, excess_variable: float, level_bias: float, *, gradient: float = 0.0, factor: float = 1.0
) -> str:
    """Return the class of the damage: none, mild, moderate or severe (boundaries of the design).

    Light that differs over the frame is damage too, and an exposure that is worth a repair has at least the class mild.

    Parameters
    ----------
    frac_broken : float
        Fraction of the pixels broken.
    excess_variable, level_bias : float
        Mean excess of the curve over its minimum, and error of the level [electron/s].
    gradient : float, optional
        Left minus right in the image due to scattered light [electron/s].
    factor : float, optional
        `noise_factor` of the sky.
    """
    if frac_broken >= MODERATE or abs(level_bias) > BIASED or gradient > STEEPEST:
        return "severe"
    if frac_broken >= MILD or gradient > STEEP:
        return "moderate"
    costs = factor > WORTH or abs(level_bias) > BIAS or gradient > GRADIENT
    return "mild" if frac_broken >= NONE or excess_variable >= VARIABLE or costs else "none"


def class_probabilities(
    damage: Damage,
    excess_variable: float,
    excess_err: float,
    score_err: float,
    *,
    gradient: float = 0.0,
    factor: float = 1.0,
) -> dict[str, float]:
    """Return the probability of every class, from the errors of the quantities that decide it.

    Parameters
    ----------
    damage : Damage
        The prediction.
    excess_variable, excess_err : float
        Mean excess of the curve over its minimum, and its error [electron/s].
    score_err : float
        Error of the jump statistic, on which the fraction broken depends.
    gradient, factor : float, optional
        See `damage_class`.
    """
    f = (damage.frac_broken * N_PIXELS + 0.5) / (N_PIXELS + 1)
    drawn = 1 / sqrt(N_PIXELS * f * (1 - f))
    width = sqrt((_SLOPE * score_err) ** 2 + _SCATTER**2 + drawn**2)
    low, mild, moderate = (_above(_logit(f), _logit(limit), width) for limit in (NONE, MILD, MODERATE))
    bias = abs(damage.level_bias)
    wrong_err, biased_err = (max(least, 0.3 * bias) for least in _BIAS_ERRS)
    side, steep, steepest = (_above(gradient, limit, _GRADIENT_ERR) for limit in (GRADIENT, STEEP, STEEPEST))
    variable = _above(excess_variable, VARIABLE, max(excess_err, 1e-3))
    biased, wrong = _above(bias, BIASED, biased_err), _above(bias, BIAS, wrong_err)
    costly = _above(factor, WORTH, _FACTOR_ERR)
    at_least = [1.0, _any(low, variable, wrong, costly, side), _any(mild, biased, steep)]
    at_least += [_any(moderate, biased, steepest), 0.0]
    at_least = np.minimum.accumulate(at_least).tolist()
    each = [before - after for before, after in pairwise(at_least)]
    return dict(zip(("none", "mild", "moderate", "severe"), each, strict=True))


def _any(*probabilities: float) -> float:
    """Return the probability that any of several independent events happens."""
    return float(1 - np.prod(1 - np.array(probabilities)))


def _above(value: float, limit: float, width: float) -> float:
    """Return the probability that a value with a Gaussian error lies above a limit."""
    return 0.5 * (1 + erf((value - limit) / (width * sqrt(2))))


def _logit(fraction: float) -> float:
    return float(np.log(fraction / (1 - fraction)))
