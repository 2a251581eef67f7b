"""FLATCORR: the flat field and the gain (calwf3-ir.md, section 4.11)."""

from __future__ import annotations

import numpy as np

from tests.calibration.small import GAIN, LIGHT, NX, NY, N, images, no_flags, outside, plane, ramp, run, work_of
from wfc3tvb.calibration.model import Amplifiers, Flat, Switches

F = np.float32
UNITY = Amplifiers(np.ones(4, F), np.ones(4, F), 7, 11)


def test_signal_and_error_are_divided_and_the_flats_error_added() -> None:
    # 12 / 2 = 6; error sqrt(6^2 / 2^2 + 12^2 (4/3)^2 / 2^4) = sqrt(9 + 16) = 5
    cube = np.full((N, NY, NX), 12, F)
    flat = Flat(plane(2), plane(4 / 3), no_flags(NY, NX))
    work = run(work_of(ramp(cube, err=0 * cube + 6), flat=flat, amplifiers=UNITY), "flatcorr")
    assert np.all(work.ramp.sci[:, *LIGHT] == 6)
    np.testing.assert_allclose(work.ramp.err[:, *LIGHT], 5, rtol=2e-7)
    assert np.all(outside(work.ramp.sci) == 12)
    assert np.all(outside(work.ramp.err) == 6)


def test_single_precision() -> None:
    s, e, f, ef = images(1, -9, 900), images(2, 0.1, 9), images(3, 0.5, 1.5)[0], images(4, 0, 0.1)[0]
    work = run(work_of(ramp(s, err=e), flat=Flat(f, ef, no_flags(NY, NX)), amplifiers=UNITY), "flatcorr")
    np.testing.assert_array_equal(work.ramp.sci[:, *LIGHT], (s / f)[:, *LIGHT])
    f2 = f * f
    square = (e * e) / f2 + (((s * s) * ef) * ef) / (f2 * f2)
    error = np.sqrt(square.astype(np.float64)).astype(F)
    np.testing.assert_array_equal(work.ramp.err[:, *LIGHT], error[:, *LIGHT])


def test_flat_of_0() -> None:
    flat = plane(1)
    flat[8, 8] = 0
    cube = np.full((N, NY, NX), 3, F)
    work = run(work_of(ramp(cube, err=cube), flat=Flat(flat, plane(0), no_flags(NY, NX)), amplifiers=UNITY), "flatcorr")
    assert (work.ramp.sci[1, 8, 8], work.ramp.err[1, 8, 8]) == (0, 0)
    assert (work.ramp.sci[1, 8, 9], work.ramp.err[1, 8, 9]) == (3, 3)


def test_mean_gain_multiplies_the_whole_frame() -> None:
    gain = F(F(F(F(GAIN[0] + GAIN[1]) + GAIN[2]) + GAIN[3]) / F(4))
    cube, errors = images(1, 0, 900), images(2, 1, 9)
    work = run(work_of(ramp(cube, err=errors), flat=Flat(plane(1), plane(0), no_flags(NY, NX))), "flatcorr")
    np.testing.assert_array_equal(work.ramp.sci, cube * gain)
    np.testing.assert_array_equal(work.ramp.err[:, *LIGHT], (np.sqrt(errors * errors) * gain)[:, *LIGHT])
    np.testing.assert_array_equal(outside(work.ramp.err), outside(errors) * gain)


def test_flags_of_the_flat_go_into_light_sensitive_pixels() -> None:
    flags, dq = np.full((NY, NX), 512, np.int16), no_flags()
    dq[2, 8, 8] = 16
    work = run(work_of(ramp(dq=dq), flat=Flat(plane(1), plane(0), flags)), "flatcorr")
    assert work.ramp.dq[:, 8, 8].tolist() == [512, 512, 528, 512]
    assert not outside(work.ramp.dq).any()


def test_image_of_the_fit_is_divided_too() -> None:
    flat, flags = images(3, 0.5, 1.5)[0], no_flags(NY, NX)
    flags[8, 9] = 4
    for crcorr in (True, False):
        work = work_of(ramp(), Switches(crcorr=crcorr), flat=Flat(flat, plane(0), flags), amplifiers=UNITY)
        work.image.sci[:], work.image.err[:], work.image.dq[1, 1] = 3, 4, 32
        run(work, "flatcorr")
        if crcorr:
            np.testing.assert_array_equal(work.image.sci, F(3) / flat[LIGHT])
            assert (work.image.dq[3, 4], work.image.dq[1, 1], np.count_nonzero(work.image.dq)) == (4, 32, 2)
        else:
            assert np.all(work.image.sci == 3)


def test_without_a_flat_not_even_the_gain() -> None:
    cube = np.full((N, NY, NX), 3, F)
    assert np.all(run(work_of(ramp(cube)), "flatcorr").ramp.sci == 3)
