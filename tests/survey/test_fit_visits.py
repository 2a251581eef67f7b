"""The joint fit of a visit from a catalog: constant helium without a zodiacal model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.generator import SPARS100
from tests.helpers.ibohbf040 import curves, limb_angles, sun_altitudes
from tests.helpers.rows import curve_rows
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.config import MeasureSettings
from wfc3tvb.models import Measurement
from wfc3tvb.score.score import score
from wfc3tvb.survey.fit_visits import fit_stored_visit, fit_visits


@pytest.fixture
def catalog(tmp_path: Path):
    altitude, limb, measured = sun_altitudes(), limb_angles(), []
    for k, (name, (t, cumulative)) in enumerate(curves().items()):
        place = {"sun_alt": altitude[name], "limb_angle": limb[name], "in_shadow": altitude[name] < 0}
        exposure, reads = curve_rows(f"ibohbf{name}", t, cumulative, **place, bright_limb=altitude[name] > 0)
        row = score(exposure | {"expstart": 56298.766 + 0.019 * k}, reads, MeasureSettings())
        measured.append(Measurement(row | {"run_id": "r", "measured_at": 60000.0}, reads))
    catalog = open_catalog(tmp_path / "catalog", mode="a")
    catalog.record(measured)
    catalog.update_views()
    yield catalog
    catalog.close()


def test_the_published_visit(catalog: Catalog) -> None:
    rows = fit_stored_visit(catalog, "IBOHBF", "F105W")
    assert all(row["anchored"] for row in rows)
    assert rows[0]["zodi"] == pytest.approx(0.465, abs=0.015)
    late = {row["rootname"][-3:]: row for row in rows if row["read"] == 13}
    assert late["bdq"]["helium"] == pytest.approx(2.6, abs=0.1)
    assert late["bpq"]["helium"] == pytest.approx(2.3, abs=0.3)
    assert abs(late["b7q"]["helium"]) < 0.03
    assert late["bdq"]["helium_err"] < 0.05
    # More zodiacal light would mean less helium.
    assert late["bdq"]["cov_zodi_helium"] < 0


def test_only_visits_with_a_new_exposure_are_fitted_again(catalog: Catalog) -> None:
    assert fit_visits(catalog) == 1
    lost = "SELECT count(*) FROM reads ANTI JOIN visit_fits USING (rootname, read) WHERE used"
    assert catalog.sql(lost).fetchall() == [(0,)]
    assert fit_visits(catalog) == 0
    assert fit_visits(catalog, everything=True) == 1
    exposures = catalog.fetch("FROM exposures").to_pylist()
    for later in (60001.0, 59000.0):  # by a clock that was set back
        catalog.replace("exposures", [exposures[0] | {"measured_at": later}])
        assert fit_visits(catalog) == 1
        assert fit_visits(catalog) == 0


@pytest.mark.parametrize("systematic", [0.0, 0.02, 0.1])
def test_the_systematic_of_the_settings_is_that_of_the_fit(tmp_path: Path, systematic: float) -> None:
    """Fourteen dark reads without noise: each knows the level as well as systematic, shadow and sides let it."""
    t = np.array(SPARS100)
    place = {"sun_alt": np.full(15, -20.0), "limb_angle": np.full(15, 60.0), "in_shadow": np.ones(15, bool)}
    row, reads = curve_rows("inull001q", t, np.full(15, 0.5), error=1e-5, bright_limb=np.zeros(15, bool), **place)
    row = score(row, reads, MeasureSettings()) | {"run_id": "r", "measured_at": 60000.0}
    with open_catalog(tmp_path / "dark", mode="a") as dark:
        dark.record([Measurement(row, reads)])
        dark.update_views()
        fit_visits(dark, systematic=systematic)
        stored = dark.fetch("FROM visit_fits ORDER BY read").to_pylist()
        assert stored == fit_stored_visit(dark, "inull0", "F105W", systematic=systematic)
    each = np.sqrt(systematic**2 + 0.005**2 + (0.75 * 0.02) ** 2)
    assert len(stored) == 14
    assert stored[0]["zodi"] == pytest.approx(0.5, abs=1e-3)
    assert stored[0]["zodi_err"] == pytest.approx(each / np.sqrt(14), rel=0.01)


def test_a_visit_that_is_not_there(catalog: Catalog) -> None:
    assert fit_stored_visit(catalog, "ibohzz", "F105W") == []


def test_the_error_that_all_reads_share_is_in_the_zodiacal_level_alone(catalog: Catalog) -> None:
    before = fit_stored_visit(catalog, "ibohbf", "F105W")
    rows = catalog.fetch("FROM exposures").to_pylist()
    catalog.replace("exposures", [row | {"sky_err": 0.1 if row["rootname"] == "ibohbfb9q" else None} for row in rows])
    after = fit_stored_visit(catalog, "ibohbf", "F105W")
    assert after[0]["zodi_err"] == pytest.approx(np.hypot(before[0]["zodi_err"], 0.1))
    assert [row["helium"] for row in after] == [row["helium"] for row in before]


def test_a_nebula_is_no_part_of_the_light_of_a_visit(catalog: Catalog) -> None:
    rows = catalog.fetch("FROM exposures").to_pylist()
    changed = [row | {"quality_flags": ["extended_source"]} for row in rows if row["rootname"] == "ibohbfbdq"]
    catalog.replace("exposures", changed)
    assert {row["rootname"] for row in fit_stored_visit(catalog, "ibohbf", "F105W")} == {
        row["rootname"] for row in rows
    } - {"ibohbfbdq"}
    assert fit_visits(catalog) == 1
    assert fit_visits(catalog) == 0
