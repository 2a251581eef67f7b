"""The forecast that ships: its rows, known Sun altitudes, stored forecasts, and the order of a survey."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.fakes import FakeSource, measure_fake
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.config import Selection
from wfc3tvb.errors import BadArgumentError, CatalogNotWritableError
from wfc3tvb.models import Row
from wfc3tvb.schema import TABLES
from wfc3tvb.survey.forecasts import shipped_table, store_forecasts
from wfc3tvb.survey.survey import plan_survey, survey

RELEASE = Path(__file__).resolve().parents[2] / "catalogs/wfc3ir-2009-2014"
#: SUN_ALT in the headers of real single exposures [deg], at the planned start, which is before the exposure.
HEADERS = {"ib3y01c6q": 17.398495, "ich901aeq": 68.987656, "ich901afq": 65.788879, "ich902csq": 5.168098}


@pytest.fixture(scope="module")
def release() -> Iterator[Catalog]:
    with open_catalog(RELEASE) as catalog:
        yield catalog


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return open_catalog(tmp_path / "catalog", mode="a")


class Listed(FakeSource):
    """A source that lists given datasets instead of invented ones."""

    def __init__(self, rows: list[Row]) -> None:
        super().__init__(0)
        self.rows = [TABLES["datasets"].empty_row() | row for row in rows]

    def datasets(self, selection: Selection) -> Iterator[Row]:
        yield from (dict(row) for row in self.rows)


def one(name: str, **known: Any) -> Row:
    return {
        "dataset": name,
        "members": [name],
        "filters": "F105W",
        "start_time": 59000.0,
        "stop_time": 59000.015,
    } | known


def test_every_dataset_of_the_list_has_a_forecast(release: Catalog) -> None:
    found = release.sql("SELECT count(*), count(DISTINCT dataset), count(*) FILTER (basis = 'orbit') FROM forecast")
    assert found.fetchall() == [(23284, 23284, 23284)]
    assert release.sql("SELECT count(*) FROM datasets JOIN forecast USING (dataset)").fetchall() == [(23284,)]
    assert release.sql("SELECT count(*) FROM exposures").fetchall() == [(0,)]


@pytest.mark.parametrize("name", HEADERS)
def test_sun_altitude_is_that_of_the_header(release: Catalog, name: str) -> None:
    """The Sun moves by up to 0.065 deg/s, and the header's time is 15 to 31 s before the start: 2 deg at most."""
    (found,) = release.sql("SELECT sun_alt_start FROM forecast WHERE dataset = $name", {"name": name}).fetchall()[0]
    assert found == pytest.approx(HEADERS[name], abs=2.0)


def test_published_visit(release: Catalog) -> None:
    """IBOHBF040: Sun from -29.5 to 75.9 deg, 35 % in shadow, STEP200 (SAMPTIME of STEP400 is the same to 2 ms)."""
    text = "SELECT sun_alt_min, sun_alt_max, frac_in_shadow, n_exposures, samp_seqs, limb_angle_min FROM forecast"
    low, high, shadow, n, sequences, limb = release.sql(f"{text} WHERE dataset = 'ibohbf040'").fetchall()[0]
    assert (low, high, limb) == pytest.approx((-29.5, 75.9, 9.5), abs=0.6)
    assert shadow == pytest.approx(0.36, abs=0.03)
    assert n == 6
    assert "STEP200" in sequences


def test_probabilities_and_percentiles_are_in_order(release: Catalog) -> None:
    wrong = """SELECT count(*) FROM forecast WHERE NOT (he_kr_50 <= he_kr_75 AND he_kr_75 <= he_kr_95)
        OR NOT (prob_damaged BETWEEN 0 AND 1 AND prob_elevated BETWEEN 0 AND 1)
        OR (frac_in_shadow = 1 AND n_exposures = 1 AND prob_damaged > 0.05) OR NOT (sun_alt_min <= sun_alt_max)
        OR (filters IN ('F098M', 'F140W', 'F160W') AND prob_damaged > 0)
        OR ((filters LIKE 'G1%') != (prob_damaged IS NULL))"""
    assert release.sql(wrong).fetchall() == [(0,)]


def test_published_percentiles_of_f105w(release: Catalog) -> None:
    """Half of the exposures of 100 s and more below 0.1 electron/s, 75 % below 0.5, 95 % below 1.5 (Brammer)."""
    text = """SELECT sum(n_exposures * prob_elevated) / sum(n_exposures) FROM forecast
        WHERE filters = 'F105W' AND exptime / n_exposures >= 100"""
    assert 1 - release.sql(text).fetchall()[0][0] == pytest.approx(0.75, abs=0.02)


def test_long_intervals_are_more_dangerous_than_short_ones(release: Catalog) -> None:
    found = release.query("forecast_by_sequence").fetchall()
    chance = {row[1]: row[5] for row in found if row[0] == "F105W"}
    assert chance["STEP200"] > chance["SPARS50"] > chance["SPARS25"]


