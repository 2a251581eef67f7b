"""UNITCORR: counts to rates (calwf3-ir.md, section 4.9)."""

from __future__ import annotations

import numpy as np

from tests.calibration.small import LIGHT, NX, NY, N, calibrated, images, outside, ramp, run, work_of
from wfc3tvb.calibration.model import Switches

F = np.float32


def test_reads_are_divided_by_their_time_and_the_zeroth_by_its_own() -> None:
    cube, errors = images(1, -9, 4e4), images(2, 5, 90)
    times = np.array([0, 2.5, 102.5, 202.5], F)
    work = run(work_of(ramp(cube, err=errors)), "unitcorr")
    for given, made in ((cube, work.ramp.sci), (errors, work.ramp.err)):
        # the first read's SAMPTIME less the 0.020535 s of the clearing
        np.testing.assert_array_equal(made[0][LIGHT], given[0][LIGHT] * F(1 / (2.5 - 0.020535)))
        np.testing.assert_array_equal(made[1:, *LIGHT], given[1:, *LIGHT] / times[1:, None, None])
        np.testing.assert_array_equal(outside(made), outside(given))


def test_time_since_the_zeroth_read_where_that_was_subtracted() -> None:
    cube, times = np.full((N, NY, NX), 8, F), np.array([1, 3, 5, 9], F)
    work = run(work_of(ramp(cube, time=times)), "unitcorr")
    assert work.ramp.sci[1:, 8, 8].tolist() == [4, 2, 1]
    work = run(work_of(ramp(cube, time=times), Switches(zoffcorr=False)), "unitcorr")
    assert work.ramp.sci[1:, 8, 8].tolist() == [F(8) / F(3), F(8) / F(5), F(8) / F(9)]


def test_read_without_time_becomes_0() -> None:
    cube = np.full((N, NY, NX), 8, F)
    work = run(work_of(ramp(cube, err=cube, time=np.array([0, 0, 4, 8], F))), "unitcorr")
    assert work.ramp.sci[1:, 8, 8].tolist() == [0, 2, 1]
    assert work.ramp.err[1:, 8, 8].tolist() == [0, 2, 1]
    assert np.all(outside(work.ramp.sci) == 8)


def test_rates_are_left_as_they_are() -> None:
    cube = np.full((N, NY, NX), 8, F)
    switches = Switches(*[name == "unitcorr" for name in Switches.__dataclass_fields__])
    _, reads = calibrated(work_of(ramp(cube, unit="COUNTS/S"), switches))
    assert np.all(reads.sci == 8)
    done, reads = calibrated(work_of(ramp(cube), switches))
    assert reads.sci[2, 8, 8] == F(8) / F(102.5)
    assert done.ramp.unit == "COUNTS/S"
