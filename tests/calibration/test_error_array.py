"""The initial error of a read: read noise and photons (calwf3-ir.md, section 4.5)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.calibration.small import (
    GAIN,
    LIGHT,
    NX,
    NY,
    READ_NOISE,
    N,
    amplifier_of,
    images,
    outside,
    ramp,
    run,
    work_of,
)

F = np.float32


def published(signal: np.float32, amplifier: int) -> np.float32:
    """Return ``sqrt(r^2 + |s g|) / g``, with the roundings of section 4.5."""
    g, r = GAIN[amplifier], READ_NOISE[amplifier]
    return F(F(math.sqrt(float(F(r * r)) + float(F(abs(F(signal * g)))))) / g)


def test_error_of_every_pixel_is_that_of_its_amplifier() -> None:
    cube = images(3, -200, 40000)
    work = run(work_of(ramp(cube)), "error_array")
    for k in range(N):
        for y in range(5, NY - 5):
            for x in range(5, NX - 5):
                assert work.ramp.err[k, y, x] == published(cube[k, y, x], amplifier_of(y, x))


def test_four_round_numbers() -> None:
    # amplifier A, 2.5 electron/DN and 20 electron: 20 / 2.5 = 8, and with 200 DN sqrt(400 + 500) / 2.5 = 12
    cube = np.zeros((N, NY, NX), np.float32)
    cube[1, 12, 5], cube[2, 12, 5] = 200, -200
    work = run(work_of(ramp(cube)), "error_array")
    assert work.ramp.err[:, 12, 5].tolist() == [8, 12, 12, 8]


def test_reference_pixels_have_none() -> None:
    work = run(work_of(ramp(images(3, 0, 1000))), "error_array")
    assert not outside(work.ramp.err).any()
    assert np.all(work.ramp.err[:, *LIGHT] > 7)


@pytest.mark.parametrize(("ltv", "expected"), [((5, 5), (1, 0)), ((5, -3), (0, 0)), ((-3, 5), (2, 3))])
def test_quadrants_of_a_subarray_are_those_of_the_detector(ltv: tuple[int, int], expected: tuple[int, int]) -> None:
    """The window begins elsewhere on the detector; pixel (5, 5) is in its corner, (12, 5) above."""
    work = run(work_of(ramp(ltv=ltv)), "error_array")
    low, high = expected
    assert work.ramp.err[0, 5, 5] == READ_NOISE[low] / GAIN[low]
    assert work.ramp.err[0, 12, 5] == READ_NOISE[high] / GAIN[high]


def test_reads_from_the_first_with_errors_on_keep_theirs() -> None:
    errors = np.zeros((N, NY, NX), np.float32)
    errors[2, 8, 8] = 3
    errors[0, 0, 0] = 99  # among the reference pixels, which nobody looks at
    work = run(work_of(ramp(err=errors)), "error_array")
    assert np.all(work.ramp.err[:2, *LIGHT] > 0)
    assert np.count_nonzero(work.ramp.err[2:]) == 1
    assert (work.ramp.err[2, 8, 8], work.ramp.err[0, 0, 0]) == (3, 99)
