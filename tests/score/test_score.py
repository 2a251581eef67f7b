"""Scores of the published curves of IBOHBF040: flagged exposures, reasons, same result from stored rows."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.generator import SPARS100, STEP200, make_cube
from tests.helpers.ibohbf040 import NAMES, curves, limb_angles, sun_altitudes
from tests.helpers.rows import curve_rows
from wfc3tvb.config import MeasureSettings
from wfc3tvb.curve import noise_model
from wfc3tvb.measurement import measure_cube
from wfc3tvb.models import Row
from wfc3tvb.schema import TABLES, to_arrow
from wfc3tvb.score.score import score
from wfc3tvb.score.zodiacal import zodiacal_level
from wfc3tvb.survey.rescore import rescore_rows

#: Class, flag, fraction broken, bias and elevation (calwf3 on simulated exposures; see tests/score/test_damage.py).
EXPECTED = {
    "b7q": ("none", False, 0.000, 0.000, False),
    "b9q": ("severe", True, 0.958, 0.129, True),
    "bdq": ("moderate", True, 0.028, -0.003, True),
    "bgq": ("moderate", True, 0.048, 0.007, False),
    "bkq": ("severe", True, 1.000, -0.410, True),
    "bpq": ("moderate", True, 0.026, -0.034, True),
}


@pytest.fixture(scope="module")
def scored() -> dict[str, Row]:
    altitude, limb = sun_altitudes(), limb_angles()
    rows = {}
    for name, (t, cumulative) in curves().items():
        place = {"sun_alt": altitude[name], "limb_angle": limb[name], "in_shadow": altitude[name] < 0}
        exposure, reads = curve_rows(f"ibohbf{name}", t, cumulative, **place, bright_limb=altitude[name] > 0)
        rows[name] = score(exposure, reads, MeasureSettings())
    to_arrow("exposures", list(rows.values()))
    return rows


@pytest.mark.parametrize("name", NAMES)
def test_class_damage_and_flag(name: str, scored: dict[str, Row]) -> None:
    row = scored[name]
    tvb_class, flagged, fraction, bias, elevated = EXPECTED[name]
    assert row["tvb_class"] == tvb_class
    assert row["flagged"] is flagged
    assert row["recommend"] == ("optimal" if flagged else "none")
    assert row["pred_frac_broken"] == pytest.approx(fraction, abs=0.015)
    assert row["pred_level_bias"] == pytest.approx(bias, abs=0.01)
    assert row["elevated"] is elevated
    assert row["tvb_kind"] == (None if tvb_class == "none" else "helium")


def test_verdict_of_the_notebook(scored: dict[str, Row]) -> None:
    """The notebook's rule finds three exposures; bdq and bpq, too noisy by 14 and 16 %, are worth a fit as well."""
    assert [name for name in NAMES if scored[name]["factor2"]] == ["b9q", "bgq", "bkq"]
    assert [name for name in NAMES if scored[name]["flagged"]] == ["b9q", "bdq", "bgq", "bkq", "bpq"]


def test_gain_over_the_pipeline(scored: dict[str, Row]) -> None:
    """Limits of the published curves from optimal-fit: flatten is 1.06, 1.07 and 1.11 of them for b9q, bgq and bkq."""
    for name, factor in (("b9q", 1.06), ("bgq", 1.07), ("bkq", 1.11)):
        row = scored[name]
        assert row["noise_flatten"] / row["noise_optimal"] == pytest.approx(factor, abs=0.05)
        assert row["gain_mag"] == pytest.approx(2.5 * np.log10(row["noise_pipeline"] / row["noise_optimal"]))
    assert scored["b9q"]["gain_mag"] == pytest.approx(2.5 * np.log10(0.163 / 0.0307), abs=0.1)
    assert scored["b7q"]["gain_mag"] == pytest.approx(0.0, abs=0.04)


def test_excess_over_the_zodiacal_light(scored: dict[str, Row]) -> None:
    """There is none in shadow; the constant helium of bdq, which no ratio reveals, is 2.5 electron/s."""
    assert scored["b7q"]["excess_zodi"] == pytest.approx(0.0, abs=0.05)
    assert scored["b7q"]["excess_helium"] == pytest.approx(0.0, abs=0.02)
    assert scored["bdq"]["excess_helium"] == pytest.approx(2.5, abs=0.1)
    assert scored["bdq"]["he_kr"] == pytest.approx(1.508 * scored["bdq"]["excess_helium"])
    assert scored["bgq"]["excess_helium"] < scored["bgq"]["excess_zodi"]


