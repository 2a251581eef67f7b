"""Ramps made straight, stitched, and recovered from saturation."""

from __future__ import annotations

import numpy as np
import pytest

from wfc3tvb.repair.methods import flatten, left_out_of, recover_saturated, stitch

TIMES = np.array([0.0, 3.0, 100.0, 200.0, 300.0, 400.0])
RATES = np.array([0.5, 0.5, 0.5, 1.5, 2.0])
#: Electrons of the sky at each read, the zeroth first.
SKY = np.concatenate([[0.0], np.cumsum(RATES * np.diff(TIMES))])
CUMULATIVE = SKY[1:] / TIMES[1:]
STAR = 7.0
GAIN = 2.5


def ramp() -> np.ndarray:
    """Return a cube of 6 reads: the sky alone, and a star on it [DN]."""
    counts = np.stack([SKY, SKY + STAR * TIMES], axis=1)[:, None, :] / GAIN
    return counts.astype(np.float32)


def test_a_flattened_sky_is_a_line_through_its_last_read() -> None:
    flat = flatten(ramp(), TIMES[1:], CUMULATIVE, GAIN) * GAIN
    assert flat[:, 0, 0] == pytest.approx(CUMULATIVE[-1] * TIMES, abs=1e-3)
    assert flat[:, 0, 1] == pytest.approx((CUMULATIVE[-1] + STAR) * TIMES, abs=1e-3)


@pytest.mark.parametrize("left_out", [(1,), (1, 2), (4, 5), (3,), (2, 4)])
def test_a_stitched_ramp_holds_only_the_intervals_that_stay(left_out: tuple[int, ...]) -> None:
    stitched = stitch(5, TIMES, left_out)
    counts = left_out_of(ramp(), stitched)[:, 0, 0] * GAIN
    kept = [k for k in range(1, 6) if k not in left_out]
    electrons = np.cumsum([RATES[k - 1] * (TIMES[k] - TIMES[k - 1]) for k in kept])
    times = np.cumsum([TIMES[k] - TIMES[k - 1] for k in kept])
    assert counts == pytest.approx([0.0, *electrons], abs=1e-3)
    assert stitched.times == pytest.approx([0.0, *times])


def test_leaving_almost_everything_out_is_refused() -> None:
    with pytest.raises(ValueError, match="fewer than two reads"):
        stitch(5, TIMES, (1, 2, 3, 4))


def test_late_saturation_is_recovered_and_early_is_not() -> None:
    true = (SKY[1:] + 50.0 * TIMES[1:]) / TIMES[1:]
    reads = np.repeat(true[:, None, None], 3, axis=2).astype(np.float32)
    saturated = np.zeros((5, 1, 3), bool)
    saturated[3:, 0, 1] = True
    saturated[:, 0, 2] = True
    reads[3:, 0, 1] = 1.0
    rate, recovered = recover_saturated(reads[-1], reads, saturated, TIMES[1:], CUMULATIVE)
    assert recovered.tolist() == [[False, True, False]]
    assert rate[0, :2] == pytest.approx([true[-1], true[-1]], rel=1e-5)
