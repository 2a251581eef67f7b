"""Recommend a repair from the sky noise that each method would leave.

The methods and their order of preference are in `schema.methods`. ``inspect`` is recommended if an exposure is damaged
and no method helps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wfc3tvb.schema.methods import METHODS, Method

#: Repair if the sky noise of a pixel falls to this fraction (0.22 mag deeper). In IBOHBF040, the exposures that STScI's
#: notebook leaves unchanged (bdq and bpq) would reach 0.88, the least affected that it repairs (bgq) 0.76.
GAIN = 0.82
#: Repair if the level is wrong by this much [electron/s].
BIAS = 0.1
#: Repair if scattered light makes the left of the image brighter than the right by this much [electron/s], a tenth of a
#: typical sky: leaving reads out adds noise, so weaker gradients are accepted.
GRADIENT = 0.05


@dataclass(frozen=True)
class Situation:
    """Numbers and circumstances that the choice depends on.

    Attributes
    ----------
    noise_pipeline : float
        Expected sky noise of a pixel in the archive's image [electron/s].
    noises : mapping of str to float or None
        Expected noise after each method; None if the method cannot be used.
    level_bias : float
        Level of the pipeline's ramp fit minus the true mean [electron/s].
    gradient : float
        Left minus right in the image due to scattered light, mean over the exposure [electron/s].
    crowded : bool
        Whether sources cover much of the frame.
    is_single_exposure : bool
        Whether it has no association, whose other exposures would help to reject cosmic rays.
    refused : bool
        Whether this package does not repair such exposures (grisms, scans, extended targets).
    """

    noise_pipeline: float
    noises: Mapping[str, float | None]
    level_bias: float
    gradient: float = 0.0
    crowded: bool = False
    is_single_exposure: bool = False
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
        if method.removes_gradient == has_gradient and (method.rejects_cosmic_rays or not is_single_exposure)
    ]


def recommendation(case: Situation) -> str:
    """Return the recommendation: the name of a method, ``none``, or ``inspect``."""
    best = case.noises.get(candidates(is_single_exposure=case.is_single_exposure)[0].name)
    noisier = best is not None and best < GAIN * case.noise_pipeline
    has_gradient = case.gradient > GRADIENT
    if not noisier and not has_gradient and abs(case.level_bias) <= BIAS:
        return "none"
    if case.refused:
        return "inspect"
    for method in candidates(is_single_exposure=case.is_single_exposure, has_gradient=has_gradient):
        if case.noises.get(method.name) is not None and not (method.needs_curve and case.crowded):
            return method.name
    return "inspect"
