"""The null calibration recovers the systematic error with which quiet curves were made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.helpers.generator import SPARS100
from tests.helpers.rows import curve_rows
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.cli import main
from wfc3tvb.config import MeasureSettings
from wfc3tvb.models import Measurement
from wfc3tvb.score.score import score
from wfc3tvb.survey.null_calibration import nulls, systematic


def quiet(k: int, scatter: float) -> Measurement:
    """Return an exposure in Earth's shadow whose rates scatter by an error of 0.003 and a systematic."""
    t, rng = np.array(SPARS100), np.random.default_rng(k)
    dt = np.diff(t, prepend=0)
    rate = 0.5 + rng.normal(0, np.hypot(0.003, scatter), t.size)
    place = {"sun_alt": np.full(15, -20.0), "limb_angle": np.full(15, 60.0), "in_shadow": np.ones(15, bool)}
    name = f"inull{k:03d}q"
    row, reads = curve_rows(name, t, np.cumsum(rate * dt) / t, bright_limb=np.zeros(15, bool), **place)
    row = score(row, reads, MeasureSettings())
    return Measurement(row | {"run_id": "r", "measured_at": 60000.0}, reads)


def test_systematic_of_curves() -> None:
    rng = np.random.default_rng(4)
    number = np.repeat(np.arange(300), 12)
    error = np.full(number.size, 0.005)
    for true in (0.0, 0.01, 0.05):
        rate = 0.6 + 0.1 * (number % 7) + rng.normal(0, np.hypot(error, true))
        assert systematic(rate, error, number) == pytest.approx(true, abs=0.0015)


def test_nulls_of_a_catalog(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "catalog", mode="a") as catalog:
        catalog.record([quiet(k, 0.015) for k in range(30)])
        catalog.update_views()
        shadow, control = nulls(catalog)
    assert (shadow.n_exposures, shadow.n_reads) == (30, 30 * 14)
    assert shadow.systematic == pytest.approx(0.015, abs=0.002)
    assert shadow.tvb_score_99 is not None
    assert shadow.tvb_score_99 < 1
    assert shadow.excess_variable_99 == pytest.approx(0.045, abs=0.02)
    assert (control.n_exposures, control.systematic) == (0, None)
    said = CliRunner().invoke(main, ["null", "--catalog", str(tmp_path / "catalog")])
    assert said.exit_code == 0
    assert "30 exposures, 420 reads" in said.output
    assert "too few for a measurement" in said.output
