"""Expected noise against simulated pixels."""

from __future__ import annotations

import numpy as np
import pytest

from wfc3tvb.curve import noise_model

#: STEP200, the curve of ibohbfbkq (cumulative rates) [s, electron/s].
TIMES = np.array([2.932, 5.865, 8.797, 11.729, 24.23, 49.23, *np.arange(99.231, 100), *np.arange(199.231, 1600, 200)])
CUMULATIVE = np.array(
    [0.526, 0.516, 0.49, 0.49, 0.479, 0.477, 0.474, 0.464, 0.464, 0.464, 0.474, 0.542, 0.666, 0.848, 1.036]
)


def pixels(n: int = 20000) -> np.ndarray:
    """Return cumulative electrons of blank pixels: photons, dark, read noise of each read."""
    rng = np.random.default_rng(5)
    electrons = CUMULATIVE * TIMES + noise_model.DARK * TIMES
    steps = rng.poisson(np.diff(electrons, prepend=0.0), (n, TIMES.size))
    reads = rng.normal(0, noise_model.READ_NOISE / np.sqrt(2), (n, TIMES.size + 1))
    return steps.cumsum(axis=1) + reads[:, 1:] - reads[:, :1]


def test_last_minus_first() -> None:
    rates = pixels()[:, -1] / TIMES[-1]
    assert noise_model.last_minus_first(TIMES, CUMULATIVE) == pytest.approx(rates.std(), rel=0.02)


def test_ramp_fit() -> None:
    """An unweighted fit where the signal is low; the weights here are those of a middle signal (power 3)."""
    slope = noise_model._slope_coefficients(TIMES, noise_model._power(CUMULATIVE * TIMES))
    rates = pixels() @ slope
    assert noise_model.ramp_fit(TIMES, CUMULATIVE) == pytest.approx(rates.std(), rel=0.02)
    assert slope @ TIMES == pytest.approx(1.0)
    assert slope.sum() == pytest.approx(0.0, abs=1e-12)


def test_weighting_by_inverse_variance_is_never_worse() -> None:
    noises, exptimes = np.array([0.02, 0.034, 0.045]), np.full(3, 1599.2)
    by_time = noise_model.drizzled(noises, exptimes)
    assert by_time == pytest.approx(np.sqrt(np.sum(noises**2)) / 3)
    assert noise_model.drizzled(noises, exptimes, weights=noises**-2) < by_time
