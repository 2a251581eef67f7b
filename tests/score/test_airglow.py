"""The helium model: its course, the published percentiles of its brightness, and probabilities that are monotone."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from wfc3tvb.score.airglow import (
    MEDIAN,
    RESPONSE,
    SCATTER,
    excess_percentile,
    path_length,
    probability_above,
    relative_brightness,
)

READS = Path(__file__).resolve().parents[1] / "data/truth/ibohbf_reads.csv"


def reads(name: str) -> dict[str, np.ndarray]:
    rows = [row for row in csv.DictReader(READS.read_text().splitlines()) if row["exposure"].endswith(name)]
    names = ("sun_alt_deg", "los_zenith_deg", "diff_rate_e_s", "t_start_s", "t_end_s")
    return {key: np.array([float(row[key]) for row in rows]) for key in names}


def test_path_through_the_shell_by_hand() -> None:
    """Straight up it is 1; to the horizon the chord from 6921 to 7371 km, sqrt(7371^2 - 6921^2) / 450 = 5.636."""
    assert path_length(np.array([0.0, 90.0])) == pytest.approx([1.0, 5.6356], abs=0.0005)


@pytest.mark.parametrize(
    ("name", "hour_angle", "off"), [("b9q", -60.0, 0.6), ("bkq", -60.0, 0.13), ("bgq", 90.0, 0.05)]
)
def test_course_of_a_published_exposure(name: str, hour_angle: float, off: float) -> None:
    """One brightness fits the long reads of all three, of up to 1.9 electron/s, and there is none in the shadow.

    In b9q the helium falls again before noon, which the model does not know.
    """
    seen = reads(name)
    relative = relative_brightness(seen["sun_alt_deg"], seen["los_zenith_deg"], np.full(15, hour_angle))
    long = seen["t_end_s"] - seen["t_start_s"] >= 25
    assert (0.52 * relative - (seen["diff_rate_e_s"] - 0.465))[long] == pytest.approx(0, abs=off)
    dark = long & (seen["sun_alt_deg"] < -2)
    assert relative[dark] == pytest.approx(0, abs=0.012)


def test_dawn_is_later_than_dusk() -> None:
    at = np.array([20.0]), np.array([80.0])
    assert relative_brightness(*at, np.array([-90.0])) < 0.25 * relative_brightness(*at, np.array([90.0]))


def test_percentiles_of_one_exposure_are_those_of_a_lognormal() -> None:
    for percent, deviate in ((50, 0.0), (75, 0.67449), (95, 1.64485)):
        expected = MEDIAN * 2.0 * np.exp(deviate * SCATTER)
        assert excess_percentile(np.array([2.0]), percent) == pytest.approx(expected, rel=1e-4)


def test_half_of_two_exposures_in_shadow_leave_the_median_between_them() -> None:
    found = [excess_percentile(np.array([1e-6, 2.0]), percent) for percent in (45, 75, 95)]
    assert found[0] < 1e-4
    assert found[1] == pytest.approx(MEDIAN * 2, rel=0.01)  # the median of the lit one
    assert found == sorted(found)


def test_probability_falls_with_the_limit() -> None:
    chance = probability_above(np.array([0.0, 0.1, MEDIAN, 1.0, 5.0, np.inf]))
    assert (np.diff(chance) <= 0).all()
    assert chance[[0, 2, 5]] == pytest.approx([1.0, 0.5, 0.0])


def test_control_filters_hardly_respond() -> None:
    assert RESPONSE["F125W"] == pytest.approx(0.0087, abs=0.0001)
    assert max(RESPONSE[name] for name in ("F098M", "F140W", "F160W")) == 0


def test_half_of_the_helium_shines_at_32_degrees_in_the_morning_and_at_11_in_the_evening() -> None:
    """A logistic function of the altitude of the Sun, 6 deg wide at dawn and 3.3 deg at dusk; noon is no morning."""
    altitude, up = np.array([32.0, 38.0, 11.3, 14.6, 11.3]), np.zeros(5)
    hour = np.array([-90.0, -90.0, 90.0, 90.0, 0.0])
    expected = [0.5, 1 / (1 + np.exp(-1)), 0.5, 1 / (1 + np.exp(-1)), 0.5]
    assert relative_brightness(altitude, up, hour) == pytest.approx(expected)
    night = relative_brightness(np.array([-9000.0, 9000.0]), np.zeros(2), np.zeros(2))
    assert night == pytest.approx([np.exp(-50), 1.0])


def test_percentiles_of_several_exposures_are_those_of_their_mixture() -> None:
    """Three exposures of different geometry: the mean of their distribution functions is the percentile."""
    relative = np.array([0.3, 1.0, 4.0])
    for percent in (10, 50, 90):
        level = excess_percentile(relative, percent)
        below = 1 - probability_above(level / relative)
        assert below.mean() == pytest.approx(percent / 100, abs=1e-6)


def test_brightness_as_published() -> None:
    """0.27 electron/s straight up by day, natural scatter 0.59: 16 % of the days are above 0.487."""
    assert (MEDIAN, SCATTER) == (0.27, 0.59)
    assert probability_above(np.array([0.27 * np.exp(0.59), 0.27 * np.exp(-1.18)])) == pytest.approx(
        [0.158655, 0.97725], abs=1e-5
    )
    assert (RESPONSE["F105W"], RESPONSE["F110W"]) == (1.0, 1.0)
    assert RESPONSE["F125W"] == pytest.approx(0.0042 / 0.485)
