"""A catalog scored again: nothing changes where nothing is new, and old scores are put right."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.helpers.generator import SPARS100, make_cube
from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.measurement import measure_cube
from wfc3tvb.models import Measurement
from wfc3tvb.schema import TABLES
from wfc3tvb.survey.rescore import rescore


def measurements() -> list[Measurement]:
    found = []
    for k, level in enumerate((0.0, 0.3, 2.0)):
        sky = 0.5 + level * (np.arange(15) > 8)
        cube = make_cube(sky, SPARS100, size=64, seed=k, header={"ROOTNAME": f"isimu0x{k}q"})
        measured = measure_cube(cube)
        name = f"isimu0x{k}q"
        reads = [row | {"rootname": name} for row in measured.reads]
        found.append(Measurement(measured.exposure | {"rootname": name, "dataset": name, "run_id": "r"}, reads))
    return found


def test_rescore(tmp_path: Path) -> None:
    steps: dict[str, int] = {}
    catalog = Catalog.create(tmp_path / "catalog")
    catalog.record(measurements())
    catalog.refresh()
    first = rescore(catalog, progress=lambda stage, done, total=None, failed=0: steps.update({stage: done}))
    assert first.n_scored == 3
    assert sum(first.classes.values()) == 3
    assert steps["score"] == 3
    assert rescore(catalog, jobs=2).n_changed == 0
    row = catalog.fetch("SELECT * FROM exposures WHERE rootname = 'isimu0x2q'").to_pylist()[0]
    catalog.replace("exposures", [row | {"tvb_class": "none", "pred_frac_broken": 0.0, "flagged": False}])
    catalog.refresh()
    assert rescore(catalog).n_changed == 1
    again = catalog.fetch("SELECT * FROM exposures WHERE rootname = 'isimu0x2q'").to_pylist()[0]
    assert again == row
    runs = catalog.sql("SELECT command, n_done FROM runs").fetchall()
    assert runs == [("rescore", 3)] * 3
    catalog.close()


def test_an_empty_catalog(tmp_path: Path) -> None:
    catalog = Catalog.create(tmp_path / "catalog")
    report = rescore(catalog)
    assert (report.n_scored, report.n_changed, report.classes) == (0, 0, {})
    catalog.close()
    assert "exposures" in TABLES
