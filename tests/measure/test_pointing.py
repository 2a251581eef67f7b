"""Times and directions of a header that contradict the rest of it: replaced, flagged, the geometry right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.generator import make_cube
from tests.helpers.recorded import REAL, unpack
from wfc3tvb.curve.pointing import read_times, view_direction
from wfc3tvb.dates import DAY
from wfc3tvb.fits.ima import read_ima
from wfc3tvb.fits.support_file import read_orbit
from wfc3tvb.measurement import measure_cube
from wfc3tvb.models import Measurement, OrbitElements, ReadCube

START = 56298.8
HEADER = {"EXPSTART": START, "RA_APER": 189.2, "DEC_APER": 62.2, "RA_TARG": 189.3, "DEC_TARG": 62.1}


@pytest.fixture(scope="module")
def orbit(tmp_path_factory: pytest.TempPathFactory) -> OrbitElements:
    return read_orbit(unpack("ephemeris/jbz504eoq_spt.fits", tmp_path_factory.mktemp("orbit")))


def cube_with(mjd: Any = None, **header: Any) -> ReadCube:
    cube = make_cube(0.6, size=64, header=HEADER | header)
    return cube if mjd is None else replace(cube, mjd=mjd(cube.mjd.copy()))


def flags(measured: Measurement) -> set[str]:
    return set(measured.exposure["quality_flags"]) & {"bad_routtime", "bad_pointing", "no_geometry", "bad_times"}


def zero_in_one(mjd: np.ndarray) -> np.ndarray:
    mjd[4] = 0.0
    return mjd


def same_in_all(mjd: np.ndarray) -> np.ndarray:
    return np.full_like(mjd, mjd[-1])


def before_the_start(mjd: np.ndarray) -> np.ndarray:
    return mjd - 0.02


def julian(mjd: np.ndarray) -> np.ndarray:
    return mjd + 2400000.5


@pytest.mark.parametrize("wrong", [zero_in_one, julian, same_in_all, before_the_start])
def test_routtime_that_contradicts_the_start(wrong: Any, orbit: OrbitElements) -> None:
    true, measured = measure_cube(cube_with(), orbit), measure_cube(cube_with(wrong), orbit)
    assert flags(true) == set()
    assert flags(measured) == {"bad_routtime"}
    assert measured.exposure["geometry_source"] == "spt"
    for a, b in zip(measured.reads, true.reads, strict=True):
        for name in ("sun_alt", "limb_angle", "los_zenith", "latitude", "longitude", "sun_hour_angle"):
            assert a[name] == pytest.approx(b[name], abs=0.01), name
        assert a["mjd"] == pytest.approx(b["mjd"], abs=0.1 / DAY)
        assert a["in_shadow"] == b["in_shadow"]


def test_routtime_that_is_absent_is_no_contradiction(orbit: OrbitElements) -> None:
    cube = cube_with(lambda mjd: np.where(np.arange(mjd.size) == 2, np.nan, mjd))
    measured = measure_cube(cube, orbit)
    assert flags(measured) == set()
    assert None not in [row["mjd"] for row in measured.reads]


def test_without_a_start_the_stated_times_are_all_there_is() -> None:
    cube = cube_with(EXPSTART=float("nan"))
    mjd, replaced = read_times(cube)
    assert not replaced
    np.testing.assert_array_equal(mjd, cube.mjd)


@pytest.mark.parametrize("name", REAL)
def test_times_and_directions_of_real_files_are_believed(name: str, tmp_path: Path) -> None:
    cube = read_ima(unpack(f"ima/{name}_ima.fits", tmp_path))
    mjd, replaced = read_times(cube)
    assert not replaced
    np.testing.assert_array_equal(mjd, cube.mjd)
    assert view_direction(cube.header) == ((cube.header["RA_APER"], cube.header["DEC_APER"]), False)


@pytest.mark.parametrize(
    "aperture",
    [
        {"RA_APER": 0.0, "DEC_APER": 0.0},
        {"RA_APER": 0, "DEC_APER": 0},
        {"RA_APER": 189.2, "DEC_APER": 95.0},
        {"RA_APER": float("nan"), "DEC_APER": 62.2},
        {"RA_APER": 9999.0, "DEC_APER": 62.2},
        {"RA_APER": "N/A", "DEC_APER": 62.2},
    ],
)
def test_aperture_that_is_no_direction(aperture: dict[str, Any], orbit: OrbitElements) -> None:
    """Limb and zenith angles were those of the equinox."""
    true, measured = measure_cube(cube_with(), orbit), measure_cube(cube_with(**aperture), orbit)
    assert flags(measured) == {"bad_pointing"}
    assert (measured.exposure["ra"], measured.exposure["dec"]) == (189.3, 62.1)
    for a, b in zip(measured.reads, true.reads, strict=True):
        assert a["limb_angle"] == pytest.approx(b["limb_angle"], abs=0.2)
        assert a["sun_alt"] == pytest.approx(b["sun_alt"], abs=1e-9)


def test_neither_aperture_nor_target(orbit: OrbitElements) -> None:
    nowhere = {"RA_APER": 0.0, "DEC_APER": 0.0, "RA_TARG": 0.0, "DEC_TARG": 0.0}
    measured = measure_cube(cube_with(**nowhere), orbit)
    assert flags(measured) == {"bad_pointing", "no_geometry"}
    assert measured.exposure["ra"] is measured.reads[0]["sun_alt"] is None


def test_a_target_on_the_equator_or_at_hour_0_is_a_direction() -> None:
    assert view_direction({"RA_APER": 0.0, "DEC_APER": 12.0}) == ((0.0, 12.0), False)
    assert view_direction({"RA_APER": 150.0, "DEC_APER": 0.0}) == ((150.0, 0.0), False)
    assert view_direction({"RA_TARG": 150.0, "DEC_TARG": 2.0}) == ((150.0, 2.0), False)
    assert view_direction({}) == (None, False)
