"""Interval rates against injected truth: errors that are honest, no bias, sides, gaps, masks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import golden
from tests.helpers.generator import SPARS100, STEP200, make_cube, sources
from wfc3tvb.curve.intervals import measure_curve, unsteady
from wfc3tvb.curve.sky_mask import sky_mask
from wfc3tvb.fits.ima import read_ima


def curve_of(cube, threads: int = 2):
    return measure_curve(cube, sky_mask(cube.rate[-1], cube.dq[0]).skip, threads=threads)


def residuals(n_stars: int, n_galaxies: int, times=SPARS100, size: int = 256, n: int = 16):
    """Return rate - truth and its error in intervals of 5 s and more."""
    off, error = [], []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        sky = rng.uniform(0.4, 3.0, len(times))
        cube = make_cube(sky, times, size=size, seed=seed, scene=sources(size, n_stars, n_galaxies, rng))
        curve = curve_of(cube)
        good = curve.dt >= 5
        good[0] = False
        off.append((curve.rate - sky)[good])
        error.append(curve.rate_err[good])
    return np.concatenate(off), np.concatenate(error)


@pytest.mark.slow
@pytest.mark.parametrize(("stars", "galaxies"), [(0, 0), (20, 40), (60, 150)])
def test_error_and_bias_of_fields(stars: int, galaxies: int) -> None:
    """Empty, typical and crowded (3300 sources brighter than 0.5 electron/s on a full frame) fields, 224 intervals."""
    off, error = residuals(stars, galaxies)
    assert off.size >= 200
    assert 0.8 < np.std(off / error) < 1.2
    assert abs(off.mean()) < 0.003


@pytest.mark.slow
def test_error_from_5_to_400_s() -> None:
    times = (2.9, 8.0, 13.0, 20.0, 30.0, 55.0, 105.0, 205.0, 405.0, 805.0, 1205.0)
    off, error = residuals(10, 20, times, n=20)
    assert 0.8 < np.std(off / error) < 1.2


@pytest.mark.slow
def test_error_of_a_full_frame_is_that_of_its_reference_pixels() -> None:
    sky = np.linspace(0.5, 1.5, 4)
    curve = curve_of(make_cube(sky, (2.932, 102.932, 202.932, 302.932), size=1014))
    assert curve.rate_err[1] == pytest.approx(0.003, abs=0.0005)
    assert np.abs((curve.rate - sky) / curve.rate_err).max() < 4
    assert curve.n_pixels.min() > 0.95 * 1014**2


@pytest.mark.slow
def test_neighbours_are_anticorrelated() -> None:
    off, error = residuals(0, 0, n=12)
    pull = (off / error).reshape(12, 14)
    assert np.mean(pull[:, 1:] * pull[:, :-1]) == pytest.approx(-0.5, abs=0.2)


def pulls_of(case: Path, truth: list[float], folder: Path) -> list[float]:
    """Return (rate - truth) / error in the intervals of a golden case."""
    golden.unpack(case / "perform", folder)
    curve = curve_of(read_ima(next(folder.glob("*_ima.fits"))))
    return ((curve.rate - np.array(truth)) / curve.rate_err).tolist()


@pytest.mark.slow
def test_rates_of_all_frames_calibrated_by_calwf3(shared_data: Path, tmp_path: Path) -> None:
    """Simulated subarrays through calwf3 3.7.3; the one filled by a saturated star's wings is left out."""
    pulls = []
    for case in sorted((shared_data / "golden").glob("*/case.json")):
        if "saturated" not in case.parent.name:
            truth = json.loads(case.read_text())["truth"]["interval_rate"]
            pulls += pulls_of(case.parent, truth, tmp_path / case.parent.name)
    assert len(pulls) > 90
    assert 0.8 < np.std(pulls) < 1.2
    assert abs(np.mean(pulls)) < 0.4


@pytest.mark.slow
def test_rates_of_frames_calibrated_by_calwf3(tmp_path: Path) -> None:
    """The same for the cases that every clone has, which are fewer."""
    pulls = []
    for name, truth in json.loads((golden.HERE / "interval_rates.json").read_text()).items():
        if "saturated" not in name:
            pulls += pulls_of(golden.HERE / name, truth, tmp_path / name)
    assert len(pulls) == 15 + 9 + 3 + 1
    assert 0.6 < np.std(pulls) < 1.4
    assert abs(np.mean(pulls)) < 0.5


