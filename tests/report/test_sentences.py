"""Verdicts as sentences: what is said of a nebula, and where a ratio is not defined."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.generator import make_cube
from wfc3tvb.measurement import measure_cube
from wfc3tvb.repair.choose_method import reason
from wfc3tvb.report.sentences import why

STEP = np.where(np.arange(15) < 8, 0.6, 2.6)


def test_the_level_under_a_nebula_is_said_to_be_uncertain() -> None:
    x = np.linspace(-1, 1, 128)
    nebula = 5 + 2 * np.sin(6 * x[:, None]) * np.sin(5 * x)
    row = measure_cube(make_cube(STEP, size=128, scene=nebula)).exposure
    text = "; ".join(why(row))
    assert f"light of sources leaves the level uncertain by {row['sky_err']:.2f} e-/s, not its changes" in text
    assert "extended_source" in text
    assert "uncertain" not in "; ".join(why(measure_cube(make_cube(STEP, size=128)).exposure))


def test_a_flagged_exposure_without_a_ratio_has_sentences_too() -> None:
    """The cumulative rate is negative at first, as where the dark is too bright; the notebook's rule says nothing."""
    row = measure_cube(make_cube(STEP - 0.6, size=128)).exposure | {"ratio_cumulative": None, "factor2": None}
    assert row["flagged"]
    assert "STScI's rule" not in "; ".join(why(row))


def test_zero_has_no_sign() -> None:
    row = measure_cube(make_cube(STEP, size=128)).exposure | {"sky_min": -0.001, "sun_alt_min": -31.0}
    text = "; ".join(why(row | {"sun_alt_max": -0.3, "frac_in_shadow": 1.0}))
    assert "Sun -31 to 0 deg above the limb" in text
    assert "-0.00" not in text


@pytest.mark.parametrize(("shift", "words"), [(0.004, ""), (-0.004, ""), (0.131, "shift the level by +0.13 e-/s")])
def test_a_level_that_stays_is_not_said_to_shift(shift: float, words: str) -> None:
    row = measure_cube(make_cube(STEP, size=128)).exposure
    text = "; ".join(why(row | {"pred_frac_broken": 0.9, "pred_level_bias": shift, "pred_noise_inflation": 2.0}))
    assert "cut the ramp of 90.0 % of the blank-sky pixels" in text
    assert words in text
    assert ("shift" in text) == bool(words)


@pytest.mark.parametrize(
    ("broken", "shift", "text"),
    [(0.0004, -0.004, "severe, calwf3 cuts no ramp, level right"),
     (0.25, 0.2, "severe, calwf3 cuts 25.0 % of the ramps, level off by +0.20 electron/s")],
)  # fmt: skip
def test_the_numbers_behind_a_recommendation(broken: float, shift: float, text: str) -> None:
    row = {"tvb_class": "severe", "pred_frac_broken": broken, "pred_level_bias": shift, "ratio_cumulative": None}
    assert reason(row) == text


def test_what_is_not_worth_a_repair_does_not_contradict_its_gain() -> None:
    row = measure_cube(make_cube(STEP, size=128)).exposure
    harmless = {"recommend": "none", "flagged": False, "tvb_class": "mild", "factor2": False}
    assert "mag that a better fit gains" not in "; ".join(why(row | harmless | {"gain_mag": 0.04}))
    assert "a part of the 0.07 mag that a better fit gains" in "; ".join(why(row | harmless | {"gain_mag": 0.071}))


@pytest.mark.parametrize(
    ("kind", "uneven", "said"), [("mixed", 0.7, True), ("mixed", 0.04, False), ("helium", 0.7, False)]
)
def test_scattered_light_is_a_reason(kind: str, uneven: float, said: bool) -> None:
    row = measure_cube(make_cube(STEP, size=128)).exposure
    text = "; ".join(why(row | {"recommend": "optimal", "tvb_kind": kind, "lr_diff_max": uneven}))
    assert ("makes the left of the frame up to 0.70 e-/s brighter than the right" in text) == said
