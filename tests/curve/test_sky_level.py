"""Nebulae and galaxies that fill the frame: flagged, scored by their changes, the error of the level kept apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.helpers.generator import SPARS100, make_cube, sources
from wfc3tvb.measurement import measure_cube
from wfc3tvb.models import Measurement, ReadCube
from wfc3tvb.survey.rescore import rescore_rows

SIZE = 192
Y, X = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
R = np.hypot(X, Y)
#: Helium that begins in the middle of the exposure [electron/s].
STEP = np.where(np.arange(15) < 8, 0.6, 2.6)

NEBULAE = {
    "faint": 0.5 * np.exp(-(R**2) / 2),  # 0.36 electron/s in the median of the frame
    "compact": 0.5 * np.exp(-(R**2) / 2 / 0.4**2),
    "off the frame": 0.5 * np.exp(-((X - 0.5) ** 2 + (Y - 0.6) ** 2) / 2 / 0.8**2),
    "brighter at the right": 0.5 * (1 + X) / 2,
    "bright": 5 + 2 * np.sin(6 * X) * np.sin(5 * Y),
    "galaxy": 30 * np.exp(-3 * R),
    "bright galaxy": 200 * np.exp(-2 * R),
}


def off(measured: Measurement, sky: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rates minus the true sky, reads 2..N."""
    return np.array([row["rate"] for row in measured.reads])[1:] - sky[1:]


@pytest.mark.parametrize("name", NEBULAE)
def test_changes_are_right_and_scored_under_light_that_fills_the_frame(name: str) -> None:
    measured = measure_cube(make_cube(STEP, size=SIZE, scene=NEBULAE[name], seed=3))
    row, wrong = measured.exposure, off(measured, STEP)
    assert "extended_source" in row["quality_flags"]
    assert np.abs(wrong - wrong.mean()).max() < 0.03
    assert max(read["rate_err"] for read in measured.reads[1:]) < 0.01
    assert np.std(wrong) < 0.014
    assert abs(wrong.mean()) < 2.1 * row["sky_err"]
    assert (row["tvb_class"], row["recommend"], row["flagged"]) == ("severe", "optimal", True)
    assert row["n_reads_used"] == 14
    assert rescore_rows(row, measured.reads) == row


def test_damage_under_a_faint_nebula_is_that_of_the_empty_field() -> None:
    nebula, empty = (
        measure_cube(make_cube(STEP, size=SIZE, scene=scene, seed=3)).exposure for scene in (NEBULAE["compact"], 0.0)
    )
    assert nebula["pred_frac_broken"] == pytest.approx(empty["pred_frac_broken"], abs=0.02)
    assert nebula["pred_level_bias"] == pytest.approx(empty["pred_level_bias"], abs=0.05)


def test_a_quiet_exposure_of_a_nebula_stays_quiet() -> None:
    row = measure_cube(make_cube(0.6, size=SIZE, scene=NEBULAE["galaxy"])).exposure
    assert (row["tvb_class"], row["recommend"]) == ("none", "none")


def test_a_lost_read_stays_lost_under_a_nebula() -> None:
    cube = make_cube(STEP, size=SIZE, scene=NEBULAE["bright"])
    rate = cube.rate.copy()
    rate[[5, -1]] = 0.0
    measured = measure_cube(replace(cube, rate=rate))
    assert [i for i, row in enumerate(measured.reads) if row["rate"] is None] == [5, 14]
    assert {"extended_source", "bad_reads"} <= set(measured.exposure["quality_flags"])


@pytest.mark.parametrize(("stars", "galaxies"), [(0, 0), (60, 150), (400, 1000)])
def test_fields_of_stars_and_galaxies_are_not_extended(stars: int, galaxies: int) -> None:
    scene = sources(256, stars, galaxies, np.random.default_rng(1))
    measured = measure_cube(make_cube(STEP, scene=scene))
    assert "extended_source" not in measured.exposure["quality_flags"]
    assert abs(off(measured, STEP).mean()) < 2 * measured.exposure["sky_err"] + 0.003


@pytest.mark.parametrize("size", [64, 128])
def test_small_empty_frames_are_not_extended(size: int) -> None:
    for seed in range(8):
        row = measure_cube(make_cube(0.5 + 0.3 * (seed % 3), size=size, seed=seed)).exposure
        assert row["quality_flags"] == ["no_geometry"]
        assert row["sky_err"] < 0.02


def test_scattered_light_in_some_reads_is_not_an_extended_source() -> None:
    lit = np.where(np.arange(15) < 9, 0.8, 0.0)
    assert "extended_source" not in measure_cube(make_cube(0.6, gradient=lit)).exposure["quality_flags"]
    assert "extended_source" in measure_cube(make_cube(0.6, gradient=0.4)).exposure["quality_flags"]


def shown(filter_name: str, level: float) -> ReadCube:
    facts = {"FILTER": filter_name, "RA_TARG": 189.2, "DEC_TARG": 62.2, "EXPSTART": 56298.8}
    return make_cube(level, SPARS100, size=128, header=facts)


@pytest.mark.parametrize("filter_name", ["F140W", "F160W", "F125W"])
def test_even_light_shows_only_above_the_zodiacal_model(filter_name: str) -> None:
    zodi = measure_cube(shown(filter_name, 0.6)).exposure["zodi_model"]
    row = measure_cube(shown(filter_name, zodi + 0.5)).exposure
    assert "above_zodiacal" in row["quality_flags"]
    assert row["sky_err"] == pytest.approx(0.5, abs=0.02)
    assert "above_zodiacal" not in measure_cube(shown(filter_name, zodi + 0.2)).exposure["quality_flags"]


def test_helium_out_of_shadow_is_not_above_the_zodiacal_light() -> None:
    assert "above_zodiacal" not in measure_cube(shown("F105W", 3.0)).exposure["quality_flags"]
