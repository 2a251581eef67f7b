"""Verdicts that agree with themselves: class and recommendation of drawn curves, a gradient as damage."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.helpers.generator import SPARS100, STEP200
from tests.helpers.rows import curve_rows
from wfc3tvb.config import MeasureSettings
from wfc3tvb.models import Row
from wfc3tvb.schema import TVB_CLASSES
from wfc3tvb.score.score import score


def scored(rate: NDArray[np.float64], side: NDArray[np.float64], t: NDArray[np.float64], k: int = 0) -> Row:
    """Return the scores of a curve with left minus right."""
    cumulative = np.cumsum(rate * np.diff(t, prepend=0)) / t
    exposure, reads = curve_rows(f"iverd{k:03d}q", t, cumulative, lr_diff=side)
    asn = exposure["asn_id"] if k % 3 else None
    return score(exposure | {"asn_id": asn}, reads, MeasureSettings())


def drawn(k: int) -> Row:
    """Return the scores of a random curve: a step, ramp, decay or walk on 0.3 to 50 electron/s, and a side."""
    rng = np.random.default_rng([19, k])
    t = np.array([STEP200, SPARS100, SPARS100[:8]][k % 3])
    x = t / t[-1]
    walk = np.cumsum(rng.normal(0, 1, t.size))
    shapes = [x > rng.uniform(0, 1), np.abs(x - rng.uniform(0, 1)), np.exp(-x / rng.uniform(0.05, 0.5)), walk, 0 * x]
    shape = np.asarray(shapes[rng.integers(5)], float)
    level, height = np.exp(rng.uniform(np.log(0.3), np.log(50))), np.exp(rng.uniform(np.log(0.02), np.log(5)))
    side = np.where(x > rng.uniform(0, 1), np.exp(rng.uniform(np.log(0.02), np.log(2))), 0.0) * (rng.random() < 0.4)
    return scored(level + height * (shape - shape.min()) / max(np.ptp(shape), 1e-9) + 0.15 * side, side, t, k)


def test_class_and_recommendation_agree() -> None:
    rows = [drawn(k) for k in range(150)]
    for row in rows:
        damaged = row["tvb_class"] in ("moderate", "severe")
        assert not (damaged and row["recommend"] == "none"), row
        assert not (row["tvb_class"] == "none" and row["recommend"] != "none"), row
        assert sum(row[f"prob_{name}"] for name in TVB_CLASSES) == pytest.approx(1)
        assert min(row[f"prob_{name}"] for name in TVB_CLASSES) >= 0
        assert row[f"prob_{row['tvb_class']}"] > 0.2
    assert {row["tvb_class"] for row in rows} == set(TVB_CLASSES)


@pytest.mark.parametrize(("height", "expected"), [(0.1, "none"), (0.2, "mild"), (0.5, "moderate"), (1.8, "severe")])
def test_a_gradient_is_a_damage_and_has_its_class(height: float, expected: str) -> None:
    """The mean over the exposure of left minus right is 0.36 of its height; the level is that of a quiet sky."""
    t = np.array(SPARS100)
    side = np.where(t > 900, height, 0.0)
    row = scored(np.full(15, 0.6), side, t, k=1)
    assert row["pred_frac_broken"] < 0.3
    assert row["tvb_class"] == expected
    assert row["recommend"] == ("none" if expected == "none" else "optimal")
    assert max(TVB_CLASSES, key=lambda name: row[f"prob_{name}"]) == expected
    assert (row["tvb_kind"] is None) is (expected == "none")


def test_pixels_that_a_bright_steady_sky_breaks_are_damage() -> None:
    row = scored(np.full(15, 20.0), np.zeros(15), np.array(SPARS100), k=1)
    assert row["pred_frac_broken"] > 0.03
    assert (row["tvb_class"], row["recommend"]) == ("moderate", "optimal")
