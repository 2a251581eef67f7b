"""Zodiacal light: the published table, and the level that a published visit shows in Earth's shadow."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import BarycentricMeanEcliptic, SkyCoord, get_sun
from astropy.time import Time

from wfc3tvb.score.zodiacal import brightness_500nm, helioecliptic, zodiacal_level

IBOHBF040 = (189.2, 62.2, 56298.8)


def test_level_of_a_visit_measured_in_shadow() -> None:
    """IBOHBF040 is at 0.45 to 0.47 electron/s in Earth's shadow (tvb: b7q, and b9q before its rise)."""
    assert zodiacal_level("F105W", *IBOHBF040) == pytest.approx(0.46, abs=0.02)


def test_ecliptic_coordinates_are_astropys() -> None:
    longitude, latitude = helioecliptic(*IBOHBF040)
    frame = BarycentricMeanEcliptic(equinox="J2000")
    place = SkyCoord(189.2 * u.deg, 62.2 * u.deg).transform_to(frame)
    ray = get_sun(Time(IBOHBF040[2], format="mjd")).cartesian
    sun = SkyCoord(ray / ray.norm(), representation_type="cartesian").transform_to(frame)
    assert latitude == pytest.approx(place.lat.deg, abs=0.01)
    assert longitude == pytest.approx(abs((place.lon.deg - sun.lon.deg + 180) % 360 - 180), abs=0.03)


@pytest.mark.parametrize(
    ("longitude", "latitude", "expected"),
    [(90, 0, 259e-8), (180, 0, 230e-8), (60, -45, 134e-8), (-120, 75, 74e-8), (135, 90, 77e-8), (0, 20, 1610e-8)],
)
def test_entries_of_the_table(longitude: float, latitude: float, expected: float) -> None:
    assert brightness_500nm(longitude, latitude) == pytest.approx(expected)


def test_nothing_is_guessed() -> None:
    assert np.isnan(brightness_500nm(2, 3))
    assert zodiacal_level("F130N", *IBOHBF040) is None
    assert zodiacal_level(None, *IBOHBF040) is None


@pytest.mark.parametrize(("name", "mean"), [("F105W", 0.73), ("F125W", 0.64), ("F140W", 1.05), ("F160W", 0.65)])
def test_means_of_the_archive_lie_above_the_ecliptic_pole_and_below_the_ecliptic(name: str, mean: float) -> None:
    """SKYSURF's mean sky over all directions (IRtable.csv), helium included."""
    pole, ecliptic = zodiacal_level(name, 270.0, 66.56, 56298.8), zodiacal_level(name, 16.0, 6.9, 56298.8)
    assert pole < mean < ecliptic * 1.2


#: Sums of the rows and columns of table 17 of Leinert et al. 1998, 0 where it has no entry, without the pole.
BY_LONGITUDE = {
    0: 6900, 5: 6571, 10: 10547, 15: 26467, 20: 17176, 25: 11660, 30: 8295, 35: 6148, 40: 4777, 45: 3907, 60: 2550,
    75: 1961, 90: 1642, 105: 1446, 120: 1322, 135: 1276, 150: 1297, 165: 1413, 180: 1520,
}  # fmt: skip
BY_LATITUDE = {
    0: 30246, 5: 21066, 10: 17630, 15: 17091, 20: 10664, 25: 7548, 30: 5650, 45: 3201, 60: 2126, 75: 1653,
}  # fmt: skip


def test_sums_of_the_table() -> None:
    """An entry with another number changes the sum of its row and of its column."""
    table = np.array([[1e8 * brightness_500nm(x, y) for y in BY_LATITUDE] for x in BY_LONGITUDE])
    np.testing.assert_allclose(np.nansum(table, axis=1), list(BY_LONGITUDE.values()), rtol=1e-9)
    np.testing.assert_allclose(np.nansum(table, axis=0), list(BY_LATITUDE.values()), rtol=1e-9)
    assert np.isnan(table).sum() == 8
    assert [1e8 * brightness_500nm(x, 90) for x in BY_LONGITUDE] == pytest.approx([77.0] * 19)


@pytest.mark.parametrize(
    ("longitude", "latitude", "expected"),
    [(97.5, 0, (259, 212)), (90, 2.5, (259, 251)), (90, -82.5, (79, 77)), (-172.5, 60, (82, 83))],
)
def test_between_entries_the_logarithm_is_linear(
    longitude: float, latitude: float, expected: tuple[float, float]
) -> None:
    assert brightness_500nm(longitude, latitude) == pytest.approx(1e-8 * np.sqrt(expected[0] * expected[1]))


@pytest.mark.parametrize(("name", "ratio", "thermal"), [("F105W", 1.23, 0.05), ("F140W", 1.46, 0.07)])
def test_the_level_by_the_units_of_astropy(name: str, ratio: float, thermal: float) -> None:
    """Table 19 has 2.6e-6 at 0.5 um, 1.2e-6 at 1.0 um and 8.1e-7 at 1.2 um; F105W: pivot 1.0552 um, AB 26.2687."""
    part = np.log(1.0552) / np.log(1.2)
    color = 1.2e-6 ** (1 - part) * 8.1e-7**part / 2.6e-6
    light = brightness_500nm(*helioecliptic(*IBOHBF040)) * color * u.W / u.m**2 / u.sr / u.um
    in_pixel = light * (0.128254 * u.arcsec) ** 2
    density = in_pixel.to(u.Jy, u.spectral_density(1.0552 * u.um))
    rate = 10 ** (-0.4 * (density.to_value(u.ABmag) - 26.2687))
    assert zodiacal_level(name, *IBOHBF040) == pytest.approx(rate * ratio / 1.23 + thermal, rel=1e-3)
