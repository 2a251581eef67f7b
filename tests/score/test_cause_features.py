"""Features of a curve that are computed by this package, not by a library."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from wfc3tvb.score.cause_features import _rising


@pytest.mark.parametrize("n", [1, 2, 3, 15])
def test_the_nearest_rising_curve_is_that_of_isotonic_regression(n: int) -> None:
    rng = np.random.default_rng(n)
    for _ in range(50):
        values = np.round(rng.normal(size=n) + rng.normal() * np.arange(n), rng.integers(0, 4))  # ties too
        np.testing.assert_allclose(_rising(values), isotonic_regression(values).x, rtol=0, atol=1e-13 * n)
