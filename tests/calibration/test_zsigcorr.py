"""ZSIGCORR: signal that is in the zeroth read already (calwf3-ir.md, section 4.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.calibration.small import (
    AMPLIFIERS,
    GAIN,
    LIGHT,
    NX,
    NY,
    READ_NOISE,
    N,
    amplifier_of,
    no_flags,
    outside,
    plane,
    ramp,
    run,
    work_of,
)
from wfc3tvb.calibration.bands import Work
from wfc3tvb.calibration.model import Amplifiers, Linearity

_ZERO = 1000.0
#: With this read noise and gain 1 a signal of 18 DN has the error sqrt(2.25 + 18) = 4.5 DN, of which it is four.
_EXACT = Amplifiers(np.ones(4, np.float32), np.full(4, 1.5, np.float32), AMPLIFIERS.ampx, AMPLIFIERS.ampy)


def zeroth_work(zeroth: dict[tuple[int, int], float], first: dict[tuple[int, int], float], **given: Any) -> Work:
    """Return a ramp with these signals above the super zero read in the zeroth and the first read."""
    cube = np.full((N, NY, NX), _ZERO, np.float32)
    for k, signals in enumerate((zeroth, first)):
        for pixel, signal in signals.items():
            cube[k, *pixel] += np.float32(signal)
    error = np.float32(given.pop("zerr", 0))
    reference = Linearity(np.zeros((4, NY, NX), np.float32), plane(50), no_flags(NY, NX), plane(_ZERO), plane(error))
    return work_of(ramp(cube), linearity=reference, **({"amplifiers": _EXACT} | given))


def test_signal_of_exactly_four_errors_counts() -> None:
    below = float(np.nextafter(np.float32(_ZERO + 18), np.float32(0))) - _ZERO
    work = run(zeroth_work({(8, 8): 18, (8, 9): below}, {}), "zsigcorr")
    signal, seen = work.signal
    assert (signal[8, 8], signal[8, 9]) == (18, 0)
    assert (bool(seen[8, 8]), bool(seen[8, 9])) == (True, False)
    assert (work.ramp.sci[0, 8, 8], work.ramp.sci[0, 8, 9]) == (_ZERO + 36, np.float32(_ZERO + below))
    assert work.ramp.dq[:, 8, 8].tolist() == [2048, 0, 0, 0]
    assert np.count_nonzero(work.ramp.dq) == 1


def test_error_of_the_super_zero_read_is_added_in_quadrature() -> None:
    # sqrt(2.25 + 32 + 29.75) = 8, a quarter of 32
    zerr = np.sqrt(np.float32(29.75))
    assert run(zeroth_work({(8, 8): 32.01}, {}, zerr=zerr), "zsigcorr").ramp.dq[0, 8, 8] == 2048
    assert run(zeroth_work({(8, 8): 31.99}, {}, zerr=zerr), "zsigcorr").ramp.dq[0, 8, 8] == 0


@pytest.mark.parametrize("pixel", [(10, 6), (10, 7), (11, 6), (11, 7)])
def test_noise_is_that_of_the_amplifier(pixel: tuple[int, int]) -> None:
    g, r = (float(values[amplifier_of(*pixel)]) for values in (GAIN, READ_NOISE))
    least = 8 / g + 4 * np.sqrt(4 + r * r) / g  # solves z = 4 sqrt(r^2 + g z) / g
    for factor, flag in ((0.999, 0), (1.001, 2048)):
        work = zeroth_work({pixel: factor * least}, {}, amplifiers=AMPLIFIERS)
        assert run(work, "zsigcorr").ramp.dq[0, *pixel] == flag


def test_saturation_in_the_zeroth_and_in_the_first_read() -> None:
    work = run(zeroth_work({(6, 6): 60, (6, 8): 50}, {(6, 7): 51, (6, 8): 50}), "zsigcorr")
    assert work.ramp.dq[:, 6, 6].tolist() == [2048 | 256, 256, 0, 0]
    assert work.ramp.dq[:, 6, 7].tolist() == [0, 256, 0, 0]
    assert work.ramp.dq[:, 6, 8].tolist() == [2048, 0, 0, 0]  # at the level, not above
    signal, seen = work.signal
    assert (signal[6, 6], signal[6, 7], signal[6, 8]) == (60, 0, 50)
    assert seen[6, 6:9].all()
    assert work.n_saturated[:, :2].sum(axis=0).tolist() == [1, 2]


def test_insignificant_signal_does_not_saturate_the_zeroth_read() -> None:
    noisy = Amplifiers(np.ones(4, np.float32), np.full(4, 100, np.float32), 7, 11)
    work = run(zeroth_work({(6, 6): 60}, {}, amplifiers=noisy), "zsigcorr")
    assert work.ramp.dq[:2, 6, 6].tolist() == [0, 0]
    assert work.n_saturated[:, :2].sum() == 0


def test_reference_pixels_stay() -> None:
    cube = np.full((N, NY, NX), 5000, np.float32)
    reference = Linearity(np.zeros((4, NY, NX), np.float32), plane(50), no_flags(NY, NX), plane(0), plane(0))
    work = run(work_of(ramp(cube), linearity=reference), "zsigcorr")
    assert np.all(outside(work.ramp.sci) == 5000)
    assert not outside(work.ramp.dq).any()
    assert np.all(work.ramp.sci[0][LIGHT] == 10000)
    assert np.all(work.ramp.dq[0][LIGHT] == 2304)


def test_needs_a_second_read_and_the_super_zero_read() -> None:
    cube = np.full((1, NY, NX), 5000, np.float32)
    reference = Linearity(np.zeros((4, NY, NX), np.float32), plane(50), no_flags(NY, NX), plane(0), plane(0))
    assert np.all(run(work_of(ramp(cube), linearity=reference), "zsigcorr").ramp.sci == 5000)
    work = run(work_of(ramp(np.full((N, NY, NX), 5000, np.float32))), "zsigcorr")
    assert np.all(work.ramp.sci == 5000)
    assert not work.signal[1].any()
