"""Fit the ramps of a band: the image, and the flags of cosmic rays (CRCORR; WFC3 Data Handbook 3.3.10)."""

from __future__ import annotations

import numpy as np

from wfc3tvb.calibration.bands import Band, Work
from wfc3tvb.calibration.crcorr.block import Cubes, Fitted
from wfc3tvb.calibration.crcorr.fit import fit_window
from wfc3tvb.calibration.crcorr.line import fit_constants
from wfc3tvb.calibration.model import Window

_SATURATED, _ZEROSIG = 256, 2048


def apply(work: Work, band: Band) -> None:
    """Fit the ramps of a band, into the image; the reads get the flags of hits."""
    ramp, light, rejection = work.ramp, band.light, work.references.rejection
    if light.y1 <= light.y0 or rejection is None:
        return
    known = work.switches.zsigcorr or "zsigcorr" in ramp.complete
    constants = fit_constants(
        work.time,
        float(work.references.amplifiers.mean_gain),
        scale=work.time if work.rates else None,
        threshold=rejection.threshold,
        ignore=rejection.ignore,
        zeroth=known,
    )
    image = work.image
    planes = Fitted(image.sci, image.err, image.dq, image.samp, image.time)
    cubes, corner = Cubes(ramp.sci, ramp.err, ramp.dq, ramp.dq), (work.light.y0, work.light.x0)
    work.n_unstable[band.number] = fit_window(cubes, constants, light, corner, planes)
    own = slice(light.y0 - work.light.y0, light.y1 - work.light.y0)
    if not work.rates:
        image.sci[own] *= image.time[own]
        image.err[own] *= image.time[own]
    if known:
        _take_zeroth(work, light, own)


def _take_zeroth(work: Work, light: Window, own: slice) -> None:
    """Take the zeroth read for pixels that are saturated in the first: it is all there is of them.

    Parameters
    ----------
    work : Work
        The exposure; its image is changed.
    light : Window
        Light-sensitive pixels of the band.
    own : slice
        The same rows, of the image.
    """
    ramp, image = work.ramp, work.image
    rows = slice(light.y0, light.y1), slice(light.x0, light.x1)
    first = (ramp.dq[1][rows] & _SATURATED) != 0
    if not first.any():
        return
    image.sci[own][first], image.err[own][first] = ramp.sci[0][rows][first], ramp.err[0][rows][first]
    image.dq[own][first] = ramp.dq[0][rows][first] & ~np.int16(_ZEROSIG)
    image.samp[own][first], image.time[own][first] = 1, np.float32(ramp.sampzero)
