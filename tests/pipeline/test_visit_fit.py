"""The joint fit of a visit from a catalog: constant helium without a zodiacal model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.science.ibohbf040 import curves, limb_angles, sun_altitudes
from tests.science.rows import curve_rows
from wfc3tvb.config import MeasureSettings
from wfc3tvb.errors import UnknownDatasetError
from wfc3tvb.exposure import Measurement
from wfc3tvb.io.catalog import Catalog
from wfc3tvb.pipeline.score import score
from wfc3tvb.pipeline.visit import fit_stored_visit


@pytest.fixture
def catalog(tmp_path: Path, shared_data: Path):
    altitude, limb, measured = sun_altitudes(shared_data), limb_angles(shared_data), []
    for k, (name, (t, cumulative)) in enumerate(curves(shared_data).items()):
        place = {"sun_alt": altitude[name], "limb_angle": limb[name], "in_shadow": altitude[name] < 0}
        exposure, reads = curve_rows(f"ibohbf{name}", t, cumulative, **place, bright_limb=altitude[name] > 0)
        row = score(exposure | {"expstart": 56298.766 + 0.019 * k}, reads, MeasureSettings())
        measured.append(Measurement(row | {"run_id": "r"}, reads))
    catalog = Catalog.create(tmp_path / "catalog")
    catalog.record(measured)
    catalog.refresh()
    yield catalog
    catalog.close()


def test_the_published_visit(catalog: Catalog) -> None:
    found = fit_stored_visit(catalog, "IBOHBF", "F105W")
    assert found.fit.anchored
    assert found.fit.zodi == pytest.approx(0.465, abs=0.015)
    late = {row["rootname"][-3:]: row for row in found.reads if row["read"] == 13}
    assert late["bdq"]["helium"] == pytest.approx(2.6, abs=0.1)
    assert late["bpq"]["helium"] == pytest.approx(2.3, abs=0.3)
    assert abs(late["b7q"]["helium"]) < 0.03
    assert late["bdq"]["helium_err"] < 0.05


def test_a_visit_that_is_not_there(catalog: Catalog) -> None:
    with pytest.raises(UnknownDatasetError, match="visit ibohzz in F105W is not known"):
        fit_stored_visit(catalog, "ibohzz", "F105W")
