"""The orbit: the published elements, and the view of the telescope during IBOHBF040."""

from __future__ import annotations

import numpy as np
import pytest
from sgp4.api import Satrec

from tests.helpers.recorded import DATA, table
from wfc3tvb.curve.geometry import orbit_position
from wfc3tvb.simulate.orbit import moon_direction, orbit_at, velocity
from wfc3tvb.simulate.presets import preset


def test_position_is_that_of_the_two_line_elements() -> None:
    lines = (DATA / "ephemeris" / "hst_elements.txt").read_text().splitlines()
    index = next(i for i, line in enumerate(lines) if line.startswith("1 20580U 90037B   13006.07144117"))
    satellite = Satrec.twoline2rv(lines[index], lines[index + 1])
    for mjd in 56298.0714 + np.array([0.0, 0.35, 0.7, 1.0]):
        _, position, speed = satellite.sgp4(2400000.5, mjd)
        made = orbit_position(orbit_at(mjd), np.array([mjd]))[0]
        assert np.linalg.norm(made - position) < 40
        assert np.linalg.norm(velocity(orbit_at(mjd), mjd) - speed) < 0.05


def test_sun_altitude_during_ibohbf040() -> None:
    rows = table("truth/ibohbf_reads.csv")
    plans = {plan.rootname: plan for plan in preset("ibohbf040").exposures}
    assert {row["exposure"] for row in rows} == set(plans)
    for row in rows:
        middle = np.array([(float(row["t_start_s"]) + float(row["t_end_s"])) / 2])
        altitude = plans[row["exposure"]].sun_alt(middle)[0]
        assert altitude == pytest.approx(float(row["sun_alt_deg"]), abs=0.5)


def test_moon_is_where_almanacs_say() -> None:
    """Full moon of 2012-11-28 14:46 UTC: opposite to the Sun (right ascension 4h 20m, declination +21)."""
    x, y, z = moon_direction(56259.615)
    assert np.degrees(np.arctan2(y, x)) == pytest.approx(65, abs=3)
    assert np.degrees(np.arcsin(z)) == pytest.approx(20.5, abs=2)