def test_probabilities(scored: dict[str, Row]) -> None:
    for row in scored.values():
        assert sum(row[f"prob_{c}"] for c in ("none", "mild", "moderate", "severe")) == pytest.approx(1)
        assert max(["none", "mild", "moderate", "severe"], key=lambda c: row[f"prob_{c}"]) == row["tvb_class"]


def test_expected_noise(scored: dict[str, Row]) -> None:
    """STScI: b9q 0.169 in the archive's FLT, 0.046 after its ramp is flattened (sources included)."""
    assert scored["b9q"]["noise_pipeline"] == pytest.approx(0.163, abs=0.01)
    assert scored["b9q"]["noise_omit"] == pytest.approx(0.0335, abs=0.002)
    assert scored["b9q"]["noise_flatten"] == pytest.approx(0.0317, abs=0.002)
    assert scored["b7q"]["noise_pipeline"] < scored["b7q"]["noise_omit"]


def test_scores_again_from_stored_rows_are_the_same() -> None:
    sky = np.where(np.arange(15) < 9, 0.5, 2.0)
    measured = measure_cube(make_cube(sky, STEP200, size=64))
    again = rescore_rows(measured.exposure, measured.reads, MeasureSettings())
    assert again == measured.exposure
    assert measured.exposure["tvb_class"] in ("moderate", "severe")


def test_scores_do_not_survive_their_reads(scored: dict[str, Row]) -> None:
    """Fewer used reads than needed: every score is null again."""
    _, reads = curve_rows("ibohbfb9q", SPARS100, np.full(15, 0.5))
    row = score(scored["b9q"], [read | {"used": False} for read in reads], MeasureSettings())
    assert row["quality_flags"] == ["few_reads"]
    assert row["flagged"] is False
    empty = ("sky_mean", "tvb_score", "pred_frac_broken", "tvb_class", "prob_severe", "tvb_kind", "noise_omit", "he_kr")
    assert [row[name] for name in empty] == [None] * len(empty)
    assert set(row) == set(TABLES["exposures"].names)


def flat_rise(**columns: object) -> tuple[Row, list[Row]]:
    t = np.array(SPARS100)
    rate = np.where(np.arange(15) < 8, 0.5, 2.5)
    return curve_rows("ibohbfb9q", t, np.cumsum(rate * np.diff(t, prepend=0)) / t, **columns)


def test_without_geometry_or_zodiacal_model() -> None:
    exposure, reads = flat_rise()
    row = score(exposure | {"filter": "F130N", "ra": None}, reads, MeasureSettings())
    assert row["zodi_model"] is None
    assert row["excess_helium"] is None
    assert row["elevated"] is None
    assert row["tvb_class"] == "severe"
    assert row["prob_helium"] < 0.5


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({"asn_id": None}, "optimal"), ({"quality_flags": ["grism"]}, "inspect"),
     ({"quality_flags": ["crowded"]}, "optimal")],
)  # fmt: skip
def test_recommendation_by_situation(changes: Row, expected: str) -> None:
    exposure, reads = flat_rise()
    row = score(exposure | changes, reads, MeasureSettings())
    assert row["recommend"] == expected
    assert row["flagged"] is (expected != "inspect")


def test_scattered_light_is_found_read_by_read() -> None:
    t = np.array(SPARS100)
    side = np.where(np.arange(15) < 5, 1.5, 0.0)
    rate = 0.9 + 0.15 * side
    limb = np.where(side > 0, 18.0, 60.0)
    exposure, reads = curve_rows(
        "icqtbbbxq", t, np.cumsum(rate * np.diff(t, prepend=0)) / t, lr_diff=side,
        sun_alt=np.full(15, 40.0), limb_angle=limb, bright_limb=np.ones(15, bool), in_shadow=np.zeros(15, bool),
    )  # fmt: skip
    row = score(exposure | {"filter": "F140W"}, reads, MeasureSettings())
    assert row["tvb_kind"] == "scattered"
    assert row["recommend"] == "optimal"
    assert row["affected_reads"] == [2, 3, 4, 5]
    assert row["lr_diff_max"] == 1.5
    assert row["affected_position"] == "start"
    assert row["noise_mask_reads"] > row["noise_flatten"]


