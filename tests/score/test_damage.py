"""The predicted damage of the published curves, compared with calwf3's own results, and the classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.stats import norm

from tests.helpers.generator import SPARS100
from tests.helpers.ibohbf040 import NAMES, curves
from wfc3tvb.curve import noise_model
from wfc3tvb.score.damage import Damage, _noise, class_probabilities, damage_class, noise_factor, predict, steady_factor

#: calwf3 3.7.3 on simulated exposures with these curves: median of the FLT, and the fraction of pixels with bit 8192 or
#: 32 less the 0.048 that real cosmic rays alone give (1 - (1 - f) (1 - 0.048) = observed).
REAL = {
    "b7q": (0.470, 0.000),
    "b9q": (1.632, 0.958),
    "bdq": (2.979, 0.022),
    "bgq": (0.613, 0.040),
    "bkq": (0.626, 0.999),
    "bpq": (2.480, 0.023),
}


def damage_of(name: str, seed: int = 1, n_pixels: int = 4000) -> Damage:
    t, cumulative = curves()[name]
    return predict(t, cumulative * t, 4.0, np.random.default_rng(seed), n_pixels=n_pixels)


@pytest.mark.parametrize("name", NAMES)
def test_level_and_fraction_broken_are_calwf3s(name: str) -> None:
    damage = damage_of(name, n_pixels=20_000)
    level, fraction = REAL[name]
    assert np.median(damage.rates) == pytest.approx(level, abs=0.008)
    assert damage.frac_broken == pytest.approx(fraction, abs=0.012)


def test_the_three_peaks_of_the_real_flt() -> None:
    """STScI's FLT of ibohbfb9q has peaks at 1.29, 1.48 and 1.65 electron/s."""
    rates = damage_of("b9q", n_pixels=60_000).rates
    counts, edges = np.histogram(rates, np.arange(1.1, 1.9, 0.005))
    smooth = gaussian_filter1d(counts.astype(float), 3)
    top = (smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] > smooth[2:]) & (smooth[1:-1] > 0.05 * smooth.max())
    assert edges[1:-2][top] + 0.0025 == pytest.approx([1.29, 1.48, 1.65], abs=0.03)


def test_level_of_bkq_is_far_below_its_mean() -> None:
    damage = damage_of("bkq")
    assert damage.level_bias == pytest.approx(0.63 - 1.04, abs=0.02)
    assert damage.frac_broken > 0.99


def test_classes_of_the_published_visit() -> None:
    excess = {"b7q": 0.02, "b9q": 1.08, "bdq": 0.69, "bgq": 0.16, "bkq": 0.59, "bpq": 0.55}
    for seed in (1, 2, 3):
        found = [damage_of(name, seed, 10_000) for name in NAMES]
        classes = [damage_class(d.frac_broken, excess[n], d.level_bias) for n, d in zip(NAMES, found, strict=True)]
        assert classes == ["none", "severe", "moderate", "moderate", "severe", "moderate"]


def test_a_quiet_ramp_is_not_damaged_and_fitted_better_than_last_minus_first() -> None:
    t = np.array(SPARS100)
    damage = predict(t, 0.6 * t, 4.0, np.random.default_rng(1))
    assert damage.frac_broken < 0.002
    assert abs(damage.level_bias) < 0.002
    assert 0.85 < damage.noise_inflation < 1.0
    assert damage.noise_flatten == pytest.approx(damage.noise_pipeline, rel=0.08)
    assert damage.noise_omit == pytest.approx(np.sqrt(2 * 14.6**2 + 0.648 * t[-1]) / t[-1], rel=0.03)


def test_flattening_undoes_the_damage() -> None:
    damage = damage_of("b9q")
    assert damage.noise_flatten < damage.noise_omit * 1.03 < damage.noise_pipeline / 4


def test_a_higher_threshold_breaks_fewer_pixels() -> None:
    t, cumulative = curves()["bgq"]
    low, high = (predict(t, cumulative * t, s, np.random.default_rng(1)).frac_broken for s in (4.0, 6.0))
    assert low > 0.03
    assert high < 0.003


def test_scattered_light_breaks_the_side_it_brightens() -> None:
    t = np.array(SPARS100)
    dt = np.diff(t, prepend=0)
    side = np.cumsum(np.where(t < 500, 2.0, 0.0) * dt)
    total = np.cumsum((0.6 + 0.15 * np.where(t < 500, 2.0, 0.0)) * dt)
    whole = predict(t, total, 4.0, np.random.default_rng(1))
    sides = predict(t, total, 4.0, np.random.default_rng(1), side=side)
    assert whole.frac_broken < 0.02
    assert 0.2 < sides.frac_broken < 0.4


