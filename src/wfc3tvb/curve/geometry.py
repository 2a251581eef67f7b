"""Compute position and view of the telescope at each read: Sun, Earth's limb, shadow.

Orbit: the elements of the support file, evaluated as in STScI's calcos (equation of the center to the third order;
W. M. Smart, Spherical Astronomy, section 75). The frame is that of J2000: a two-line element set of the same day,
rotated from its own frame (TEME) to GCRS, agrees within 3 km; without the rotation it differs by 16 km. The Sun comes
from the low-precision formula of the Astronomical Almanac (page C5; 0.01 deg between 1950 and 2050) minus the
precession since J2000, the longitude from the Earth rotation angle (IERS Conventions 2010, eq. 5.15), so nothing is
downloaded. The angles of the observation log of the exposure (JIT) are used where there are no elements.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.dates import DAY, MJD_1985, MJD_2000
from wfc3tvb.models import Jitter, OrbitElements

Float64Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Mean radius of the Earth [km].
EARTH_RADIUS = 6371.0
#: An observation log has an entry every 3 s; a time farther than this from any entry is not covered [s].
LOG_GAP = 30.0
#: Distances from the Earth's center at which the telescope may be [km]; it has been at 6,880 to 6,990.
_LOWEST, _HIGHEST = 6_600.0, 7_200.0


@dataclass(frozen=True)
class Geometry:
    """Geometry at each read; arrays of shape (n,), angles in deg.

    Attributes
    ----------
    sun_alt : ndarray
        Altitude of the Sun above the Earth's limb.
    limb_angle : ndarray
        Angle between the target and the Earth's limb.
    bright_limb : ndarray of bool
        Whether the limb nearest to the target is sunlit.
    los_zenith : ndarray
        Angle between line of sight and local zenith.
    latitude, longitude : ndarray
        Geographic position below the telescope (on a sphere), east positive, longitude within -180 to 180.
    sun_hour_angle : ndarray
        Hour angle of the Sun below the telescope, -180 to 180; 0 is noon.
    in_shadow : ndarray of bool
        Whether the telescope is in the Earth's shadow: the Sun is below the Earth's limb.
    """

    sun_alt: Float64Array
    limb_angle: Float64Array
    bright_limb: Bools
    los_zenith: Float64Array
    latitude: Float64Array
    longitude: Float64Array
    sun_hour_angle: Float64Array
    in_shadow: Bools


def orbit_position(orbit: OrbitElements, mjd: Float64Array) -> Float64Array:
    """Return the telescope's geocentric position [km], shape (n, 3), equator of J2000 (as POSTNSTX/Y/Z)."""
    dt = (mjd - MJD_1985) * DAY - orbit.epoch
    mean = orbit.mean_anomaly + 2 * np.pi * (orbit.mean_motion * dt + orbit.mean_motion_rate * dt**2 / 2)
    e, s, c = orbit.eccentricity, np.sin(mean), np.cos(mean)
    true = mean + s * (2 * e + 3 * e**3 * c**2 - 4 / 3 * e**3 * s**2 + 5 / 2 * e**2 * c)
    radius = orbit.semi_latus_rectum / (1 + e * np.cos(true)) / 1000
    along = 2 * np.pi * (orbit.perigee + orbit.perigee_rate * dt) + true
    node = 2 * np.pi * (orbit.node + orbit.node_rate * dt)
    sin_i, cos_i = orbit.sin_inclination, orbit.cos_inclination
    x = np.cos(node) * np.cos(along) - cos_i * np.sin(node) * np.sin(along)
    y = np.sin(node) * np.cos(along) + cos_i * np.cos(node) * np.sin(along)
    return radius[:, None] * np.stack([x, y, sin_i * np.sin(along)], 1)


def is_in_orbit(position: Float64Array) -> bool:
    """Return whether positions [km] are near the telescope's orbit, so that the elements are not placeholders."""
    radius = np.linalg.norm(position, axis=1)
    return bool(((radius > _LOWEST) & (radius < _HIGHEST)).all())


def sun_direction(mjd: Float64Array) -> Float64Array:
    """Return the direction of the Sun, unit vectors of shape (n, 3), mean equator of J2000 (Almanac, page C5)."""
    n = mjd - MJD_2000
    precession = 3.82394e-5 * n
    g = np.radians(357.528 + 0.9856003 * n)
    longitude = np.radians(280.460 + 0.9856474 * n + 1.915 * np.sin(g) + 0.020 * np.sin(2 * g) - precession)
    obliquity = np.radians(23.4393)
    return np.stack(
        [
            np.cos(longitude),
            np.cos(obliquity) * np.sin(longitude),
            np.sin(obliquity) * np.sin(longitude),
        ],
        1,
    )


def rotation_angle(mjd: Float64Array) -> Float64Array:
    """Return the Earth rotation angle [deg] (IERS Conventions 2010, eq. 5.15; UT1 is taken as UTC)."""
    return np.mod(360 * (0.7790572732640 + 1.00273781191135448 * (mjd - MJD_2000)), 360)


