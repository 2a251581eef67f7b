"""DARKCORR: the dark of every read, and its mean (calwf3-ir.md, section 4.7)."""

from __future__ import annotations

import numpy as np
import pytest

from tests.calibration.small import (
    LIGHT,
    NX,
    NY,
    Float32Array,
    N,
    calibrated,
    images,
    no_flags,
    outside,
    ramp,
    run,
    work_of,
)
from wfc3tvb.calibration.model import Dark, Planes, Switches


def dark(sci: Float32Array, err: Float32Array, dq: np.ndarray, order: str = "=") -> Dark:
    """Return a dark as a file has it: one image a read, in the given byte order."""
    planes = [
        Planes(tuple(cube.astype(cube.dtype.newbyteorder(order))), kind)
        for cube, kind in ((sci, np.float32), (err, np.float32), (dq, np.int16))
    ]
    return Dark(*planes)


@pytest.mark.parametrize("order", ["<", ">"])
def test_dark_is_subtracted_and_errors_add_in_quadrature(order: str) -> None:
    flags = no_flags()
    flags[1, 8, 8], flags[:, 0, 0] = 16, 64
    cube = np.full((N, NY, NX), 10, np.float32)
    signal = np.arange(N, dtype=np.float32)[:, None, None] + np.zeros((N, NY, NX), np.float32)
    dq = no_flags()
    dq[1, 8, 8] = 512
    work = work_of(ramp(cube, err=0 * cube + 3, dq=dq), dark=dark(signal, 0 * cube + 4, flags, order))
    run(work, "darkcorr")
    for k in range(N):
        assert np.all(work.ramp.sci[k][LIGHT] == 10 - k)
    assert np.all(work.ramp.err[:, *LIGHT] == 5)
    assert work.ramp.dq[:, 8, 8].tolist() == [0, 528, 0, 0]
    assert np.count_nonzero(work.ramp.dq) == 1
    assert np.all(outside(work.ramp.sci) == 10)
    assert np.all(outside(work.ramp.err) == 3)


def test_single_precision() -> None:
    cube, errors, signal, its_errors = images(1, 0, 3e4), images(2, 8, 90), images(3, -1, 9), images(4, 0, 3)
    work = run(work_of(ramp(cube, err=errors), dark=dark(signal, its_errors, no_flags())), "darkcorr")
    np.testing.assert_array_equal(work.ramp.sci[:, *LIGHT], (cube - signal)[:, *LIGHT])
    total = np.sqrt((errors * errors + its_errors * its_errors).astype(np.float64)).astype(np.float32)
    np.testing.assert_array_equal(work.ramp.err[:, *LIGHT], total[:, *LIGHT])


def test_without_a_dark_everything_stays() -> None:
    cube = images(1, 0, 3e4)
    np.testing.assert_array_equal(run(work_of(ramp(cube)), "darkcorr").ramp.sci, cube)


def mean_darks(signal: Float32Array, flags: np.ndarray) -> tuple[float, ...]:
    """Return MEANDARK of every read, calibrated with DARKCORR only."""
    switches = Switches(*[name == "darkcorr" for name in Switches.__dataclass_fields__])
    work = work_of(ramp(), switches, dark=dark(signal, np.zeros_like(signal), flags))
    return calibrated(work)[0].mean_dark


def test_mean_dark_is_that_of_good_light_sensitive_pixels() -> None:
    signal, flags = np.full((N, NY, NX), 2, np.float32), no_flags()
    signal[:, 0, 0] = 1e6  # a reference pixel
    bad = (4, 8, 16, 32, 128, 256, 512)  # together 956
    for x, flag in enumerate(bad):
        row, column = divmod(x, 6)
        signal[1, 5 + row, 5 + column], flags[1, 5 + row, 5 + column] = 1e6, flag
    for x, flag in enumerate((1, 2, 64, 1024)):  # these are good
        signal[2, 5, 5 + x], flags[2, 5, 5 + x] = 14, flag
    signal[3, 5, 5], signal[3, 5, 6] = np.nan, np.inf
    assert mean_darks(signal, flags) == (2, 2, 3, 2)


def test_mean_dark_of_a_second_exposure_is_that_of_the_first() -> None:
    signal = images(9, 0, 50)
    switches = Switches(*[name == "darkcorr" for name in Switches.__dataclass_fields__])
    same = dark(signal, np.zeros_like(signal), no_flags())
    first, second = (calibrated(work_of(ramp(), switches, dark=same))[0].mean_dark for _ in range(2))
    assert first == second
    assert len(set(first)) == N


def test_mean_dark_without_a_good_pixel() -> None:
    assert mean_darks(np.full((N, NY, NX), 2, np.float32), np.full((N, NY, NX), 4, np.int16)) == (0, 0, 0, 0)


def test_mean_dark_is_summed_in_double_precision_row_by_row() -> None:
    signal = images(9, 0, 50)
    expected = []
    for read in signal:
        total = 0.0
        for value in read[LIGHT].ravel():
            total += float(value)
        expected.append(float(np.float32(total / read[LIGHT].size)))
    assert mean_darks(signal, no_flags()) == tuple(expected)
