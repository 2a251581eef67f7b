"""Documented queries on a simulated archive, against the same numbers computed with pandas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.simulate.catalog import simulate_catalog


@dataclass
class Drawn:
    """A drawn archive: its catalog, its exposures, and its used reads with the columns of their exposures."""

    catalog: Catalog
    exposures: pd.DataFrame
    reads: pd.DataFrame

    def query(self, name: str, **parameters: object) -> pd.DataFrame:
        return self.catalog.query(name, **parameters).df()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    catalog = simulate_catalog(tmp_path_factory.mktemp("drawn") / "catalog", 30)
    exposures = catalog.sql("SELECT * FROM exposures").df()
    reads = catalog.sql("SELECT * FROM reads WHERE used").df()
    columns = ["rootname", "filter", "sky_min", "zodi_model"]
    return Drawn(catalog, exposures, reads.merge(exposures[columns], on="rootname"))


def test_fractions(drawn: Drawn) -> None:
    found = drawn.query("classes_by_filter").set_index(["filter", "tvb_class"]).fraction
    known = drawn.exposures.groupby("filter").tvb_class.value_counts(normalize=True)
    pd.testing.assert_series_equal(found.sort_index(), known.sort_index(), check_names=False)
    found = drawn.query("flagged_by_filter").set_index("filter").fraction_flagged
    pd.testing.assert_series_equal(found, drawn.exposures.groupby("filter").flagged.mean(), check_names=False)
    own = drawn.exposures[drawn.exposures["filter"] == "F105W"]
    found = drawn.query("flagged_by_sequence").set_index("samp_seq").sort_index()
    severe = (own.tvb_class == "severe").groupby(own.samp_seq).mean()
    assert found.fraction_severe.to_dict() == severe.to_dict()
    years = pd.to_datetime(own.expstart - 40587, unit="D").dt.year
    found = drawn.query("flagged_by_year").set_index("year").n
    assert found.to_dict() == years.value_counts().to_dict()


def test_distribution(drawn: Drawn) -> None:
    own = drawn.exposures[drawn.exposures["filter"] == "F105W"]
    found = drawn.query("excess_cdf")
    assert found.fraction.to_list() == [(own.excess_helium <= mark).mean() for mark in (0.1, 0.5, 1.5)]
    early = own[pd.to_datetime(own.expstart - 40587, unit="D").dt.year <= 2014]
    assert drawn.query("excess_cdf", to=2014).n.to_list() == [len(early)] * 3
    curve = drawn.query("excess_cdf_curve")
    rank = own.excess_helium.rank(method="max", pct=True)
    assert curve.fraction.to_list() == pytest.approx(rank.sort_values().to_list())
    assert curve.excess_helium.to_list() == sorted(own.excess_helium)


def test_reads_in_shadow_and_sunlight(drawn: Drawn) -> None:
    own = drawn.reads[drawn.reads["filter"] == "F105W"]
    x = own.rate / own.zodi_model
    found = drawn.query("reads_above_twice").set_index("in_shadow")
    for shadow in (False, True):
        these = x[own.in_shadow == shadow]
        assert found.fraction_above_twice[shadow] == (these > 2).mean()
        assert found.efficiency[shadow] == pytest.approx((1 / these.clip(1, 10)).mean())
    assert found.fraction_above_twice[False] > found.fraction_above_twice[True] == 0


@pytest.mark.parametrize(
    ("name", "by", "step", "value"),
    [("excess_by_sun_altitude", "sun_alt", 10, "zodi_model"), ("excess_by_latitude", "latitude", 5, "sky_min"),
     ("excess_by_limb_angle", "limb_angle", 10, "sky_min")],
)  # fmt: skip
def test_geometry(drawn: Drawn, name: str, by: str, step: int, value: str) -> None:
    own = drawn.reads[drawn.reads["filter"] == "F105W"].copy()
    if name == "excess_by_latitude":
        own = own[~own.in_shadow]
    groups = [np.floor(own[by] / step) * step]
    if name == "excess_by_sun_altitude":
        groups.append(own.sun_hour_angle < 0)
    if name == "excess_by_limb_angle":
        groups.append(own.bright_limb)
    known = (own.rate - own[value]).groupby(groups).agg(["size", "mean"])
    found = drawn.query(name)
    assert found.n_reads.to_list() == known["size"].to_list()
    assert found.mean_excess.to_list() == pytest.approx(known["mean"].to_list(), abs=1e-12)


def test_map_of_the_helium_line(drawn: Drawn) -> None:
    own = drawn.reads[(drawn.reads["filter"] == "F105W") & ~drawn.reads.in_shadow]
    bins = [np.floor(own[name] / 15) * 15 for name in ("latitude", "sun_hour_angle")]
    known = (1.508 * (own.rate - own.zodi_model)).groupby(bins).mean()
    assert drawn.query("helium_map").mean_kr.to_list() == pytest.approx(known.to_list(), rel=1e-9)


def test_season(drawn: Drawn) -> None:
    own = drawn.exposures[drawn.exposures["filter"] == "F105W"]
    day = pd.to_datetime(own.expstart - 40587, unit="D").dt.day_of_year
    known = own.excess_helium.groupby((day - 1) // 30 * 30 + 1).median()
    assert drawn.query("excess_by_day_of_year").set_index("day_from").median_excess.to_dict() == known.to_dict()


def test_worst_visits_and_gain(drawn: Drawn) -> None:
    worst = drawn.query("worst_visits", limit=5)
    known = drawn.exposures.groupby(["visit", "filter"]).tvb_score.max().sort_values(ascending=False).head(5)
    assert worst.tvb_score.to_list() == known.to_list()
    gain = drawn.query("gain_by_reprocessing", limit=10_000).set_index("rootname")
    flagged = drawn.exposures[drawn.exposures.flagged].set_index("rootname")
    repaired = pd.Series({name: row[f"noise_{row.recommend}"] for name, row in flagged.iterrows()})
    known = 2.5 * np.log10(flagged.noise_pipeline / repaired)
    assert gain.depth_gain_mag.sort_index().to_list() == pytest.approx(known.sort_index().to_list())
    one = gain.visit.iloc[0]
    assert set(drawn.query("gain_by_reprocessing", id=one.upper()).visit) == {one}
    program = int(gain.proposal_id.iloc[0])
    assert set(drawn.query("gain_by_reprocessing", id=program).proposal_id) == {program}
    assert {row.visit for row in drawn.query("my_program", proposal_id=program).itertuples()} == set(
        drawn.exposures[drawn.exposures.proposal_id == program].visit
    )


def test_samples_are_the_same_every_time_and_whole_exposures(drawn: Drawn) -> None:
    found = drawn.query("reads_against_sun", limit=10)
    assert found.rootname.nunique() == 10
    assert len(found) == drawn.reads.rootname.isin(found.rootname).sum()
    assert found.equals(drawn.query("reads_against_sun", limit=10))
    # Three exposures of each filter; two of each are among them.
    few = drawn.query("reads_against_sun", per_filter=3)
    assert set(few.groupby("filter").rootname.nunique()) == {3}
    assert set(few.rootname) <= set(drawn.query("reads_against_sun").rootname)
    fewer = drawn.query("reads_against_sun", per_filter=2)
    assert set(fewer.rootname) < set(few.rootname)
    level = drawn.query("level_over_time", limit=10)
    assert level.expstart.is_monotonic_increasing
    known = drawn.reads.groupby("rootname").rate.std(ddof=0)
    assert level.rms_reads.to_list() == pytest.approx(known[level.rootname].to_list())
