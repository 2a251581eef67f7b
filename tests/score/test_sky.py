"""Ratios, the published rule and the jump statistic on the published curves of IBOHBF040."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.generator import SPARS100
from tests.helpers.ibohbf040 import NAMES, curves
from wfc3tvb.score import sky
from wfc3tvb.score.sky import affected_position, jump_statistic, jump_statistic_error, measure_sky, signal, used_reads

#: Per exposure: jump statistic without dark term, ratio of cumulative and of interval rates, lowest rate, mean, rule
#: of 2 (all from the same curves by an independent program; the rule is also the notebook's verdict).
EXPECTED = {
    "b7q": (0.11, 1.07, 1.10, 0.451, 0.467, False),
    "b9q": (4.35, 3.27, 4.44, 0.470, 1.503, True),
    "bdq": (2.21, 1.30, 1.40, 2.383, 2.982, False),
    "bgq": (2.30, 3.43, 4.46, 0.436, 0.606, True),
    "bkq": (6.42, 2.23, 5.18, 0.454, 1.036, True),
    "bpq": (3.00, 1.17, 1.73, 1.961, 2.514, False),
}


def intervals(name: str):
    t, cumulative = curves()[name]
    total, dt = cumulative * t, np.diff(t, prepend=0)
    return t, total, dt, np.diff(total, prepend=0) / dt


@pytest.mark.parametrize("name", NAMES)
def test_jump_statistic(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    t, total, _, _ = intervals(name)
    with_dark, _ = jump_statistic(t, total)
    monkeypatch.setattr(sky, "JUMP_DARK", 0.0)
    without, read = jump_statistic(t, total)
    assert without == pytest.approx(EXPECTED[name][0], abs=0.05)
    assert with_dark == pytest.approx(without, rel=0.04)
    assert read == {"b7q": 14, "b9q": 8, "bdq": 9, "bgq": 7, "bkq": 15, "bpq": 15}[name]


@pytest.mark.parametrize("name", NAMES)
def test_level_ratios_and_the_published_rule(name: str) -> None:
    t, _, dt, rate = intervals(name)
    error = np.full(t.size, 0.02)
    used = used_reads(dt, rate, error, min_interval=24.0, max_rate_err=0.1)
    found = measure_sky(t - dt, t, rate, error, used)
    _, cumulative, interval, minimum, mean, factor2 = EXPECTED[name]
    assert found.mean == pytest.approx(mean, abs=0.0005)
    assert found.minimum == pytest.approx(minimum, abs=0.0005)
    assert found.ratio_cumulative == pytest.approx(cumulative, abs=0.005)
    assert found.ratio_interval == pytest.approx(interval, abs=0.005)
    assert found.factor2 is factor2


def test_late_rise_passes_the_published_rule_and_not_the_jump_statistic() -> None:
    t = np.array(SPARS100)
    rate = np.where(np.arange(15) < 13, 0.5, 2.5)
    dt = np.diff(t, prepend=0)
    found = measure_sky(t - dt, t, rate, np.full(15, 0.01), np.arange(15) > 0)
    assert found.factor2 is False
    assert jump_statistic(t, signal(dt, rate))[0] > 4
    assert found.affected == (14, 15)
    assert found.position == "end"


def test_used_reads() -> None:
    dt, rate = np.array([3.0, 4.9, 5.0, 100, 100, 100]), np.array([0.5, 0.5, 0.5, np.nan, 0.5, 0.5])
    error = np.array([0.01, 0.01, 0.01, np.nan, 0.11, 0.1])
    assert used_reads(dt, rate, error, min_interval=5, max_rate_err=0.1).tolist() == [
        False,
        False,
        True,
        False,
        False,
        True,
    ]


def test_gap_does_not_break_the_signal() -> None:
    dt, rate = np.array([10.0, 10, 10, 20]), np.array([1.0, 1.0, np.nan, 2.0])
    np.testing.assert_array_equal(signal(dt, rate), [10, 20, np.nan, 60])
    assert np.isfinite(jump_statistic(np.array([10.0, 20, 30, 40]), signal(dt, rate))[0])


@pytest.mark.parametrize(
    ("pattern", "position"),
    [("0000000", None), ("1110000", "start"), ("0001000", "middle"), ("0000111", "end"), ("1100011", "both"),
     ("1111110", "all"), ("0111111", "all")],
)  # fmt: skip
def test_position(pattern: str, position: str | None) -> None:
    assert affected_position(np.array([c == "1" for c in pattern])) == position


def test_ratio_of_what_is_not_positive_is_null() -> None:
    t = np.array([30.0, 60, 90])
    found = measure_sky(t - 30, t, np.array([-0.1, 0.5, 0.5]), np.full(3, 0.02), np.full(3, True))
    assert found.ratio_interval is None
    assert found.ratio_cumulative is None
    assert found.factor2 is None


def test_error_of_the_jump_statistic_is_its_scatter() -> None:
    """Read noise is shared, with opposite sign, by the two intervals that a read divides."""
    t, rng = np.array(SPARS100), np.random.default_rng(3)
    dt, rate = np.diff(t, prepend=0), np.linspace(0.5, 2.5, 15)
    noise = rng.normal(0, 1.0, (3000, 15))
    totals = np.cumsum(rate * dt) + noise - rng.normal(0, 1.0, (3000, 1))
    scatter = np.std([jump_statistic(t, total)[0] for total in totals])
    error = jump_statistic_error(t - dt, t, rate, np.sqrt(2) / dt, 0.0, np.random.default_rng(4), draws=3000)
    assert error == pytest.approx(scatter, rel=0.1)


def test_a_curve_in_numbers() -> None:
    """Intervals of 10, 20, 30 and 40 s at 9, 1, 2 and 4 electron/s; the first is not used. 330 electrons in 100 s.

    Weighted by time, the used ones have 240 / 90. Reads count for the published rule from 24 s on: 60, 30 s and later.
    """
    t_end = np.array([10.0, 30, 60, 100])
    t_start, rate = np.array([0.0, 10, 30, 60]), np.array([9.0, 1, 2, 4])
    found = measure_sky(t_start, t_end, rate, np.full(4, 0.5), np.arange(4) > 0)
    assert (found.mean, found.minimum, found.maximum, found.last) == (3.3, 1.0, 4.0, 4.0)
    assert found.excess_variable == pytest.approx(240 / 90 - 1)
    assert found.ratio_interval == pytest.approx(4.0)
    assert found.ratio_cumulative == pytest.approx((110 / 30) / (170 / 60))
    assert found.factor2 is False
    assert found.affected == (4,)  # 3 x 0.5 above the minimum; read 3 is 1.0 above it
    assert found.position == "end"


@pytest.mark.parametrize(
    ("height", "error", "affected"), [(0.11, 0.03, (3,)), (0.09, 0.03, ()), (0.31, 0.1, (3,)), (0.29, 0.1, ())]
)
def test_a_read_is_affected_from_a_tenth_and_three_errors_on(
    height: float, error: float, affected: tuple[int, ...]
) -> None:
    t, rate = np.array([100.0, 200, 300, 400]), np.array([0.5, 0.5, 0.5 + height, 0.5])
    found = measure_sky(t - 100, t, rate, np.full(4, error), np.arange(4) > 0)
    assert found.affected == affected


def test_short_exposures_begin_with_half_their_time() -> None:
    """12 s in all: reads count for the rule from 6 s on, not from 24 s, and none before."""
    t, rate = np.array([2.0, 5, 8, 12]), np.array([9.0, 1, 1, 1])
    found = measure_sky(np.array([0.0, 2, 5, 8]), t, rate, np.full(4, 0.5), np.arange(4) > 0)
    assert found.ratio_cumulative == pytest.approx((24 / 8) / (28 / 12))
    half = measure_sky(np.array([0.0, 2, 6, 8]), np.array([2.0, 6, 8, 12]), rate, np.full(4, 0.5), np.arange(4) > 0)
    assert half.ratio_cumulative == pytest.approx((22 / 6) / (28 / 12))
    long = np.array([20.0, 24, 60, 100])
    found = measure_sky(np.array([0.0, 20, 24, 60]), long, rate, np.full(4, 0.5), np.arange(4) > 0)
    assert found.ratio_cumulative == pytest.approx((184 / 24) / (260 / 100))


def test_the_rule_of_two_is_above_two() -> None:
    t = np.array([100.0, 200])
    for second, expected in ((0.0, False), (-0.01, True)):
        found = measure_sky(t - 100, t, np.array([1.0, second]), np.full(2, 0.1), np.full(2, True))
        assert found.factor2 is expected


def test_the_excess_counts_from_all_rates_that_agree_with_the_lowest() -> None:
    """Noise 0.03 and 0.04: 0.05 together, so that rates within 0.1 of the lowest count, by their inverse variance."""
    t, rate = np.array([100.0, 200, 300, 400]), np.array([0.5, 0.59, 0.65, 1.5])
    noise = np.array([0.03, 0.04, 0.03, 0.03])
    found = measure_sky(t - 100, t, rate, np.full(4, 0.1), np.full(4, True), noise=noise)
    floor = (0.5 / 0.03**2 + 0.59 / 0.04**2) / (1 / 0.03**2 + 1 / 0.04**2)
    assert found.excess_variable == pytest.approx(rate.mean() - floor)
    without = measure_sky(t - 100, t, rate, np.full(4, 0.1), np.full(4, True), noise=np.array([0.0, 1, 1, 1]))
    assert without.excess_variable == pytest.approx(rate.mean() - 0.5)
    used = np.array([False, True, True, True])
    part = measure_sky(t - 100, t, rate, np.full(4, 0.1), used, noise=np.array([0.0, 0.01, 0.01, 0.01]))
    assert part.excess_variable == pytest.approx(rate[1:].mean() - 0.59)


def test_jump_statistic_by_hand() -> None:
    """A line through 0, 0, 300 electrons at 1, 2, 3 times 100 s: residuals 50, -100, 50 over their noise."""
    t, total = np.array([100.0, 200, 300]), np.array([0.0, 0.0, 300.0])
    noise = np.sqrt([400 + 5, 400 + 10, 400 + 300 + 15])
    d = np.array([50, -100, 50]) / noise
    found, read = jump_statistic(t, total)
    assert found == pytest.approx(abs(d[1] - d[0]))
    assert read == 2
    below = jump_statistic(t, np.array([0.0, -300.0, 300.0]))[0]  # less than no light has no photon noise
    e = np.array([150, -300, 150]) / np.sqrt([405, 410, 715])
    assert below == pytest.approx(e[2] - e[1] if e[2] - e[1] > e[0] - e[1] else e[0] - e[1])
    gap = jump_statistic(np.array([100.0, 150, 200, 300]), np.array([0.0, np.nan, 0.0, 300.0]))
    assert gap == (pytest.approx(found), 3)


def test_error_of_the_jump_statistic_from_systematic_errors() -> None:
    """An independent error of 0.05 electron/s in every rate adds up along the ramp."""
    t, rng = np.array(SPARS100[:8]), np.random.default_rng(3)
    dt, rate = np.diff(t, prepend=0), np.linspace(0.5, 4, 8)
    totals = np.cumsum((rate + rng.normal(0, 0.05, (2000, 8))) * dt, axis=1)
    scatter = np.std([jump_statistic(t, total)[0] for total in totals])
    given = t - dt, t, np.append(rate[:-1], rate[-1]), np.full(8, 1e-9)
    assert jump_statistic_error(*given, 0.05, np.random.default_rng(4), draws=2000) == pytest.approx(scatter, rel=0.08)
    rate[3] = np.nan
    assert np.isfinite(jump_statistic_error(t - dt, t, rate, np.full(8, 0.01), 0.05, np.random.default_rng(4)))
