"""Parts of the search for lost pixels, of the mask of sources and of the pattern of scattered light, by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.helpers.generator import make_cube
from wfc3tvb.curve import lost_pixels, scattered_light, sky_mask
from wfc3tvb.curve.geometry import jitter_geometry, wrap
from wfc3tvb.curve.pointing import view_direction
from wfc3tvb.models import ReadCube

Array = NDArray[Any]


def cube_of(charges: list[Any], t: list[float]) -> ReadCube:
    """Return reads whose pixels, in one row, hold these electrons."""
    times, charge = np.array(t, float), np.array(charges, float)[:, None, :]
    cube = make_cube(0.5, times, size=charge.shape[-1])
    rate = (charge / times[:, None, None]).astype(np.float32)
    return replace(cube, rate=rate, dq=np.zeros(rate.shape, np.int16))


# --- pixels alike --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "run"), [(5, 8), (8, 8), (20, 20), (32, 32), (1014, 32)])
def test_neighbors_alike_that_noise_does_not_allow(width: int, run: int) -> None:
    assert lost_pixels._run(width) == run


def test_the_pixels_of_a_run_are_marked_and_no_others() -> None:
    """Runs of 32 and 40 are marked, of 31 not; they may touch the edges; two runs of different values are two."""
    rows = np.arange(4 * 100, dtype=np.float32).reshape(4, 100)
    rows[0, 10:42] = 7
    rows[1, 10:41] = 7
    rows[2, :40], rows[2, 68:] = 3, 4
    rows[3, 20:36], rows[3, 36:52] = 3, 4
    expected = np.zeros(rows.shape, bool)
    expected[0, 10:42] = expected[2, :40] = expected[2, 68:] = True
    np.testing.assert_array_equal(lost_pixels._runs(rows), expected)


def test_rows_that_may_hold_a_run() -> None:
    """Of 32 neighbors alike, every eighth is compared: a run is never missed, wherever it begins."""
    for start in range(68):
        plane = np.arange(3 * 100, dtype=np.float32).reshape(3, 100)
        plane[1, start : start + 32] = 7
        assert lost_pixels._rows_alike(plane).tolist() == [1]
        plane[1, start + 9 : start + 32] = np.arange(23)
        assert lost_pixels._rows_alike(plane).tolist() == []
    assert lost_pixels._rows_alike(np.zeros((3, 7), np.float32)).size == 0
    assert lost_pixels._rows_alike(np.zeros((3, 8), ">f4")).tolist() == [0, 1, 2]


# --- charge that vanishes ------------------------------------------------------------------------------------------


def test_charge_that_vanishes_or_had_appeared() -> None:
    """Pixel 0 is quiet, 1 falls in read 3, 2 had too much in read 2, 3 falls by less than counts, 4 is saturated."""
    charges = [
        [100, 5000, 100, 5990, 60_000, 100],
        [200, 6000, 9000, 6000, 70_000, 200],
        [300, 2000, 300, 5001, 40_000, np.nan],
        [400, 7000, 400, 7000, 15_000, 300],
    ]
    cube = cube_of(charges, [100, 200, 300, 400])
    flags = cube.dq.copy()
    flags[2:, 0, 4] = 256
    low, high = lost_pixels._vanished(replace(cube, dq=flags), 1000.0)
    assert np.argwhere(low[:, 0]).tolist() == [
        [2, 1],
        [3, 4],
    ]  # 15,000 is less than half of 40,000, but 40,000 not of 70,000
    assert np.argwhere(high[:, 0]).tolist() == [[1, 2]]
    bad = flags.copy()
    bad[0, 0, 1] = 4
    low, high = lost_pixels._vanished(replace(cube, dq=bad), 1000.0)
    assert np.argwhere(low[:, 0]).tolist() == [[3, 4]]
    low, high = lost_pixels._vanished(replace(cube, dq=flags), 900.0)
    assert np.argwhere(low[:, 0]).tolist() == [[2, 1], [2, 3], [3, 4]]


def test_the_charge_of_the_zeroth_read() -> None:
    """0, or that of the first where the second agrees with it and not with 0, and it is below 0."""
    charges = np.array([[-5000, 100, -5000, 5000], [-4900, 200, 100, 5100]], np.float32)[:, None]
    assert lost_pixels._zeroth(charges)[0].tolist() == [-5000, 0, 0, 0]
    assert lost_pixels._zeroth(charges[:1])[0].tolist() == [-5000, 0, -5000, 0]


def test_noise_from_the_differences_of_pairs() -> None:
    """Four reads enter each: the noise of one is half the scatter of the differences, of two reads 1/sqrt(2)."""
    values = np.random.default_rng(1).normal(3.0, 2.0, 100_000)
    low, high = np.percentile(values, (15.87, 84.13))
    found = lost_pixels._width(np.append(values, np.nan))
    assert found == pytest.approx((high - low) / np.sqrt(8))
    assert found == pytest.approx(2.0 / np.sqrt(2), rel=0.01)
    assert np.isnan(lost_pixels._width(np.full(3, np.nan)))


@pytest.mark.parametrize("factor", [1.0, 5.0, 10.0])
def test_reads_that_are_too_noisy(factor: float) -> None:
    """A read whose pixels scatter by more than those of the others, from a factor of 6 on."""
    rng, t = np.random.default_rng(2), np.arange(1, 8) * 100.0
    charge = rng.normal(0, 14.6, (7, 64, 64)) + np.cumsum(rng.poisson(50, (7, 64, 64)), axis=0)
    cube = make_cube(0.5, t, size=64)
    noise = np.hypot(14.6 * np.sqrt(2), np.sqrt(50))
    charge[3] = np.mean(charge[3]) + (charge[2] - charge[2].mean())
    charge[3] += rng.normal(0, factor * noise, (64, 64))
    charge[4:] += charge[3] - charge[2] - 50  # what is lost stays, so that both differences show it
    charge[4] += rng.normal(0, factor * noise, (64, 64))
    found = lost_pixels._noisy_reads(replace(cube, rate=(charge / t[:, None, None]).astype(np.float32)))
    assert (3 in found) is (factor == 10.0)


def read_cube(charge: Array, t: Array) -> ReadCube:
    """Return reads of frames that hold these electrons, without flags."""
    cube = make_cube(0.5, t, size=charge.shape[-1])
    rate = (charge / t[:, None, None]).astype(np.float32)
    return replace(cube, rate=rate, dq=np.zeros(rate.shape, np.int16))


@pytest.mark.parametrize(
    ("share", "loss", "spoiled"),
    [(0.12, 300, [3]), (0.08, 300, []), (0.12, 150, []), (0.12, 1500, []), (0.12, -300, [])],
)
def test_a_read_is_spoiled_if_a_tenth_of_its_pixels_lose_200_electrons(
    share: float, loss: float, spoiled: list[int]
) -> None:
    """More than 1000 electrons are a loss of the pixel alone. What is gained may be light, as it stays."""
    t, rng = np.arange(1, 8) * 100.0, np.random.default_rng(6)
    charge = np.cumsum(np.full((7, 40, 40), 50.0), axis=0) + 3000
    where = rng.random((40, 40)) < share
    charge[3 if loss > 0 else slice(3, None), where] -= loss
    found = lost_pixels._spoiled_reads(read_cube(charge, t))
    assert found == spoiled


@pytest.mark.parametrize(("level", "bad"), [(4999.0, []), (5001.0, [2]), (-5001.0, [2])])
def test_a_wrong_level_of_the_reference_pixels(level: float, bad: list[int]) -> None:
    t, rng = np.arange(1, 5) * 100.0, np.random.default_rng(7)
    cube = read_cube(np.cumsum(rng.poisson(50, (4, 40, 40)), axis=0) + rng.normal(0, 14.6, (4, 40, 40)), t)
    levels = np.where(np.arange(4) == 2, level, 0.0)
    given = replace(cube, reference_level=levels)
    assert lost_pixels._bad_reads(given, given) == bad
    clean = lost_pixels.without_lost_pixels(given)
    assert [bool(np.isnan(plane).all()) for plane in clean.rate] == [k in bad for k in range(4)]
    assert (clean is given) is (bad == [])


@pytest.mark.parametrize(("rows", "whole"), [(19, False), (20, True)])
def test_a_read_of_which_half_is_lost_is_left_out(rows: int, *, whole: bool) -> None:
    t, rng = np.arange(1, 5) * 100.0, np.random.default_rng(8)
    cube = read_cube(np.cumsum(rng.poisson(50, (4, 40, 40)), axis=0) + rng.normal(0, 14.6, (4, 40, 40)), t)
    flags = cube.dq.copy()
    flags[1, :rows] = 2
    flags[2, 5, 5] = 1
    flags[3, 6, 6] = 4
    clean = lost_pixels.without_lost_pixels(replace(cube, dq=flags)).rate
    assert np.isnan(clean[1]).sum() == (1600 if whole else rows * 40)
    assert np.argwhere(np.isnan(clean[2])).tolist() == [[5, 5]]
    assert not np.isnan(clean[[0, 3]]).any()


def test_one_pixel_in_a_hundred_may_lose_its_charge() -> None:
    """16 of 1600 pixels are looked at, 15 are not: single pixels are unstable."""
    t, rng = np.arange(1, 6) * 100.0, np.random.default_rng(9)
    charge = np.cumsum(rng.poisson(50, (5, 40, 40)), axis=0) + rng.normal(0, 14.6, (5, 40, 40)) + 3000
    for n in (15, 16):
        lost = charge.copy()
        lost[2].ravel()[:: 1600 // n][:n] = 500.0
        clean = lost_pixels.without_lost_pixels(read_cube(lost, t)).rate
        assert np.isnan(clean).sum() == (16 if n == 16 else 0)


def test_gaps_of_the_draft_are_filled_from_the_read_before_them() -> None:
    """Read 3 lacks two pixels; read 2 has one of them, 0.7 above its others, and read 1 the other, 0.2 above."""
    rates = np.ones((4, 6, 6)) * np.array([1.0, 2.0, 4.0, np.nan])[:, None, None]
    rates[:, 2, 2], rates[:, 3, 3] = [1.1, 2.7, np.nan, np.nan], [1.2, np.nan, np.nan, np.nan]
    t = np.arange(1, 5) * 100.0
    draft = lost_pixels.draft_of(read_cube(rates * t[:, None, None], t))
    expected = np.full((6, 6), 4.0)
    expected[2, 2], expected[3, 3] = 4.7, 4.2
    np.testing.assert_allclose(draft, expected, rtol=1e-6)
    nothing = read_cube(np.full((2, 6, 6), np.nan), t[:2])
    nothing.rate[1, 3, 4] = 7.0  # not among the pixels that are looked at, every fifth row and third column
    assert lost_pixels.draft_of(nothing)[3, 4] == 7.0
    nothing.rate[0, 5, 3] = 3.0
    assert lost_pixels.draft_of(nothing)[5, 3] == 3.0


# --- sources -------------------------------------------------------------------------------------------------------


def test_level_and_scatter_of_the_lower_half() -> None:
    """Sources only add: a fifth of the pixels far above does not move the level by a tenth of the scatter."""
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.normal(1.0, 0.1, 8000), rng.uniform(2, 9, 2000), [np.nan]]).astype(np.float32)
    level, scatter = sky_mask._sky_of(values)
    assert level == pytest.approx(1.0, abs=0.006)
    assert scatter == pytest.approx(0.1, rel=0.03)
    kept = np.sort(values[np.isfinite(values)].astype(float))
    for _ in range(20):
        below, middle = kept[int(0.1587 * kept.size)], kept[kept.size // 2]
        kept = kept[kept <= middle + 2.5 * (middle - below)]
    assert (level, scatter) == (middle, middle - below)
    assert np.isnan(sky_mask._sky_of(np.full(3, np.nan, np.float32))).all()


def test_the_linear_change_of_a_block_is_taken_off() -> None:
    x = np.arange(40, dtype=np.float32)
    block = np.broadcast_to(0.7 + 0.01 * (x - 19.5), (30, 40)).astype(np.float32)
    even = sky_mask._without_gradient(block, 1)
    assert even == pytest.approx(np.full((30, 40), 0.7), abs=0.011)
    assert even[:, 0] == pytest.approx(even[:, -1], abs=0.021)
    halves = np.where(x < 20, 1.0, 2.0).astype(np.float32) * np.ones((30, 1), np.float32)
    assert sky_mask._without_gradient(halves, 1)[0, [0, 39]] == pytest.approx([1 + 19.5 / 20, 2 - 19.5 / 20])
    half = block.copy()
    half[:, 20:] = np.nan
    np.testing.assert_array_equal(sky_mask._without_gradient(half, 1), half)


#: Cells of 16 x 16 pixels: levels rise from column to column of cells, which does not count, and differ by row.
ROWS = np.array([-0.08, -0.02, 0.0, 0.01, 0.05, 0.09])


def cells_of(spread: float) -> NDArray[np.float32]:
    """Return a smoothed image of 96 x 96 pixels; the 256 values of a cell are evenly spread."""
    level = (1 + 0.3 * np.arange(6))[None, :] + ROWS[:, None]
    within = np.linspace(-spread, spread, 256).reshape(16, 16)
    return (np.repeat(np.repeat(level, 16, 0), 16, 1) + np.tile(within, (6, 6))).astype(np.float32)


@pytest.mark.parametrize("spread", [0.0, 0.05])
def test_unevenness_of_the_sky_along_the_columns(spread: float) -> None:
    """Scatter of the cells about their column, less that of their noise: 25 pixels of the box share their noise."""
    uneven, level = sky_mask._unevenness(cells_of(spread), np.zeros((96, 96), np.uint8))
    about = np.tile(ROWS - np.median(ROWS), 6)
    scatter = np.diff(np.percentile(about, (16, 84)))[0] / 2
    noise = 1.25 * spread / 1.349 / np.sqrt(256 / 25)  # the quartiles are `spread` apart
    middle = np.median((1 + 0.3 * np.arange(6))[None, :] + ROWS[:, None])
    assert level == pytest.approx(middle, abs=0.002)
    assert uneven == pytest.approx(np.sqrt(scatter**2 - noise**2) / middle, rel=0.02)
    assert sky_mask._unevenness(cells_of(5.0), np.zeros((96, 96), np.uint8))[0] == 0.0


def test_half_of_the_cells_must_show_the_sky() -> None:
    """18 of 36 cells with ten pixels are enough, 17 are not."""
    skip = np.zeros((96, 96), np.uint8)
    skip[:48] = 1
    image = cells_of(0.0)
    assert sky_mask._unevenness(image, skip)[1] > 0.9
    skip[48:64, :16] = 1
    skip[48, :9] = 0
    assert sky_mask._unevenness(image, skip) == (1.0, 0.0)
    skip[48, 9] = 0
    assert sky_mask._unevenness(image, skip)[1] > 0.9


def test_the_structure_is_the_unevenness_of_the_level() -> None:
    mask = sky_mask.SkyMask(np.zeros((2, 2), np.uint8), 0.0, 0.1, -0.5)
    assert mask.structure == pytest.approx(0.05)


# --- scattered light -----------------------------------------------------------------------------------------------


def test_sums_of_blocks() -> None:
    image = np.arange(12, dtype=np.float32).reshape(3, 4)
    starts = [np.array([0, 2]), np.array([0, 3])]
    assert scattered_light._sums(image, starts).tolist() == [0 + 1 + 2 + 4 + 5 + 6, 3 + 7, 8 + 9 + 10, 11]


def test_the_surface_is_a_sum_of_chebyshev_polynomials() -> None:
    """T_i(x) T_j(y) with i + j up to 6, at the middles of pixels of a frame from -1 to 1."""
    terms = scattered_light._TERMS
    assert len(terms) == 28
    assert max(i + j for i, j in terms) == 6
    coefficients = np.random.default_rng(4).normal(size=28)
    y, x = (2 * (np.arange(n) + 0.5) / n - 1 for n in (5, 8))
    expected = sum(
        c * np.outer(np.cos(j * np.arccos(y)), np.cos(i * np.arccos(x)))
        for c, (i, j) in zip(coefficients, terms, strict=True)
    )
    np.testing.assert_allclose(scattered_light._surface(coefficients, (5, 8)), expected, atol=1e-12)
    yy, xx = (plane.ravel() for plane in np.meshgrid(y, x, indexing="ij"))
    np.testing.assert_allclose(scattered_light._design(yy, xx) @ coefficients, np.asarray(expected).ravel(), atol=1e-12)


def test_left_minus_right_of_a_pattern() -> None:
    pattern = np.broadcast_to(np.arange(1014.0), (3, 1014))
    assert scattered_light._left_minus_right(pattern) == np.median(np.arange(40, 240)) - np.median(np.arange(760, 960))


def test_means_of_blocks_between_reads() -> None:
    """Two intervals of 100 and 300 s at 1.0 and 2.0 electron/s, minus the mean of 1.75; sources and hits are left out.

    64 x 64 pixels make 16 x 16 blocks; the error is that of two reads of 14.6 electrons and the photons of the level.
    """
    t = np.array([100.0, 400.0])
    rate = np.stack([np.full((64, 64), 1.0), np.full((64, 64), 1.75)]).astype(np.float32)
    rate[:, 0, 0] += 3.1  # a source
    rate[0, 4, 4] += 60.0  # a hit: the noise of a pixel is 0.25, and 3 electron/s of light are allowed
    good = np.ones((64, 64), bool)
    good[0, 4:8], good[1, 4] = False, False
    blocks = scattered_light._block_means(rate, t, np.array([0, 1]), good)
    assert blocks.rates.shape == (2, 256)
    assert np.isnan(blocks.rates[:, 1]).all()  # 11 pixels
    used = np.isfinite(blocks.rates[0])
    assert used.sum() == 255
    assert blocks.rates[0, used] == pytest.approx(np.full(255, -0.75), abs=1e-6)
    assert blocks.rates[1, used] == pytest.approx(np.full(255, 0.25), abs=1e-6)
    noise = [np.sqrt(2 * 14.6**2 + 1.75 * dt) / dt for dt in (100, 300)]
    assert blocks.errors[:, 2] == pytest.approx(np.array(noise) / 4)
    assert blocks.errors[0, [0, 17]] == pytest.approx(noise[0] / np.sqrt(15))
    assert blocks.places[0][[0, 16]] == pytest.approx([-1 + 1 / 16, -1 + 3 / 16])
    assert blocks.places[1][[0, 1]] == pytest.approx([-1 + 1 / 16, -1 + 3 / 16])


@pytest.mark.parametrize("height", [0.5, 2.0])
def test_errors_of_the_amplitudes_are_those_of_the_pixels(height: float) -> None:
    """A pattern that falls from left to right by 1, whatever its height: noise over the root of its squares' sum."""
    rng, size = np.random.default_rng(5), 64
    t = np.arange(1, 9) * 100.0
    amplitudes = np.where(np.arange(8) < 3, height, 0.0)
    x = np.arange(size)
    pattern = np.cos(np.pi * (x + 0.5) / size)
    columns = [pattern[round(a * size) : round(b * size)] for a, b in ((0.03945, 0.23669), (0.74951, 0.94675))]
    pattern = (pattern / (np.median(columns[0]) - np.median(columns[1]))) * np.ones((size, 1))
    noise = np.sqrt(2 * 14.6**2 + 100 * 0.7)
    light = 0.7 + amplitudes[:, None, None] * pattern
    rate = np.cumsum(light * 100 + rng.normal(0, noise, (8, size, size)), axis=0) / t[:, None, None]
    found = scattered_light.fit_scattered_light(
        rate.astype(np.float32), t, amplitudes == 0, good=np.ones((size, size), bool)
    )
    assert found is not None
    assert found.amplitudes == pytest.approx(amplitudes, abs=4 * found.errors.max())
    expected = noise / 100 / np.sqrt(np.sum(pattern**2))
    assert found.errors == pytest.approx(np.full(8, expected), rel=0.1)
    assert found.chi2 == pytest.approx(1, abs=0.15)
    assert (found.pattern - pattern + pattern.mean()).std() < 0.05


