"""Sorting of pixels and peaks of histograms, held against numpy and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from wfc3tvb.repair.proof.sorting import median_of, sorted_values
from wfc3tvb.repair.sky_statistics import peaks_of

EXTREMES = [0.0, -0.0, 3.4e38, -3.4e38, 1e-45, -1e-45, 1.1754944e-38, 7.0, 7.0]


@pytest.mark.parametrize("n", [1, 2, 300, 501, 5000, 70_001])
@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", "<i2"])
def test_values_are_sorted_as_numpy_sorts_them(n: int, kind: str) -> None:
    rng = np.random.default_rng(n)
    values = (rng.normal(0.02, 0.03, n) * 10.0 ** rng.integers(0, 5, n)).astype(kind)
    if values.dtype.kind == "f":
        values = np.concatenate([values, np.array(EXTREMES, kind)])
    given = values.copy()
    assert np.array_equal(sorted_values(values), np.sort(values))
    assert np.array_equal(values, given)
    for some in (values, values[:-1]):
        if some.size:
            assert median_of(some) == np.median(some)
            assert median_of(some).dtype == np.median(some).dtype


def test_planes_and_parts_of_them_are_sorted_as_one_row() -> None:
    plane = np.random.default_rng(3).normal(size=(60, 70)).astype(np.float32)
    assert np.array_equal(sorted_values(plane[3:-3, 5:-5]), np.sort(plane[3:-3, 5:-5], axis=None))


@pytest.mark.parametrize("highest", [2, 6, 1000])
def test_peaks_are_those_of_scipy(highest: int) -> None:
    """Of few different values most maxima are flat, of many none."""
    rng = np.random.default_rng(highest)
    for _ in range(200):
        values = rng.integers(0, highest, rng.integers(3, 60)).astype(float)
        places, found = signal.find_peaks(values, prominence=0)
        ours, heights = peaks_of(values)
        assert np.array_equal(ours, places)
        assert np.array_equal(heights, found["prominences"])