def view_geometry(position: Float64Array, mjd: Float64Array, ra: float, dec: float) -> Geometry:
    """Return the geometry of a line of sight.

    Parameters
    ----------
    position : ndarray, shape (n, 3)
        Geocentric position of the telescope [km], equator of J2000.
    mjd : ndarray, shape (n,)
        Times [MJD, UTC].
    ra, dec : float
        Direction of the target [deg].
    """
    radius = np.linalg.norm(position, axis=1)
    zenith, sun, target = position / radius[:, None], sun_direction(mjd), direction(ra, dec)
    dip = np.degrees(np.arccos(np.minimum(EARTH_RADIUS / radius, 1)))
    to_sun = _angle(np.sum(zenith * sun, 1))
    to_target = _angle(zenith @ target)
    sun_alt = 90 + dip - to_sun
    right_ascension = np.degrees(np.arctan2(zenith[:, 1], zenith[:, 0]))
    sun_ra = np.degrees(np.arctan2(sun[:, 1], sun[:, 0]))
    return Geometry(
        sun_alt=sun_alt,
        limb_angle=90 + dip - to_target,
        bright_limb=np.sum(_limb_point(zenith, target, dip) * sun, 1) > 0,
        los_zenith=to_target,
        latitude=np.degrees(np.arcsin(zenith[:, 2])),
        longitude=wrap(right_ascension - rotation_angle(mjd)),
        sun_hour_angle=wrap(right_ascension - sun_ra),
        in_shadow=sun_alt < 0,
    )


def jitter_geometry(log: Jitter, mjd: Float64Array, ra: float, dec: float) -> Geometry | None:
    """Return the geometry in an observation log, interpolated between its entries.

    Limb angle, zenith angle and the point below the telescope are the log's; the altitude of the Sun is computed from
    that point and the depression of the limb, which follows from the two angles. Shadow follows from that altitude, and
    begins within 2 s of SHADOENT in the companion file of real logs. The log gives no position, and its
    latitude is used as geocentric (wrong by 0.2 deg at most).

    Parameters
    ----------
    log : Jitter
        The observation log.
    mjd : ndarray, shape (n,)
        Times [MJD, UTC].
    ra, dec : float
        Direction of the target [deg]; used if the log does not tell whether the limb is sunlit.

    Returns
    -------
    Geometry or None
        None if the log does not cover the times to within `LOG_GAP`.
    """
    after = np.clip(np.searchsorted(log.mjd, mjd), 1, log.mjd.size - 1)
    nearest = np.minimum(np.abs(mjd - log.mjd[after - 1]), np.abs(mjd - log.mjd[after]))
    if not (nearest * DAY <= LOG_GAP).all():
        return None
    longitude = np.interp(mjd, log.mjd, np.unwrap(log.longitude, period=360))
    latitude, limb, los = (np.interp(mjd, log.mjd, v) for v in (log.latitude, log.limb_angle, log.los_zenith))
    right_ascension, dip = longitude + rotation_angle(mjd), limb + los - 90
    zenith, sun = _directions(right_ascension, latitude), sun_direction(mjd)
    sun_alt = 90 + dip - _angle(np.sum(zenith * sun, 1))
    if log.bright_limb is not None:
        bright = np.interp(mjd, log.mjd, log.bright_limb) > 0.5
    else:
        bright = np.sum(_limb_point(zenith, direction(ra, dec), dip) * sun, 1) > 0
    return Geometry(
        sun_alt=sun_alt,
        limb_angle=limb,
        bright_limb=bright,
        los_zenith=los,
        latitude=latitude,
        longitude=wrap(longitude),
        sun_hour_angle=wrap(right_ascension - np.degrees(np.arctan2(sun[:, 1], sun[:, 0]))),
        in_shadow=sun_alt < 0,
    )


def _directions(right_ascension: Float64Array, declination: Float64Array) -> Float64Array:
    """Return unit vectors of shape (n, 3) of directions given in deg."""
    a, d = np.radians(right_ascension), np.radians(declination)
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], 1)


def _limb_point(zenith: Float64Array, target: Float64Array, dip: Float64Array) -> Float64Array:
    """Return the direction, from the Earth's center, of the point of the limb nearest to the line of sight.

    The limb lies at the angle `dip` from the sub-satellite point; the nearest point is towards the target.
    """
    across = target - (zenith @ target)[:, None] * zenith
    across /= np.maximum(np.linalg.norm(across, axis=1), 1e-12)[:, None]
    d = np.radians(dip)[:, None]
    return np.cos(d) * zenith + np.sin(d) * across


def direction(ra: float, dec: float) -> Float64Array:
    """Return the unit vector of a direction given in deg."""
    return np.asarray(_directions(np.array([ra]), np.array([dec]))[0])


def wrap(angle: Float64Array) -> Float64Array:
    """Return angles within -180 to 180 deg."""
    return np.mod(angle + 180, 360) - 180


def _angle(cosine: Float64Array) -> Float64Array:
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))
