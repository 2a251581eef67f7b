"""CRCORR as a step: units, saturation in the first read, and where the result goes (calwf3-ir.md, section 5)."""

from __future__ import annotations

import numpy as np
import pytest

from tests.calibration.small import LIGHT, NX, NY, SAMPTIME, N, no_flags, plane, ramp, run, work_of
from wfc3tvb.calibration.bands import Work
from wfc3tvb.calibration.model import Rejection, Switches

F = np.float32
TIMES = SAMPTIME.astype(F)


def fitted(switches: Switches, dq: np.ndarray | None = None, unit: str = "COUNTS") -> Work:
    """Return ramps of 4 counts a second, fitted, as rates where UNITCORR has made them."""
    rates = unit.endswith("/S") or switches.unitcorr
    cube = np.zeros((N, NY, NX), F) + (np.full(N, 4, F) if rates else 4 * TIMES)[:, None, None]
    cube[0] = 1.5
    flags = no_flags() if dq is None else dq
    made = ramp(cube, err=np.full_like(cube, 0.25), dq=flags, unit=unit)
    return run(work_of(made, switches, rejection=Rejection()), "crcorr")


@pytest.mark.parametrize("unit", ["COUNTS", "COUNTS/S"])
def test_rates_are_fitted_as_counts(unit: str) -> None:
    work = fitted(Switches(), unit=unit)
    assert np.all(work.image.sci == 4)
    assert np.all(work.image.time == 202.5)
    assert np.all(work.image.samp == N)
    assert work.image.sci.shape == plane(0)[LIGHT].shape
    np.testing.assert_array_equal(work.ramp.sci[1:], 4)  # the reads stay


def test_counts_without_unitcorr() -> None:
    counts, rates = fitted(Switches(unitcorr=False)), fitted(Switches())
    np.testing.assert_allclose(counts.image.sci, 4 * 202.5, rtol=1e-6)
    assert np.all(counts.image.err > 50 * rates.image.err)


def test_saturated_in_the_first_read_takes_the_zeroth() -> None:
    dq = no_flags()
    dq[0, 8, 8], dq[1:, 8, 8], dq[1:, 8, 9] = 2048 | 256 | 16, 256, 256
    work = fitted(Switches(), dq)
    image, pixel, other = work.image, (3, 3), (3, 4)
    assert (image.sci[pixel], image.err[pixel], image.samp[pixel]) == (1.5, 0.25, 1)
    assert image.dq[pixel] == 256 | 16
    assert image.time[pixel] == F(2.5 - 0.020535)
    assert (image.sci[other], image.dq[other]) == (1.5, 0)
    assert work.ramp.dq[:, 8, 8].tolist() == [2048 | 256 | 16, 256, 256, 256]
    assert np.count_nonzero(image.sci == 4) == image.sci.size - 2


def test_saturated_in_the_first_read_without_zsigcorr_has_no_data() -> None:
    dq = no_flags()
    dq[1:, 8, 8] = 256
    image = fitted(Switches(zsigcorr=False), dq).image
    assert (image.sci[3, 3], image.err[3, 3], image.samp[3, 3], image.time[3, 3]) == (0, 1e5, 0, 0)


def test_hit_goes_into_the_reads_from_there_on_and_not_into_the_image() -> None:
    times = 100.0 * np.arange(8)
    cube = np.zeros((8, NY, NX), F) + (4 * times).astype(F)[:, None, None]
    cube[4:, 8, 8] += 9000
    made = ramp(cube, err=np.full_like(cube, 20), time=times.astype(F), samptime=times)
    work = run(work_of(made, Switches(unitcorr=False), rejection=Rejection()), "crcorr")
    assert work.ramp.dq[:, 8, 8].tolist() == [0, 0, 0, 0, 8192, 8192, 8192, 8192]
    assert np.count_nonzero(work.ramp.dq) == 4
    assert not work.image.dq.any()
    assert work.image.sci[3, 3] == pytest.approx(4 * 600, rel=2e-5)
    assert (work.image.time[3, 3], work.image.samp[3, 3]) == (600, 7)


def test_flags_of_any_read_go_into_the_image_but_for_saturation() -> None:
    dq = no_flags()
    dq[0, 8, 8], dq[2, 8, 8], dq[3, 8, 9], dq[3, 8, 10] = 16, 512, 256, 2048
    image = fitted(Switches(), dq).image
    assert image.dq[3, 3:6].tolist() == [528, 0, 0]


def test_without_a_rejection_table_there_is_no_image() -> None:
    assert not run(work_of(ramp(np.ones((N, NY, NX), F))), "crcorr").image.sci.any()
