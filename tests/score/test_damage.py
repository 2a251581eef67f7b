"""The predicted damage of the published curves, compared with calwf3's own results, and the classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from tests.helpers.generator import SPARS100
from tests.helpers.ibohbf040 import NAMES, curves
from wfc3tvb.score.damage import Damage, class_probabilities, damage_class, predict

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
