"""What to do about an exposure, from the sky noise that each method would leave.

omit
    CRCORR=OMIT, last minus first (STScI's notebook calwf3_recal_tvb): right for any field, but cosmic rays stay, so
    other exposures of the association must reject them.
flatten
    The ramp is made straight and fitted again (WFC3 ISR 2016-16): keeps the cosmic-ray rejection; for sparse fields.
mask_reads
    Affected reads are left out: for scattered light, which no number per read can take off.
inspect
    Damaged, but none of these helps.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Repair where the sky noise of a pixel falls to this part (0.22 mag deeper). The exposures that STScI's notebook
#: leaves alone (bdq and bpq of IBOHBF040) would reach 0.88, the least that it repairs (bgq) 0.76.
GAIN = 0.82
#: Or where the level is wrong by this much [electron/s].
BIAS = 0.1
#: Or where scattered light leaves the left of the image brighter than the right by this much [electron/s], a tenth of
#: a usual sky: reads left out cost noise, so less than that is left in.
GRADIENT = 0.05


@dataclass(frozen=True)
class Situation:
    """What the choice depends on.

    Attributes
    ----------
    noise_pipeline, noise_omit, noise_flatten : float
        Expected sky noise of a pixel [electron/s].
    noise_mask_reads : float or None
        The same with the affected reads left out; None where too little stays.
    level_bias : float
        Level of the pipeline's ramp fit minus the true mean [electron/s].
    gradient : float
        Left minus right that scattered light leaves in the image, the mean over the exposure [electron/s].
    crowded : bool
        Whether sources cover much of the frame.
    alone : bool
        Whether no other exposure of an association rejects cosmic rays.
    refused : bool
        Whether this package does not repair such exposures (grisms, scans, extended targets).
    """

    noise_pipeline: float
    noise_omit: float
    noise_flatten: float
    noise_mask_reads: float | None
    level_bias: float
    gradient: float = 0.0
    crowded: bool = False
    alone: bool = False
    refused: bool = False


def recommendation(case: Situation) -> str:
    """Return none, omit, flatten, mask_reads or inspect."""
    after = case.noise_flatten if case.alone else case.noise_omit
    damaged = after < GAIN * case.noise_pipeline or abs(case.level_bias) > BIAS
    tilted = case.gradient > GRADIENT
    if not damaged and not tilted:
        return "none"
    if case.refused:
        return "inspect"
    if tilted:
        return "mask_reads" if case.noise_mask_reads is not None else "inspect"
    if not case.alone:
        return "omit"
    return "inspect" if case.crowded else "flatten"
