"""Parts of the curve by hand: faint light, intervals, noise, extended sources, streaks."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.helpers.generator import make_cube
from tests.helpers.photons import limit
from wfc3tvb.curve import faint_sources, intervals, noise_model, trails
from wfc3tvb.curve.faint_sources import FaintLight
from wfc3tvb.curve.intervals import Curve, measure_curve, shows_sky
from wfc3tvb.curve.scattered_light import lowest_level
from wfc3tvb.curve.sky_level import is_extended, level_error
from wfc3tvb.curve.sky_mask import SkyMask
from wfc3tvb.curve.trails import _is_contiguous, _suspects, grid_streak_score
from wfc3tvb.models import ReadCube

Array = NDArray[Any]
TIMES = np.array([3.0, 53.0, 103.0, 203.0, 303.0])


def cube_of(rate: Array, t: Array = TIMES) -> ReadCube:
    """Return reads of these rates, without flags."""
    cube = make_cube(0.5, t, size=rate.shape[-1])
    return replace(cube, rate=rate.astype(np.float32), dq=np.zeros(rate.shape, np.int16))


# --- light of faint sources ----------------------------------------------------------------------------------------


def test_the_halves_of_an_exposure_share_no_read() -> None:
    """Of reads at 3 to 303 s the third, at 103 s, is nearest to the half; the second half begins at the next."""
    level = np.array([9.0, 1.0, 2.0, 3.0, 4.0])
    cube = cube_of(level[:, None, None] * np.ones((5, 40, 40)))
    found = faint_sources._halves(cube, np.arange(8))
    assert found is not None
    first, second, whole, times = found
    assert first.shape == (8, 40)
    assert (first == 2).all()
    assert second == pytest.approx(np.full((8, 40), (4 * 303 - 3 * 203) / 100))
    assert (whole == 4).all()
    assert times == (103.0, 100.0, 303.0)
    late = cube_of(np.ones((5, 40, 40)), np.array([3.0, 4, 5, 6, 303]))
    found = faint_sources._halves(late, np.arange(8))
    assert found is not None
    assert found[3] == (5.0, 297.0, 303.0)  # two reads remain for the second half
    assert faint_sources._halves(cube_of(np.ones((3, 40, 40)), TIMES[:3]), np.arange(8)) is None
    assert faint_sources._halves(cube_of(np.ones((4, 40, 40)), TIMES[:4]), np.arange(8)) is not None


def test_the_part_of_the_frame_that_is_covered() -> None:
    """Of 200 pixels in steps of 0.01 from 1.0 on: median 2.02, 16th percentile 1.32; sources above 2.02 + 3 x 0.7."""
    whole = np.concatenate([1 + 0.01 * np.arange(200), [4.06, 4.07, 5.0, 6.0]])[None]
    other = whole + 0.1 * (-1.0) ** np.arange(204)
    found = faint_sources._covered(whole, other, whole, np.zeros(whole.shape, bool))
    kept = np.sort(whole.ravel())
    middle, low = kept[102], kept[int(0.1587 * 204)]
    assert middle + 3 * (middle - low) == pytest.approx(4.12)
    assert found == pytest.approx(2 / 204)
    bad = whole > 5.5
    assert faint_sources._covered(whole, other, whole, bad) == pytest.approx(1 / 203, abs=1e-3)
    few = np.ones((1, 9))
    assert faint_sources._covered(few, few, few, np.zeros((1, 9), bool)) == 0.0


def test_a_pixel_that_changes_by_more_than_four_sigma_was_hit() -> None:
    """The halves differ by 0.3 and a scatter of 1; bright pixels may change by 5 % of their light in addition."""
    rng = np.random.default_rng(1)
    difference = rng.normal(0.3, 1.0, (150, 150))
    low, high = np.percentile(difference, (15.87, 84.13))
    sigma, middle = (high - low) / 2, float(np.median(difference))
    whole = np.zeros((150, 150))
    difference[0, :4] = middle + sigma * np.array([3.99, 4.01, -3.99, -4.01])
    difference[1, :2], whole[1, :2] = middle + 4 * sigma + np.array([4.99, 5.01]), 100.0
    steady = faint_sources._steady(difference, np.zeros((150, 150)), whole)
    assert steady[0, :4].tolist() == [True, False, True, False]
    assert steady[1, :2].tolist() == [True, False]


def test_every_other_pixel_of_a_large_frame_tells_the_scatter() -> None:
    """Of 400 x 400 pixels those in even rows and columns; the others may be anything."""
    rng = np.random.default_rng(1)
    difference, whole = np.full((400, 400), 0.3), np.full((400, 400), 7.0)
    difference[::2, ::2] = rng.normal(0.3, 1.0, (200, 200))
    whole[::2, ::2] = 0.0
    low, middle, high = np.percentile(difference[::2, ::2], (15.87, 50, 84.13))
    steady = faint_sources._steady(difference, np.zeros_like(whole), whole)
    source = np.maximum(whole, 0)
    expected = np.abs(difference - middle) < 2 * (high - low) + 0.05 * source
    np.testing.assert_array_equal(steady, expected)
    assert not steady.all()


def test_a_slope_along_the_rows_is_subtracted() -> None:
    """A parabola over the columns, as scattered light has it; the level of the frame and sources stay."""
    x = (np.arange(160) - 79.5) / 80
    plane = np.broadcast_to(0.7 + 0.2 * x + 0.1 * x**2, (12, 160)).copy()
    skip = np.zeros(plane.shape, bool)
    plane[3, 5], skip[3, 5] = 50, True
    even = faint_sources._even(plane, skip)
    assert even[~skip] == pytest.approx(np.full(plane.size - 1, (0.7 + 0.2 * x + 0.1 * x**2).mean()), abs=2e-3)
    assert even[3, 5] > 49
    blocks = np.array([np.median(plane[4, k : k + 20]) for k in range(0, 160, 20)])
    profile = np.polyval(np.polyfit(np.arange(10, 160, 20), blocks, 2), np.arange(160))
    np.testing.assert_allclose(even[5], plane[5] - profile + profile.mean(), atol=1e-9)
    skip[:, 20:40] = True  # a block without sky takes the mean of the others
    assert np.isfinite(faint_sources._even(plane, skip)).all()


def test_means_of_boxes_of_four_by_four_good_pixels() -> None:
    plane = np.arange(10 * 9, dtype=float).reshape(10, 9)
    good = np.ones(plane.shape, bool)
    good[0, :4] = False  # 12 are left, which is enough
    good[4:6, 4:6], good[7, 7] = False, False  # 11 are left
    found = faint_sources._box_means(plane, good)
    first, beside, below = plane[1:4, :4].mean(), plane[:4, 4:8].mean(), plane[4:8, :4].mean()
    assert found[:3] == pytest.approx([first, beside, below])
    assert np.isnan(found[3])
    assert found.size == 4


def test_the_noise_of_boxes_from_the_difference_of_the_halves() -> None:
    """Photons of 0.9 electron/s and two reads of 14.6 electrons each, in boxes of 16 pixels."""
    times = 400.0, 500.0, 1000.0
    variance = [0.9 / 16 / t + 2 * 14.6**2 / 16 / t**2 for t in times]
    halves = np.random.default_rng(2).normal(0, np.sqrt(variance[0] + variance[1]), 200_000)
    assert faint_sources._noise(halves, times) == pytest.approx(np.sqrt(variance[2]), rel=0.01)
    quiet = faint_sources._noise(np.zeros(100), times)
    assert quiet == pytest.approx(np.sqrt(2 * 14.6**2 / 16) / 1000)


def test_the_sky_under_lognormal_light() -> None:
    """Light of median 0.05 and width 1.2 over 0.7 electron/s; the median of the boxes lies far above the sky."""
    rng = np.random.default_rng(3)
    light = np.exp(np.log(0.05) + 1.2 * rng.standard_normal(4000))
    boxes = 0.7 + light + rng.normal(0, 0.01, 4000)
    assert np.median(boxes) > 0.745
    assert faint_sources._fit_sky(boxes, 0.01) == pytest.approx(0.7, abs=0.004)


def test_clipping_at_three_sigma() -> None:
    """1000 pixels of scatter 1 about 5, and 300 far above: the tail goes, whatever its height."""
    rng = np.random.default_rng(4)
    values = np.concatenate([rng.normal(5, 1, 1000), np.full(300, 9.5), [np.nan]])
    kept = np.sort(values[np.isfinite(values)])
    for _ in range(10):
        low, middle, high = kept[(np.array([0.1587, 0.5, 0.8413]) * kept.size).astype(int)]
        kept = kept[np.abs(kept - middle) < 1.5 * (high - low)]
    assert faint_sources._clipped_median(values) == middle
    assert faint_sources._clipped_median(np.array([1.0, 1, 1, 1, 7])) == 1.0


def test_faint_light_is_taken_off_all_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """In part from 1.4 % of the frame on, in full from 2.2 %; its error is 60 % of itself, and of the whole of it."""
    rng = np.random.default_rng(5)
    scene = np.exp(rng.normal(-3, 1, (128, 128)))
    cube = make_cube(0.7, size=128, scene=scene)
    mask = SkyMask(np.zeros((128, 128), np.uint8), 0.1, 0.0, 0.7)
    monkeypatch.setattr(faint_sources, "_fit_sky", lambda boxes, noise: 0.7)
    found = {}
    for covered in (0.013, 0.018, 0.5):
        monkeypatch.setattr(faint_sources, "_covered", lambda *_, covered=covered: covered)
        found[covered] = faint_sources.faint_light(cube, mask)
    assert found[0.013] == FaintLight(0.0, 0.0, 0.013)
    assert found[0.018].level == pytest.approx(found[0.5].level / 2)
    assert found[0.5].level == pytest.approx(0.05, abs=0.02)
    assert [found[c].error for c in (0.018, 0.5)] == pytest.approx([0.6 * found[0.5].level] * 2)
    assert faint_sources.faint_light(cube, mask, flat_fielded=False) == FaintLight(0.0, 0.0, 0.5)
    monkeypatch.setattr(faint_sources, "_fit_sky", lambda boxes, noise: 5.0)
    assert faint_sources.faint_light(cube, mask) == FaintLight(0.0, 0.0, 0.5)


@pytest.mark.parametrize(("ny", "expected"), [(40, range(40)), (42, range(40)), (800, [0, 1, 2, 3, 16, 17, 18, 19])])
def test_rows_of_boxes_from_the_whole_frame(ny: int, expected: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole boxes of four rows; of 800 rows every fourth box."""
    seen: list[int] = []

    def halves(cube: ReadCube, rows: Array) -> None:
        seen.extend(rows.tolist())

    monkeypatch.setattr(faint_sources, "_halves", halves)
    frame: Any = SimpleNamespace(rate=np.zeros((1, ny, 4)))
    assert faint_sources.faint_light(frame, mask_with()) == FaintLight(0.0, 0.0)
    assert seen[: len(expected)] == list(expected)
    assert len(seen) == (ny // 4 * 4 if ny < 400 else 200)


def test_faint_light_is_subtracted_from_the_frame_and_its_quadrants() -> None:
    curve = curve_with([0.1, 0.2])
    found = faint_sources.subtract_faint_light(curve, FaintLight(0.125, 0.05))
    assert found.rate.tolist() == [0.375, 0.375]
    assert (found.quadrants == -0.125).all()
    assert found.rate_err is curve.rate_err
    assert found.lr_diff is curve.lr_diff


# --- intervals -----------------------------------------------------------------------------------------------------


def test_an_interval_begins_at_the_last_good_read() -> None:
    assert intervals._bases([True, False, True, True, False]) == [-1, 0, 0, 2, 3]
    assert intervals._bases([False, True]) == [-1, -1]


def test_sides_and_quadrants_of_the_frame() -> None:
    """Columns 40 to 240 and 760 to 960 of 1014; for the ratio 50 to 250 and 700 to 900, in rows 100 to 900."""
    frame: Any = SimpleNamespace(shape=(1014, 1014), rows=np.arange(1014))
    cells = intervals._cells(frame)
    found = [
        (
            tuple(np.flatnonzero(np.isin(cells.row_cell, np.arange(y0, y1)))[[0, -1]] + [0, 1]),
            (cells.edges[x0], cells.edges[x1]),
        )
        for y0, y1, x0, x1 in intervals._regions(cells, (1014, 1014))
    ]
    every, low, high = (0, 1014), (0, 507), (507, 1014)
    assert found == [
        (every, every), (low, low), (low, high), (high, low), (high, high), (every, (40, 240)), (every, (760, 960)),
        ((100, 900), (50, 250)), ((100, 900), (700, 900)),
    ]  # fmt: skip


def test_level_scatter_and_error_of_an_interval() -> None:
    """Pixels of scatter 0.1, brighter on the left: pi/2 sigma^2 / n, and sqrt(2) 0.18 electrons of reference pixels."""
    rng, size = np.random.default_rng(6), 128
    x = np.arange(size)
    pattern = np.where(x < 64, 0.9, 0.6)[None]
    one = 0.5 + rng.normal(0, 0.1, (size, size))
    two = pattern + rng.normal(0, 0.1, (size, size))
    t = np.array([100.0, 300.0])
    cube = cube_of(np.stack([one, (one * 100 + two * 200) / 300]), t)
    curve = measure_curve(cube, np.zeros((size, size), np.uint8), threads=1)
    assert curve.rate[0] == pytest.approx(0.5, abs=0.004)
    assert curve.scatter[0] == pytest.approx(0.1, rel=0.03)
    assert curve.n_pixels[0] == pytest.approx(size**2 * 0.9973, rel=0.002)
    errors = [
        np.hypot(np.sqrt(np.pi / 2 / n) * s, np.sqrt(2) * 0.18 * np.sqrt(1014 / size) / dt)
        for n, s, dt in zip(curve.n_pixels, curve.scatter, (100, 200), strict=True)
    ]
    assert curve.rate_err == pytest.approx(errors)
    assert curve.quadrants[1] == pytest.approx([0.9, 0.6, 0.9, 0.6], abs=0.006)
    assert curve.lr_diff[1] == pytest.approx(0.3, abs=0.01)
    assert curve.lr_ratio[1] == pytest.approx(1.5, abs=0.02)
    assert curve.dt.tolist() == [100, 200]
    assert curve.signal == pytest.approx([100 * curve.rate[0], 100 * curve.rate[0] + 200 * curve.rate[1]])
    assert curve.base == (-1, 0)


def test_a_read_shows_sky_if_most_of_its_pixels_are_good_and_not_all_alike() -> None:
    rate = np.random.default_rng(7).random((2, 20, 20))
    skip = np.zeros((20, 20), np.uint8)
    cube = cube_of(rate, TIMES[:2])
    assert shows_sky(cube, skip, 1)
    assert not shows_sky(replace(cube, rate=np.ones_like(cube.rate)), skip, 1)
    flags = cube.dq.copy()
    flags[1, :10] = 4
    assert not shows_sky(replace(cube, dq=flags), skip, 1)  # half are no more than the others
    flags[1, 0, 0] = 0
    assert shows_sky(replace(cube, dq=flags), skip, 1)
    flags[1] = 8192
    assert shows_sky(replace(cube, dq=flags), skip, 1)
    nothing = cube.rate.copy()
    nothing[1] = np.nan
    assert not shows_sky(replace(cube, rate=nothing), skip, 1)
    nothing[1, 3, 4:6] = 1, 2
    assert shows_sky(replace(cube, rate=nothing), skip, 1)
    assert not shows_sky(cube, np.ones((20, 20), np.uint8), 1)


# --- noise ---------------------------------------------------------------------------------------------------------


def test_noise_of_last_minus_first_by_hand() -> None:
    """Reads of 20.5 electrons together: sqrt(20.5^2 + 300 + 0.048 x 400) / 400; a sky below 0 has no photons."""
    assert noise_model.last_minus_first_noise(300.0, 400.0) == pytest.approx(
        np.sqrt(noise_model.READ_NOISE**2 + 300 + 19.2) / 400
    )
    assert pytest.approx(20.5, abs=0.3) == noise_model.READ_NOISE
    assert noise_model.last_minus_first_noise(-300.0, 400.0) == noise_model.last_minus_first_noise(0.0, 400.0)
    t, sky = np.array([100.0, 400.0]), np.array([0.5, 0.75])
    assert noise_model.last_minus_first(t, sky) == noise_model.last_minus_first_noise(300.0, 400.0)
    assert noise_model.ramp_fit(t, sky) == noise_model.last_minus_first(t, sky)
    assert noise_model.ramp_fit_level(t, sky) == 0.75
    three = np.array([100.0, 200, 400]), np.array([0.5, 0.5, 0.75])
    assert noise_model.ramp_fit(*three) != noise_model.last_minus_first(*three)


@pytest.mark.parametrize("level", [0.001, 0.2, 0.6, 3.0, 11.0, 60.0])
def test_the_fits_noise_and_level_by_plain_algebra(level: float) -> None:
    """The power of the weights rises with the signal to noise of the last read: 0, 0.4, 1, 3, 6, 10."""
    t = np.array([3.0, 103, 203, 303, 403, 503])
    sky = level * np.array([1.0, 1.1, 1.3, 1.2, 1.1, 1.4])
    electrons = (sky + 0.048) * t
    snr = (electrons[-1] - electrons[0]) / np.sqrt(noise_model.READ_NOISE**2 + electrons[-1])
    power = [0, 0.4, 1, 3, 6, 10][int(np.searchsorted([5, 10, 20, 50, 100], snr))]
    weights = np.abs((np.arange(6) - 2.5) / 2.5) ** power
    slopes = (
        np.linalg.inv(np.vander(t, 2).T @ np.diag(weights) @ np.vander(t, 2)) @ np.vander(t, 2).T @ np.diag(weights)
    )
    covariance = np.minimum.outer(electrons, electrons) + np.eye(6) * noise_model.READ_NOISE**2 / 2
    assert noise_model.ramp_fit(t, sky) == pytest.approx(np.sqrt(slopes[0] @ covariance @ slopes[0]), rel=1e-6)
    assert noise_model.ramp_fit_level(t, sky) == pytest.approx(slopes[0] @ (sky * t), rel=1e-6)
    lengths, differences = np.diff(t, prepend=0), np.eye(6, 7, 1) - np.eye(6, 7)
    shared = 14.6**2 * differences @ differences.T
    inverse = np.linalg.inv(np.diag(np.diff(electrons, prepend=0)) + shared)
    assert noise_model.optimal(t, sky) == pytest.approx(1 / np.sqrt(lengths @ inverse @ lengths), rel=1e-6)
    rates = np.diff(sky * t, prepend=0) / lengths
    assert noise_model.optimal(t, sky) == pytest.approx(limit(t, rates, 0.0), rel=0.01)


def test_noise_of_a_drizzled_pixel_by_hand() -> None:
    noises, times = np.array([0.02, 0.04]), np.array([100.0, 300.0])
    expected = np.hypot(0.02 * 100, 0.04 * 300) / 400
    assert noise_model.drizzled(noises, times) == pytest.approx(expected)
    assert noise_model.drizzled(noises, times, scale=0.5) == pytest.approx(expected / 2)
    weighted = noise_model.drizzled(noises, times, weights=np.array([3.0, 1.0]))
    assert weighted == pytest.approx(np.hypot(0.06, 0.04) / 4)


# --- extended sources ----------------------------------------------------------------------------------------------


def curve_with(side: list[float], error: float = 0.01, rate: list[float] | None = None) -> Curve:
    n = len(side)
    level = np.full(n, 0.5) if rate is None else np.array(rate)
    return Curve(
        np.arange(n) * 100.0, np.arange(1, n + 1) * 100.0, level, np.full(n, error), np.full(n, 0.1),
        np.full(n, 1000), np.zeros((n, 4)), np.array(side), np.ones(n), np.zeros(n),
    )  # fmt: skip


def mask_with(fraction: float = 0.1, uneven: float = 0.0, level: float = 0.5) -> SkyMask:
    return SkyMask(np.zeros((4, 4), np.uint8), fraction, uneven, level)


@pytest.mark.parametrize(
    ("mask", "side", "extended"),
    [
        (mask_with(0.851), [0.0], True),
        (mask_with(0.85), [0.0], False),
        (mask_with(uneven=0.021, level=1.0), [0.0], True),
        (mask_with(uneven=0.019, level=2.0), [0.0], False),
        (mask_with(uneven=0.03, level=0.6), [0.0], False),
        (mask_with(uneven=0.02, level=2.0), [0.0], False),
        (mask_with(uneven=0.04, level=0.5), [0.0], False),
        (mask_with(uneven=0.021, level=0.0), [0.0], True),
        (mask_with(), [0.11, 0.5, np.nan], True),
        (mask_with(), [-0.11, -0.5], True),
        (mask_with(), [0.09, 0.5], False),
        (mask_with(), [0.3, -0.3], False),
        (mask_with(level=2.0), [0.21, 0.3], True),
        (mask_with(level=2.0), [0.19, 0.3], False),
        (mask_with(), [np.nan], False),
    ],
)
def test_what_fills_the_frame(mask: SkyMask, side: list[float], *, extended: bool) -> None:
    assert is_extended(mask, curve_with(side)) is extended


def test_without_a_flat_field_only_masked_sources_fill_the_frame() -> None:
    uneven = mask_with(uneven=0.5, level=1.0)
    assert not is_extended(uneven, curve_with([0.5]), flat_fielded=False)
    assert is_extended(mask_with(0.9), curve_with([0.5]), flat_fielded=False)
    assert is_extended(mask_with(), curve_with([0.5], error=0.016))
    assert not is_extended(mask_with(), curve_with([0.5], error=0.017))  # noisier than a sixth of the limit


def test_error_of_the_level() -> None:
    """Of faint light and structure; under an extended source what exceeds the zodiacal light, at least 0.1."""
    curve, light = curve_with([0.0] * 3, rate=[0.9, 0.6, 0.7]), FaintLight(0.1, 0.03)
    even, uneven = mask_with(uneven=0.08, level=0.5), mask_with(uneven=1.0, level=0.8)
    assert level_error(curve, even, light, extended=False) == pytest.approx(0.05)
    assert level_error(curve, even, light, extended=True) == pytest.approx(0.3)
    assert level_error(curve, even, light, extended=True, zodi=0.4) == pytest.approx(0.2)
    assert level_error(curve, even, light, extended=True, zodi=0.55) == pytest.approx(0.1)
    assert level_error(curve, uneven, light, extended=True, zodi=0.4) == pytest.approx(0.8)
    noisy = replace(curve, rate_err=np.array([0.01, 0.0201, 0.02]))
    assert level_error(noisy, even, light, extended=True, zodi=0.4) == pytest.approx(0.3)
    assert level_error(replace(curve, rate=np.full(3, np.nan)), even, light, extended=True) is None


# --- trails and scattered light ------------------------------------------------------------------------------------


def test_intervals_with_more_bright_pixels_than_cosmic_rays_make() -> None:
    """0.5 a second in most: 50 in 100 s. More than 24, and five standard deviations (35), are a suspect."""
    dt = np.array([100.0, 100, 100, 100, 10, 10, np.nan])
    assert _suspects(np.array([50, 50, 50, 86, 5, 30, 99]), dt) == [3, 5]
    assert _suspects(np.array([50, 50, 50, 85, 5, 29, 99]), dt) == []
    assert _suspects(np.array([50, 500]), np.full(2, 100.0)) == []
    assert _suspects(np.array([50, 50, 500]), np.full(3, 100.0)) == [2]


def test_a_streak_covers_its_pixels() -> None:
    """100 of 200 x 200 pixels on a line, all bright, or every second one, or less than six in ten over 32."""
    grid = np.zeros((200, 200), np.uint8)
    k = np.arange(100)
    grid[50 + k // 3, 40 + k] = 1
    assert grid_streak_score(grid) == pytest.approx(100 / 40_000)
    assert grid_streak_score(grid.T) == pytest.approx(100 / 40_000)
    assert grid_streak_score(grid[::-1]) == pytest.approx(100 / 40_000)
    half = np.zeros_like(grid)
    half[50 + k[::2] // 3, 40 + k[::2]] = 1
    assert grid_streak_score(half) == 0.0
    few = np.zeros_like(grid)
    few[50, 40:59] = 1
    assert grid_streak_score(few) == 0.0
    assert grid_streak_score(np.ones((200, 200), np.uint8)) == 0.0


def test_a_streak_has_no_gaps() -> None:
    assert _is_contiguous(np.arange(32.0))
    assert not _is_contiguous(np.arange(31.0))
    assert _is_contiguous(np.concatenate([np.arange(20.0), [31.0]]))  # 21 of 32 covered
    assert not _is_contiguous(np.concatenate([np.arange(18.0), [31.0]]))
    assert not _is_contiguous(np.zeros(0))


def test_the_lowest_level_that_three_reads_share() -> None:
    """Errors of 0.1: values within 0.3 agree; the mean is weighted. Without three that agree it is the median."""
    errors = np.array([0.1, 0.1, 0.2, 0.1, 0.1])
    values = np.array([1.0, 1.1, 1.2, 3.0, 5.0])
    weights = 1 / errors[:3] ** 2
    assert lowest_level(values, errors, same=0.01) == pytest.approx(np.average(values[:3], weights=weights))
    assert lowest_level(values, errors / 100, same=0.01) == 1.2
    assert lowest_level(values, errors / 100, same=0.2) == pytest.approx(np.average(values[:3], weights=weights))
    assert lowest_level(values, errors / 100, same=0.19) == 1.2
    low = np.array([-9.0, 1.0, 1.0, 1.0, 1.0])
    assert lowest_level(low, errors, same=0.01) == pytest.approx(1.0)


def bright_of(rates: Array, t: Array, rate: list[float], scatter: list[float], step: int = 1) -> Array:
    """Return the grid of bright pixels of the last interval of two."""
    n = len(rate)
    cube = cube_of(rates, t)
    curve = replace(
        curve_with([0.0] * n, rate=rate), t_start=np.concatenate([[0.0], t[:-1]]), t_end=t,
        scatter=np.array(scatter), base=tuple(range(-1, n - 1)),
    )  # fmt: skip
    grid = trails._bright(cube, curve, trails._bad(cube), n - 1, step)
    assert grid is not None
    return grid


def test_bright_pixels_are_six_sigma_above_the_sky_of_their_interval() -> None:
    """Sky 0.5 in 100 s, then 1.0 in 200 s; scatter 0.1. What shone before does not count, nor what hardly does."""
    t = np.array([100.0, 300.0])
    first, last = np.full((6, 9), 0.5), np.full((6, 9), 1.0)
    last[1, 1], last[2, 2] = 9.0, 1.5
    first[3, 3], last[3, 3] = 3.5, 4.0
    rates = np.stack([first, (first * 100 + last * 200) / 300])
    grid = bright_of(rates, t, [0.5, 1.0], [0.1, 0.1])
    assert grid.shape == (6, 9)
    assert np.argwhere(grid).tolist() == [[1, 1]]
    assert bright_of(rates, t, [0.5, 1.0], [0.1, 0.1], step=2).shape == (3, 5)
    assert np.argwhere(bright_of(rates[:, 1:, 1:], t, [0.5, 1.0], [0.1, 0.1], step=4)).tolist() == [[0, 0]]


def test_saturated_and_bad_pixels_do_not_shine() -> None:
    """By their flags in the last read, or from 60,000 electrons on."""
    rate = np.full((2, 2, 5), 1.0)
    rate[1, 0, :2] = 199.0, 201.0
    cube = cube_of(rate, np.array([100.0, 300.0]))
    flags = cube.dq.copy()
    flags[0, 1, 0], flags[1, 1, 1], flags[0, 1, 2], flags[1, 1, 3] = 4, 256, 32, 4
    bad = trails._bad(replace(cube, dq=flags))
    assert bad.tolist() == [[0, 1, 0, 0, 0], [1, 1, 0, 0, 0]]
    nothing = replace(curve_with([0.0, 0.0]), rate=np.array([0.5, np.nan]))
    assert trails._bright(cube, nothing, bad, 1, 1) is None