def test_same_seed_same_numbers() -> None:
    one, two = damage_of("bgq", 5), damage_of("bgq", 5)
    assert replace(one, rates=np.zeros(1)) == replace(two, rates=np.zeros(1))


@pytest.mark.parametrize(
    ("fraction", "excess", "bias", "expected"),
    [(0.004, 0.05, 0.0, "none"), (0.004, 0.2, 0.0, "mild"), (0.01, 0.0, 0.0, "mild"), (0.02, 0.0, 0.0, "moderate"),
     (0.29, 0.0, 0.0, "moderate"), (0.3, 0.0, 0.0, "severe"), (0.01, 0.0, -0.11, "severe")],
)  # fmt: skip
def test_boundaries(fraction: float, excess: float, bias: float, expected: str) -> None:
    assert damage_class(fraction, excess, bias) == expected


@pytest.mark.parametrize("fraction", [0.0, 0.001, 0.006, 0.019, 0.021, 0.15, 0.29, 0.5, 0.96, 1.0])
@pytest.mark.parametrize("bias", [0.0, 0.09, -0.5])
@pytest.mark.parametrize("excess", [0.0, 0.099, 1.0])
def test_probabilities_add_up_and_favour_the_class(fraction: float, bias: float, excess: float) -> None:
    damage = Damage(fraction, 1.0, bias, 0.03, 0.03, 0.03, np.zeros(1))
    p = class_probabilities(damage, excess, 0.02, 0.1)
    assert sum(p.values()) == pytest.approx(1)
    assert all(0 <= value <= 1 for value in p.values())
    assert p[damage_class(fraction, excess, bias)] > 0.25


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "none"),
        ({"frac_broken": 0.0051}, "mild"),
        ({"frac_broken": 0.0049}, "none"),
        ({"frac_broken": 0.0201}, "moderate"),
        ({"frac_broken": 0.301}, "severe"),
        ({"frac_broken": 0.299}, "moderate"),
        ({"excess_variable": 0.1}, "mild"),
        ({"excess_variable": 0.099}, "none"),
        ({"level_bias": 0.05}, "none"),
        ({"level_bias": -0.051}, "mild"),
        ({"level_bias": 0.1}, "mild"),
        ({"level_bias": -0.101}, "severe"),
        ({"gradient": 0.05}, "none"),
        ({"gradient": 0.051}, "mild"),
        ({"gradient": 0.1}, "mild"),
        ({"gradient": 0.101}, "moderate"),
        ({"gradient": 0.5}, "moderate"),
        ({"gradient": 0.501}, "severe"),
        ({"factor": 1.05}, "none"),
        ({"factor": 1.051}, "mild"),
    ],
)
def test_limits_of_the_classes(given: dict[str, float], expected: str) -> None:
    assert damage_class(**({"frac_broken": 0.0, "excess_variable": 0.0, "level_bias": 0.0} | given)) == expected


@pytest.mark.parametrize(
    ("fraction", "bias", "excess", "gradient", "factor", "score_err"),
    [
        (0.01, 0.0, 0.0, 0.0, 1.0, 0.2),
        (0.0, 0.06, 0.02, 0.0, 1.0, 0.0),
        (0.0, -0.12, 0.02, 0.0, 1.0, 0.0),
        (0.25, 0.0, 0.0, 0.0, 1.0, 0.1),
        (0.0, 0.0, 0.09, 0.045, 1.045, 0.0),
        (0.0, 0.0, 0.0, 0.105, 1.0, 0.0),
        (0.0, 0.0, 0.0, 0.495, 1.0, 0.0),
    ],
)
def test_probabilities_are_those_of_gaussian_errors(
    fraction: float, bias: float, excess: float, gradient: float, factor: float, score_err: float
) -> None:
    """Each quantity is above its limit with the probability of its error, independently of the others.

    The logit of the fraction broken has errors of 3 per unit of the statistic, 0.4, and of the 4000 pixels drawn; left
    minus right of 0.01, the factor of 0.012, the excess of 0.03, the bias of 30 %, but 0.01 at its lower limit and
    0.02 at its upper one.
    """
    damage = Damage(fraction, 1.0, bias, 0.03, 0.03, 0.03, np.zeros(1))
    found = class_probabilities(damage, excess, 0.03, score_err, gradient=gradient, factor=factor)
    f = (fraction * 4000 + 0.5) / 4001
    width = np.sqrt((3 * score_err) ** 2 + 0.4**2 + 1 / (4000 * f * (1 - f)))

    def above(value: float, limit: float, error: float) -> float:
        return float(norm.sf(limit, value, error))

    def broken(limit: float) -> float:
        return above(np.log(f / (1 - f)), np.log(limit / (1 - limit)), width)

    size = abs(bias)
    wrong, biased = above(size, 0.05, max(0.01, 0.3 * size)), above(size, 0.1, max(0.02, 0.3 * size))
    not_mild = (1 - broken(0.005)) * (1 - above(excess, 0.1, 0.03)) * (1 - wrong)
    not_mild *= (1 - above(factor, 1.05, 0.012)) * (1 - above(gradient, 0.05, 0.01))
    not_moderate = (1 - broken(0.02)) * (1 - biased) * (1 - above(gradient, 0.1, 0.01))
    not_severe = (1 - broken(0.3)) * (1 - biased) * (1 - above(gradient, 0.5, 0.01))
    mild = 1 - not_mild
    moderate = min(1 - not_moderate, mild)
    severe = min(1 - not_severe, moderate)
    expected = {"none": not_mild, "mild": mild - moderate, "moderate": moderate - severe, "severe": severe}
    assert found == pytest.approx(expected, abs=1e-9)


