"""The joint fit of a visit from a catalog: constant helium without a zodiacal model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.ibohbf040 import curves, limb_angles, sun_altitudes
from tests.helpers.rows import curve_rows
from wfc3tvb.catalog.catalog import Catalog
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
    catalog = Catalog.create(tmp_path / "catalog")
    catalog.record(measured)
    catalog.refresh()
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


def test_a_visit_that_is_not_there(catalog: Catalog) -> None:
    assert fit_stored_visit(catalog, "ibohzz", "F105W") == []
