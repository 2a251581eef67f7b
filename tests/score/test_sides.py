"""Reads with scattered light, found by left minus right."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.generator import SPARS100
from tests.helpers.recorded import table
from tests.helpers.rows import curve_rows
from wfc3tvb.config import MeasureSettings
from wfc3tvb.score.score import score
from wfc3tvb.score.sides import find_sides

ERROR = np.full(15, 0.003)
USED = np.ones(15, bool)


def test_the_reads_that_stsci_leaves_out_of_a_real_exposure() -> None:
    """icqtbbbxq (F140W): STScI leaves out the reads whose left is more than 1.1 times the right, its 11 to 15."""
    rows = table("truth/icqtbbbxq_per_read.csv")
    difference = np.array([float(row["left"]) - float(row["right"]) for row in rows])
    ratio = np.array([float(row["ratio"]) for row in rows])
    n = len(rows)
    found = find_sides(difference, np.full(n, 0.0025), np.ones(n, bool))
    assert found.lit.tolist() == (ratio > 1.1).tolist()
    assert found.change[-6:] == pytest.approx(0.0, abs=0.012)
    # Its FLT: the peak falls from 0.985 to 0.908 once these reads are left out; left minus right is about 0.2.
    lengths = np.array([float(row["t_end"]) - float(row["t_start"]) for row in rows])
    assert found.mean(lengths, np.ones(n, bool)) == pytest.approx(0.206, abs=0.01)


@pytest.mark.parametrize("n_lit", [0, 2, 8, 12])
def test_the_zero_is_that_of_the_dark_reads(n_lit: int) -> None:
    """Whatever part of the exposure is lit, and with a difference of 0.07 that all reads share."""
    rng = np.random.default_rng(n_lit)
    side = np.where(np.arange(15) < n_lit, 1.4, 0.0)
    found = find_sides(side + 0.07 + rng.normal(0, 0.005, 15), ERROR, USED)
    assert found.reads == tuple(range(1, n_lit + 1))
    assert found.change == pytest.approx(side, abs=0.025)


def test_a_dark_outlier_is_not_the_zero() -> None:
    side = np.where(np.arange(15) == 5, -0.6, 0.0)
    assert find_sides(side, ERROR, USED).reads == ()


def test_unknown_differences() -> None:
    assert find_sides(np.full(15, np.nan), ERROR, USED).reads == ()
    side = np.where(np.arange(15) < 4, 1.0, 0.0)
    side[0] = np.nan
    assert find_sides(side, ERROR, USED).reads == (2, 3, 4)


def test_scattered_light_followed_by_helium() -> None:
    """The lit reads are the quiet ones in level: their light is found, repaired, and not taken for the zero."""
    t = np.array(SPARS100)
    side = np.where(np.arange(15) < 8, 1.4, 0.0)
    rate = np.where(np.arange(15) < 8, 0.6 + 0.2 * side, 1.8)
    exposure, reads = curve_rows(
        "ibohbfb9q", t, np.cumsum(rate * np.diff(t, prepend=0)) / t, lr_diff=side,
        sun_alt=np.linspace(10, 60, 15), limb_angle=np.where(side > 0, 20.0, 50.0), bright_limb=np.ones(15, bool),
        in_shadow=np.zeros(15, bool),
    )  # fmt: skip
    row = score(exposure, reads, MeasureSettings())
    assert set(range(2, 9)) <= set(row["affected_reads"])
    assert row["recommend"] == "optimal"
    assert row["tvb_class"] in ("moderate", "severe")
    assert row["tvb_kind"] in ("scattered", "mixed")


@pytest.mark.parametrize(
    ("height", "error", "lit"), [(0.11, 0.003, True), (0.09, 0.003, False), (0.61, 0.04, True), (0.59, 0.04, False)]
)
def test_light_on_the_left_is_a_tenth_of_an_electron_and_five_errors(height: float, error: float, *, lit: bool) -> None:
    """The error of left minus right is three times that of the frame's rate: 5 x 3 x 0.04 = 0.6."""
    side = np.where(np.arange(15) == 7, height, 0.0)
    found = find_sides(side, np.full(15, error), USED)
    assert found.reads == ((8,) if lit else ())
    assert found.change == pytest.approx(side, abs=1e-9)


def test_the_mean_is_weighted_by_time_and_over_used_reads() -> None:
    """1.0 electron/s in 100 of 300 s that are used; the read that is not used shows nothing."""
    side, used = np.array([9.0, 0.0, 0.0, 1.0, 0.0]), np.array([False, True, True, True, True])
    found = find_sides(side, np.full(5, 0.003), used)
    assert found.change.tolist() == [0, 0, 0, 1, 0]
    assert found.mean(np.array([50.0, 50, 50, 100, 100]), used) == pytest.approx(1 / 3)
    dark = find_sides(np.full(5, 0.05), np.full(5, 0.003), used)
    assert dark.mean(np.full(5, 10.0), used) == 0.0
    none = find_sides(np.full(5, np.nan), np.full(5, 0.003), used)
    assert (none.change.tolist(), none.lit.tolist()) == ([0.0] * 5, [False] * 5)


def test_a_read_without_an_error_is_not_lit() -> None:
    side, error = np.array([0.0, 0.0, 0.0, 0.0, 2.0]), np.array([0.003, 0.003, 0.003, 0.003, np.nan])
    assert find_sides(side, error, np.ones(5, bool)).reads == ()
