"""Recommend a repair from the sky noise that each method would leave.

The methods and their order of preference are in `schema.methods`. ``inspect`` is recommended if an exposure is damaged
and no method helps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log10

from wfc3tvb.schema.methods import METHODS, Method

#: Repair by a ramp fit if the variable sky makes the noise of a pixel larger by this factor (0.05 mag). Nothing is
#: lost, because the fit rejects cosmic rays.
WORTH = 1.05
#: Repair without a ramp fit, in which cosmic rays remain, only from this factor (0.22 mag). In IBOHBF040, omit lowers
#: the noise of the exposures that STScI's notebook leaves unchanged (bdq and bpq) by a factor of 1.14, and of the least
#: affected that it repairs (bgq) by 1.32.
WORTH_WITH_COSMIC_RAYS = 1 / 0.82
#: Repair if the level is wrong by this much [electron/s], by a ramp fit and without one.
BIAS, BIAS_WITH_COSMIC_RAYS = 0.05, 0.1
#: Number of standard deviations by which the level must be wrong.
_SIGNIFICANT = 3.0
#: Scattered light matters if it makes the left of the image brighter than the right by this much [electron/s], a tenth
#: of a typical sky; it can be removed if so many reads have none.
GRADIENT, DARK_READS = 0.05, 3
#: Exposures with these flags are never repaired.
REFUSED = frozenset({"grism", "scan", "moving_target"})


@dataclass(frozen=True)
class Situation:
    """Numbers and circumstances that the choice depends on.

    Attributes
    ----------
    noise_pipeline : float
        Expected sky noise of a pixel in the archive's image [electron/s].
    noises : mapping of str to float or None
        Expected noise after each method; None if the method cannot be used.
    level_bias, level_bias_err : float
        Level of the pipeline's ramp fit minus the true mean, and its error [electron/s].
    steady : float
        Noise of the pipeline's image under a constant sky of the same mean, divided by the least possible noise. It
        is above 1 because the pipeline does not fit the zeroth read: by 1 % for 16 reads of STEP200, a third for 6 of
        RAPID.
    gradient : float
        Left minus right in the image due to scattered light, mean over the exposure [electron/s].
    n_dark_reads : int
        Number of used reads without scattered light, from which the others are told apart.
    is_single_exposure : bool
        Whether it has no association, whose other exposures would help to reject cosmic rays.
    is_damaged : bool
        Whether the class of the damage is moderate or severe.
    refused : bool
        Whether this package does not repair such exposures (grisms, scans, moving targets).
    """

    noise_pipeline: float
    noises: Mapping[str, float | None]
    level_bias: float
    level_bias_err: float = 0.0
    steady: float = 1.0
    gradient: float = 0.0
    n_dark_reads: int = 15
    is_single_exposure: bool = False
    is_damaged: bool = False
    refused: bool = False


def candidates(*, is_single_exposure: bool, has_gradient: bool = False) -> list[Method]:
    """Return the methods that suit an exposure, the preferred one first.

    Parameters
    ----------
    is_single_exposure : bool
        Whether no other exposure helps to reject cosmic rays, so that the method must.
    has_gradient : bool, optional
        Whether the light to be removed varies over the frame, so that one value per read cannot remove it.
    """
    return [
        method
        for method in METHODS.values()
        if method.gradient in (("also", "only") if has_gradient else ("no", "also"))
        and (method.rejects_cosmic_rays or not is_single_exposure)
    ]


def gain(noise_pipeline: float | None, noise: float | None) -> float:
    """Return the factor by which a method lowers the noise; 1 if either noise is not known."""
    return noise_pipeline / noise if noise_pipeline and noise else 1.0


def magnitudes(factor: float) -> float:
    """Return the gain in depth of a factor in noise [mag]."""
    return 2.5 * log10(factor)


def is_worth(method: Method, factor: float, level_bias: float | None, level_bias_err: float = 0.0) -> bool:
    """Return whether a repair gains enough for what it costs.

    Parameters
    ----------
    method : Method
        Method of the repair.
    factor : float
        Factor by which it lowers the noise.
    level_bias, level_bias_err : float
        Error of the level that it corrects, and how well that is known [electron/s].
    """
    worth, bias = (WORTH, BIAS) if method.rejects_cosmic_rays else (WORTH_WITH_COSMIC_RAYS, BIAS_WITH_COSMIC_RAYS)
    return factor > worth or abs(level_bias or 0.0) > max(bias, _SIGNIFICANT * level_bias_err)


def recommendation(case: Situation) -> str:
    """Return the recommendation: the name of a method, ``none``, or ``inspect``."""
    has_gradient = case.gradient > GRADIENT
    best = _first_usable(case, has_gradient=False)
    if not has_gradient and not _is_worth(case, best):
        return "none"
    method = _first_usable(case, has_gradient=True) if has_gradient else best
    return "inspect" if case.refused or method is None else method.name


def _first_usable(case: Situation, *, has_gradient: bool) -> Method | None:
    if has_gradient and case.n_dark_reads < DARK_READS:
        return None
    suited = candidates(is_single_exposure=case.is_single_exposure, has_gradient=has_gradient)
    return next((method for method in suited if case.noises.get(method.name) is not None), None)


def _is_worth(case: Situation, method: Method | None) -> bool:
    """Return whether the damage is enough for a repair; noise that a constant sky would cost too does not count."""
    if case.is_damaged:
        return True
    if method is None:
        return abs(case.level_bias) > max(BIAS, _SIGNIFICANT * case.level_bias_err)
    factor = gain(case.noise_pipeline, case.noises[method.name]) / case.steady
    return is_worth(method, factor, case.level_bias, case.level_bias_err)
