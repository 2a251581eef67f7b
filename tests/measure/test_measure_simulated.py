"""Simulated visits, calibrated by the native engine: rates against truth, predicted against real damage, verdicts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.calibrated import calibrated
from wfc3tvb.measurement import measure
from wfc3tvb.models import Measurement
from wfc3tvb.simulate.visit import SimulatedVisit


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> SimulatedVisit:
    return calibrated(tmp_path_factory.mktemp("visit"), "ibohbf040", 128)


@pytest.fixture(scope="module")
def measured(visit: SimulatedVisit) -> dict[str, Measurement]:
    return {name: measure(visit.path(name, "ima")) for name in visit.rootnames}


def test_flagged_members(measured: dict[str, Measurement]) -> None:
    flagged = [name for name, m in measured.items() if m.exposure["flagged"]]
    assert flagged == ["ibohbfb9q", "ibohbfbdq", "ibohbfbgq", "ibohbfbkq", "ibohbfbpq"]
    assert {measured[name].exposure["recommend"] for name in flagged} == {"optimal"}
    assert {measured[name].exposure["tvb_kind"] for name in flagged} == {"helium"}


def test_rates_and_their_errors(visit: SimulatedVisit, measured: dict[str, Measurement]) -> None:
    pulls, off = [], []
    for name, m in measured.items():
        truth = visit.truth(name)
        for row, true in zip(m.reads, truth["rate"], strict=True):
            if row["t_end"] - row["t_start"] >= 5:
                pulls.append((row["rate"] - true) / row["rate_err"])
                off.append(row["rate"] - true)
        assert m.exposure["sky_mean"] == pytest.approx(truth["mean_rate"], abs=0.005)
    assert len(pulls) == 66
    assert 0.7 < np.std(pulls) < 1.2
    assert abs(np.mean(off)) < 0.005


def test_predicted_damage_is_that_of_the_file(measured: dict[str, Measurement]) -> None:
    """The archive's file has real cosmic rays too: 11/s on a full frame, two pixels each, 0.4 % on this one."""
    for m in measured.values():
        row = m.exposure
        assert row["pred_frac_broken"] == pytest.approx(row["obs_frac_broken"], abs=0.03)


def test_geometry_is_that_of_the_simulated_orbit(visit: SimulatedVisit, measured: dict[str, Measurement]) -> None:
    for name, m in measured.items():
        assert [row["sun_alt"] for row in m.reads] == pytest.approx(visit.truth(name)["sun_alt"], abs=1e-3)
        assert m.exposure["geometry_source"] == "spt"


def test_scattered_light(tmp_path: Path) -> None:
    visit = calibrated(tmp_path, "scattered", 128)
    rows = {name: measure(visit.path(name, "ima")).exposure for name in visit.rootnames}
    hit = [
        name for name in rows if max(json.loads((tmp_path / "truth" / f"{name}.json").read_text())["scattered"]) > 0.1
    ]
    assert [name for name, row in rows.items() if row["tvb_kind"] in ("scattered", "mixed")] == hit
    assert [name for name, row in rows.items() if row["recommend"] == "optimal"] == hit
