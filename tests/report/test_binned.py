"""Medians and percentiles of points in bins."""

from __future__ import annotations

import numpy as np

from wfc3tvb.report.binned import binned, thinned


def test_statistics_of_a_known_distribution() -> None:
    x = np.repeat([0.0, 1.0], 1001)
    y = np.concatenate([np.linspace(0, 1, 1001), np.linspace(10, 12, 1001)])
    found = binned(x, y, 2)
    assert found.x.tolist() == [0.0, 1.0]
    np.testing.assert_allclose(found.median, [0.5, 11.0])
    np.testing.assert_allclose(found.low, [0.1587, 10.3174])
    np.testing.assert_allclose(found.high, [0.8413, 11.6826])
    assert found.count.tolist() == [1001, 1001]


def test_bins_with_few_points_are_left_out() -> None:
    x = np.concatenate([np.zeros(8), np.full(7, 0.5), np.ones(8)])
    assert binned(x, np.arange(23.0), 4).count.tolist() == [8, 8]
    assert binned(np.empty(0), np.empty(0)).x.size == 0


def test_points_are_thinned_the_same_way_every_time() -> None:
    found = thinned(2145, 250)
    assert found.size == len(set(found.tolist())) == 250
    assert (np.diff(found) > 0).all()
    assert found.max() < 2145
    assert found.tolist() == thinned(2145, 250).tolist()
    assert thinned(3, 250).tolist() == [0, 1, 2]
