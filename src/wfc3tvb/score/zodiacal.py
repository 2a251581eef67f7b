"""Model of the zodiacal light in a direction and on a date, from published tables.

Leinert et al. 1998 (A&AS 127, 1): table 17 gives the brightness at 500 nm by helioecliptic longitude and ecliptic
latitude, table 19 its dependence on wavelength. The AB zero point of F105W converts it to electrons; the other filters
follow from the ratios that Pirzkal found in WFC3/IR exposures (G. Brammer's zodi.py). Accurate to about 0.1 electron/s
(their comparison of such a model with exposures in F098M, F105W, F125W, F140W, F160W).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.curve.geometry import direction, sun_direction, wrap
from wfc3tvb.instrument import FILTERS, find_filter

Float64Array = NDArray[np.float64]

_LONGITUDE = np.array([0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 60, 75, 90, 105, 120, 135, 150, 165, 180], float)
_LATITUDE = np.array([0, 5, 10, 15, 20, 25, 30, 45, 60, 75, 90], float)
_POLE = 77.0
_NO = np.nan
#: Brightness at 500 nm, a row per helioecliptic longitude, a column per ecliptic latitude up to 75 deg
#: [1e-8 W m-2 sr-1 um-1]; the value at the pole is `_POLE`, close to the Sun there is none.
_BRIGHTNESS = np.array(
    [
        [_NO, _NO, _NO, 3140, 1610, 985, 640, 275, 150, 100],
        [_NO, _NO, _NO, 2940, 1540, 945, 625, 271, 150, 100],
        [_NO, _NO, 4740, 2470, 1370, 865, 590, 264, 148, 100],
        [11500, 6780, 3440, 1860, 1110, 755, 525, 251, 146, 100],
        [6400, 4480, 2410, 1410, 910, 635, 454, 237, 141, 99],
        [3840, 2830, 1730, 1100, 749, 545, 410, 223, 136, 97],
        [2480, 1870, 1220, 845, 615, 467, 365, 207, 131, 95],
        [1650, 1270, 910, 680, 510, 397, 320, 193, 125, 93],
        [1180, 940, 700, 530, 416, 338, 282, 179, 120, 92],
        [910, 730, 555, 442, 356, 292, 250, 166, 116, 90],
        [505, 442, 352, 292, 243, 209, 183, 134, 104, 86],
        [338, 317, 269, 227, 196, 172, 151, 116, 93, 82],
        [259, 251, 225, 193, 166, 147, 132, 104, 86, 79],
        [212, 210, 197, 170, 150, 133, 119, 96, 82, 77],
        [188, 186, 177, 154, 138, 125, 113, 90, 77, 74],
        [179, 178, 166, 147, 134, 122, 110, 90, 77, 73],
        [179, 178, 165, 148, 137, 127, 116, 96, 79, 72],
        [196, 192, 179, 165, 151, 141, 131, 104, 82, 72],
        [230, 212, 195, 178, 163, 148, 134, 105, 83, 72],
    ]
)
#: Logarithm of the brightness, the pole included, a row per latitude.
_LOG_BRIGHTNESS = np.log(np.column_stack([_BRIGHTNESS, np.full(_LONGITUDE.size, _POLE)])).T
#: Brightness at 90 deg from the Sun in the ecliptic at 500 nm, and at the wavelengths [um] around the pivot of F105W
#: [W m-2 sr-1 um-1] (table 19).
_AT_500NM = 2.6e-6
_WAVELENGTH, _SPECTRUM = np.array([1.0, 1.2]), np.array([1.2e-6, 8.1e-7])

#: Solid angle of a pixel [sr]: 0.128254 arcsec squared.
_PIXEL = (0.128254 / 206264.806) ** 2
_LIGHT = 2.998e14  # um/s
_JANSKY = 1e-26
#: Error of the level [electron/s].
ZODI_ERROR = 0.1


def zodiacal_level(name: str | None, ra: float, dec: float, mjd: float) -> float | None:
    """Return the level of zodiacal light and thermal emission [electron/s].

    Parameters
    ----------
    name : str
        Filter.
    ra, dec : float
        Direction [deg].
    mjd : float
        Date [MJD].

    Returns
    -------
    float or None
        None for filters without a known ratio, and where the table has no entry (within 15 deg of the Sun). The error
        is `ZODI_ERROR`.
    """
    brightness = brightness_500nm(*helioecliptic(ra, dec, mjd))
    known, base = find_filter(name), FILTERS["F105W"]
    if known is None or known.zodi is None or known.thermal is None or not np.isfinite(brightness):
        return None
    assert base.pivot is not None and base.zero_point is not None and base.zodi is not None
    color = np.exp(np.interp(np.log(base.pivot), np.log(_WAVELENGTH), np.log(_SPECTRUM))) / _AT_500NM
    per_frequency = brightness * color * base.pivot**2 / _LIGHT  # W m-2 sr-1 Hz-1
    magnitude = -2.5 * np.log10(per_frequency * _PIXEL / (3631 * _JANSKY))
    return float(10 ** (-0.4 * (magnitude - base.zero_point)) * known.zodi / base.zodi + known.thermal)


def helioecliptic(ra: float, dec: float, mjd: float) -> tuple[float, float]:
    """Return longitude from the Sun (0 to 180) and latitude (-90 to 90) in the ecliptic of J2000 [deg]."""
    sun = _ecliptic(sun_direction(np.array([mjd]))[0])
    target = _ecliptic(direction(ra, dec))
    longitudes = np.degrees([np.arctan2(v[1], v[0]) for v in (target, sun)])
    difference = wrap(np.array([longitudes[0] - longitudes[1]]))[0]
    return abs(float(difference)), float(np.degrees(np.arcsin(np.clip(target[2], -1, 1))))


def brightness_500nm(longitude: float, latitude: float) -> float:
    """Return the brightness at 500 nm [W m-2 sr-1 um-1]; table 17 interpolated in its logarithm; NaN near the Sun."""
    along = np.array([np.interp(abs(longitude), _LONGITUDE, row) for row in _LOG_BRIGHTNESS])
    return float(1e-8 * np.exp(np.interp(abs(latitude), _LATITUDE, along)))


def _ecliptic(vector: Float64Array) -> Float64Array:
    """Convert a vector from the equator to the ecliptic of J2000."""
    e = np.radians(23.4393)
    x, y, z = vector
    return np.array([x, np.cos(e) * y + np.sin(e) * z, np.cos(e) * z - np.sin(e) * y])
