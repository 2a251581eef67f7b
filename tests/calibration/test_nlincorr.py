"""NLINCORR: nonlinearity and saturation (calwf3-ir.md, section 4.6)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.calibration.small import LIGHT, NX, NY, N, images, no_flags, outside, plane, ramp, run, work_of
from wfc3tvb.calibration.bands import Work
from wfc3tvb.calibration.model import Linearity

F = np.float32


def reference(coef: np.ndarray, **given: Any) -> Linearity:
    """Return coefficients that are those of every pixel, saturation at 50000 DN."""
    cube = np.ascontiguousarray(np.broadcast_to(coef.astype(np.float32)[:, None, None], (len(coef), NY, NX)))
    made = {"node": plane(50000), "dq": no_flags(NY, NX), "zsci": plane(0), "zerr": plane(0)}
    return Linearity(cube, **(made | given))


def published(v: np.float32, coef: np.ndarray) -> np.float32:
    """Return ``v (1 + c0 + c1 v + c2 v^2 + ...)``, the sum kept in single precision, its terms in double."""
    c = F(1)
    for i, term in enumerate(coef.astype(np.float32)):
        c = F(float(c) + float(term) * float(v) ** i)
    return F(v * c)


def with_signal(work: Work, signal: float) -> Work:
    """Say that ZSIGCORR has seen this signal in the zeroth read of pixel (8, 8)."""
    work.signal[0][8, 8], work.signal[1][8, 8] = signal, True
    return work


def test_polynomial() -> None:
    # 1 + 0.25 + 0.5 v with v = 2: 2.25 v = 4.5
    work = run(work_of(ramp(np.full((N, NY, NX), 2, F)), linearity=reference(np.array([0.25, 0.5]))), "nlincorr")
    assert np.all(work.ramp.sci[:, *LIGHT] == 4.5)
    assert np.all(outside(work.ramp.sci) == 2)


def test_polynomial_of_a_real_detector_to_the_last_bit() -> None:
    coef = np.array([2.1e-4, -8.1e-7, 3.3e-11, 1.7e-16])
    cube = images(4, -50, 45000)
    work = run(work_of(ramp(cube), linearity=reference(coef)), "nlincorr")
    for k, y, x in np.ndindex(N, NY - 10, NX - 10):
        assert work.ramp.sci[k, y + 5, x + 5] == published(cube[k, y + 5, x + 5], coef)


def test_saturation_from_a_read_on() -> None:
    cube = np.full((N, NY, NX), 100, F)
    cube[1, 8, 8], cube[2, 8, 8], cube[2, 8, 9] = 50000.01, 200, 50000
    cube[1, 8, 8] = np.nextafter(F(50000), F(1e9))
    work = run(work_of(ramp(cube), linearity=reference(np.array([1.0]))), "nlincorr")
    assert work.ramp.sci[:, 8, 8].tolist() == [200, cube[1, 8, 8], 200, 100]
    assert work.ramp.dq[:, 8, 8].tolist() == [0, 256, 256, 256]
    assert (work.ramp.sci[2, 8, 9], work.ramp.dq[2, 8, 9]) == (100000, 0)
    assert work.n_saturated[:, 2:].sum(axis=0).tolist() == [0, 1, 1, 1]


def test_saturation_of_the_input_is_carried_in_the_whole_frame() -> None:
    dq = no_flags()
    dq[1, 8, 8] = dq[1, 0, 0] = 256
    work = run(work_of(ramp(np.full((N, NY, NX), 2, F), dq=dq), linearity=reference(np.array([1.0]))), "nlincorr")
    assert work.ramp.dq[:, 8, 8].tolist() == work.ramp.dq[:, 0, 0].tolist() == [0, 256, 256, 256]
    assert work.ramp.sci[:, 8, 8].tolist() == [4, 2, 2, 2]
    assert work.n_saturated[:, 2:].sum(axis=0).tolist() == [0, 1, 1, 1]  # reference pixels are not counted


def test_only_saturation_is_carried() -> None:
    dq = no_flags()
    dq[1, 8, 8] = 512
    work = run(work_of(ramp(dq=dq), linearity=reference(np.array([0.0]))), "nlincorr")
    assert work.ramp.dq[:, 8, 8].tolist() == [0, 512, 0, 0]


def test_flags_of_the_reference_go_into_light_sensitive_pixels() -> None:
    flags = np.full((NY, NX), 4, np.int16)
    flags[8, 8] = 256
    cube = np.full((N, NY, NX), 2, F)
    work = run(work_of(ramp(cube), linearity=reference(np.array([1.0]), dq=flags)), "nlincorr")
    assert work.ramp.dq[:, 8, 9].tolist() == [4] * N
    assert work.ramp.dq[:, 8, 8].tolist() == [256] * N
    assert not outside(work.ramp.dq).any()
    assert (work.ramp.sci[0, 8, 9], work.ramp.sci[0, 8, 8]) == (4, 2)


def test_signal_of_the_zeroth_read_is_added_before_and_taken_away_after() -> None:
    # read 0: 2 -> 2 (1 + 0.5 * 2) = 4; later reads: v = 2 + 4 = 6 -> 6 (1 + 0.5 * 6) - 4 = 20
    work = work_of(ramp(np.full((N, NY, NX), 2, F)), linearity=reference(np.array([0, 0.5])))
    run(with_signal(work, 4), "nlincorr")
    assert work.ramp.sci[:, 8, 8].tolist() == [4, 20, 20, 20]
    assert work.ramp.dq[:, 8, 8].tolist() == [0, 2048, 2048, 2048]
    assert work.ramp.sci[1, 8, 9] == 4


def test_signal_of_the_zeroth_read_counts_toward_saturation() -> None:
    cube = np.full((N, NY, NX), 40000, F)
    work = work_of(ramp(cube), linearity=reference(np.array([1.0])))
    run(with_signal(work, 10001), "nlincorr")
    assert work.ramp.sci[:, 8, 8].tolist() == [80000, 40000, 40000, 40000]
    assert work.ramp.dq[:, 8, 8].tolist() == [0, 2304, 2304, 2304]


def test_nan_is_neither_corrected_nor_saturated() -> None:
    cube = np.full((N, NY, NX), 2, F)
    cube[2, 8, 8] = np.nan
    work = run(work_of(ramp(cube), linearity=reference(np.array([1.0]))), "nlincorr")
    assert np.isnan(work.ramp.sci[2, 8, 8])
    assert not work.ramp.dq.any()


def test_errors_stay_and_without_a_reference_everything_does() -> None:
    errors = images(5, 1, 2)
    work = run(work_of(ramp(err=errors), linearity=reference(np.array([1.0]))), "nlincorr")
    np.testing.assert_array_equal(work.ramp.err, errors)
    bare = run(work_of(ramp(np.full((N, NY, NX), 9e4, F))), "nlincorr")
    assert np.all(bare.ramp.sci == 9e4)
    assert not bare.ramp.dq.any()
