"""The pattern of scattered light and its amplitudes, against light that was put in."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from wfc3tvb.curve.scattered_light import fit_scattered_light, lowest_level
from wfc3tvb.simulate.timing import sample_times

TIMES = np.asarray(sample_times("SPARS100", 16), float)[1:]
LENGTHS = np.diff(TIMES, prepend=0.0)
SIZE = 256
AMPLITUDES = np.where(np.arange(15) < 6, 0.8, 0.0)
HELIUM = np.where(np.arange(15) > 9, 1.2, 0.6)


def profile() -> NDArray[np.float64]:
    """Return light that falls off from the left over a quarter of the frame, left minus right 1, mean 0."""
    x = (np.arange(SIZE) + 0.5) / SIZE
    light = np.exp(-4 * x)
    left, right = (np.median(light[round(a * SIZE) : round(b * SIZE)]) for a, b in ((0.039, 0.237), (0.75, 0.947)))
    light /= left - right
    return np.asarray(light - light.mean())


def exposed(pattern: NDArray[np.float64], amplitudes: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the reads of an exposure with photons, read noise, sources and cosmic rays."""
    rng = np.random.default_rng(5)
    shape = SIZE, SIZE
    sources = np.where(rng.random(shape) < 0.003, 20.0, 0.0)
    zeroth, total, reads = rng.normal(0, 14.6, shape), np.zeros(shape), []
    for k in range(15):
        light = HELIUM[k] + amplitudes[k] * pattern + sources + 0.5
        total = total + rng.poisson(np.maximum(light, 0) * LENGTHS[k]) + 2000.0 * (rng.random(shape) < 2e-4)
        reads.append((total + rng.normal(0, 14.6, shape) - zeroth) / TIMES[k])
    return np.array(reads, np.float32)


def test_pattern_and_amplitudes_are_those_that_went_in() -> None:
    pattern = np.broadcast_to(profile(), (SIZE, SIZE))
    found = fit_scattered_light(exposed(pattern, AMPLITUDES), TIMES, AMPLITUDES == 0, good=np.ones((SIZE, SIZE), bool))
    assert found is not None
    assert found.is_described
    assert found.chi2 == pytest.approx(1.0, abs=0.25)
    pulls = (found.amplitudes - AMPLITUDES) / found.errors
    assert np.abs(pulls[1:]).max() < 4
    assert found.errors[1:].max() < 0.004
    assert (found.pattern - pattern).std() < 0.01
    assert found.pattern.mean() == pytest.approx(0, abs=1e-4)


def test_slowly_fading_light_does_not_shift_the_zero() -> None:
    """Light that fades into the quiet reads: 0.08 and 0.04 in two of those called quiet."""
    amplitudes = AMPLITUDES.copy()
    amplitudes[6:8] = 0.08, 0.04
    pattern = np.broadcast_to(profile(), (SIZE, SIZE))
    found = fit_scattered_light(exposed(pattern, amplitudes), TIMES, AMPLITUDES == 0, good=np.ones((SIZE, SIZE), bool))
    assert found is not None
    assert found.amplitudes[1:] == pytest.approx(amplitudes[1:], abs=0.012)


def test_lost_reads_and_bad_pixels() -> None:
    pattern = np.broadcast_to(profile(), (SIZE, SIZE))
    rate = exposed(pattern, AMPLITUDES)
    rate[4] = np.nan
    good = np.ones((SIZE, SIZE), bool)
    good[:40, :40] = False
    lost = np.arange(15) == 4
    found = fit_scattered_light(rate, TIMES, AMPLITUDES == 0, good=good, lost=lost)
    assert found is not None
    assert found.amplitudes[1:] == pytest.approx(AMPLITUDES[1:], abs=0.015)


def test_two_patterns_are_not_described_by_one() -> None:
    """Light from the left in three reads, and from below in three others."""
    left = np.broadcast_to(profile(), (SIZE, SIZE))
    rate = exposed(left, np.where(np.arange(15) < 3, 0.8, 0.0))
    below = np.cumsum(np.where((np.arange(15) >= 3) & (np.arange(15) < 6), 0.8, 0.0) * LENGTHS) / TIMES
    rate += (below[:, None, None] * left.T).astype(np.float32)
    found = fit_scattered_light(rate, TIMES, np.arange(15) >= 6, good=np.ones((SIZE, SIZE), bool))
    assert found is not None
    assert not found.is_described


@pytest.mark.parametrize(
    ("quiet", "good"), [(np.arange(15) >= 13, True), (np.ones(15, bool), True), (np.arange(15) >= 6, False)]
)
def test_too_few_reads_or_pixels(quiet: NDArray[np.bool_], good: bool) -> None:
    rate = exposed(np.zeros((SIZE, SIZE)), AMPLITUDES)
    assert fit_scattered_light(rate, TIMES, quiet, good=np.full((SIZE, SIZE), good)) is None


def test_the_lowest_level_is_that_of_three_reads() -> None:
    errors = np.full(6, 0.003)
    assert lowest_level(np.array([1.0, 0.9, 0.1, 0.101, 0.099, 0.1]), errors, same=0.01) == pytest.approx(0.1, abs=1e-3)
    one_dark = np.array([-0.5, 0.1, 0.1, 0.1, 0.8, 0.9])
    assert lowest_level(one_dark, errors, same=0.01) == pytest.approx(0.1)
    assert lowest_level(np.array([0.0, 0.2, 0.4, 0.6, 0.8]), errors[:5], same=0.01) == pytest.approx(0.4)
