"""The simulated archive: near the published percentiles, quiet in shadow, the same every time."""

from __future__ import annotations

from pathlib import Path

import pytest

from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.catalog.verify import verify
from wfc3tvb.schema import TABLES
from wfc3tvb.simulate.catalog import simulate_catalog, solar_activity

pytestmark = pytest.mark.slow

N = 60


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return simulate_catalog(tmp_path_factory.mktemp("drawn") / "catalog", N)


def test_it_is_a_whole_catalog(catalog: Catalog) -> None:
    assert all(result.passed for result in verify(catalog)), [r for r in verify(catalog) if not r.passed]
    assert catalog.query("headline").fetchall()[0][1] == N
    names = catalog.sql("SELECT count(DISTINCT rootname), count(*) FROM exposures").fetchall()[0]
    assert names[0] == names[1] > 2 * N


def test_the_excess_is_near_the_published_percentiles(catalog: Catalog) -> None:
    rows = catalog.query("excess_cdf", filter="F105W").to_arrow_table().to_pylist()
    assert [row["published"] for row in rows] == [0.5, 0.75, 0.95]
    assert [row["fraction"] for row in rows] == pytest.approx([0.5, 0.75, 0.95], abs=0.15)


def test_shadow_is_quiet_and_the_control_filters_see_no_helium(catalog: Catalog) -> None:
    shadow = "SELECT max(abs(rate - zodi_model)) FROM reads JOIN exposures USING (rootname) WHERE in_shadow AND used"
    assert catalog.sql(f"{shadow} AND NOT bright_limb").fetchall()[0][0] < 0.1
    causes = catalog.query("cause_by_filter").to_arrow_table().to_pylist()
    assert {row["tvb_kind"] for row in causes if row["control"]} <= {"scattered", "unknown"}


def test_the_same_seed_draws_the_same_archive(catalog: Catalog, tmp_path: Path) -> None:
    with simulate_catalog(tmp_path / "again", 3) as again:
        where = "WHERE visit IN (SELECT visit FROM visits ORDER BY visit LIMIT 3) ORDER BY rootname"
        assert again.fetch(f"FROM exposures {where}") == catalog.fetch(f"FROM exposures {where}")
        assert set(again.fetch("FROM reads LIMIT 1").column_names) == set(TABLES["reads"].names)


def test_the_sun_has_its_minimum_in_2008_and_its_maximum_five_years_and_a_half_later() -> None:
    assert solar_activity(54800.0) == pytest.approx(0)
    assert solar_activity(54800.0 + 5.5 * 365.25) == pytest.approx(1)