def test_a_gradient_that_the_image_hardly_shows_is_left() -> None:
    t = np.array(SPARS100)
    side = np.where(np.arange(15) == 14, 0.3, 0.0)  # one read of 100 s in 1400 s: 0.02 electron/s in the image
    rate = 0.9 + 0.15 * side
    exposure, reads = curve_rows("icqtbbbxq", t, np.cumsum(rate * np.diff(t, prepend=0)) / t, lr_diff=side)
    row = score(exposure | {"filter": "F140W"}, reads, MeasureSettings())
    assert (row["recommend"], row["flagged"]) == ("none", False)


TIMES = np.array([10.0, 110.0, 210.0, 310.0, 410.0])
#: Electrons of the sky: 0.7 electron/s for 210 s, 1.5 for 200 s.
CUMULATIVE = np.array([7.0, 77.0, 147.0, 297.0, 447.0]) / TIMES


def scored_by_hand(changes: Row | None = None, **columns: object) -> Row:
    """Return the scores of five reads; by default the third and the last but one are in Earth's shadow."""
    given = {
        "in_shadow": np.array([False, False, True, True, False]), "sun_alt": np.array([9.0, 20, -1, -3, 5]),
        "limb_angle": np.array([50.0, 40, 30, 35, 60]), "bright_limb": np.zeros(5, bool),
        "lr_diff": np.array([0.9, 0.02, 0.05, np.nan, 0.01]),
    } | columns  # fmt: skip
    exposure, reads = curve_rows("ibohbfb9q", TIMES, CUMULATIVE, **given)
    return score(exposure | (changes or {}), reads, MeasureSettings())


def test_excess_and_helium_by_hand() -> None:
    """Excess over the model: the mean, and what the reads out of shadow collect, over the whole time."""
    row = scored_by_hand()
    zodi = row["zodi_model"]
    assert zodi == zodiacal_level("F105W", 189.2, 62.2, 56298.785)
    assert row["excess_zodi"] == pytest.approx(447 / 410 - zodi)
    lit = ((0.7 - zodi) * 110 + (1.5 - zodi) * 100) / 410
    assert row["excess_helium"] == pytest.approx(lit)
    assert row["he_kr"] == pytest.approx(1.508 * lit)
    assert row["elevated"] is True
    other = scored_by_hand({"filter": "F110W"})
    assert other["excess_helium"] is not None
    assert other["he_kr"] is None
    assert scored_by_hand({"filter": "F125W"})["excess_helium"] is None
    exposure, reads = curve_rows("ibohbfb9q", TIMES, CUMULATIVE)
    assert score(exposure, reads, MeasureSettings())["excess_helium"] is None


def test_nothing_is_said_of_an_excess_that_is_not_known() -> None:
    for changes in ({"ra": None}, {"dec": None}):
        assert scored_by_hand(changes)["zodi_model"] is None
    extended = scored_by_hand({"quality_flags": ["extended_source"]})
    assert extended["zodi_model"] is not None
    assert [extended[name] for name in ("excess_zodi", "elevated", "excess_helium", "he_kr")] == [None] * 4
    undated = scored_by_hand({"expstart": None})
    assert undated["zodi_model"] == zodiacal_level("F105W", 189.2, 62.2, 56298.785 + 5 / 86400)


@pytest.mark.parametrize(("above", "elevated"), [(0.49, False), (0.51, True)])
def test_half_an_electron_above_the_model_is_elevated(above: float, *, elevated: bool) -> None:
    level = zodiacal_level("F105W", 189.2, 62.2, 56298.785)
    assert level is not None
    exposure, reads = curve_rows("ibohbfb9q", TIMES, np.full(5, level + above))
    assert score(exposure, reads, MeasureSettings())["elevated"] is elevated


@pytest.mark.parametrize(
    ("name", "above", "sun_alt", "flagged"),
    [
        ("F105W", 0.31, -3.0, True),
        ("F105W", 0.29, -3.0, False),
        ("F105W", 0.31, -1.0, False),
        ("F125W", 0.31, 20.0, True),
        ("F125W", 0.29, 20.0, False),
    ],
)
def test_a_dark_level_above_the_model_is_flagged(name: str, above: float, sun_alt: float, *, flagged: bool) -> None:
    """Dark where the Sun is 2 deg below the limb, for filters that see helium; the lowest used read counts."""
    level = zodiacal_level(name, 189.2, 62.2, 56298.785)
    assert level is not None
    assert level < 1
    altitude = np.array([-9.0, 30, 30, sun_alt, 30])
    exposure, reads = curve_rows(
        "ibohbfb9q", TIMES, np.full(5, level + above), sun_alt=altitude, in_shadow=altitude < 0,
        limb_angle=np.full(5, 30.0), bright_limb=np.zeros(5, bool),
    )  # fmt: skip
    row = score(exposure | {"filter": name}, reads, MeasureSettings())
    assert ("above_zodiacal" in row["quality_flags"]) is flagged


