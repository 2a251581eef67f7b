"""DQICORR: the bad-pixel table's flags go into every read (calwf3-ir.md, section 4.1)."""

from __future__ import annotations

import numpy as np

from tests.calibration.small import NX, NY, N, no_flags, ramp, run, work_of


def test_flags_are_added_to_all_reads_reference_pixels_included() -> None:
    table, dq = no_flags(NY, NX), no_flags()
    table[7, 8], table[0, 0], table[NY - 1, NX - 1] = 4 | 16, 128, 512
    dq[2, 7, 8] = 1024 | 4
    work = run(work_of(ramp(dq=dq), bad_pixels=table), "dqicorr")
    assert work.ramp.dq[:, 7, 8].tolist() == [20, 20, 1044, 20]
    assert work.ramp.dq[:, 0, 0].tolist() == [128] * N
    assert work.ramp.dq[:, NY - 1, NX - 1].tolist() == [512] * N
    assert np.count_nonzero(work.ramp.dq) == 3 * N


def test_signal_stays() -> None:
    work = run(work_of(ramp(), bad_pixels=np.full((NY, NX), 4, np.int16)), "dqicorr")
    assert not work.ramp.sci.any()
    assert not work.ramp.err.any()


def test_without_a_table_nothing_is_flagged() -> None:
    assert not run(work_of(ramp()), "dqicorr").ramp.dq.any()


def test_zeroth_read_is_kept_with_the_flags_of_the_table() -> None:
    table = no_flags(NY, NX)
    table[6, 6] = 32
    work = run(work_of(ramp(np.arange(N * NY * NX, dtype=np.float32).reshape(N, NY, NX)), bad_pixels=table), "dqicorr")
    run(work, "keep_zeroth")
    work.ramp.sci[0], work.ramp.dq[0] = -1, 2048
    np.testing.assert_array_equal(work.sci0.ravel(), np.arange(NY * NX))
    np.testing.assert_array_equal(work.dq0, table)
