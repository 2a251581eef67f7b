"""Models of the sky: cumulative tables, helium and the Sun, scattered light."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.recorded import table
from wfc3tvb.curve.geometry import direction, orbit_position, sun_direction, view_geometry
from wfc3tvb.errors import BadArgumentError
from wfc3tvb.simulate.frame import Frame
from wfc3tvb.simulate.presets import preset, presets
from wfc3tvb.simulate.sky_models import Constant, Helium, Scattered, Step, Tabulated, scattered_pattern
from wfc3tvb.simulate.timing import sample_times

TIMES = sample_times("SPARS100")


def night(t: np.ndarray) -> np.ndarray:
    return np.full_like(t, -20.0)


def sunrise(t: np.ndarray) -> np.ndarray:
    return (t - 700) / 20


def test_a_table_of_cumulative_rates_comes_back() -> None:
    table = (0.5, 0.6, 0.55, 0.9)
    sky = Tabulated(table).sky(TIMES[:5], night)
    assert sky.cumulative(TIMES[:5]) == pytest.approx(table, abs=1e-12)
    with pytest.raises(BadArgumentError, match="too short"):
        Tabulated(table).sky(TIMES, night)


def test_constant_sky() -> None:
    assert np.all(Constant(0.7).sky(TIMES, night).total == 0.7)


def test_helium_needs_the_sun() -> None:
    model = Helium(0.5, 2.0)
    assert np.all(model.sky(TIMES, night).total == 0.5)
    rate = model.sky(TIMES, sunrise).total
    assert np.all(rate[TIMES[1:] <= 700] == 0.5)
    assert np.all(np.diff(rate[8:]) > 0)
    assert rate[-1] == pytest.approx(0.5 + 2 / (1 + np.exp((22 - 32.6) / 5.5)), abs=0.02)


def test_steps_rise_fall_and_return() -> None:
    rise, fall = Step(0.5, 1.0, 700).sky(TIMES, night).total, Step(1.5, -1.0, 700).sky(TIMES, night).total
    assert rise[0] == pytest.approx(0.5, abs=1e-3)
    assert rise[-1] == pytest.approx(1.5, abs=1e-3)
    assert rise + fall == pytest.approx(2.0)
    u = Step(1.5, -1.0, 400, 40, back=1000).sky(TIMES, night).total
    assert u[0] == pytest.approx(1.5, abs=1e-3)
    assert u.min() < 0.55
    assert u[-1] == pytest.approx(1.5, abs=1e-3)


@pytest.mark.parametrize("size", [256, 1024])
def test_scattered_light_is_brightest_at_the_left(size: int) -> None:
    frame = Frame(size)
    pattern = scattered_pattern(frame)[frame.inner]
    edge = frame.light
    assert pattern.mean() == pytest.approx(1, abs=1e-5)
    left, right = pattern[:, edge // 20 : edge // 4].mean(), pattern[:, 3 * edge // 4 :].mean()
    assert 1.8 < left / right < 2.8
    sky = Scattered(Constant(0.6), Step(0.7, -0.7, 230, 40)).sky(TIMES, night)
    assert sky.total == pytest.approx(0.6 + sky.scattered)
    assert sky.scattered[0] > 0.65 > 0.05 > sky.scattered[-1]


def test_ibohbf040_is_the_published_visit() -> None:
    rows = table("truth/ibohbf_reads.csv")
    assert len(rows) == 90
    for plan in preset("ibohbf040").exposures:
        mine = [row for row in rows if row["exposure"] == plan.rootname]
        sky = plan.sky()
        published = np.array([float(row["cum_rate_e_s"]) for row in mine])
        assert sky.cumulative(plan.times()) == pytest.approx(published, abs=1e-9)
        assert sky.total == pytest.approx([float(row["diff_rate_e_s"]) for row in mine], abs=0.002)
        assert plan.times()[1:] == pytest.approx([float(row["t_end_s"]) for row in mine], abs=0.002)


@pytest.mark.parametrize("name", sorted(set(presets()) - {"demo", "ibohbf040"}))
def test_helium_of_the_invented_visits_follows_the_sun(name: str) -> None:
    for plan in preset(name).exposures:
        if isinstance(plan.model, Helium):
            times = plan.times()
            rate = plan.sky().total
            highest = plan.sun_alt(np.linspace(times[:-1], times[1:], 50)).max(axis=0)
            assert np.all(rate[highest < 0] == plan.model.zodi)
            assert np.all(rate[highest > 20] > plan.model.zodi + 0.02)


def test_an_unknown_preset_is_named_with_the_known() -> None:
    with pytest.raises(BadArgumentError, match="ibohbf040"):
        preset("nonsense")


def test_names_are_unique() -> None:
    for chosen in presets().values():
        names = [plan.rootname for plan in chosen.exposures]
        assert len(set(names)) == len(names)
        assert all(len(name) == 9 for name in names)


@pytest.mark.parametrize("name", sorted(set(presets()) - {"demo", "ibohbf040"}))
def test_invented_visits_look_past_the_earth_and_away_from_the_sun(name: str) -> None:
    for plan in preset(name).exposures:
        mjd = plan.start + plan.times() / 86400
        position = orbit_position(plan.orbit, mjd)
        assert view_geometry(position, mjd, plan.target.ra, plan.target.dec).limb_angle.min() > 15
        cosine = direction(plan.target.ra, plan.target.dec) @ sun_direction(mjd[:1])[0]
        assert np.degrees(np.arccos(cosine)) > 55
