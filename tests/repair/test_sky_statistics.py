"""Sky statistics, peaks, correlated noise and the verdict, on distributions with known truth."""

from __future__ import annotations

import numpy as np
import pytest

from wfc3tvb.repair import sky_statistics
from wfc3tvb.repair.acceptance import FluxRatio, Verdict, verdict
from wfc3tvb.repair.sky_statistics import SkyStatistics


def sky(level: float, noise: float, *, shape: tuple[int, int] = (300, 300), seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(level, noise, shape).astype(np.float32)


def statistics(image: np.ndarray, resolution: float = 0.035) -> SkyStatistics:
    return sky_statistics.sky_statistics(image, np.ones(image.shape, bool), resolution=resolution)


def test_a_quiet_sky_has_one_peak_its_level_and_its_noise() -> None:
    found = statistics(sky(1.5, 0.035))
    assert found.level == pytest.approx(1.5, abs=4 * found.level_err)
    assert found.noise == pytest.approx(0.035, abs=4 * found.noise_err)
    assert abs(found.skewness) < 0.05
    assert found.n_peaks == 1
    assert found.gradient == pytest.approx(0.0, abs=0.002)


def test_the_three_peaks_of_a_broken_ramp_fit_are_counted() -> None:
    """Levels and relative heights of STScI's FLT of ibohbfb9q."""
    rng = np.random.default_rng(2)
    level = rng.choice([1.30, 1.485, 1.655], p=[0.27, 0.08, 0.65], size=(500, 500))
    image = (level + rng.normal(0, 0.035, level.shape)).astype(np.float32)
    found = statistics(image)
    assert found.n_peaks == 3
    assert found.noise == pytest.approx(0.163, abs=0.01)


@pytest.mark.parametrize("seed", range(10))
def test_counting_errors_make_no_peaks(seed: int) -> None:
    assert statistics(sky(0.5, 0.05, shape=(60, 60), seed=seed)).n_peaks == 1


def test_a_gradient_is_left_minus_right() -> None:
    image = sky(1.0, 0.02) + np.linspace(0.2, 0.0, 300, dtype=np.float32)
    middles = (140 / 1014, 860 / 1014)
    assert statistics(image).gradient == pytest.approx(0.2 * (middles[1] - middles[0]), abs=0.003)


def test_too_few_pixels_say_nothing() -> None:
    image = sky(1.0, 0.1, shape=(9, 9))
    with pytest.raises(ValueError, match="fewer than 100"):
        statistics(image)


def test_sources_are_masked_and_the_sky_is_not() -> None:
    image = sky(1.0, 0.05)
    image[100:110, 150:160] += 5
    mask = sky_statistics.source_mask(image, np.ones(image.shape, bool))
    assert mask[100:110, 150:160].all()
    assert mask.mean() < 0.1


@pytest.mark.parametrize(
    ("pixfrac", "scale", "factor"), [(1.0, 1.0, 2 / 3), (0.8, 1.0, 1 - 0.8 / 3), (1.0, 0.5, 0.5 * (1 - 0.5 / 3))]
)
def test_correlated_noise_of_casertano_2000(pixfrac: float, scale: float, factor: float) -> None:
    assert sky_statistics.correlated_noise(pixfrac, scale) == pytest.approx(factor)


def test_correlated_noise_is_what_shifted_drops_show() -> None:
    """Drops of whole pixels, laid at many sub-pixel shifts on a grid of the same scale."""
    rng = np.random.default_rng(3)
    ratios = []
    for dx, dy in rng.random((40, 2)):
        image = rng.normal(size=(200, 200))
        rows = (1 - dy) * image[:-1] + dy * image[1:]
        ratios.append(((1 - dx) * rows[:, :-1] + dx * rows[:, 1:]).std())
    # One exposure at a time: the mean square of (1 - 2x + 2x^2) over x is 2/3 on each axis.
    assert np.sqrt(np.mean(np.square(ratios))) == pytest.approx(sky_statistics.correlated_noise(1, 1), abs=0.03)


# --- the verdict ---------------------------------------------------------------------------------------------------

SAME = FluxRatio(0.999, 0.003, 40, 0.01)


def judge(
    before: tuple[float, float], after: tuple[float, float], flux: FluxRatio | None = SAME, true: float | None = 1.0
) -> Verdict:
    pair = [statistics(sky(level, noise)) for level, noise in (before, after)]
    return verdict(*pair, true_levels=(true, true), level_err=0.005, flux=flux)


def test_less_noise_at_the_true_level_is_accepted() -> None:
    found = judge((1.0, 0.17), (1.0, 0.04))
    assert found.accepted
    assert found.depth_gain == pytest.approx(2.5 * np.log10(0.17 / 0.04), abs=0.02)


def test_a_wrong_level_counts_as_much_as_noise() -> None:
    """Every pixel broke at the same read: little noise, wrong level (as ibohbfbkq, 0.63 for 1.04)."""
    assert judge((0.6, 0.03), (1.0, 0.035)).accepted
    assert not judge((0.6, 0.03), (1.0, 0.035), true=None).accepted


def test_what_is_not_better_is_not_accepted() -> None:
    found = judge((1.0, 0.030), (1.0, 0.033))
    assert not found.accepted
    assert found.reason.startswith("not better")


def test_changed_fluxes_are_not_accepted() -> None:
    found = judge((1.0, 0.17), (1.0, 0.04), FluxRatio(0.95, 0.004, 40, 0.0))
    assert not found.accepted
    assert "not 1 within its error" in found.reason


def test_too_few_stars_are_said() -> None:
    assert "too few stars" in judge((1.0, 0.17), (1.0, 0.04), None).reason


# --- clipping ------------------------------------------------------------------------------------------------------


def test_clipping_equals_the_plain_way() -> None:
    rng = np.random.default_rng(4)
    values = np.concatenate([rng.normal(1.0, 0.05, 5000), rng.exponential(30.0, 300), [-500.0, 1e5]])
    kept = values
    while True:
        inside = kept[np.abs(kept - np.median(kept)) < 4 * kept.std()]
        if inside.size == kept.size:
            break
        kept = inside
    assert np.array_equal(sky_statistics.clip(values), np.sort(kept))


def test_equal_values_are_all_kept() -> None:
    assert sky_statistics.clip(np.full(10, 2.5)).tolist() == [2.5] * 10
