"""Stars found and compared, on images with known fluxes."""

from __future__ import annotations

import numpy as np
import pytest
from photutils.aperture import ApertureStats, CircularAnnulus, CircularAperture, aperture_photometry

from wfc3tvb.repair.star_photometry import find_stars, flux_ratio, measure_stars, offset

NOISE, LEVEL, SIZE = 0.03, 0.8, 300


def field(scale: float = 1.0, seed: int = 1, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return an image with 40 stars on a grid, and their positions."""
    rng = np.random.default_rng(7)
    grid = np.arange(25, SIZE - 20, 42)
    x, y = (axis.ravel() + rng.uniform(-3, 3, axis.size) for axis in np.meshgrid(grid, grid))
    flux = rng.uniform(30, 300, x.size) * scale
    yy, xx = np.indices((SIZE, SIZE))
    image = np.random.default_rng(seed).normal(LEVEL, NOISE, (SIZE, SIZE))
    for x0, y0, f in zip(x + shift, y, flux, strict=True):
        image += f / (2 * np.pi * 0.6**2) * np.exp(-((xx - x0) ** 2 + (yy - y0) ** 2) / (2 * 0.6**2))
    return image.astype(np.float32), np.column_stack([x + shift, y])


GOOD = np.ones((SIZE, SIZE), bool)


def test_every_isolated_star_is_found_once() -> None:
    image, truth = field()
    found = find_stars(image, GOOD, NOISE, LEVEL)
    assert len(found) == len(truth)
    nearest = np.hypot(*(found[:, None] - truth[None]).transpose(2, 0, 1)).min(axis=1)
    assert nearest.max() < 1.0


def test_no_stars_in_an_empty_sky() -> None:
    image = np.random.default_rng(1).normal(LEVEL, NOISE, (SIZE, SIZE)).astype(np.float32)
    assert find_stars(image, GOOD, NOISE, LEVEL).shape == (0, 2)


@pytest.mark.parametrize("scale", [1.0, 0.97])
def test_the_ratio_of_fluxes_is_known(scale: float) -> None:
    before, places = field()
    after, _ = field(scale, seed=2)
    found = flux_ratio(before, after, (GOOD, GOOD), (places, places), NOISE)
    assert found is not None
    assert found.n_stars >= 30
    assert found.ratio == pytest.approx(scale, abs=3 * found.error)
    assert found.error < 0.005
    assert found.shift < 0.02


def test_a_star_with_an_unusable_pixel_is_left_out() -> None:
    image, places = field()
    usable = GOOD.copy()
    x, y = np.round(places[0]).astype(int)
    usable[y + 1, x] = False
    whole = flux_ratio(image, image, (GOOD, GOOD), (places, places), NOISE)
    less = flux_ratio(image, image, (usable, GOOD), (places, places), NOISE)
    assert whole is not None
    assert less is not None
    assert less.n_stars == whole.n_stars - 1


def test_a_wrong_level_around_stars_is_no_change_of_flux() -> None:
    """Where the sky broke by 0.4 e-/s, brighter pixels kept their level: up to 28 x 0.4 e-/s of a flux are false."""
    after, places = field()
    before, fault = after.copy(), 0.4
    yy, xx = np.indices(before.shape)
    for i, (x, y) in enumerate(places):
        before[np.hypot(xx - x, yy - y) < 1.0 + 2.0 * (i % 5) / 4] += fault
    blind = flux_ratio(before, after, (GOOD, GOOD), (places, places), NOISE)
    found = flux_ratio(before, after, (GOOD, GOOD), (places, places), NOISE, level_fault=fault)
    assert blind is not None
    assert found is not None
    assert blind.ratio < 1 - 3 * blind.error
    assert found.ratio == pytest.approx(1.0, abs=3 * found.error)
    assert found.error < 0.05


def test_stars_hit_by_cosmic_rays_still_count() -> None:
    """Three of four stars have a hit pixel outside their middle; what stays is the same pixels in both images."""
    before, places = field()
    after, hit = before.copy(), np.zeros(GOOD.shape, bool)
    for i, (x, y) in enumerate(np.round(places).astype(int)):
        if i % 4:
            hit[y + 2, x + i % 2] = True
    after[hit] += 50
    whole = flux_ratio(before, after, (GOOD, GOOD & ~hit), (places, places), NOISE)
    found = flux_ratio(before, after, (GOOD, GOOD & ~hit), (places, places), NOISE, same_pixels=True)
    assert whole is not None
    assert found is not None
    assert whole.n_stars < 20 < 40 < found.n_stars
    assert found.ratio == pytest.approx(1.0, abs=1e-6)
    assert "with bad or hit pixels left out" in found.description()
    assert found.min_snr == 100


def test_stars_that_are_hit_in_the_middle_do_not_count() -> None:
    image, places = field()
    hit = np.zeros(GOOD.shape, bool)
    x, y = np.round(places[0]).astype(int)
    hit[y, x] = True
    found = flux_ratio(image, image, (GOOD, ~hit), (places, places), NOISE, same_pixels=True)
    assert found is not None
    assert found.n_stars == len(places) - 1


def test_an_unseen_cosmic_ray_on_every_third_star_does_not_move_the_median() -> None:
    before, places = field()
    after = before.copy()
    for x, y in np.round(places[::3]).astype(int):
        after[y + 1, x + 1] += 4.0
    found = flux_ratio(before, after, (GOOD, GOOD), (places, places), NOISE, same_pixels=True)
    assert found is not None
    assert found.ratio == pytest.approx(1.0, abs=0.005)


def test_two_alignments_of_a_field_are_brought_together() -> None:
    _, places = field()
    moved = places + np.array([4.2, -1.7])
    assert offset(moved[3:], places[:-2]) == pytest.approx([4.2, -1.7])
    assert offset(moved[:3], places).tolist() == [0.0, 0.0]


def test_few_stars_say_nothing() -> None:
    image, places = field()
    assert flux_ratio(image, image, (GOOD, GOOD), (places[:4], places[:4]), NOISE) is None


@pytest.mark.parametrize("own", [{}, {"core": 1.5}, {"scale": 0.7}, {"radius": 5.0}])
def test_fluxes_are_those_of_photutils(own: dict[str, float]) -> None:
    rng = np.random.default_rng(4)
    image = rng.normal(1, 0.05, (120, 150)).astype(np.float32)
    usable = rng.random(image.shape) > 0.05
    usable[40:80, 40:80] = False
    image[3, 4], usable[3, 4] = np.nan, False
    places = np.concatenate([rng.uniform(-5, 125, (60, 2)), [[60, 60], [0, 0], [4.2, 3.1]]])
    for _ in range(2):  # the second time with the apertures that were kept
        found = measure_stars(image, usable, places, **own)
        inside = np.all((places >= 0) & (places < [150, 120]), axis=1)
        at, scale = places[inside], own.get("scale", 1.0)
        filled = np.where(usable, image, 0.0)
        disc, ring = CircularAperture(at, own.get("radius", 3.0) / scale), CircularAnnulus(at, 6 / scale, 10 / scale)
        total, pixels = (aperture_photometry(each, disc)["aperture_sum"].value for each in (filled, usable * 1.0))
        sky = ApertureStats(filled, ring, mask=~usable, sum_method="center").median
        np.testing.assert_array_equal(found.flux[inside], total - sky * pixels)
        np.testing.assert_array_equal(found.pixels[inside], pixels * scale**2)
        assert not found.usable[~inside].any()
    assert np.isnan(found.flux[inside]).any()
