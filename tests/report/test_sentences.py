"""Verdicts as sentences: what is said of a nebula, and where a ratio is not defined."""

from __future__ import annotations

import numpy as np

from tests.helpers.generator import make_cube
from wfc3tvb.measurement import measure_cube
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
