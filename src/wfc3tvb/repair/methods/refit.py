"""Application of calwf3's ramp fit to ramps that a method has changed."""

from __future__ import annotations

from typing import Any

import numpy as np

from wfc3tvb.calibration.crcorr.fit import fit_ramps
from wfc3tvb.calibration.model import Rejection
from wfc3tvb.fits.calibrated_reads import UnfittedRamp
from wfc3tvb.repair.methods.base import Image


def refit(ramp: UnfittedRamp, limits: Rejection, **keywords: Any) -> Image:
    """Fit ramps, and return the image with its keywords.

    Parameters
    ----------
    ramp : UnfittedRamp
        Ramps as changed by the method.
    limits : Rejection
        Rejection limits of the exposure's CRREJTAB.
    **keywords
        Changes of the primary header besides CRCORR.
    """
    fit = fit_ramps(
        ramp.counts, ramp.error, ramp.dq, ramp.times,
        gain=ramp.gain, threshold=limits.threshold, ignore=limits.ignore,
    )  # fmt: skip
    gain = np.float32(ramp.gain)
    planes = {"SCI": fit.rate * gain, "ERR": fit.error * gain, "DQ": fit.dq, "SAMP": fit.samples, "TIME": fit.time}
    return Image(planes, {"CRCORR": "COMPLETE", **keywords})
