"""Hold the times and the direction that a header states to the rest of it, before geometry is computed from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.dates import DAY
from wfc3tvb.models import ReadCube

#: Largest difference between ROUTTIME and EXPSTART plus the time of the read [s]. Files of the archive stay within
#: 0.03 s; in 30 s the telescope moves by 2 deg.
LARGEST_DIFFERENCE = 30.0


def read_times(cube: ReadCube) -> tuple[NDArray[np.float64], bool]:
    """Return when each read ended, and whether a ROUTTIME had to be replaced.

    Returns
    -------
    mjd : ndarray, shape (n,), float64
        ROUTTIME where it lies within EXPSTART and the end of the exposure, at the time of the read; else EXPSTART plus
        that time [MJD, UTC]. NaN where both are unknown.
    replaced : bool
        True if a read's ROUTTIME contradicts EXPSTART (0, or a Julian Date instead of an MJD); one that is absent does
        not.
    """
    start = cube.header.get("EXPSTART")
    if not isinstance(start, int | float) or not np.isfinite(start):
        return cube.mjd, False
    expected = start + cube.t / DAY
    stated = np.isfinite(cube.mjd)
    agrees = np.abs(np.where(stated, cube.mjd, expected) - expected) * DAY <= LARGEST_DIFFERENCE
    return np.where(stated & agrees, cube.mjd, expected), not bool(agrees.all())


def view_direction(header: Mapping[str, Any]) -> tuple[tuple[float, float] | None, bool]:
    """Return where the telescope looked, and whether what the header says of the aperture had to be replaced.

    Returns
    -------
    direction : (float, float) or None
        Right ascension and declination of the aperture, else those of the target [deg]; None if neither is a direction.
    replaced : bool
        True if RA_APER and DEC_APER are there but are no direction: 0 and 0, or beyond 360 or 90 deg.
    """
    aperture = _direction(header, "RA_APER", "DEC_APER")
    if aperture is not None:
        return aperture, False
    stated = any(header.get(keyword) not in (None, "") for keyword in ("RA_APER", "DEC_APER"))
    return _direction(header, "RA_TARG", "DEC_TARG"), stated


def _direction(header: Mapping[str, Any], *keywords: str) -> tuple[float, float] | None:
    """Return two angles; None if they are missing or no direction. The template of a header has 0 in both."""
    ra, dec = (header.get(keyword) for keyword in keywords)
    if not isinstance(ra, int | float) or not isinstance(dec, int | float):
        return None
    valid = 0 <= ra <= 360 and -90 <= dec <= 90 and (ra, dec) != (0, 0)  # False for NaN
    return (float(ra), float(dec)) if valid else None
