"""The synthetic detector: its effects on light can be undone."""

from __future__ import annotations

import numpy as np
import pytest

from wfc3tvb.instrument import DQ
from wfc3tvb.simulate.detector import FULL_WELL, make_detector, quadrant_map
from wfc3tvb.simulate.frame import Frame


def test_measured_is_the_inverse_of_linear() -> None:
    detector = make_detector(1, Frame(128))
    for level in (0, 1, 300, 5_000, 20_000, 34_000):
        counts = np.full(detector.gain.shape, level, np.float32)
        assert np.allclose(detector.measured(detector.linear(counts)), counts, rtol=2e-7, atol=0.01)


def test_nonlinearity_grows_to_a_few_percent_and_full_well_stops_it() -> None:
    detector = make_detector(1, Frame(64))
    counts = np.full(detector.gain.shape, 30_000, np.float32)
    assert np.mean(detector.linear(counts) / counts) == pytest.approx(1.0417, abs=1e-3)
    flood = detector.measured(counts * np.float32(1e5))
    assert np.allclose(flood, detector.saturation * FULL_WELL, rtol=1e-5)


def test_a_subarray_is_part_of_the_full_frame() -> None:
    full, small = make_detector(3, Frame(1024)), make_detector(3, Frame(256))
    inner = small.frame.inner
    assert np.array_equal(small.dark[inner], full.dark[384:640, 384:640])
    assert np.array_equal(small.response("F105W")[0], full.response("F105W")[0][379:645, 379:645])
    assert np.array_equal(small.flags[inner], full.flags[384:640, 384:640])
    assert np.all(small.dark[~small.light] == 0)
    assert np.all(small.flags[~small.light] == 0)


def test_quadrants_lie_as_in_a_raw_frame() -> None:
    corners = quadrant_map({"A": 1, "B": 2, "C": 3, "D": 4})
    assert (corners[-1, 0], corners[0, 0], corners[0, -1], corners[-1, -1]) == (1, 2, 3, 4)


def test_levels_are_those_of_the_instrument() -> None:
    detector = make_detector(5, Frame(1024))
    light = detector.light
    assert light.sum() == 1014**2
    assert np.median(detector.dark[light]) == pytest.approx(0.045, abs=0.001)
    assert np.all(detector.dark[~light] == 0)
    assert np.mean(detector.flags[light] > 0) == pytest.approx(0.016, abs=0.001)
    assert np.all(detector.dark[detector.flags & DQ.HOTPIX > 0] >= 0.4)
    response, blobs = detector.response("F160W")
    assert response.mean() == pytest.approx(1, abs=1e-5)
    assert 0.0005 < np.mean(blobs > 0) < 0.005


def test_same_seed_same_pixels() -> None:
    assert np.array_equal(make_detector(7, Frame(64)).zero, make_detector(7, Frame(64)).zero)
    assert not np.array_equal(make_detector(7, Frame(64)).zero, make_detector(8, Frame(64)).zero)
