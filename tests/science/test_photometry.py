"""Stars found and compared, on images with known fluxes."""

from __future__ import annotations

import numpy as np
import pytest

from wfc3tvb.science.photometry import find_stars, flux_ratio

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


def test_a_known_fault_of_the_level_is_part_of_the_error() -> None:
    image, places = field()
    found = flux_ratio(image, image, (GOOD, GOOD), (places, places), NOISE, level_fault=0.4)
    assert found is not None
    assert 0.02 < found.error < 0.1


def test_few_stars_say_nothing() -> None:
    image, places = field()
    assert flux_ratio(image, image, (GOOD, GOOD), (places[:4], places[:4]), NOISE) is None
