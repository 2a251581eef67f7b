"""The joint fit: constant helium found without a zodiacal model, scattered light separated, realistic errors."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.ibohbf040 import NAMES, curves, sun_altitudes
from wfc3tvb.score.visit_fit import SHARE, SHARE_ERROR, fit_visit, rate_covariance


def test_constant_helium_of_the_published_visit() -> None:
    """bdq and bpq stand at 2 to 3.4 electron/s, five times the 0.47 of the same visit in shadow."""
    altitude, rates, exposure = sun_altitudes(), [], []
    for k, (t, cumulative) in enumerate(curves().values()):
        rates.append(np.diff(cumulative * t, prepend=0) / np.diff(t, prepend=0))
        exposure.append(np.full(t.size, k))
    rate, number = np.concatenate(rates), np.concatenate(exposure)
    used = np.tile(np.arange(15) >= 6, 6)  # the digitised early reads are good to 0.1 electron/s only
    dark = np.concatenate([altitude[name] for name in NAMES]) < -5
    n = int(used.sum())
    fit = fit_visit(rate[used], np.full(n, 0.01), np.zeros(n), dark=dark[used], exposure=number[used])
    assert fit.anchored
    assert fit.zodi == pytest.approx(0.465, abs=0.02)
    assert fit.zodi_err < 0.02
    helium = {name: fit.helium[number[used] == k].mean() for k, name in enumerate(NAMES)}
    assert helium["bdq"] == pytest.approx(2.5, abs=0.2)
    assert helium["bpq"] == pytest.approx(2.1, abs=0.2)
    assert helium["b7q"] == pytest.approx(0.0, abs=0.02)


def test_scattered_light_is_told_from_helium_and_errors_are_honest() -> None:
    rng, pulls, zodis = np.random.default_rng(7), [], []
    dark = np.arange(20) < 8
    exposure = np.arange(20) // 10
    for _ in range(60):
        helium = np.where(dark, 0.0, rng.uniform(0, 2, 20))
        scattered = np.where(np.arange(20) > 14, rng.uniform(0.2, 0.6, 20), 0.0)
        noise = rng.multivariate_normal(np.zeros(20), rate_covariance(np.full(20, 0.01), exposure, 0.02))
        rate = 0.5 + helium + rng.normal(SHARE, SHARE_ERROR) * scattered + noise
        sides = scattered + rng.normal(0, np.hypot(0.03, 0.02), 20)
        fit = fit_visit(rate, np.full(20, 0.01), sides, dark=dark, exposure=exposure)
        pulls.append((fit.helium - helium)[~dark] / fit.helium_err[~dark])
        zodis.append((fit.zodi - 0.5) / fit.zodi_err)
        assert fit.scattered[15:] == pytest.approx(scattered[15:], abs=0.15)
    assert 0.8 < np.std(pulls) < 1.2
    assert 0.7 < np.std(zodis) < 1.3
    assert fit.covariance.shape == (41, 41)


def test_a_visit_without_a_dark_read_has_an_upper_limit() -> None:
    rate = np.full(12, 2.4)
    fit = fit_visit(rate, np.full(12, 0.01), np.zeros(12), dark=np.zeros(12, bool), exposure=np.zeros(12, int))
    assert not fit.anchored
    assert fit.zodi == pytest.approx(2.4, abs=0.05)


def test_neighbours_of_other_exposures_share_nothing() -> None:
    covariance = rate_covariance(np.array([0.1, 0.2, 0.3]), np.array([0, 0, 1]), 0.0)
    np.testing.assert_allclose(covariance, [[0.01, -0.01, 0], [-0.01, 0.04, 0], [0, 0, 0.09]])


def dense(rate, error, sides, *, shadow, exposure, systematic):  # noqa: ANN001, ANN201
    """Fit by plain least squares: each prior is one more measurement, each correlation an entry of the covariance."""
    n = rate.size
    known = np.isfinite(sides)
    sides = np.where(known, sides, 0)
    side_error = np.where(known, np.sqrt((3 * error) ** 2 + 0.02**2), 1e3)
    covariance = np.diag(np.concatenate([error**2 + systematic**2, side_error**2]))
    for i in range(n - 1):
        if exposure[i] == exposure[i + 1]:
            covariance[i, i + 1] = covariance[i + 1, i] = -error[i] * error[i + 1] / 2
    seen = np.where(sides > 3 * side_error, sides, 0.0)
    covariance[:n, :n] += 0.3**2 * np.outer(seen, seen)
    measured = np.zeros((2 * n, 1 + 2 * n))
    for i in range(n):
        measured[i, [0, 1 + i, 1 + n + i]] = 1, 1, 0.75
        measured[n + i, 1 + n + i] = 1
    priors = np.eye(1 + 2 * n)[1:]
    width = np.concatenate([np.where(shadow, 0.005, 3.0), np.full(n, 1.0)])
    design, data = np.vstack([measured, priors]), np.concatenate([rate, sides, np.zeros(2 * n)])
    inverse = np.linalg.inv(np.block([
        [covariance, np.zeros((2 * n, 2 * n))], [np.zeros((2 * n, 2 * n)), np.diag(width**2)],
    ]))  # fmt: skip
    errors = np.linalg.inv(design.T @ inverse @ design)
    best = errors @ design.T @ inverse @ data
    off = data - design @ best
    return best, errors, off @ inverse @ off


@pytest.mark.parametrize("dark", [[True, True, False, False, False], [False] * 5])
def test_the_fit_is_that_of_plain_least_squares(dark: list[bool]) -> None:
    """Two exposures; one side not known, one far above its noise, one just below three errors."""
    rate, error = np.array([0.5, 0.52, 1.1, 2.0, 0.9]), np.array([0.01, 0.02, 0.015, 0.03, 0.02])
    sides, exposure = np.array([0.01, np.nan, 0.4, 0.25, 0.18]), np.array([0, 0, 0, 1, 1])
    fit = fit_visit(rate, error, sides, dark=np.array(dark), exposure=exposure, systematic=0.01)
    shadow = np.array(dark) if any(dark) else np.arange(5) == 0
    best, errors, chi2 = dense(rate, error, sides, shadow=shadow, exposure=exposure, systematic=0.01)
    found = np.concatenate([[fit.zodi], fit.helium, fit.scattered])
    np.testing.assert_allclose(found, best, rtol=1e-6, atol=1e-9)
    sigma = np.concatenate([[fit.zodi_err], fit.helium_err, fit.scattered_err])
    np.testing.assert_allclose(sigma, np.sqrt(np.diag(errors)), rtol=1e-6)
    np.testing.assert_allclose(fit.covariance, errors, rtol=1e-5, atol=1e-9)
    assert fit.chi2 == pytest.approx(chi2, rel=1e-6)
    assert fit.anchored is any(dark)
