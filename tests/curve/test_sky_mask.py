"""The mask of sources and bad pixels, and the flags that follow from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.generator import make_cube, sources
from wfc3tvb.curve.box_mean import box_mean
from wfc3tvb.curve.faint_sources import FaintLight
from wfc3tvb.curve.intervals import measure_curve
from wfc3tvb.curve.quality_flags import header_flags, source_flags
from wfc3tvb.curve.sky_level import is_extended
from wfc3tvb.curve.sky_mask import sky_mask

NO_LIGHT = FaintLight(0.0, 0.0)


def test_sources_are_masked_and_the_sky_is_not() -> None:
    scene = sources(256, 10, 20, np.random.default_rng(5))
    cube = make_cube(0.6, scene=scene)
    mask = sky_mask(cube.rate[-1], cube.dq[0])
    assert (mask.skip[scene > 0.2] == 1).mean() > 0.98
    assert (mask.skip[scene < 0.005] == 1).mean() < 0.03


def test_a_gradient_is_not_a_source() -> None:
    cube = make_cube(0.5, gradient=0.4, size=512)
    assert sky_mask(cube.rate[-1], cube.dq[0]).source_fraction < 0.05


def test_the_sample_of_the_sky_does_not_lean() -> None:
    """Scattered light that falls off over a quarter of the frame; with one level per block, 0.98 and 0.95 are kept."""
    rng, size = np.random.default_rng(4), 1014
    light = 1.0 * np.exp(-np.arange(size) / 260.0)
    draft = rng.normal(0.55 + light, 0.04, (size, size)).astype(np.float32)
    stars = rng.random((size, size)) < 0.002
    draft[stars] += 5.0
    kept = sky_mask(draft, np.zeros((size, size), np.int16)).skip == 0
    left, right = kept[:, 40:240].mean(), kept[:, 760:960].mean()
    assert left == pytest.approx(right, abs=0.01)
    assert kept[~stars].mean() > 0.9


@pytest.mark.parametrize(("bit", "left_out"), [(4, 1), (16, 1), (256, 1), (512, 1), (32, 0), (64, 0), (8192, 0)])
def test_flags(bit: int, left_out: int) -> None:
    cube = make_cube(0.5, size=64)
    dq = np.zeros((64, 64), np.int16)
    dq[10, 20] = bit
    draft = np.full((64, 64), 0.5, np.float32) + cube.rate[-1] * 0
    assert sky_mask(draft, dq).skip[10, 20] == left_out


@pytest.mark.parametrize(
    ("brightness", "scale", "extended"), [(1, 2, True), (30, 3, True), (200, 2, True), (30, 10, False)]
)
def test_light_that_fills_the_frame_is_no_sky(brightness: float, scale: float, extended: bool) -> None:
    x = np.linspace(-1, 1, 256)
    cube = make_cube(0.5, scene=brightness * np.exp(-scale * np.hypot(x[:, None], x)))
    mask = sky_mask(cube.rate[-1], cube.dq[0])
    assert is_extended(mask, measure_curve(cube, mask.skip)) is extended
    assert not is_extended(replace(mask, source_fraction=0.1), measure_curve(cube, mask.skip), flat_fielded=False)


@pytest.mark.parametrize(("stars", "galaxies"), [(0, 0), (60, 150), (400, 1000)])
def test_fields_of_any_density_are_even(stars: int, galaxies: int) -> None:
    cube = make_cube(0.5, scene=sources(256, stars, galaxies, np.random.default_rng(1)))
    assert sky_mask(cube.rate[-1], cube.dq[0]).unevenness < 0.015


def test_light_scattered_along_rows_is_not_uneven() -> None:
    cube = make_cube(0.5, gradient=0.5)
    assert sky_mask(cube.rate[-1], cube.dq[0]).unevenness < 0.015


def test_nothing_but_bad_pixels() -> None:
    mask = sky_mask(np.full((64, 64), np.nan, np.float32), np.zeros((64, 64), np.int16))
    assert mask.skip.all()
    assert (mask.source_fraction, mask.unevenness) == (0.0, 0.0)  # nothing is known of sources


def test_box_mean_is_the_mean_of_the_box() -> None:
    rng = np.random.default_rng(1)
    image, skip = rng.normal(size=(20, 31)).astype(np.float32), (rng.random((20, 31)) < 0.3).astype(np.uint8)
    image[3, 4] = np.nan
    ours = box_mean(image, skip, 2)
    for y, x in ((0, 0), (3, 4), (10, 15), (19, 30), (2, 29)):
        window = slice(max(0, y - 2), y + 3), slice(max(0, x - 2), x + 3)
        assert ours[y, x] == pytest.approx(np.nanmean(image[window][skip[window] == 0]), abs=1e-6)


@pytest.mark.parametrize(
    ("keywords", "flags"),
    [
        ({"FGSLOCK": "FINE", "EXPFLAG": "NORMAL", "SCAN_TYP": "N", "MTFLAG": "F", "FILTER": "F105W"}, []),
        ({"FGSLOCK": "GYROS", "EXPFLAG": "NORMAL"}, []),
        ({"FGSLOCK": "FINE/GYRO"}, []),
        ({"EXPFLAG": "INTERRUPTED"}, ["guide_star_failure"]),
        ({"SCAN_TYP": "C"}, ["scan"]),
        ({"MTFLAG": True}, ["moving_target"]),
        ({"MTFLAG": False, "SUBARRAY": True}, ["subarray"]),
        ({"FILTER": "G141"}, ["grism"]),
        ({}, []),
    ],
)
def test_flags_of_a_header(keywords: dict[str, object], flags: list[str]) -> None:
    assert header_flags(keywords) == flags


def test_flags_of_pixels() -> None:
    assert source_flags(0.001, NO_LIGHT, extended=False) == []
    assert source_flags(0.02, FaintLight(0.012, 0.004), extended=False) == ["crowded", "saturated"]
    assert source_flags(0.0, FaintLight(0.0, 0.0, 0.3), extended=False) == ["crowded"]
    assert source_flags(0.0, FaintLight(0.012, 0.004), extended=True) == ["extended_source"]
