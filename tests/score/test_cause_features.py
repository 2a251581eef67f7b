"""Features of a curve that are computed by this package, not by a library."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from wfc3tvb.score.cause_features import _rising, features


@pytest.mark.parametrize("n", [1, 2, 3, 15])
def test_the_nearest_rising_curve_is_that_of_isotonic_regression(n: int) -> None:
    rng = np.random.default_rng(n)
    for _ in range(50):
        values = np.round(rng.normal(size=n) + rng.normal() * np.arange(n), rng.integers(0, 4))  # ties too
        np.testing.assert_allclose(_rising(values), isotonic_regression(values).x, rtol=0, atol=1e-13 * n)


@pytest.mark.parametrize(("bright", "sign"), [(np.ones(8), 1.0), (np.zeros(8), 0.0), (np.full(8, np.nan), 0.0)])
def test_light_that_follows_the_sunlit_limb(bright: np.ndarray, sign: float) -> None:
    limb, t = 60 - 5.0 * np.arange(8), 50.0 + 100 * np.arange(8)
    for rate, expected in ((0.5 + 0.1 * np.arange(8), sign), (1.2 - 0.1 * np.arange(8), -sign)):
        seen = features(
            "F105W", t, rate, np.full(8, 0.02), np.zeros(8), rate > 0.7,
            sun_alt=np.full(8, 30.0), limb_angle=limb, bright_limb=bright,
        )  # fmt: skip
        assert seen.with_limb == pytest.approx(expected, abs=1e-9)
