"""When a repair is recommended, and which: the limits of the choice, on both sides of each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from wfc3tvb.schema.methods import METHODS
from wfc3tvb.score.recommend import Situation, candidates, gain, is_worth, magnitudes, recommendation

#: An exposure that is as noisy as after the best repair, with the right level.
QUIET = Situation(0.02, {"optimal": 0.02, "flatten": 0.02, "omit": 0.02, "mask_reads": None}, 0.0)
ONLY_OMIT = {"omit": 0.02}


def test_gains() -> None:
    assert gain(0.03, 0.02) == pytest.approx(1.5)
    assert (gain(None, 0.02), gain(0.03, None), gain(0.0, 0.02)) == (1.0, 1.0, 1.0)
    assert magnitudes(10**0.4) == pytest.approx(1.0)
    assert magnitudes(1.0) == 0.0


def test_what_is_not_said_of_an_exposure_speaks_for_no_repair() -> None:
    assert (QUIET.level_bias_err, QUIET.steady, QUIET.gradient, QUIET.n_dark_reads) == (0.0, 1.0, 0.0, 15)
    assert (QUIET.is_single_exposure, QUIET.is_damaged, QUIET.refused) == (False, False, False)
    assert recommendation(QUIET) == "none"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"noise_pipeline": 0.02 * 1.049}, "none"),
        ({"noise_pipeline": 0.02 * 1.051}, "optimal"),
        ({"noise_pipeline": 0.02 * 1.3, "steady": 1.25}, "none"),
        ({"noise_pipeline": 0.02 * 1.3, "steady": 1.2}, "optimal"),
        ({"noises": ONLY_OMIT, "noise_pipeline": 0.02 * 1.21}, "none"),
        ({"noises": ONLY_OMIT, "noise_pipeline": 0.02 * 1.23}, "omit"),
        ({"noises": ONLY_OMIT, "noise_pipeline": 0.02 * 1.23, "is_single_exposure": True}, "none"),
        ({"level_bias": -0.049}, "none"),
        ({"level_bias": -0.051}, "optimal"),
        ({"level_bias": 0.06, "level_bias_err": 0.0201}, "none"),
        ({"level_bias": 0.06, "level_bias_err": 0.0199}, "optimal"),
        ({"noises": ONLY_OMIT, "level_bias": 0.099}, "none"),
        ({"noises": ONLY_OMIT, "level_bias": 0.101}, "omit"),
        ({"noises": {}, "level_bias": 0.049}, "none"),
        ({"noises": {}, "level_bias": -0.05}, "none"),
        ({"noises": {}, "level_bias": -0.051}, "inspect"),
        ({"noises": {}, "level_bias": 0.06, "level_bias_err": 0.021}, "none"),
        ({"is_damaged": True}, "optimal"),
        ({"is_damaged": True, "refused": True}, "inspect"),
        ({"is_damaged": True, "noises": {}}, "inspect"),
        ({"gradient": 0.05}, "none"),
        ({"gradient": 0.051}, "optimal"),
        ({"gradient": 0.051, "n_dark_reads": 3}, "optimal"),
        ({"gradient": 0.051, "n_dark_reads": 2}, "inspect"),
        ({"gradient": 0.051, "refused": True}, "inspect"),
        ({"gradient": 0.051, "noises": {"flatten": 0.02}}, "inspect"),
    ],
)
def test_recommended(changes: dict[str, Any], expected: str) -> None:
    assert recommendation(replace(QUIET, **changes)) == expected


def test_a_method_that_leaves_cosmic_rays_must_gain_more() -> None:
    flatten, omit = METHODS["flatten"], METHODS["omit"]
    assert [is_worth(flatten, factor, None) for factor in (1.05, 1.051)] == [False, True]
    assert [is_worth(omit, factor, None) for factor in (1.2195, 1.2196)] == [False, True]
    assert [is_worth(flatten, 1.0, bias) for bias in (0.05, -0.0501)] == [False, True]
    assert [is_worth(flatten, 1.0, 0.3, error) for error in (0.1, 0.0999)] == [False, True]
    assert not is_worth(flatten, 1.0, 0.0)


def test_methods_that_suit() -> None:
    assert [method.name for method in candidates(is_single_exposure=False)] == [
        name for name, method in METHODS.items() if method.gradient != "only"
    ]
    single = candidates(is_single_exposure=True, has_gradient=False)
    assert all(method.rejects_cosmic_rays for method in single)
    assert "omit" not in [method.name for method in single]
    assert all(
        method.gradient in ("also", "only") for method in candidates(is_single_exposure=False, has_gradient=True)
    )
    assert candidates(is_single_exposure=False, has_gradient=True)
