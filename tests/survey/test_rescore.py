"""A catalog scored again: nothing changes if nothing is new, and old scores are corrected."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.helpers.generator import SPARS100, make_cube
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.cli import main
from wfc3tvb.config import MeasureSettings
from wfc3tvb.measurement import measure_cube
from wfc3tvb.models import Measurement
from wfc3tvb.parallel.workers import Workers
from wfc3tvb.schema import TABLES
from wfc3tvb.survey.rescore import recorded_settings, rescore, rescore_rows

pytestmark = pytest.mark.slow


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
    catalog = open_catalog(tmp_path / "catalog", mode="a")
    catalog.record(measurements())
    catalog.update_views()
    first = rescore(catalog, progress=lambda stage, done, total=None, failed=0: steps.update({stage: done}))
    assert first.n_scored == 3
    assert sum(first.classes.values()) == 3
    assert steps["score"] == 3
    assert rescore(catalog, workers=Workers(2)).n_changed == 0
    row = catalog.fetch("SELECT * FROM exposures WHERE rootname = 'isimu0x2q'").to_pylist()[0]
    catalog.replace("exposures", [row | {"tvb_class": "none", "pred_frac_broken": 0.0, "flagged": False}])
    catalog.update_views()
    assert rescore(catalog).n_changed == 1
    again = catalog.fetch("SELECT * FROM exposures WHERE rootname = 'isimu0x2q'").to_pylist()[0]
    assert again == row
    runs = catalog.sql("SELECT command, n_done FROM runs").fetchall()
    assert runs == [("rescore", 3)] * 3
    catalog.close()


def test_settings_stay_those_of_the_last_run(tmp_path: Path) -> None:
    """A systematic of 0.1 that one run was given, scores and fits of visits alike, holds for the next."""
    text = "SELECT tvb_score_err, zodi_err FROM exposures JOIN visit_fits USING (rootname) ORDER BY rootname, read"
    with open_catalog(tmp_path / "catalog", mode="a") as catalog:
        catalog.record(measurements())
        catalog.update_views()
        assert recorded_settings(catalog) == MeasureSettings()
        rescore(catalog)
        usual = catalog.sql(text).fetchall()
        large = MeasureSettings(systematic=0.1)
        assert rescore(catalog, settings=large).n_changed == 3
        changed = catalog.sql(text).fetchall()
        assert recorded_settings(catalog) == large
        assert rescore(catalog).n_changed == 0
        assert catalog.sql(text).fetchall() == changed
    assert all(new[0] > old[0] and new[1] > old[1] for new, old in zip(changed, usual, strict=True))


def test_any_number_of_workers_scores_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All wrong scores in the catalog are corrected, however they are rescored."""
    monkeypatch.setattr("wfc3tvb.survey.rescore.CHUNK", 1)
    measured = measurements()
    right = [rescore_rows(each.exposure, each.reads) for each in measured]
    wrong = [replace(each, exposure=each.exposure | {"tvb_score": -1.0, "recommend": "inspect"}) for each in measured]
    for jobs in (1, 2, 3):
        folder = tmp_path / str(jobs)
        with open_catalog(folder, mode="a") as catalog:
            catalog.record(wrong)
            catalog.update_views()
        command = ["rescore", "--json", "--jobs", str(jobs), "--catalog", str(folder)]
        result = CliRunner().invoke(main, command, catch_exceptions=False)
        said = json.loads(result.stdout)
        assert said.pop("run_id")
        assert said == {"n_scored": 3, "n_changed": 3, "classes": {"none": 1, "mild": 1, "severe": 1}}
        with open_catalog(folder) as catalog:
            assert catalog.fetch("FROM exposures ORDER BY rootname").to_pylist() == right


def test_an_empty_catalog(tmp_path: Path) -> None:
    catalog = open_catalog(tmp_path / "catalog", mode="a")
    report = rescore(catalog)
    assert (report.n_scored, report.n_changed, report.classes) == (0, 0, {})
    catalog.close()
    assert "exposures" in TABLES
