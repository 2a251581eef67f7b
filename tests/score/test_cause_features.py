"""Features of a curve that are computed by this package, not by a library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from wfc3tvb.score.cause import vector
from wfc3tvb.score.cause_features import Features, _falls, _rank_correlation, _rising, features
from wfc3tvb.score.cause_weights import WEIGHTS_BY_FEATURE


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


def seen_of(rate: list[float], side: list[float], affected: list[bool]) -> Features:
    """Return the features of a curve with errors of 0.02 and no geometry."""
    n = len(rate)
    return features(
        "F105W", 50.0 + 100 * np.arange(n), np.array(rate), np.full(n, 0.02), np.array(side), np.array(affected),
        sun_alt=np.full(n, np.nan), limb_angle=np.full(n, np.nan), bright_limb=np.full(n, np.nan),
    )  # fmt: skip


LAST_THREE = [False] * 5 + [True] * 3


@pytest.mark.parametrize("offset", [0.0, 0.1, -0.3])
def test_left_minus_right_counts_from_the_quiet_reads(offset: float) -> None:
    """Three reads 1.0 above the others, 0.4 of it more on the left: 1.2 / (3.0 + 1.2), noise 1.5 x 0.02 each."""
    seen = seen_of([0.5] * 5 + [1.5] * 3, [offset] * 5 + [offset + 0.4] * 3, LAST_THREE)
    assert seen.sidedness == pytest.approx(1.2 / 4.2)
    assert seen.sidedness_err == pytest.approx(0.03 * np.sqrt(3) / 4.2)
    assert seen.unexplained == pytest.approx(1 - 1.3 * 0.4)
    assert seen.sided


def test_more_light_on_the_right_explains_nothing() -> None:
    seen = seen_of([0.5] * 5 + [1.5] * 3, [0.0] * 5 + [-0.4] * 3, LAST_THREE)
    assert (seen.sidedness, seen.unexplained, seen.sided) == (pytest.approx(-0.4), pytest.approx(1.0), False)


def test_constant_light_on_one_side_is_sided() -> None:
    """Without quiet reads the whole difference counts."""
    seen = seen_of([1.5] * 6, [0.3] * 6, [True] * 6)
    total = 0.03 * np.sqrt(6)
    assert seen.sided
    assert seen.sidedness == pytest.approx(1.8 / (3 * total + 1.8))


@pytest.mark.parametrize(("reads", "edge"), [({0}, True), ({7}, True), ({0, 7}, True), ({3, 4}, False)])
def test_reads_at_an_edge(reads: set[int], edge: bool) -> None:
    affected = [i in reads for i in range(8)]
    seen = seen_of([2.0 if hit else 0.5 for hit in affected], [0.0] * 8, affected)
    assert (seen.at_edge, seen.n_affected, seen.n_used) == (edge, len(reads), 8)


@pytest.mark.parametrize(
    ("rate", "early"),
    [([3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0], 0.5), ([1.0, 2.0, 2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 5.0], 0.75),
     ([3.0, 4.0, 4.0, 4.0, 1.0, 1.0, 1.0, 1.0, 1.0], 0.0), ([2.0] * 9, 0.0)],
)  # fmt: skip
def test_the_part_of_the_change_in_the_first_third(rate: list[float], early: float) -> None:
    assert seen_of(rate, [0.0] * 9, [True] * 9).early == pytest.approx(early)


def test_inputs_of_the_regression_by_name() -> None:
    """Worked out by hand: halves where the error of the sidedness is 0.2 and the variance apart 0.03."""
    known = Features(
        helium_filter=True, sidedness=0.4, sidedness_err=0.2, sided=True, unexplained=0.5, sunlit=0.75,
        bright_limb=0.25, n_affected=2, n_used=8, falling=True, at_edge=False, with_sun=0.3, off_sun=0.6,
        early=0.2, apart=0.03, off_decay=0.1, quiet_sun=0.7, with_limb=-0.9, streak=True,
    )  # fmt: skip
    found = dict(zip(WEIGHTS_BY_FEATURE, vector(known).tolist(), strict=True))
    expected = {
        "one": 1.0, "helium_filter": 1.0, "sidedness": 0.2, "sidedness_squared": 0.04, "sided": 1.0, "unexplained": 0.5,
        "sided_unexplained": 0.5, "sunlit": 0.5, "sunlit_in_helium_filter": 0.5, "bright_limb": -0.5,
        "sided_bright_limb": -0.5,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    beyond = vector(replace(known, unexplained=1.5))
    assert (beyond[5], beyond[6]) == (1.0, 1.0)
    rest = [0.3, 0.6, 0.6, 1.0, 0.5, 0.2, 0.3, 1.0, 0.5, 0.1, 0.1, 0.7, 0.7, 1.0, 0.25, 0.0, -0.9, 0.45]
    assert list(found.values())[len(expected) :] == pytest.approx(rest)


@pytest.mark.parametrize("tau", [50.0, 400.0, 1600.0])
@pytest.mark.parametrize("shape", [lambda x: np.exp(-x), lambda x: 1 / (1 + x)])
def test_decays_are_explained_as_decays(tau: float, shape: Callable[[np.ndarray], np.ndarray]) -> None:
    """An exponential and one over time, of the times that are tried; a rise of the same size is not."""
    decay = 0.5 + 2 * shape((50.0 + 100 * np.arange(9)) / tau)
    assert seen_of(decay.tolist(), [0.0] * 9, [True] * 9).off_decay == pytest.approx(0.0, abs=1e-9)
    assert seen_of(decay[::-1].tolist(), [0.0] * 9, [True] * 9).off_decay > 0.9


def test_rank_correlation_of_three_values_and_not_of_two() -> None:
    assert _rank_correlation(np.array([1.0, 5, 9]), np.array([0.1, 0.2, 0.7])) == pytest.approx(1.0)
    assert _rank_correlation(np.array([1.0, 5, 9]), np.array([0.1, 0.7, 0.2])) == pytest.approx(0.5)
    assert _rank_correlation(np.array([1.0, 5]), np.array([0.1, 0.2])) == 0.0
    assert _rank_correlation(np.array([1.0, 1, 1]), np.array([0.1, 0.2, 0.7])) == 0.0
    assert _rank_correlation(np.array([1.0, 5, 9]), np.array([0.1, np.nan, 0.7])) == 0.0
    assert _rank_correlation(np.array([1.0, 5, 9]), np.array([0.2, 0.2, 0.2])) == 0.0


@pytest.mark.parametrize(("drop", "falls"), [(0.1035, True), (0.1027, False)])
def test_a_curve_falls_by_more_than_three_errors_of_a_third(drop: float, *, falls: bool) -> None:
    """12 reads with errors of at most 0.05 (the others less): thirds of 4 differ by 3 x 0.05 / 2 = 0.075 at least.

    A straight line falls from one third to the other by 8/11 of its whole drop: 0.0753 and 0.0747.
    """
    rate = np.linspace(1 + drop, 1, 12)
    error = np.where(np.arange(12) == 3, 0.05, 0.01)
    assert _falls(rate, error) is falls
    assert not _falls(rate[::-1], error)
    assert not _falls(np.where(np.arange(12) == 0, 3.0, 1.0 + 0.001 * np.arange(12)), error)  # only at the start


def test_limits_of_the_sidedness() -> None:
    """Light more on the right than there is in all, or twice as much on the left as there is, counts to a limit."""
    seen = seen_of([0.5] * 5 + [1.5] * 3, [0.0] * 8, LAST_THREE)
    for given, counted in ((-0.4, -0.4), (-0.6, -0.5), (1.4, 1.4), (1.6, 1.5)):
        inputs = vector(replace(seen, sidedness=given, sidedness_err=0.0))
        assert inputs[2:4] == pytest.approx([counted, counted**2])
    vague = vector(replace(seen, sidedness=0.4, sidedness_err=0.2))
    assert vague[2] == pytest.approx(0.2)
