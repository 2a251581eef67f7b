"""Compute the telescope's orbit on a date, with the elements of support files, from published two-line elements.

Source: NORAD two-line elements of object 20580 (Space-Track). Secular rates are those of the Earth's oblateness
(Vallado 2013, Fundamentals of Astrodynamics, section 9.6). Good to some 30 km over two days: 0.3 deg seen from the
Earth's centre.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.curve.geometry import orbit_position, view_geometry
from wfc3tvb.dates import DAY, MJD_1985, MJD_2000
from wfc3tvb.models import OrbitElements

Float64Array = NDArray[np.float64]

#: Gravity [km3/s2], equatorial radius [km] and oblateness of the Earth.
_MU, _EARTH, _J2 = 398600.4418, 6378.137, 1.08262668e-3
#: General precession in right ascension [deg/year], to bring the node to J2000.
_PRECESSION = 0.01281

# Epoch [MJD], inclination, node, eccentricity, argument of perigee, mean anomaly [deg], mean motion [rev/day] and half
# its rate [rev/day^2].
_TWO_LINE = np.array(
    [
        (55525.21914117, 28.4706, 268.5106, 3.698e-4, 115.0572, 245.0357, 15.01103640, 6.75e-6),
        (55702.52824966, 28.4697, 190.5929, 3.629e-4, 197.1847, 162.8577, 15.01360919, 8.29e-6),
        (56177.61945086, 28.4710, 330.5555, 3.584e-4, 202.3050, 157.7335, 15.02755706, 2.970e-5),
        (56298.07144117, 28.4700, 255.2118, 3.253e-4, 68.2601, 291.8335, 15.03180722, 1.456e-5),
        (56583.11694441, 28.4694, 186.7301, 2.972e-4, 221.1049, 286.5557, 15.04029130, 2.698e-5),
        (56836.79961591, 28.4703, 320.7929, 3.366e-4, 49.3182, 66.4063, 15.05480153, 7.95e-6),
    ]
)


def orbit_at(mjd: float) -> OrbitElements:
    """Return the orbit from the published elements nearest to a date [MJD]."""
    row = _TWO_LINE[np.argmin(np.abs(_TWO_LINE[:, 0] - mjd))]
    epoch, inclination, node, eccentricity, perigee, anomaly, motion, half_rate = map(float, row)
    n = motion * 2 * np.pi / DAY
    axis = (_MU / n**2) ** (1 / 3)
    latus = axis * (1 - eccentricity**2)
    cosine = np.cos(np.radians(inclination))
    turn = 1.5 * _J2 * (_EARTH / latus) ** 2 * motion / DAY
    years = (epoch - MJD_2000) / 365.25
    return OrbitElements(
        epoch=(epoch - MJD_1985) * DAY,
        semi_latus_rectum=latus * 1000,
        eccentricity=eccentricity,
        sin_inclination=float(np.sin(np.radians(inclination))),
        cos_inclination=float(cosine),
        mean_anomaly=float(np.radians(anomaly)),
        mean_motion=motion / DAY,
        mean_motion_rate=2 * half_rate / DAY**2,
        perigee=perigee / 360,
        perigee_rate=turn * (2.5 * float(cosine) ** 2 - 0.5),
        node=((node - _PRECESSION * years) / 360) % 1,
        node_rate=-turn * float(cosine),
    )


def sun_altitude(orbit: OrbitElements, mjd: Float64Array) -> Float64Array:
    """Return the altitude of the Sun above the Earth's limb [deg] at times [MJD] of any shape."""
    flat = np.ravel(mjd)
    altitude = view_geometry(orbit_position(orbit, flat), flat, 0.0, 0.0).sun_alt
    return np.asarray(altitude).reshape(np.shape(mjd))


def velocity(orbit: OrbitElements, mjd: float) -> Float64Array:
    """Return the telescope's velocity [km/s], equator of J2000."""
    before, after = orbit_position(orbit, mjd + np.array([-1.0, 1.0]) / DAY)
    return np.asarray((after - before) / 2)


def moon_direction(mjd: float) -> Float64Array:
    """Return the direction of the Moon, good to 2 deg (the leading terms of Meeus 1998, chapter 47)."""
    t = (mjd - MJD_2000) / 36525
    longitude = np.radians(218.316 + 481267.881 * t + 6.289 * np.sin(np.radians(134.963 + 477198.868 * t)))
    latitude = np.radians(5.128 * np.sin(np.radians(93.272 + 483202.018 * t)))
    obliquity = np.radians(23.44)
    x, y = np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude)
    z = np.sin(latitude)
    return np.array([x, y * np.cos(obliquity) - z * np.sin(obliquity), y * np.sin(obliquity) + z * np.cos(obliquity)])