# --- the log of the telescope --------------------------------------------------------------------------------------


def test_angles_are_wrapped() -> None:
    assert wrap(np.array([0.0, 179.0, 181.0, -181.0, 360.0, 180.0])).tolist() == [0, 179, -179, 179, 0, -180]


def test_a_log_is_interpolated_and_must_cover_the_reads() -> None:
    """Entries a minute apart: 30 s from the nearest is covered, 31 s after the last is not."""
    from wfc3tvb.models import Jitter

    start = 56000.0
    log = Jitter(
        mjd=start + np.array([0.0, 60, 120]) / 86400, latitude=np.array([10.0, 12, 14]),
        longitude=np.array([178.0, -178, -174]), limb_angle=np.array([40.0, 42, 44]),
        los_zenith=np.array([70.0, 68, 66]), bright_limb=np.array([0.0, 1, 1]),
    )  # fmt: skip
    place = jitter_geometry(log, start + np.array([20.0, 45, 149]) / 86400, 10.0, 20.0)
    assert place is not None
    assert place.limb_angle == pytest.approx([40 + 2 / 3, 41.5, 44])
    assert place.latitude == pytest.approx([10 + 2 / 3, 11.5, 14])
    assert place.longitude == pytest.approx([178 + 4 / 3, -179, -174], abs=1e-6)
    assert place.bright_limb.tolist() == [False, True, True]
    assert jitter_geometry(log, start + np.array([20.0, 151]) / 86400, 10.0, 20.0) is None


@pytest.mark.parametrize(
    ("ra", "dec", "valid"),
    [(360, 90, True), (0, -90, True), (360.5, 0, False), (10, 90.5, False), (10, -90.5, False), (-0.5, 0, False),
     (0, 0, False), (0, 1, True), (1, 0, True)],
)  # fmt: skip
def test_what_is_a_direction(ra: float, dec: float, *, valid: bool) -> None:
    target = {"RA_TARG": 5.0, "DEC_TARG": 6.0}
    found = view_direction({"RA_APER": ra, "DEC_APER": dec} | target)
    assert found == (((ra, dec), False) if valid else ((5.0, 6.0), True))
