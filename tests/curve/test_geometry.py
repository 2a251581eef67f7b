"""Orbit, Sun and limb against independent sources: element sets, Horizons, astropy, a published visit's geometry."""

from __future__ import annotations

from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import GCRS, TEME, CartesianRepresentation, get_body_barycentric, get_sun
from astropy.io import fits
from astropy.time import Time
from numpy.typing import NDArray
from sgp4.api import Satrec

from tests.helpers.recorded import DATA, table, unpack
from wfc3tvb.curve.geometry import (
    EARTH_RADIUS,
    is_in_orbit,
    orbit_position,
    rotation_angle,
    sun_direction,
    view_geometry,
)
from wfc3tvb.fits.support_file import read_orbit
from wfc3tvb.models import OrbitElements

#: Starts of the exposures of visit IBOHBF040 (STScI's notebook calwf3_recal_tvb); GOODS-N.
STARTS = {
    "b7q": "18:23:01",
    "b9q": "18:50:42",
    "bdq": "19:18:23",
    "bgq": "19:48:08",
    "bkq": "20:15:49",
    "bpq": "20:43:30",
}
RA, DEC = 189.2, 62.2


@pytest.fixture(scope="module")
def element_sets() -> list[Satrec]:
    lines = (DATA / "ephemeris" / "hst_elements.txt").read_text().splitlines()
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return [Satrec.twoline2rv(*pair) for pair in pairs]


@pytest.fixture(scope="module")
def support(tmp_path_factory: pytest.TempPathFactory) -> tuple[OrbitElements, fits.Header]:
    path = unpack("ephemeris/jbz504eoq_spt.fits", tmp_path_factory.mktemp("support"))
    return read_orbit(path), fits.getheader(path)