def test_a_release_is_only_read(tmp_path: Path) -> None:
    before = sorted(path.name for path in RELEASE.iterdir())
    with pytest.raises(CatalogNotWritableError, match="released tables"):
        open_catalog(RELEASE, mode="r+")
    assert sorted(path.name for path in RELEASE.iterdir()) == before


def test_listed_datasets_get_the_best_forecast_that_there_is(catalog: Catalog) -> None:
    rows = [
        one("ibohbf040", filters="F105W"),
        one("ifaaaa01q", sun_alt=55.0),
        one("ifaaaa02q", sun_alt=-55.0),
        one("ifaaaa03q"),
        one("ifaaaa04q", filters="F110W", sun_alt=55.0),
        one("ifaaaa05q", filters="F160W", sun_alt=55.0),
        one("ifaaaa06q", filters="F999W"),
    ]
    catalog.append("datasets", [TABLES["datasets"].empty_row() | row for row in rows])
    store_forecasts(catalog, [row["dataset"] for row in rows])
    text = "SELECT dataset, basis, prob_damaged, excess_helium_50 FROM forecast ORDER BY dataset"
    found = {name: rest for name, *rest in catalog.sql(text).fetchall()}
    assert {name: rest[0] for name, rest in found.items()} == {
        "ibohbf040": "orbit", "ifaaaa01q": "sun_alt", "ifaaaa02q": "sun_alt", "ifaaaa03q": "filter",
        "ifaaaa04q": "sun_alt", "ifaaaa05q": "sun_alt",
    }  # fmt: skip
    assert found["ifaaaa01q"][2] > found["ifaaaa03q"][2] > found["ifaaaa02q"][2]
    assert found["ifaaaa04q"][1:] == found["ifaaaa01q"][1:]
    assert found["ifaaaa05q"][1] == 0


def test_forecasts_are_stored_once(catalog: Catalog) -> None:
    catalog.append("datasets", [TABLES["datasets"].empty_row() | one("ifaaaa01q", sun_alt=55.0)])
    store_forecasts(catalog, ["ifaaaa01q"])
    version = catalog.snapshots["forecast"].version
    store_forecasts(catalog, ["ifaaaa01q"])
    assert catalog.snapshots["forecast"].version == version


def test_a_survey_by_risk_takes_the_probable_ones_first(catalog: Catalog) -> None:
    best = ("ibl73hi7q", "ibl71hgnq")  # F105W, 0.8 and 0.7; the others are in shadow, or no dataset of the list
    names = (best[1], "ibll52yzq", best[0], "ifzzzz01q")
    source = Listed([one(name) for name in names])
    seen: list[str] = []

    def measure(cube: Any, orbit: None, settings: Any) -> Any:
        seen.append(cube.rootname)
        return measure_fake(cube, orbit, settings)

    plan = plan_survey(catalog, Selection(filters=("all",), limit=2), source=source, order="risk")
    assert plan.n_exposures == 2
    assert plan.n_expected == pytest.approx(1.5, abs=0.2)
    survey(catalog, Selection(filters=("all",), limit=2), source=source, order="risk", measure=measure)
    assert seen == list(best)
    survey(catalog, Selection(filters=("all",)), source=source, measure=measure)
    assert seen[2:] == ["ibll52yzq", "ifzzzz01q"]


def test_an_unknown_order_is_named(catalog: Catalog) -> None:
    with pytest.raises(BadArgumentError, match="order 'size' is unknown; choose one of name, risk"):
        survey(catalog, Selection(), source=FakeSource(1), order="size", measure=measure_fake)


def test_the_check_counts_what_came_true(catalog: Catalog) -> None:
    """Of two exposures of one dataset with a stated chance of about a half, one is severe."""
    source = Listed([one("ibohbf040", members=["ibohbfb7q", "ibohbfb9q"])])

    def measure(cube: Any, orbit: None, settings: Any) -> Any:
        measured = measure_fake(cube, orbit, settings)
        hit = cube.rootname == "ibohbfb9q"
        new = {"tvb_class": "severe" if hit else "none", "tvb_kind": "helium" if hit else None}
        new |= {"excess_helium": 1.0 if hit else 0.0, "dataset": "ibohbf040"}
        return replace(measured, exposure=measured.exposure | new)

    survey(catalog, Selection(filters=("all",)), source=source, measure=measure)
    rows = catalog.query("forecast_check").to_arrow_table().to_pylist()
    assert len(rows) == 1
    assert rows[0]["n"] == 2
    assert rows[0]["came_true"] == 0.5
    assert rows[0]["below_50"] == 0.5
    assert rows[0]["below_95"] == 1.0


def test_the_table_is_found() -> None:
    assert shipped_table().stat().st_size < 2_000_000