def test_an_excess_without_an_error_counts_as_known_to_a_thousandth() -> None:
    damage = Damage(0.0, 1.0, 0.0, 0.03, 0.03, 0.03, np.zeros(1))
    found = class_probabilities(damage, 0.1005, 0.0, 0.0)
    assert found["mild"] == pytest.approx(norm.cdf(0.5), abs=0.003)


def test_the_sides_of_scattered_light_are_drawn_around_the_median() -> None:
    """0.2 electron/s more on the left: 0.17 above the median in 30 % of the pixels, 0.03 below it in the others."""
    t = np.array(SPARS100)
    damage = predict(t, 0.6 * t, 4.0, np.random.default_rng(1), side=0.2 * t)
    left = damage.rates[: int(0.3 * damage.rates.size)]
    right = damage.rates[left.size :]
    assert damage.rates.size == 4000
    assert np.median(left) == pytest.approx(0.77, abs=0.003)
    assert np.median(right) == pytest.approx(0.57, abs=0.003)
    assert damage.level_bias == pytest.approx(np.median(damage.rates) - 0.57, abs=1e-4)
    assert damage.noise_pipeline < 0.027  # each about its own mean


def test_few_pixels_are_drawn_where_most_break() -> None:
    """A quarter of them; the fraction at which this is enough is a half."""
    assert damage_of("bkq").rates.size == 1000
    assert damage_of("bgq").rates.size == 4000


def test_noise_of_last_minus_first_is_that_of_photons_dark_and_two_reads() -> None:
    """0.048 electron/s of dark; 1 % of 20,000 pixels. The noise over the inflation is the same."""
    for sky, t in ((0.6, np.array(SPARS100)), (40.0, np.array(SPARS100))):
        damage = predict(t, sky * t, 4.0, np.random.default_rng(2), n_pixels=20_000)
        expected = np.sqrt(2 * 14.6**2 + (sky + 0.048) * t[-1]) / t[-1]
        assert damage.noise_omit == pytest.approx(expected, rel=0.015)
        assert damage.noise_inflation == pytest.approx(damage.noise_pipeline / damage.noise_omit)
        assert damage.noises == {"omit": damage.noise_omit, "flatten": damage.noise_flatten}
        assert damage.level_bias_err == pytest.approx(np.sqrt(np.pi / 2) * damage.noise_pipeline / np.sqrt(20_000))


def test_the_factor_of_a_constant_sky_is_its_noise_over_that_of_the_fit() -> None:
    t = np.array(SPARS100)
    steady = steady_factor(t, 0.6 * t)
    assert steady == pytest.approx(noise_model.ramp_fit(t, np.full(15, 0.6)) / noise_model.optimal(t, np.full(15, 0.6)))
    assert 1.0 < steady < 1.2
    rising = np.cumsum(np.where(t > 700, 2.0, 0.5) * np.diff(t, prepend=0))
    expected = 0.05 / noise_model.optimal(t, rising / t) / steady_factor(t, rising)
    assert noise_factor(t, rising, 0.05) == pytest.approx(expected)


def test_noise_of_the_samples_by_its_definition() -> None:
    """Photons and 0.048 electron/s of dark add up, not where the sky falls; a read has a noise of 14.6 electrons."""
    t, sky = np.array([10.0, 20, 40]), np.array([[20.0, 0.0], [15.0, 0.1], [95.0, 0.2]], np.float32)
    noise = _noise(t, sky, np.random.default_rng(6))
    draws = np.random.default_rng(6).standard_normal((7, 2), dtype=np.float32)
    variance = np.array([[20 + 0.48, 0.48], [0.0, 0.1 + 0.48], [80 + 0.96, 0.1 + 0.96]])
    photons = np.cumsum(np.sqrt(variance) * draws[:3], axis=0)
    np.testing.assert_allclose(noise, photons + 14.6 * (draws[4:] - draws[3]), rtol=1e-5, atol=1e-4)
