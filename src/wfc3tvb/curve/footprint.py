"""Find the footprint of an exposure: the corners of its frame on the sky, and its HEALPix pixel.

Corners follow from the linear world coordinates of the header (CRPIX, CRVAL, CD) in the gnomonic projection, or without
them from the aperture, its direction and the roll of the telescope. The distortion beyond the linear terms moves a
corner of the full frame by up to 2 arcsec.

Sources: Calabretta and Greisen 2002, A&A 395, 1077 (projection); Gorski et al. 2005, ApJ 622, 759 (HEALPix);
IDCTAB w3m18525i (linear terms); WFC3 Instrument Handbook, section 7.4, and headers of public exposures (apertures).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.instrument import FULL_LIGHT

Float64Array = NDArray[np.float64]

#: Order of the HEALPix pixels (nested); its pixels measure 0.4 milliarcsec, and its numbers fit into 64 bits.
HEALPIX_ORDER = 29
#: Angle from the V3 axis to the y axis of the undistorted frame [deg].
_THETA = 45.0
#: Linear terms of the distortion [arcsec/pixel]: undistorted x and y for a step along the detector's x and y.
_SCALES = np.array([[0.13541, 0.00078], [-0.00042, 0.12095]])
#: Number of the pixel at the reference point of an aperture (1-based, light-sensitive full frame).
_REFERENCE = {"IR": (557.0, 557.0), "GRISM256": (405.0, 527.0), "GRISM1024": (492.0, 557.0)}
_CENTER = ((FULL_LIGHT + 1) / 2, (FULL_LIGHT + 1) / 2)
_LINEAR = ("CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2", "CD1_1", "CD1_2", "CD2_1", "CD2_2")


def wcs_corners(
    header: Mapping[str, Any], *, raw_shape: tuple[int, int], shape: tuple[int, int]
) -> Float64Array | None:
    """Return the corners of the light-sensitive frame from the world coordinates of a header.

    Parameters
    ----------
    header : mapping
        Keywords of a science extension.
    raw_shape, shape : tuple of int
        Height and width of the file's frame, and of its light-sensitive part [pixel].

    Returns
    -------
    ndarray, shape (4, 2), or None
        Right ascension and declination (ICRS) of the corners [deg]; None if the header has no such coordinates.
    """
    values = [header.get(keyword) for keyword in _LINEAR]
    if not all(isinstance(value, int | float) and np.isfinite(value) for value in values):
        return None
    x0, y0, ra, dec, *cd = (float(value) for value in values if value is not None)
    matrix = np.array(cd).reshape(2, 2)
    if np.linalg.det(matrix) == 0 or abs(dec) > 90 or (ra, dec) == (0, 0):  # the template of a header has zeros
        return None
    margins = [(full - light) / 2 for full, light in zip(raw_shape, shape, strict=True)]
    frame = _frame(shape) + np.array(margins)[::-1] - (x0, y0)
    return _on_sky(frame @ matrix.T, ra, dec)


def aperture_corners(exposure: Mapping[str, Any]) -> Float64Array | None:
    """Return the corners of the frame from the aperture, its direction, and the roll of the telescope.

    Parameters
    ----------
    exposure : mapping
        Columns of a row of `exposures`: aperture, ra, dec, pa_v3.

    Returns
    -------
    ndarray, shape (4, 2), or None
        As in `wcs_corners`; None where a column is null.
    """
    name, ra, dec, roll = (exposure.get(column) for column in ("aperture", "ra", "dec", "pa_v3"))
    if not name or ra is None or dec is None or roll is None:
        return None
    digits = re.search(r"\d+", name)
    size = min(int(digits[0]), FULL_LIGHT) if digits else FULL_LIGHT
    start = (FULL_LIGHT - size) / 2
    frame = _frame((size, size)) + start - np.array(_REFERENCE.get(name.upper(), _CENTER))
    angle = np.radians(roll + _THETA)
    turn = np.array([[-np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return _on_sky(frame @ (turn @ _SCALES).T / 3600, ra, dec)


def region_text(corners: Float64Array | None) -> str | None:
    """Return corners as ObsCore writes them: ``POLYGON ICRS`` and the corners, counter-clockwise as seen in the sky.

    Parameters
    ----------
    corners : ndarray, shape (4, 2), or None
        Right ascension and declination [deg].
    """
    if corners is None:
        return None
    return "POLYGON ICRS " + " ".join(f"{ra:.7f} {dec:.7f}" for ra, dec in corners)


def healpix_index(ra: float | None, dec: float | None) -> int | None:
    """Return the HEALPix pixel (nested, order 29) of a direction [deg]; None where it is unknown."""
    if ra is None or dec is None:
        return None
    from astropy.units import Quantity
    from astropy_healpix import lonlat_to_healpix  # 0.2 s

    return int(lonlat_to_healpix(Quantity(ra, "deg"), Quantity(dec, "deg"), 2**HEALPIX_ORDER, order="nested"))


def sky_place(exposure: Mapping[str, Any], corners: Float64Array | None = None) -> dict[str, Any]:
    """Return the columns `healpix` and `s_region` of an exposure; from the aperture where there are no corners."""
    found = aperture_corners(exposure) if corners is None else corners
    return {"healpix": healpix_index(exposure["ra"], exposure["dec"]), "s_region": region_text(found)}


def _frame(shape: tuple[int, int]) -> Float64Array:
    """Return the corners of a frame [pixel], whose first pixel is from 0.5 to 1.5."""
    height, width = shape
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64) + 0.5


def _on_sky(plane: Float64Array, ra: float, dec: float) -> Float64Array:
    """Return points of the tangent plane [deg, east and north] on the sky, counter-clockwise as seen from within."""
    east, north = np.radians(plane).T
    area = np.sum(east * np.roll(north, -1) - np.roll(east, -1) * north)
    if area > 0:  # as on a map with east on the right; in the sky east is on the left
        east, north = east[::-1], north[::-1]
    sin, cos = np.sin(np.radians(dec)), np.cos(np.radians(dec))
    away = cos - north * sin
    longitude = np.degrees(np.arctan2(east, away)) + ra
    latitude = np.degrees(np.arctan2(sin + north * cos, np.hypot(east, away)))
    return np.column_stack([np.mod(longitude, 360), latitude])
