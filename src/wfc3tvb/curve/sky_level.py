"""Find light of extended sources that fills the frame, and the error of the sky's level that it leaves.

A nebula or a galaxy adds the same light to every read. The changes of the sky from read to read, which break the ramp
fit, are right all the same; only the level that all reads share is not known, and its error is kept apart from theirs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.curve.box_mean import box_mean
from wfc3tvb.curve.faint_sources import FaintLight
from wfc3tvb.curve.intervals import Curve, measure_curve, shows_sky
from wfc3tvb.curve.sky_mask import BAD_PIXEL, HALF_BOX, SkyMask
from wfc3tvb.models import ReadCube

Float64Array = NDArray[np.float64]

#: Masked fraction of the frame above which sources fill it.
EXTENDED = 0.85
#: Scatter of the level over the frame above which an extended source must fill it, relative to the level and in
#: electron/s. Flat-fielded exposures of empty and crowded fields stay below 0.01 of the level; a nebula of 0.5
#: electron/s that falls to half at the edges gives 0.06 electron/s.
UNEVEN, UNEVEN_RATE = 0.02, 0.02
#: Left minus right in all reads above which light that is brighter on one side fills the frame, relative to the level
#: and in electron/s.
SIDED, SIDED_RATE = 0.1, 0.1
#: Error of the model of the zodiacal light [electron/s].
MODEL_ERROR = 0.1


def is_extended(mask: SkyMask, curve: Curve, *, flat_fielded: bool = True) -> bool:
    """Return True if light that differs over the frame fills it in all reads.

    Parameters
    ----------
    mask : SkyMask
        Its sources, and the structure of the sky in the draft image.
    curve : Curve
        The curve, with left minus right of each interval.
    flat_fielded : bool, optional
        Whether the pixels are flat-fielded; if not, the structure of the flat would pass for light.
    """
    if mask.source_fraction > EXTENDED:
        return True
    if not flat_fielded:
        return False
    uneven = mask.unevenness > UNEVEN and (mask.level == 0 or mask.structure > UNEVEN_RATE)
    return uneven or _steady_side(curve) > max(SIDED * abs(mask.level), SIDED_RATE)


def _steady_side(curve: Curve) -> float:
    """Return the smallest left minus right of the well measured intervals, of either sign [electron/s]."""
    with np.errstate(invalid="ignore"):
        side = curve.lr_diff[np.isfinite(curve.lr_diff) & (curve.rate_err < SIDED_RATE / 6)]
    if side.size == 0:
        return 0.0
    return float(max(side.min(), -side.max(), 0.0))


def measure_changes(cube: ReadCube, curve: Curve, mask: SkyMask, draft: NDArray[Any], *, threads: int = 2) -> Curve:
    """Measure a curve again with the structure of an extended source subtracted from every read.

    The source is the same in all reads, so what is left of a pixel is the change of the sky from its mean over the
    exposure. The structure would widen the distribution of the rates, and their errors, by far more than the noise.

    Parameters
    ----------
    cube : ReadCube
        The reads.
    curve, mask : Curve, SkyMask
        The curve as measured with the structure, and the mask.
    draft : ndarray, shape (ny, nx)
        Rate over the whole exposure: the last usable read [electron/s].
    threads : int, optional
        Threads that share the intervals of large frames.

    Returns
    -------
    Curve
        The curve with new rates, errors and scatters. Quadrants and sides keep the light of the source.
    """
    sky = draft[mask.skip == 0]
    sky = sky[np.isfinite(sky)]
    if sky.size == 0:
        return curve
    bad = ((cube.dq[0] & int(BAD_PIXEL)) != 0).astype(np.uint8)
    structure = box_mean(draft.astype(np.float32), bad, HALF_BOX) - np.median(sky)
    planes = [plane - structure if shows_sky(cube, mask.skip, i) else plane for i, plane in enumerate(cube.rate)]
    flat = measure_curve(replace(cube, rate=np.array(planes, np.float32)), mask.skip, threads=threads)
    return replace(curve, rate=flat.rate, rate_err=flat.rate_err, scatter=flat.scatter, n_pixels=flat.n_pixels)


def level_error(
    curve: Curve, mask: SkyMask, light: FaintLight, *, extended: bool, zodi: float | None = None
) -> float | None:
    """Return the error of the level that all reads share [electron/s].

    Under an extended source, all that exceeds the zodiacal light may come from it, or half of the lowest rate if there
    is no model. Otherwise it is the error of the light of faint sources and the structure of the sky.

    Parameters
    ----------
    curve, mask, light : Curve, SkyMask, FaintLight
        The curve, the mask, and the light of faint sources that was subtracted.
    extended : bool
        Whether an extended source fills the frame.
    zodi : float, optional
        Model of the zodiacal light [electron/s].

    Returns
    -------
    float or None
        None if the exposure has no rate.
    """
    known = np.isfinite(curve.rate)
    if not known.any():
        return None
    if not extended:
        return float(np.hypot(light.error, mask.structure))
    lowest = float(curve.rate[known & (curve.rate_err <= 2 * curve.rate_err[known].min())].min())
    excess = abs(lowest) / 2 if zodi is None else lowest - zodi
    return max(excess, mask.structure, MODEL_ERROR)
