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
