"""BLEVCORR: the level of the reference pixels (calwf3-ir.md, section 4.3)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tests.calibration.small import LIGHT, NX, NY, OVERSCAN, N, images, outside, ramp, run, work_of
from wfc3tvb.calibration.model import Switches
from wfc3tvb.calibration.reference_pixels import reference_pixels, resistant_mean

F = np.float32


def test_level_is_subtracted_from_the_whole_frame_and_from_the_kept_zeroth_read() -> None:
    cube = np.full((N, NY, NX), 7.0, np.float32)
    cube[:, :, :4] = cube[:, :, -4:] = np.array([10, 20, 30, 40], np.float32)[:, None, None]
    cube[1, 6, 2] = 9000  # a bad reference pixel is clipped
    work = run(work_of(ramp(cube)), "keep_zeroth", "blevcorr")
    assert work.levels.tolist() == [10, 20, 30, 40]
    for k, level in enumerate(work.levels):
        assert np.all(work.ramp.sci[k][LIGHT] == 7 - level)
        assert np.all(work.ramp.sci[k, :4, 4:-4] == 7 - level)
    assert work.ramp.sci[1, 6, 2] == 8980
    assert np.all(work.sci0[LIGHT] == -3)
    assert np.count_nonzero(outside(work.ramp.sci) == 0) == N * 8 * NY - 1


def test_subtraction_is_in_single_precision() -> None:
    cube = images(1, 11000, 14000)
    work = run(work_of(ramp(cube)), "keep_zeroth", "blevcorr")
    np.testing.assert_array_equal(work.ramp.sci, cube - work.levels[:, None, None])
    np.testing.assert_array_equal(work.sci0, cube[0] - work.levels[0])


def test_no_level_without_the_step() -> None:
    assert work_of(ramp(), Switches(blevcorr=False)).levels.size == 0


def test_order_of_the_reference_pixels() -> None:
    """A columns upper half, lower half; B columns lower half, upper half; rows of the trims left out."""
    frame = np.arange(NY * NX, dtype=np.float32).reshape(NY, NX)
    upper, lower = range(9, 13), range(5, 9)
    left, right = range(4), range(NX - 4, NX)
    order = [(upper, left), (lower, left), (lower, right), (upper, right)]
    expected = [y * NX + x for rows, columns in order for y in rows for x in columns]
    assert reference_pixels(frame, OVERSCAN).tolist() == expected


def median_of(values: Sequence[np.float32]) -> np.float32:
    ordered, half = sorted(values), len(values) // 2
    if len(values) % 2:
        return F(ordered[half])
    return F(0.5 * float(F(ordered[half - 1] + ordered[half])))


def mean_of(values: Sequence[np.float32]) -> np.float32:
    total = 0.0
    for value in values:
        total += float(value)
    return F(total / len(values))


def published(values: Sequence[np.float32]) -> np.float32:
    """Return the resistant mean as section 4.3 writes it, one value after the other."""
    n0 = median_of(values)
    away = [F(abs(F(v - n0))) for v in values]
    mad = F(float(median_of(away)) / 0.6745)
    if mad < 1e-24:
        mad = F(float(mean_of(away)) / 0.8)
    good = [v for v, a in zip(values, away, strict=True) if not a > F(F(3) * mad)]
    n, m, squares = len(good), mean_of(good), 0.0
    for v in good:
        squares += float(F(v * v))
    s = F(math.sqrt(max(float(F(n / (n - 1) * (squares / n - float(m) * float(m)))), 0)))
    s = F(float(s) / (-0.15405 + 0.90723 * 3 - 0.23584 * 9 + 0.020142 * 27))
    middle = median_of(good)
    return mean_of([v for v in good if not F(abs(F(v - middle))) > F(F(3) * s)])


def test_resistant_mean_is_the_published_one() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        values = rng.normal(12000, 8, 100 + seed).astype(np.float32)
        values[rng.random(values.size) < 0.1] += np.float32(300)
        values[rng.random(values.size) < 0.1] -= np.float32(25)
        assert resistant_mean(values) == published(list(values))


def test_resistant_mean_clips_twice() -> None:
    values = np.array([0, 1, -1, 2, -2, 1, -1, 0, 2, -2, 1000], np.float32)
    assert resistant_mean(values) == 0


def test_resistant_mean_where_more_than_half_are_equal() -> None:
    # the median deviation is 0, and the mean one (2) over 0.8 clips nothing at 3 times 2.5: 5, then 0 remain
    assert resistant_mean(np.array([5, 5, 5, 5, 7, 3], np.float32)) == 5
    assert resistant_mean(np.full(9, 41, np.float32)) == 41
