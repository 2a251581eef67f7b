"""Causes inferred from filter, sides, Sun, limb and shape in time; recommendations from the noise they leave."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from wfc3tvb.score.cause import (
    ALONE_AND_BOTH,
    CAUSES,
    PRIOR,
    fixed_offset,
    kind_of,
    posterior,
    probabilities,
    vector,
)
from wfc3tvb.score.cause_features import Features, features
from wfc3tvb.score.cause_weights import FEATURES, WEIGHTS
from wfc3tvb.score.recommend import Situation, recommendation

RISE = np.where(np.arange(14) < 8, 0.5, 1.5)
TIME = 50.0 + 100.0 * np.arange(14)
QUIET = np.full(14, 0.5)
DECAY = 0.5 + 1.0 * np.exp(-np.arange(14) / 3)
SPIKE = np.where(np.arange(14) == 6, 1.2, 0.5)


def causes(name: str, rate, lr_diff=0.0, *, sun=20.0, limb: float | None = 60.0, bright: float = 1.0, streak=False):
    rate = np.asarray(rate, float)
    known = (sun, limb, bright if sun is not None else None)
    place = [np.broadcast_to(np.nan if v is None else v, 14).astype(float) for v in known]
    lr = np.broadcast_to(np.asarray(lr_diff, float), rate.shape)
    seen = features(
        name, TIME, rate, np.full(14, 0.02), lr, rate - rate.min() > 0.1,
        sun_alt=place[0], limb_angle=place[1], bright_limb=place[2], streak=streak,
    )  # fmt: skip
    every = posterior(seen)
    found = probabilities(every)
    assert set(found) == set(CAUSES)
    assert sum(found.values()) == pytest.approx(1)
    return found, kind_of(every)


@pytest.mark.parametrize("name", ["F105W", "F110W"])
@pytest.mark.parametrize("sun", [20.0, None])
def test_a_flat_rise_in_the_sun_is_helium(name: str, sun: float | None) -> None:
    found, kind = causes(name, RISE, sun=sun)
    assert kind == "helium"
    assert 0.6 < found["helium"] < 0.99
    assert causes(name, RISE, sun=5 + 4.0 * np.arange(14))[0]["helium"] > 0.9


def test_helium_does_not_pass_other_filters() -> None:
    assert causes("F160W", RISE, 0.7 * (RISE - 0.5), limb=20.0)[1] == "scattered"
    assert causes("F160W", RISE)[0]["helium"] < 0.5


@pytest.mark.parametrize("name", ["F105W", "F140W"])
def test_a_bright_left_side_near_the_bright_limb_is_scattered_light(name: str) -> None:
    assert causes(name, RISE, 0.8 * (RISE - 0.5), limb=20.0)[1] == "scattered"


def test_a_bright_side_and_a_flat_rise_are_both() -> None:
    side = np.where(np.arange(14) < 5, 0.6, 0.0)
    rate = RISE + 0.5 * side
    limb = np.where(side > 0, 20.0, 60.0)
    seen = features(
        "F105W", TIME, rate, np.full(14, 0.02), side, rate > 0.6, sun_alt=np.full(14, 20.0), limb_angle=limb,
        bright_limb=np.ones(14),
    )  # fmt: skip
    assert kind_of(posterior(seen)) == "mixed"
    found = probabilities(posterior(seen))
    assert min(found["helium"], found["scattered"]) > 0.25


def test_a_decay_in_shadow_is_persistence() -> None:
    found, kind = causes("F105W", DECAY, sun=-20.0, limb=60.0, bright=0.0)
    assert kind == "persistence"
    assert found["helium"] < 0.3


def test_a_fall_in_the_sun_is_helium_unless_it_stands_high() -> None:
    assert causes("F105W", DECAY)[1] == "helium"
    assert causes("F105W", DECAY, sun=50.0)[1] == "persistence"


def test_light_in_step_with_one_side_is_scattered_however_much_the_median_sees() -> None:
    near = 1 / (1 + np.exp((np.arange(14) - 4) / 0.7))
    for share in (0.3, 0.8, 1.25):
        rate, limb, sun = 0.6 + 0.5 * share * near, 60 - 42 * near, 40 - 3.0 * np.arange(14)
        assert causes("F105W", rate, 0.5 * near, limb=limb, sun=sun)[1] == "scattered"


def test_a_streak_is_a_trail_whether_the_median_moves_or_not() -> None:
    for name, rate in (("F105W", SPIKE), ("F105W", QUIET), ("F160W", SPIKE), ("F160W", QUIET)):
        found, kind = causes(name, rate, streak=True)
        assert kind == "trail"
        assert found["trail"] > 0.5
    assert causes("F105W", SPIKE, sun=5 + 4.0 * np.arange(14))[1] == "unknown"


def test_a_streak_across_a_rise_does_not_hide_the_helium() -> None:
    assert causes("F105W", RISE, streak=True, sun=5 + 3.0 * np.arange(14))[1] == "helium"


def test_weights_fit_features() -> None:
    seen = features(
        "F105W", TIME, RISE, np.full(14, 0.02), 0 * RISE, rate_above(RISE), sun_alt=np.full(14, 20.0),
        limb_angle=np.full(14, 60.0), bright_limb=np.ones(14),
    )  # fmt: skip
    assert np.shape(WEIGHTS) == (len(ALONE_AND_BOTH), len(FEATURES))
    assert vector(seen).shape == (len(FEATURES),)


def rate_above(rate):
    return rate - rate.min() > 0.1


def test_constant_light_has_no_shape() -> None:
    """Nothing is told from anything else but the trail: no cause is likely."""
    found, _ = causes("F105W", QUIET + 2.0)
    assert max(found.values()) < 0.7
    assert found["trail"] < 0.05


NOISES = {"optimal": 0.020, "omit": 0.022, "flatten": 0.021, "mask_reads": 0.025}
CASE = Situation(0.030, NOISES, 0.0)
WITHOUT_CURVE = NOISES | {"optimal": None, "flatten": None}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "optimal"),
        ({"is_single_exposure": True}, "optimal"),
        ({"refused": True}, "inspect"),
        ({"noise_pipeline": 0.0209}, "none"),
        ({"noise_pipeline": 0.0211}, "optimal"),
        ({"noise_pipeline": 0.0211, "steady": 1.02}, "none"),
        ({"noise_pipeline": 0.0209, "level_bias": -0.06}, "optimal"),
        ({"noise_pipeline": 0.0209, "level_bias": -0.06, "level_bias_err": 0.03}, "none"),
        ({"noises": WITHOUT_CURVE}, "omit"),
        ({"noises": WITHOUT_CURVE, "noise_pipeline": 0.0267}, "none"),
        ({"noises": WITHOUT_CURVE, "noise_pipeline": 0.0269}, "omit"),
        ({"noises": WITHOUT_CURVE, "noise_pipeline": 0.0209, "level_bias": 0.09}, "none"),
        ({"noises": WITHOUT_CURVE, "is_single_exposure": True, "level_bias": 0.2}, "inspect"),
        ({"gradient": 0.06}, "optimal"),
        ({"gradient": 0.06, "noises": WITHOUT_CURVE}, "mask_reads"),
        ({"gradient": 0.06, "n_dark_reads": 2}, "inspect"),
        ({"gradient": 0.04}, "optimal"),
        ({"gradient": 0.04, "noise_pipeline": 0.0209}, "none"),
        ({"gradient": 0.06, "noises": WITHOUT_CURVE | {"mask_reads": None}}, "inspect"),
        ({"noise_pipeline": 0.0209, "refused": True}, "none"),
    ],
)
def test_recommendation(changes: dict[str, object], expected: str) -> None:
    assert recommendation(replace(CASE, **changes)) == expected


def look_alike(name: str, k: int) -> dict[str, float]:
    """Return the probabilities of a drawn curve in a filter of helium, flat over the frame."""
    rng = np.random.default_rng([67, k])
    x, height = TIME / TIME[-1], rng.uniform(0.2, 1.2)
    sun = np.clip(rng.uniform(-30, 70) + rng.choice([-1, 1]) * 0.05 * TIME, -30, 75)
    limb = np.clip(rng.uniform(30, 90) + rng.uniform(-0.03, 0.03) * TIME, 15, 110)
    if name == "helium":
        sun = rng.choice([-1, 1]) * 0.05 * (TIME - rng.uniform(0.2, 0.7) * TIME[-1])
        rate = 2 * height / (1 + np.exp((18 - sun) / 4)) * (sun > 0)
    elif name == "scattered":
        near = 1 / (1 + np.exp(rng.choice([-1, 1]) * (x - rng.uniform(0.3, 0.7)) / 0.04))
        rate, limb, sun = height * near, 60 - 42 * near, np.abs(sun) + 1
    elif name == "persistence":
        rate = height * np.exp(-TIME / rng.uniform(100, 700))
    else:
        wave = np.sin(2 * np.pi * (x * rng.uniform(0.3, 1.2) + rng.random()))
        rate = height * (wave - wave.min()) / 2
    noise = rng.normal(0, 0.02, (2, 14))
    seen = features(
        "F105W", TIME, 0.6 + rate + noise[0], np.full(14, 0.02), noise[1], rate_above(rate),
        sun_alt=sun, limb_angle=limb, bright_limb=(sun > 0).astype(float),
    )  # fmt: skip
    return posterior(seen)


def test_probabilities_are_honest_where_only_the_shape_speaks() -> None:
    """Curves of four causes that are all flat over the frame: what is stated comes true as often.

    The causes are equally frequent here, so their shares take the place of the assumed prior.
    """
    names = ("helium", "scattered", "persistence", "unknown")
    draws = [(name, look_alike(name, 200 * i + k)) for i, name in enumerate(names) for k in range(80)]
    stated = np.array([[found[name] for name in ALONE_AND_BOTH] for _, found in draws])
    stated *= [(name in names) / PRIOR[name] for name in ALONE_AND_BOTH]
    stated /= stated.sum(1, keepdims=True)
    true = np.array([[name == other for other in ALONE_AND_BOTH] for name, _ in draws])
    for low, high in ((0.0, 0.1), (0.1, 0.4), (0.4, 0.7), (0.7, 0.9), (0.9, 1.01)):
        inside = (stated >= low) & (stated < high)
        assert true[inside].mean() == pytest.approx(stated[inside].mean(), abs=0.15)
    named = {name: [kind_of(found) for other, found in draws if other == name] for name in names}
    assert named["helium"].count("helium") > 60
    assert named["persistence"].count("helium") < 22
    assert named["scattered"].count("helium") < 42
    sure = [found["helium"] for name, found in draws if name != "helium"]
    assert np.mean(np.array(sure) > 0.9) < 0.06


@pytest.mark.parametrize(
    ("helium_filter", "n_affected", "at_edge", "factor"),
    [
        (True, 5, False, 1.0), (False, 5, False, 0.001), (True, 1, False, 0.05), (True, 2, False, 0.05),
        (True, 3, False, 1.0), (True, 2, True, 1.0), (True, 0, False, 1.0), (False, 2, False, 0.001 * 0.05),
    ],
)  # fmt: skip
def test_factors_on_the_prior_of_helium(helium_filter: bool, n_affected: int, at_edge: bool, factor: float) -> None:
    """Other filters hardly pass it; it does not come and go within one or two reads in the middle of an exposure."""
    known = Features(helium_filter, 0.0, 0.1, False, 1.0, 1.0, 0.0, n_affected, 6, False, at_edge)
    expected = {name: factor if name in ("helium", "both") else 1.0 for name in ALONE_AND_BOTH}
    found = dict(zip(ALONE_AND_BOTH, np.exp(fixed_offset(known)).tolist(), strict=True))
    assert found == pytest.approx(expected)
    weight = np.exp(np.array(WEIGHTS) @ vector(known)) * [PRIOR[name] * expected[name] for name in ALONE_AND_BOTH]
    assert list(posterior(known).values()) == pytest.approx((weight / weight.sum()).tolist())