def from_elements(sets: list[Satrec], mjd: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return positions [km] in GCRS from the element set nearest in time."""
    nearest = min(sets, key=lambda s: abs(s.jdsatepoch + s.jdsatepochF - 2400000.5 - mjd[0]))
    error, position, _ = nearest.sgp4_array(np.full(mjd.size, 2400000.5), mjd)
    assert not error.any()
    t = Time(mjd, format="mjd")
    teme = TEME(CartesianRepresentation(*position.T, unit=u.km), obstime=t)
    return teme.transform_to(GCRS(obstime=t)).cartesian.xyz.to_value(u.km).T


def test_orbit_elements_give_the_position_in_the_same_header(support) -> None:
    orbit, header = support
    start = Time("2012-09-27T20:22:24", scale="utc").mjd
    stored = np.array([header[f"POSTNST{axis}"] for axis in "XYZ"])
    velocity = np.array([header[f"VELOCST{axis}"] for axis in "XYZ"])
    off = orbit_position(orbit, np.array([start]))[0] - stored
    assert np.linalg.norm(off) < 30  # km; the header states its time to some seconds (7.3 km each)
    across = off - (off @ velocity) / (velocity @ velocity) * velocity
    assert np.linalg.norm(across) < 6


def test_orbit_elements_agree_with_element_set_of_that_day(support, element_sets) -> None:
    mjd = Time("2012-09-27T20:22:24", scale="utc").mjd + np.linspace(0, 353, 8) / 86400
    distance = np.linalg.norm(orbit_position(support[0], mjd) - from_elements(element_sets, mjd), axis=1)
    assert distance.max() < 3  # km: the elements are in the frame of J2000


def test_sun_alt_of_a_real_header_is_that_at_the_planned_start(support) -> None:
    """SUN_ALT of the exposure's header is -1.401576; the Sun sinks by 0.06 deg/s."""
    orbit, header = support
    planned = Time(header["PSTRTIME"].replace(".", ":", 1), format="yday").mjd
    found = [view_geometry(orbit_position(orbit, mjd), mjd, RA, DEC).sun_alt[0] for mjd in np.array([[planned]])]
    assert found[0] == pytest.approx(-1.401576, abs=0.06)


def test_placeholders_are_no_orbit(support) -> None:
    orbit, _ = support
    mjd = np.array([56197.85, 56197.86])
    assert is_in_orbit(orbit_position(orbit, mjd))
    for wrong in (0.0, orbit.semi_latus_rectum / 1000, 2 * orbit.semi_latus_rectum):
        assert not is_in_orbit(orbit_position(replace(orbit, semi_latus_rectum=wrong), mjd))


def test_element_sets_agree_with_horizons(element_sets) -> None:
    """Barycentric ecliptic vectors of Horizons, turned and shifted to the Earth's centre.

    The barycentre of Horizons' DE441 lies a constant 110 km from that of astropy's built-in ephemeris; the mean
    difference is taken off.
    """
    rows = table("ephemeris/hst_horizons_2014_02.csv")
    assert len(rows) == 27
    jd, x, y, z = np.array([[float(value) for value in row.values()] for row in rows]).T
    t = Time(jd, format="jd", scale="tdb")
    obliquity = np.radians(84381.448 / 3600)
    c, s = np.cos(obliquity), np.sin(obliquity)
    earth = get_body_barycentric("earth", t, ephemeris="builtin").xyz.to_value(u.km).T
    geocentric = np.stack([x, c * y - s * z, s * y + c * z], 1) - earth
    ours = np.concatenate([from_elements(element_sets, np.array([m])) for m in t.utc.mjd])
    off = geocentric - ours
    assert np.linalg.norm(off.mean(0)) < 130
    assert np.linalg.norm(off - off.mean(0), axis=1).max() < 5


def test_sun_within_a_hundredth_of_a_degree() -> None:
    mjd = np.linspace(54900, 60000, 40)
    true = get_sun(Time(mjd, format="mjd")).cartesian.xyz.value.T
    cosine = np.sum(true * sun_direction(mjd), 1) / np.linalg.norm(true, axis=1)
    assert np.degrees(np.arccos(cosine)).max() < 0.01


def test_rotation_angle_is_astropys() -> None:
    t = Time("2013-01-06T18:50:42", scale="ut1")
    assert rotation_angle(np.array([t.mjd]))[0] == pytest.approx(t.earth_rotation_angle(0).deg, abs=1e-6)


@pytest.mark.parametrize("name", STARTS)
def test_sun_altitude_and_limb_angle_of_the_published_visit(name: str, element_sets) -> None:
    rows = [row for row in table("truth/ibohbf_reads.csv") if row["exposure"].endswith(name)]
    middle = np.array([float(row["t_start_s"]) + float(row["t_end_s"]) for row in rows]) / 2
    mjd = Time(f"2013-01-06T{STARTS[name]}").mjd + middle / 86400
    place = view_geometry(from_elements(element_sets, mjd), mjd, RA, DEC)
    assert place.sun_alt == pytest.approx([float(row["sun_alt_deg"]) for row in rows], abs=0.5)
    assert place.limb_angle == pytest.approx([float(row["limb_ang_deg"]) for row in rows], abs=0.5)
    assert (place.in_shadow == (place.sun_alt < 0)).all()


def test_view_straight_up_at_noon() -> None:
    mjd = np.array([56000.0])
    sun = sun_direction(mjd)[0]
    ra, dec = np.degrees(np.arctan2(sun[1], sun[0])), np.degrees(np.arcsin(sun[2]))
    place = view_geometry(7000 * sun[None, :], mjd, ra, dec)
    dip = np.degrees(np.arccos(EARTH_RADIUS / 7000))
    assert place.los_zenith[0] == pytest.approx(0, abs=1e-5)
    assert place.sun_alt[0] == pytest.approx(90 + dip)
    assert place.sun_hour_angle[0] == pytest.approx(0, abs=1e-6)
    assert place.latitude[0] == pytest.approx(dec)
    assert not place.in_shadow[0]


def test_nearest_limb_is_dark_when_looking_away_from_the_sun_at_the_terminator() -> None:
    mjd = np.array([56000.0, 56000.0])
    sun = sun_direction(mjd)[0]
    up = np.cross(sun, [0, 0, 1])
    up /= np.linalg.norm(up)
    place = [view_geometry(7000 * up[None, :], mjd[:1], *angles(side * sun + 0.1 * up)) for side in (1, -1)]
    assert [bool(p.bright_limb[0]) for p in place] == [True, False]


def angles(vector: NDArray[np.float64]) -> tuple[float, float]:
    """Return right ascension and declination [deg] of a vector."""
    x, y, z = vector / np.linalg.norm(vector)
    return float(np.degrees(np.arctan2(y, x))), float(np.degrees(np.arcsin(z)))


def test_an_eccentric_orbit_by_keplers_equation() -> None:
    """The equation of the center to the third order leaves 2 e^4; all elements change with the time."""
    e, inclination, latus = 0.05, np.radians(28.5), 6.95e6
    orbit = OrbitElements(
        1000.0,
        latus,
        e,
        float(np.sin(inclination)),
        float(np.cos(inclination)),
        0.7,
        1.7e-4,
        1e-11,
        0.2,
        1e-6,
        0.3,
        -2e-6,
    )
    dt = np.array([-4000.0, 0.0, 900.0, 2500.0, 4100.0])
    mean = 0.7 + 2 * np.pi * (1.7e-4 * dt + 1e-11 * dt**2 / 2)
    eccentric = mean.copy()
    for _ in range(60):
        eccentric = mean + e * np.sin(eccentric)
    true = 2 * np.arctan2(np.sqrt(1 + e) * np.sin(eccentric / 2), np.sqrt(1 - e) * np.cos(eccentric / 2))
    expected = []
    for k, nu in enumerate(true):
        node, along = 2 * np.pi * (0.3 - 2e-6 * dt[k]), 2 * np.pi * (0.2 + 1e-6 * dt[k]) + nu
        turned = np.array([np.cos(along), np.sin(along) * np.cos(inclination), np.sin(along) * np.sin(inclination)])
        about = np.array([[np.cos(node), -np.sin(node), 0], [np.sin(node), np.cos(node), 0], [0, 0, 1]])
        expected.append(latus / 1000 / (1 + e * np.cos(nu)) * about @ turned)
    mjd = 46066.0 + (1000.0 + dt) / 86400  # 1985-01-01
    np.testing.assert_allclose(orbit_position(orbit, mjd), expected, atol=0.4)


def test_angles_of_vectors_that_are_longer_than_1_by_rounding() -> None:
    from wfc3tvb.curve.geometry import _angle

    assert _angle(np.array([1 + 1e-12, 1.0, 0.5, 0.0, -1.0, -1 - 1e-12])) == pytest.approx([0, 0, 60, 90, 180, 180])
