"""The whole chain, and the numbers of the visit it retells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.fits.images import read_flt
from wfc3tvb.loopback import serve
from wfc3tvb.report.comparison import before_of

pytestmark = pytest.mark.slow

#: Mean rates of the published curves [electron/s].
TRUTH = {"ibohbfb9q": 1.503, "ibohbfbgq": 0.606, "ibohbfbkq": 1.036}


def test_the_rule_of_the_notebook_finds_its_members(demo: Path) -> None:
    """bdq and bpq, whose bright sky changes by less than a factor of 2, are noisier than their limit too."""
    with open_catalog(demo / "catalog") as catalog:
        rows = catalog.sql("SELECT rootname, factor2 FROM exposures WHERE flagged ORDER BY 1").fetchall()
    assert [name for name, by_rule in rows if by_rule] == sorted(TRUTH)
    assert [name for name, by_rule in rows if not by_rule] == ["ibohbfbdq", "ibohbfbpq"]


def test_the_page_of_the_visit_names_it(demo: Path) -> None:
    page = (demo / "report" / "visits" / "ibohbf.html").read_text()
    assert "Proposal 12442, target GOODS-N, 2013-01-06.</p>" in page


@pytest.mark.parametrize("root", TRUTH)
def test_repaired_exposures_have_one_peak_at_the_injected_mean(demo: Path, root: str) -> None:
    with open_catalog(demo / "catalog") as catalog:
        row = catalog.fetch("FROM reprocessed WHERE rootname = $r", {"r": root}).to_pylist()[0]
    truth = json.loads((demo / "archive" / "truth" / f"{root}.json").read_text())
    assert truth["mean_rate"] == pytest.approx(TRUTH[root], abs=1e-6)
    assert row["sky_after"] == pytest.approx(truth["mean_rate"], abs=0.02)
    assert row["n_peaks_after"] == 1
    repaired = read_flt(Path(row["path"]))
    assert abs(stats.skew(clipped(repaired.image[repaired.good]))) < 0.2


def test_the_archive_is_wrong_where_it_was(demo: Path) -> None:
    with open_catalog(demo / "catalog") as catalog:
        rows = {r["rootname"]: r for r in catalog.fetch("FROM reprocessed WHERE kind = 'flt'").to_pylist()}
        drz = catalog.fetch("FROM reprocessed WHERE kind = 'drz'").to_pylist()[0]
    assert rows["ibohbfb9q"]["n_peaks_before"] == 3
    archived = read_flt(before_of(rows["ibohbfbkq"]))
    assert np.median(archived.image[archived.good]) == pytest.approx(0.63, abs=0.02)
    assert drz["noise_after"] < 0.8 * drz["noise_before"]
    assert drz["accepted"]


def test_everything_named_at_the_end_is_there(demo: Path) -> None:
    for name in ("index.html", "repairs.html", "visits/ibohbf.html", "figures/ibohbf_curves.svg"):
        assert (demo / "report" / name).stat().st_size > 1000


def test_validate_agrees_with_the_printed_numbers(demo: Path, tmp_path: Path) -> None:
    # Against the loopback archive: that the live ones answer so, only `wfc3tvb validate --live` can say.
    command = [sys.executable, "-m", "wfc3tvb", "validate", "--live", "--json", "--folder", str(tmp_path)]
    with serve(demo / "archive") as archive:
        environment = os.environ | archive.environment()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    findings = json.loads(done.stdout)
    assert {f["name"] for f in findings if not f["ok"]} == {"linearity file"}  # that of the simulation
    assert len(findings) == 10


def clipped(values: np.ndarray) -> np.ndarray:
    """Return the values within 4 standard deviations, found by clipping until nothing changes."""
    while True:
        kept = values[np.abs(values - values.mean()) <= 4 * values.std()]
        if kept.size == values.size:
            return kept
        values = kept
