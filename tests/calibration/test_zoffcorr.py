"""ZOFFCORR: the zeroth read is subtracted, and its flags go into every read (calwf3-ir.md, section 4.4)."""

from __future__ import annotations

import numpy as np

from tests.calibration.small import LIGHT, NX, NY, calibrated, images, no_flags, plane, ramp, run, work_of
from wfc3tvb.calibration.model import Linearity, Switches


def test_zeroth_read_is_subtracted_everywhere() -> None:
    cube = images(2, 10000, 14000)
    work = run(work_of(ramp(cube)), "keep_zeroth", "zoffcorr")
    np.testing.assert_array_equal(work.ramp.sci, cube - cube[0])


def test_flags_of_the_raw_zeroth_read_go_into_all_reads() -> None:
    dq = no_flags()
    dq[0, 7, 7], dq[0, 0, 3], dq[1, 7, 7] = 16, 128, 512
    work = run(work_of(ramp(dq=dq)), "keep_zeroth", "zoffcorr")
    assert work.ramp.dq[:, 7, 7].tolist() == [16, 528, 16, 16]
    assert work.ramp.dq[:, 0, 3].tolist() == [128] * 4
    assert np.count_nonzero(work.ramp.dq) == 8


def test_signal_found_in_the_zeroth_read_stays_there() -> None:
    """The read before ZSIGCORR is subtracted: its signal stays, and its flags do not spread."""
    cube = np.full((4, NY, NX), 1000, np.float32)
    cube[:, 8, 8] += 500
    reference = Linearity(np.zeros((4, NY, NX), np.float32), plane(9e4), no_flags(NY, NX), plane(1000), plane(0))
    work = run(work_of(ramp(cube), linearity=reference), "keep_zeroth", "zsigcorr", "zoffcorr")
    assert work.ramp.sci[:, 8, 8].tolist() == [500, 0, 0, 0]
    assert work.ramp.dq[:, 8, 8].tolist() == [2048, 0, 0, 0]
    assert np.count_nonzero(work.ramp.sci) == 1


def test_times_count_from_the_zeroth_read() -> None:
    times = np.array([3, 5.5, 105.5, 205.5], np.float32)
    assert work_of(ramp(time=times)).time.tolist() == [0, 2.5, 102.5, 202.5]
    switches = Switches(*[False] * 10)
    without, _ = calibrated(work_of(ramp(time=times), switches))
    assert without.ramp.time.tolist() == times.tolist()
    assert np.all(without.image.time == np.float32(205.5))
    assert without.image.sci.shape == plane(0)[LIGHT].shape
