"""Fields so dense that every pixel has light of sources: the sky and its error against injected truth."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.helpers.generator import SPARS100, make_cube, sources, star_field
from wfc3tvb.curve.faint_sources import FaintLight, faint_light, subtract_faint_light
from wfc3tvb.curve.intervals import measure_curve
from wfc3tvb.curve.sky_mask import sky_mask
from wfc3tvb.measurement import measure_cube
from wfc3tvb.models import ReadCube

pytestmark = pytest.mark.slow

SIZE = 256


@cache
def field(per_frame: int, seed: int) -> np.ndarray:
    """Return sources at a density given for a full frame."""
    n = int(per_frame * SIZE**2 / 1014**2)
    return sources(SIZE, n // 3, n - n // 3, np.random.default_rng(seed))


def measured(cube: ReadCube):
    mask = sky_mask(cube.rate[-1], cube.dq[0])
    light = faint_light(cube, mask)
    return subtract_faint_light(measure_curve(cube, mask.skip), light), light


def residuals(per_frame: int, n: int = 15) -> tuple[np.ndarray, np.ndarray, list[FaintLight]]:
    off, error, lights = [], [], []
    for seed in range(n):
        sky = np.random.default_rng(seed).uniform(0.4, 3.0, 15)
        curve, light = measured(make_cube(sky, SPARS100, size=SIZE, seed=seed, scene=field(per_frame, seed % 3)))
        off.append((curve.rate - sky)[1:])
        error.append(curve.rate_err[1:])
        lights.append(light)
    return np.concatenate(off), np.concatenate(error), lights


@pytest.mark.parametrize("per_frame", [8600, 15000])
def test_no_bias_in_dense_fields(per_frame: int) -> None:
    """210 intervals each; uncorrected the mean is off by 0.007, 0.015 electron/s."""
    off, error, _ = residuals(per_frame)
    assert off.size >= 200
    assert abs(off.mean()) < 0.003
    assert 0.7 < np.std(off / error) < 1.2


def test_the_error_holds_what_is_left_in_the_densest_fields() -> None:
    off, error, lights = residuals(22000, 5)
    assert np.mean([light.level for light in lights]) == pytest.approx(0.018, abs=0.004)
    assert abs(off.mean()) < 2 * np.mean([light.error for light in lights])
    assert np.std(off / error) < 1.2


@pytest.mark.parametrize("faintest", [0.5, 5.0])
@pytest.mark.parametrize("per_frame", [1e4, 6e4, 1e5, 2e5])
def test_the_level_of_the_densest_fields_is_within_its_error(per_frame: float, faintest: float) -> None:
    """A single exposure of up to 200,000 stars a frame; the changes are right, only the level that all share is not."""
    sky = np.where(np.arange(15) < 8, 0.6, 1.6)
    scene = star_field(SIZE, per_frame, np.random.default_rng(int(per_frame)), faintest=faintest)
    found = measure_cube(make_cube(sky, SPARS100, size=SIZE, seed=3, scene=scene))
    off = np.array([row["rate"] for row in found.reads])[1:] - sky[1:]
    error = np.hypot(found.exposure["sky_err"], found.reads[5]["rate_err"])
    assert abs(off.mean()) < 2 * error
    assert np.std(off) < 0.01
    assert max(row["rate_err"] for row in found.reads[1:]) < 0.015
    assert abs(off.mean()) < 0.01 or "crowded" in found.exposure["quality_flags"]
    assert "trail" not in found.exposure["quality_flags"]
    assert found.exposure["flagged"]


def test_the_halo_of_a_very_bright_star_is_in_the_error_of_the_level() -> None:
    """2e7 electron/s; the wings of the star hold 2 % of its light, and fall as r^-2.3."""
    y, x = np.mgrid[:SIZE, :SIZE]
    r = np.hypot(y - SIZE / 2, x - SIZE / 3) + 1
    halo = 2e7 * 0.02 * r**-2.3 / (2 * np.pi * np.sum(np.arange(1, 700.0) ** -1.3))
    scene = field(3000, 1) + halo * (SIZE / 1014) ** 1.3
    found = measure_cube(make_cube(0.6, SPARS100, size=SIZE, seed=3, scene=scene)).exposure
    assert abs(found["sky_mean"] - 0.6) < 2 * found["sky_err"] + 0.003


def test_nothing_is_taken_off_empty_fields_whatever_the_cosmic_rays() -> None:
    cube = make_cube(0.7, size=SIZE)
    rng = np.random.default_rng(2)
    charge = np.zeros(cube.rate.shape)
    for i in range(1, 15):
        y, x = rng.integers(0, SIZE - 1, (2, 180))
        charge[i:, y, x] += 900
        charge[i:, y, x + 1] += 500
    hit = replace(cube, rate=(cube.rate + charge / cube.t[:, None, None]).astype(np.float32))
    for each in (cube, hit):
        curve, light = measured(each)
        assert light.level < 0.001
        assert curve.rate[1:].mean() == pytest.approx(0.7, abs=0.003)


def test_scattered_light_is_not_taken_for_sources() -> None:
    _, light = measured(make_cube(0.7, size=SIZE, gradient=np.linspace(0.3, 0, 15)))
    assert light.level < 0.002


def test_too_few_reads_or_pixels_or_no_flat_field_say_nothing() -> None:
    scene = field(22000, 0)
    assert measured(make_cube(0.7, SPARS100[:3], size=SIZE, scene=scene))[1] == FaintLight(0.0, 0.0)
    small = make_cube(0.7, size=64, scene=scene[:64, :64])
    assert measured(small)[1].level == 0.0
    dense = make_cube(0.7, size=SIZE, scene=scene)
    mask = sky_mask(dense.rate[-1], dense.dq[0])
    assert faint_light(dense, mask).level > 0.01
    assert faint_light(dense, mask, flat_fielded=False).level == 0.0
    nothing = replace(small, rate=np.full_like(small.rate, np.nan))
    assert faint_light(nothing, sky_mask(nothing.rate[-1], nothing.dq[0])).level == 0.0


def test_a_last_read_with_constant_rows_is_measured_without_it() -> None:
    cube = make_cube(np.full(15, 0.8), SPARS100, size=SIZE, seed=1, scene=field(8600, 1))
    rate = cube.rate.copy()
    rate[-1, : int(0.6 * SIZE)] = 0.0
    curve, light = measured(replace(cube, rate=rate))
    assert np.isfinite(light.level)
    assert np.nanmax(np.abs(curve.rate[1:-1] - 0.8)) < 0.1