def test_extremes_of_the_geometry_and_of_the_sides() -> None:
    """200 of 410 s in shadow; the first read, which is not used, and the one without a difference do not count."""
    row = scored_by_hand()
    assert (row["sun_alt_min"], row["sun_alt_max"], row["limb_angle_min"]) == (-3.0, 20.0, 30.0)
    assert row["frac_in_shadow"] == pytest.approx(200 / 410)
    assert (row["lr_diff_max"], row["lr_ratio_max"]) == (0.05, 1.0)
    exposure, reads = curve_rows("ibohbfb9q", TIMES, CUMULATIVE)
    unknown = score(exposure, reads, MeasureSettings())
    names = ("sun_alt_min", "sun_alt_max", "limb_angle_min", "frac_in_shadow")
    assert [unknown[name] for name in names] == [None] * 4


def test_reads_that_are_needed() -> None:
    row = scored_by_hand()
    assert (row["n_reads_used"], "few_reads" in row["quality_flags"]) == (4, False)
    exposure, reads = curve_rows("ibohbfb9q", TIMES, CUMULATIVE)
    few = [read | {"used": k in (1, 2)} for k, read in enumerate(reads)]
    assert score(exposure, few, MeasureSettings())["quality_flags"] == ["few_reads"]
    three = [read | {"used": k in (1, 2, 3)} for k, read in enumerate(reads)]
    found = score(exposure | {"quality_flags": ["few_reads", "above_zodiacal"]}, three, MeasureSettings())
    assert "few_reads" not in found["quality_flags"]
    assert found["tvb_score"] is not None
    assert score(exposure | {"quality_flags": ["bad_times"]}, reads, MeasureSettings())["tvb_score"] is None


def test_noise_without_the_affected_reads() -> None:
    """Reads 4 and 5 are affected: 0.7 electron/s for 100 s of each of reads 2 and 3 are too few, of three not.

    The noise is that of last minus first over these reads, times what the fit gains in the drawn pixels.
    """
    assert scored_by_hand()["noise_mask_reads"] is None
    t = np.array([10.0, 110, 210, 310, 410, 510])
    rate = np.array([0.7, 0.7, 0.7, 0.7, 1.5, 1.5])
    exposure, reads = curve_rows("ibohbfb9q", t, np.cumsum(rate * np.diff(t, prepend=0)) / t)
    row = score(exposure, reads, MeasureSettings())
    assert row["affected_reads"] == [5, 6]
    last_minus_first = noise_model.last_minus_first_noise(210.0, 300.0)
    assert row["noise_mask_reads"] == pytest.approx(last_minus_first * row["noise_flatten"] / row["noise_omit"])
    assert row["noise_optimal"] == pytest.approx(noise_model.optimal(t, np.cumsum(rate * np.diff(t, prepend=0)) / t))
    quiet, rows = curve_rows("ibohbfb9q", t, np.full(6, 0.7))
    assert score(quiet, rows, MeasureSettings())["noise_mask_reads"] is None


def test_reads_with_a_streak_stay_affected() -> None:
    row = scored_by_hand({"quality_flags": ["trail"], "affected_reads": [2]})
    assert row["affected_reads"] == [2, 4, 5]
    assert row["tvb_kind"] is not None
    assert scored_by_hand({"affected_reads": [2]})["affected_reads"] == [4, 5]


@pytest.mark.parametrize(("side", "expected"), [([0, 0, 0.1, 1.0], "inspect"), ([0, 0, 0, 0, 1.0], "optimal")])
def test_scattered_light_needs_three_dark_reads_that_are_used(side: list[float], expected: str) -> None:
    """The first read is not used, and tells nothing."""
    t = np.array([3.0, 103, 203, 303, 403])[: len(side)]
    rate = 0.7 + 0.15 * np.array(side)
    cumulative = np.cumsum(rate * np.diff(t, prepend=0)) / t
    exposure, reads = curve_rows("ibohbfb9q", t, cumulative, lr_diff=np.array(side))
    row = score(exposure, reads, MeasureSettings())
    assert [read["used"] for read in reads] == [False] + [True] * (len(side) - 1)
    assert len(side) in row["affected_reads"]
    assert row["recommend"] == expected
