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
