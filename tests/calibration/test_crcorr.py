"""The ramp fit on ramps whose answer is known by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from wfc3tvb.calibration.crcorr.fit import RampFit, fit_ramps
from wfc3tvb.calibration.crcorr.line import PixelRamp, fit_constants
from wfc3tvb.calibration.crcorr.slope import between_ends

TIMES = 100.0 * np.arange(8)


def fit(counts: NDArray[np.float64], dq: NDArray[np.int16] | None = None) -> RampFit:
    flags = np.zeros((8, 1), np.int16) if dq is None else dq[:, None]
    return fit_ramps(counts[:, None], np.full((8, 1), 10.0), flags, TIMES, gain=2.35)


def test_clean_ramp() -> None:
    found = fit(2 * TIMES)
    assert (found.rate[0], found.samples[0], found.time[0], found.dq[0]) == (2, 8, 700, 0)


def test_one_hit_costs_one_sample_and_its_interval() -> None:
    found = fit(2 * TIMES + np.where(TIMES >= 400, 5000, 0))
    assert found.rate[0] == pytest.approx(2, rel=2e-5)
    assert (found.samples[0], found.time[0]) == (7, 600)
    assert found.read_dq[:, 0].tolist() == [0, 0, 0, 0, 8192, 8192, 8192, 8192]
    assert found.dq[0] == 0


def test_four_hits_make_a_pixel_unstable() -> None:
    times = 100.0 * np.arange(16)
    counts = np.cumsum(np.where(np.isin(times, (300, 600, 900, 1200)), 50000.0, 0))[:, None]
    found = fit_ramps(counts, np.full((16, 1), 10.0), np.zeros((16, 1)), times, gain=2.35)
    assert found.dq[0] == 32
    assert np.all(found.read_dq[:, 0] & 32)


def test_spike_is_left_out() -> None:
    found = fit(2 * TIMES + np.where(TIMES == 300, 120, 0))
    assert found.rate[0] == pytest.approx(2, rel=1e-6)
    assert found.read_dq[:, 0].tolist() == [0, 0, 0, 4, 0, 0, 0, 0]


def test_flagged_read_is_left_out_of_a_good_pixel() -> None:
    flags = np.where(TIMES == 300, 1024, 0).astype(np.int16)
    found = fit(2 * TIMES + np.where(TIMES == 300, 9000, 0), flags)
    assert found.rate[0] == pytest.approx(2, rel=1e-6)
    assert (found.samples[0], found.dq[0]) == (7, 1024)


def test_lone_sample_without_error_before_a_hit_has_no_weight() -> None:
    counts = 2 * TIMES + np.where(TIMES >= 200, 5000, 0)
    error = np.where(TIMES == 100, 0.0, 10.0)
    hit = np.where(TIMES == 200, 8192, 0)
    found = fit_ramps(counts[:, None], error[:, None], hit[:, None], TIMES, gain=2.35)
    assert found.rate[0] == pytest.approx(2, rel=1e-5)
    assert (found.samples[0], found.time[0]) == (7, 600)


def test_pixel_flagged_in_all_reads_is_fitted_all_the_same() -> None:
    found = fit(2 * TIMES, np.full(8, 16, np.int16))
    assert (found.rate[0], found.samples[0], found.dq[0]) == (2, 8, 16)


def test_saturated_from_the_first_read_on() -> None:
    found = fit(2 * TIMES, np.full(8, 256, np.int16))
    assert (found.rate[0], found.error[0], found.samples[0], found.time[0]) == (0, 1e5, 0, 0)


def test_many_pixels_at_once_as_one_by_one() -> None:
    rng = np.random.default_rng(4)
    counts = np.cumsum(
        rng.normal(200, 15, (8, 600)) + rng.exponential(3000, (8, 600)) * (rng.random((8, 600)) < 0.1), axis=0
    )
    error, dq = np.full((8, 600), 12.0), np.zeros((8, 600), np.int16)
    together = fit_ramps(counts, error, dq, TIMES, gain=2.35)
    for p in range(0, 600, 7):
        own = fit_ramps(counts[:, p], error[:, p], dq[:, p], TIMES, gain=2.35)
        assert own.rate == together.rate[p]
        assert own.error == together.error[p]


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="do not fit together"):
        fit_ramps(np.zeros((8, 3)), np.zeros((8, 2)), np.zeros((8, 3)), TIMES, gain=2.35)


def test_an_unstable_ramp_is_what_lies_between_its_first_and_last_good_sample() -> None:
    """Signals and errors of reads 2 and 6: (900 - 100) / 400 s and (30 - 10) / 400 s; read 2 is usable, though flagged.

    Four samples count: the first, and all without flags from there on. With a single good sample there is nothing.
    """
    constants = fit_constants(TIMES.astype(np.float32), 2.35, ignore=256)
    y = np.array([0, 7, 100, 5, 300, 8, 900, 6], np.float32)
    e = np.array([1, 1, 10, 1, 1, 1, 30, 1], np.float32)
    flags = np.array([0, 256, 16384, 8192, 0, 0, 0, 4], np.int16)
    assert between_ends(PixelRamp(y, e, flags), constants) == (2.0, pytest.approx(0.05), 4, 400.0)
    alone = np.array([0, 256, 0, 8192, 8192, 8192, 8192, 4], np.int16)
    assert between_ends(PixelRamp(y, e, alone), constants) == (0, 0, 0, 0)
    first = np.array([0, 0, 0, 8192, 8192, 8192, 8192, 4], np.int16)
    assert between_ends(PixelRamp(y, e, first), constants) == (pytest.approx(0.93), pytest.approx(0.09), 3, 100.0)
