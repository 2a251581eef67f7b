"""Checks of the exposures of a dataset before they are combined: light, good pixels, the sky of the catalog."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

from wfc3tvb.curve import noise_model
from wfc3tvb.fits.images import exposure_of, header_of
from wfc3tvb.repair.expected import expected_noise
from wfc3tvb.repair.model import Member
from wfc3tvb.repair.proof.pictures import Pictures
from wfc3tvb.repair.proof.sorting import median_of

#: Beginning of the remark on an exposure whose FLT before is not the archive's.
NOT_THE_ARCHIVES = "its FLT is not the archive's"
#: Scatter of the pixels of an exposure over the noise of photons and reads, below which it holds no sky.
_NO_SKY = 0.5
#: Errors of the sky level: of catalog and FLT, in crowded fields in addition [electron/s], and of the fit of a variable
#: sky that is not broken, as a fraction of the range of its rates.
_LEVEL_ERR, _CROWDED_ERR, _VARIABLE_ERR = 0.05, 0.1, 0.15
#: Largest difference of the sky of two calibrations of an exposure [electron/s].
_SAME_SKY = 0.02


def no_light(raw: Path) -> str:
    """Return why a raw exposure holds no light; empty if it does."""
    exptime, differ = exposure_of(raw)
    if exptime <= 0:
        return "its EXPTIME is 0"
    return "" if differ else "all pixels of its last read are equal"


def no_image(flt: Path, member: Member, pictures: Pictures) -> str:
    """Return why a calibrated exposure cannot be combined; empty if it can.

    AstroDrizzle leaves out exposures without good pixels or exposure time by itself; others without light would dilute
    the rest, and make it look less noisy.
    """
    picture = pictures.flt(flt)
    if float(picture.header.get("EXPTIME", 1.0)) <= 0:
        return "its EXPTIME is 0"
    if fits.getheader(flt, "SCI", 1).get("NGOODPIX") == 0:
        return "its NGOODPIX is 0"
    values = picture.image[picture.good]
    if not values.size:
        return "none of its pixels is good"
    scatter = 1.4826 * float(median_of(np.abs(values - pictures.level(flt))))
    if not scatter:
        return "most of its pixels are equal"
    expected = expected_noise(member)
    if expected and scatter < _NO_SKY * expected:
        return f"its pixels scatter by {scatter:.4f}, {scatter / expected:.2f} times the noise of photons and reads"
    return ""


def sky_level(flt: Path, pictures: Pictures) -> float:
    """Return the level of an FLT's sky [electron/s]."""
    picture = pictures.flt(flt)
    sky = picture.good & ~pictures.sources(flt)
    return float(median_of(picture.image[sky if np.any(sky) else picture.good]))


def not_the_archives(flt: Path, member: Member, pictures: Pictures) -> str:
    """Return why an FLT cannot be the archive's; empty if nothing speaks against it.

    Owners of files subtract the sky, or repair it. The ramp fit of a variable sky gives the level of its weighted fit
    if it is not broken, and otherwise one between the smallest and largest rate.
    """
    if method := str(header_of(flt).get("TVBMETH", "")).strip():
        return f"it was made by wfc3tvb (TVBMETH {method})"
    if not member.times or len(member.times) != len(member.cumulative) or not np.any(pictures.flt(flt).good):
        return ""
    times, sky = np.array(member.times), np.array(member.cumulative)
    rates = np.diff(sky * times, prepend=0.0) / np.diff(times, prepend=0.0)
    error = _LEVEL_ERR + (_CROWDED_ERR if "crowded" in member.flags else 0.0)
    level, low, high = sky_level(flt, pictures), float(rates.min()) - error, float(rates.max()) + error
    if not member.repaired:
        fitted, error = noise_model.ramp_fit_level(times, sky), error + _VARIABLE_ERR * float(np.ptp(rates))
        low, high = fitted - error, fitted + error
    if low <= level <= high:
        return ""
    return f"its sky is {level:.3f} electron/s, and that of the catalog {sky[-1]:.3f}"


def sky_differs(old: Path, new: Path, pictures: Pictures) -> bool:
    """Return whether the sky of an FLT differs from that of the same exposure made again."""
    return abs(sky_level(old, pictures) - sky_level(new, pictures)) > _SAME_SKY
