"""The likelihood fit equals plain matrix algebra on hard ramps: flags, hits, lost reads, bright and blank pixels."""

from __future__ import annotations

import numpy as np
import pytest

from tests.calibration.dense import Light, dense_fit
from wfc3tvb.calibration.likelihood.fit import fit_ramps_optimal
from wfc3tvb.calibration.likelihood.model import OptimalFit, OptimalSettings


def hard(n: int, shape: tuple[int, int], seed: int, *, left_out: tuple[int, ...] = (), tilt: float = 0.3) -> Light:
    """Return an exposure with everything in it; no two pixels have the same flat, dark and read noise."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(np.concatenate([[3.0], rng.uniform(20, 120, n - 1)]))
    lengths, sky = np.diff(times, prepend=0.0), rng.uniform(0.4, 2.5, n)
    flat, dark = rng.uniform(0.8, 1.2, shape), rng.uniform(0.02, 0.1, shape)
    noise, template = rng.uniform(10, 18, shape), rng.normal(0, 0.5, shape)
    amplitudes = tilt * rng.random(n)
    source = np.where(rng.random(shape) < 0.2, rng.uniform(5, 60, shape), rng.uniform(0, 0.3, shape))
    current = source + sky[:, None, None] + amplitudes[:, None, None] * template
    light = rng.poisson(np.maximum(current * flat + dark, 0) * lengths[:, None, None]).astype(float)
    light += np.where(rng.random(light.shape) < 0.04, rng.uniform(60, 3000, light.shape), 0)
    reads = rng.normal(0, 1, (n + 1, *shape)) * noise
    electrons = np.cumsum(light, axis=0) - dark * times[:, None, None] + reads[1:] - reads[0]
    rate = (electrons / flat / times[:, None, None]).astype(np.float32)
    dq = np.where(rng.random(rate.shape) < 0.02, rng.choice([1, 2, 1024, 4], rate.shape), 0)
    dq |= np.where(rng.random(shape) < 0.06, rng.choice([1, 2, 1024, 16], shape), 0)
    dq |= np.where(np.arange(n)[:, None, None] >= rng.integers(0, 12 * n, shape), 256, 0)
    dq |= np.where(np.arange(n)[:, None, None] >= rng.integers(0, 12 * n, shape), 8192, 0)
    rate[rng.random(rate.shape) < 0.005] = np.nan
    out = np.isin(np.arange(n), left_out)
    return Light(rate, times, sky, dq.astype(np.int16), noise, dark, flat, template, amplitudes, out)


def check(light: Light, settings: OptimalSettings) -> OptimalFit:
    fit, expected = fit_ramps_optimal(**vars(light), settings=settings), dense_fit(light, settings)
    np.testing.assert_array_equal(fit.hits, expected["hits"])
    np.testing.assert_array_equal(fit.samp, expected["samp"])
    np.testing.assert_allclose(fit.time, expected["time"], rtol=1e-6)
    np.testing.assert_allclose(fit.err, expected["err"], rtol=1e-4)
    np.testing.assert_allclose(fit.sci, expected["sci"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(fit.chi2, expected["chi2"], rtol=2e-3, atol=1e-3)
    return fit


@pytest.mark.parametrize(
    ("n", "shape", "seed", "left_out"),
    [(7, (5, 9), 3, ()), (5, (2, 70), 4, ()), (6, (4, 6), 5, (2, 5)), (2, (3, 8), 6, ()), (1, (3, 4), 7, ())],
)
def test_every_plane_is_that_of_plain_algebra(
    n: int, shape: tuple[int, int], seed: int, left_out: tuple[int, ...]
) -> None:
    fit = check(hard(n, shape, seed, left_out=left_out), OptimalSettings())
    if n == 7:
        assert np.count_nonzero(fit.hits) > 8
        assert len(np.unique(fit.samp)) == 4


def test_no_more_than_four_hits_are_taken_out() -> None:
    """5 of 9 intervals have a hit, each of another height; with a larger limit only the highest counts."""
    light = hard(9, (3, 4), 8)
    more = np.array([0, 900, 0, 1300, 700, 0, 2000, 1100, 0.0])
    light.rate[:, 1, 2] = (np.cumsum(more + light.sky * light.lengths) / light.times).astype(np.float32)
    light.dq[:, 1, 2] = 0
    fit = check(light, OptimalSettings())
    assert int(fit.hits[1, 2]).bit_count() == 4
    check(light, OptimalSettings(threshold=40.0, neighbor_threshold=30.0, strong=50.0, signal_floor=0.05, drift=0.3))
