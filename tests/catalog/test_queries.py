"""Every documented query runs, describes itself, and gives the known answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wfc3tvb.catalog import queries
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.errors import QueryParameterError, UnknownQueryError
from wfc3tvb.models import Measurement
from wfc3tvb.schema import TABLES

GIVEN = {
    "covers_position": {"ra": "150.1", "dec": "2.3"},
    "overlapping_visits": {"visit": "IBOHBF"},
    "my_visit": {"visit": "IBOHBF"},
    "my_association": {"asn_id": "IBOHBF040"},
    "my_program": {"proposal_id": "12696"},
    "provenance": {"rootname": "ibohbfb9q"},
    "reads_of": {"rootname": "ibohbfb9q"},
    "visit_exposures": {"visit": "IBOHBF"},
    "visit_reads": {"visit": "IBOHBF"},
    "visit_light": {"visit": "IBOHBF"},
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    catalog = open_catalog(tmp_path_factory.mktemp("queries") / "catalog", mode="a")
    common = {"visit": "ibohbf", "asn_id": "ibohbf040", "filter": "F105W", "proposal_id": 12696, "run_id": "run",
              "samp_seq": "STEP200", "expstart": 56298.78}  # fmt: skip
    hit = {"sky_mean": 1.5, "sky_min": 0.5, "tvb_class": "severe", "flagged": True, "recommend": "omit",
           "tvb_score": 4.0, "tvb_kind": "helium", "he_kr": 2.0, "zodi_model": 0.5,
           "noise_pipeline": 0.1, "noise_omit": 0.01, "excess_helium": 1.0}  # fmt: skip
    clean = {"sky_mean": 0.5, "sky_min": 0.4, "tvb_class": "none", "flagged": False, "recommend": "none",
             "tvb_score": 0.1, "excess_helium": 0.0, "zodi_model": 0.4}  # fmt: skip
    catalog.record([exposure("ibohbfb9q", **common, **hit), exposure("ibohbfb7q", **common, **clean)])
    catalog.replace("runs", [TABLES["runs"].empty_row() | {"run_id": "run", "command": "survey"}])
    failure = {"key": "ibohbfbdq", "stage": "read", "error": "BadFileError", "retryable": False, "failed_at": 1.0}
    repaired = failure | {"key": "ibohbf040", "stage": "drizzle", "attempt": 1}
    attempts = [failure | {"attempt": n} for n in (1, 2)] + [repaired]
    catalog.replace("failures", [TABLES["failures"].empty_row() | attempt for attempt in attempts])
    made = {"product_id": "p", "dataset": "ibohbf040", "kind": "drz", "run_id": "later"}
    catalog.replace("reprocessed", [TABLES["reprocessed"].empty_row() | made])
    catalog.append("runs", [TABLES["runs"].empty_row() | {"run_id": "later", "started_at": 2.0}])
    return catalog


def exposure(root: str, **columns: Any) -> Measurement:
    read = {"rootname": root, "used": True, "rate": 1.0, "sun_alt": 25.0, "sun_hour_angle": -90.0,
            "in_shadow": False, "limb_angle": 33.0, "bright_limb": True, "latitude": -12.0}  # fmt: skip
    reads = [TABLES["reads"].empty_row() | read | {"read": n} for n in (1, 2)]
    return Measurement(TABLES["exposures"].empty_row() | {"rootname": root} | columns, reads)


@pytest.mark.parametrize("name", queries.load_all())
def test_every_query_runs_and_is_documented(catalog: Catalog, name: str, tmp_path: Path) -> None:
    query = queries.load(name)
    table = {"table": flux_table(tmp_path)} if name == "excess_by_solar_flux" else {}
    assert query.title.endswith((".", ":"))
    assert all(p.description for p in query.parameters)
    catalog.query(name, **GIVEN.get(name, {}) | table).fetchall()


def flux_table(folder: Path) -> str:
    path = folder / "flux.csv"
    path.write_text("mjd,flux\n56298,130\n56299,90\n")
    return str(path)


def test_excess_against_a_flux_that_the_user_brings(catalog: Catalog, tmp_path: Path) -> None:
    rows = catalog.query("excess_by_solar_flux", table=flux_table(tmp_path)).fetchall()
    assert rows == [(120.0, 2, 0.5)]


def test_known_answers(catalog: Catalog) -> None:
    def rows(name: str) -> list[dict[str, Any]]:
        return catalog.query(name, **GIVEN.get(name, {})).to_arrow_table().to_pylist()

    assert {row["rootname"]: row["tvb_class"] for row in rows("my_visit")} == {
        "ibohbfb7q": "none",
        "ibohbfb9q": "severe",
    }
    assert len(rows("my_association")) == 2
    assert rows("my_program")[0]["n_flagged"] == 1
    assert rows("worst_visits")[0]["excess_visit"] == pytest.approx(1.1)
    assert [row["fraction"] for row in rows("classes_by_filter")] == [0.5, 0.5]
    # Of three that failed, one was repaired in a later run.
    assert [(row["key"], row["attempt"]) for row in rows("failures")] == [("ibohbfbdq", 2)]
    assert rows("provenance")[0]["command"] == "survey"
    assert [row["read"] for row in rows("reads_of")] == [1, 2]
    assert rows("gain_by_reprocessing")[0]["depth_gain_mag"] == pytest.approx(2.5)
    assert [row["fraction"] for row in rows("excess_cdf")] == [0.5, 0.5, 1.0]
    assert rows("excess_by_sun_altitude")[0]["n_reads"] == 4
    known = {"exposures": 2, "visits": 1, "flagged": 1, "to_inspect": 0, "severe": 1, "repairs_accepted": 0}
    assert rows("headline")[0] == known
    assert rows("flagged_by_filter")[0]["fraction_flagged"] == 0.5
    assert rows("flagged_by_sequence")[0]["samp_seq"] == "STEP200"
    assert [(row["year"], row["n"]) for row in rows("flagged_by_year")] == [(2013, 2)]
    assert len(rows("reads_against_sun")) == len(rows("visit_reads")) == 4
    # Of two exposures at rate 1.0, that with a zodiacal light of 0.4 is above twice it; that with 0.5 is not.
    above = rows("reads_above_twice")[0]
    assert above["fraction_above_twice"] == 0.5
    assert above["efficiency"] == pytest.approx((0.5 / 1.0 + 0.4 / 1.0) / 2)
    assert [row["fraction"] for row in rows("excess_cdf_curve")] == [0.5, 1.0]
    assert rows("cause_by_filter") == [
        {
            "filter": "F105W",
            "control": False,
            "tvb_kind": "helium",
            "n": 1,
            "fraction": 1.0,
            "fraction_of_filter": 0.5,
            "median_excess_variable": None,
        }
    ]
    assert [(row["day_from"], row["median_excess"]) for row in rows("excess_by_day_of_year")] == [(1, 0.5)]
    assert rows("helium_map")[0]["mean_kr"] == pytest.approx((1.0 - (0.5 + 0.4) / 2) * 2.0)
    assert rows("excess_by_limb_angle")[0]["limb_angle_from"] == 30.0
    assert rows("excess_by_latitude")[0]["mean_excess"] == pytest.approx(0.55)


def test_what_is_given_wrongly_is_named(catalog: Catalog) -> None:
    with pytest.raises(UnknownQueryError, match="worst_visits"):
        catalog.query("worst_visit")
    with pytest.raises(QueryParameterError, match="visit"):
        catalog.query("my_visit")
    with pytest.raises(QueryParameterError, match="no parameter nonsense"):
        catalog.query("failures", nonsense=1)
    for name, given in (("worst_visits", {"limit": "many"}), ("excess_by_latitude", {"step": 0}),
                        ("excess_by_latitude", {"step": "nan"}), ("worst_visits", {"limit": -1})):  # fmt: skip
        with pytest.raises(QueryParameterError, match="not of type (int|float) > 0"):
            catalog.query(name, **given)
    with pytest.raises(QueryParameterError, match="not of type int"):
        catalog.query("my_program", proposal_id="mine")
