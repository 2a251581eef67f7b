"""Images before and after a repair, each minus its own sky."""

from __future__ import annotations

import numpy as np
import pytest

from wfc3tvb.report.comparison import Pane, central_square, compare, grey, reduced

ROW = {"rootname": "ibohbfb9q", "dataset": "ibohbf040", "kind": "flt", "method": "optimal"}


def pane(level: float, scatter: float) -> Pane:
    """Return a frame of noise with a flagged column."""
    rng = np.random.default_rng(1)
    image = rng.normal(level, scatter, (300, 300))
    image[:, 0] = 1e6
    good = np.ones(image.shape, bool)
    good[:, 0] = False
    return Pane("frame", image, good)


def test_levels_scatter_and_stretch() -> None:
    pair = compare(ROW, pane(1.6, 0.16), pane(1.5, 0.03))
    assert pair.levels == pytest.approx((1.6, 1.5), abs=0.005)
    assert pair.scatter == pytest.approx(0.16, rel=0.02)
    assert pair.limits == pytest.approx((-3 * pair.scatter, 6 * pair.scatter))
    assert [np.median(one.sky()) for one in (pair.before, pair.after)] == pytest.approx([0, 0], abs=0.005)


def test_histograms_are_percentages_of_the_good_pixels() -> None:
    pair = compare(ROW, pane(1.6, 0.16), pane(1.5, 0.03))
    edges, before, after = pair.histograms()
    assert edges.size == before.size + 1 == after.size + 1
    assert before.sum() == pytest.approx(100, abs=0.01)
    assert after.sum() == pytest.approx(100, abs=0.01)
    # a normal distribution: the peak is the width of a bin over sqrt(2 pi) sigma
    width = edges[1] - edges[0]
    assert before.max() == pytest.approx(100 * width / (2.5066 * 0.16), rel=0.06)
    assert after.max() == pytest.approx(100 * width / (2.5066 * 0.03), rel=0.06)


def test_no_good_pixels_give_a_picture_too() -> None:
    empty = Pane("empty", np.full((8, 8), np.nan))
    pair = compare(ROW, empty, empty)
    assert pair.levels == (0.0, 0.0)
    assert grey(pair.before.image, pair.limits).size == (8, 8)


def test_a_picture_is_upright_and_clipped() -> None:
    image = np.array([[-1.0, 0.0], [1.0, 5.0]])
    shown = np.asarray(grey(image, (-1.0, 1.0)))
    assert shown[1].tolist() == [0, 129]
    assert shown[0].tolist() == [255, 255]


def test_reduced_and_central() -> None:
    image = np.arange(36.0).reshape(6, 6)
    assert reduced(image, 3).tolist() == [[3.5, 5.5, 7.5], [15.5, 17.5, 19.5], [27.5, 29.5, 31.5]]
    assert central_square(image, 2).tolist() == [[14, 15], [20, 21]]
    image[0, 0] = np.nan
    assert reduced(image, 3)[0, 0] == 3.5