@pytest.mark.slow
def test_left_and_right_and_quadrants() -> None:
    extra = np.where(np.arange(15) < 5, 0.6, 0.0)
    curve = curve_of(make_cube(0.5, STEP200[:15], gradient=extra, size=256))
    late = slice(8, None)
    assert curve.lr_diff[late] == pytest.approx(np.zeros(7), abs=0.02)
    shaded = curve_of(make_cube(0.5, SPARS100, gradient=extra, size=256))
    assert shaded.lr_diff[1:5] == pytest.approx(np.full(4, 0.6), abs=0.05)
    assert shaded.lr_ratio[1:5] == pytest.approx(np.full(4, 2.2), abs=0.1)
    left, right = shaded.quadrants[1:5, [0, 2]], shaded.quadrants[1:5, [1, 3]]
    assert right == pytest.approx(np.full((4, 2), 0.5), abs=0.05)
    assert (left > 0.9).all()


def test_same_numbers_for_any_threads_and_byte_order() -> None:
    cube = make_cube(0.7, size=128)
    one, two = curve_of(cube, 1), curve_of(replace(cube, rate=cube.rate.astype(">f4"), dq=cube.dq.astype(">i2")), 2)
    np.testing.assert_array_equal(one.rate, two.rate)
    np.testing.assert_array_equal(one.quadrants, two.quadrants)
    np.testing.assert_array_equal(one.frac_new_cr, two.frac_new_cr)


@pytest.mark.parametrize("order", ["<", ">"])
def test_newly_flagged_fraction(order: str) -> None:
    cube = make_cube(0.7, size=64)
    dq = cube.dq.copy()
    dq[4:, :16] |= 8192
    dq[6:, :32] |= 8192
    dq[:, 40] |= 4
    curve = curve_of(replace(cube, dq=dq.astype(f"{order}i2")))
    expected = np.zeros(15)
    expected[4], expected[6] = 16 / 63, 16 / 63
    assert curve.frac_new_cr == pytest.approx(expected, abs=0.01)


def test_read_without_pixels_joins_the_next_interval() -> None:
    sky = np.full(15, 0.5)
    sky[7:] = 1.5
    cube = make_cube(sky, size=128)
    rate = cube.rate.copy()
    rate[7] = np.nan
    curve = curve_of(replace(cube, rate=rate))
    assert np.isnan(curve.rate[7])
    assert curve.n_pixels[7] == 0
    assert curve.t_start[8] == cube.t[6]
    assert curve.rate[8] == pytest.approx(1.5, abs=0.03)


def test_flagged_pixels_are_left_out_but_not_for_cosmic_rays() -> None:
    cube = make_cube(0.5, size=64)
    rate, dq = cube.rate.copy(), cube.dq.copy()
    rate[:, ::2] += 5
    dq[:, ::2] |= 16
    dq[3:] |= 8192 | 32
    curve = curve_of(replace(cube, rate=rate, dq=dq))
    assert curve.n_pixels[5] == pytest.approx(2048, rel=0.03)
    assert curve.rate[1:] == pytest.approx(np.full(14, 0.5), abs=0.06)


def test_nothing_to_measure() -> None:
    cube = make_cube(0.5, size=64)
    for changed in (replace(cube, dq=cube.dq | np.int16(4)), replace(cube, rate=np.full_like(cube.rate, np.nan))):
        curve = curve_of(changed)
        assert np.isnan(curve.rate).all()
        assert (curve.n_pixels == 0).all()


@pytest.mark.parametrize(
    ("times", "wrong"), [((1.0, 2.0), False), ((2.0, 2.0), True), ((3.0, 2.0), True), ((0.0,), True)]
)
def test_times_must_increase(times, wrong: bool) -> None:
    assert unsteady(times) is wrong


@pytest.mark.parametrize("sky", [0.37, 0.61, 0.83, 1.04])
def test_rates_of_short_intervals_are_not_tied_to_whole_counts(sky: float) -> None:
    """Differences of reads are whole counts of 2.35 electron: a median among them would err by 0.1 electron/s."""
    rng, t = np.random.default_rng(3), 10.0 * np.arange(1, 6)
    collected = np.cumsum(rng.poisson(sky * 10.0, (5, 256, 256)), 0) + rng.normal(0, 14.6, (5, 256, 256))
    counts = np.round((collected + rng.normal(0, 14.6, (256, 256))) / 2.35) * 2.35
    cube = replace(make_cube(sky, t, size=256), rate=(counts / t[:, None, None]).astype(np.float32))
    curve = measure_curve(cube, np.zeros((256, 256), np.uint8))
    np.testing.assert_allclose(curve.rate, sky, atol=0.035)
