"""The comparisons with other programs and other versions: they see a difference, and a small run finds none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from tools import compare_versions
from tools.differential import calibrated, curves, ramps
from tools.differential.__main__ import BEGIN, END, Comparison, run, table, write

from wfc3tvb.curve.intervals import Curve, measure_curve
from wfc3tvb.models import ReadCube

ROOT = Path(__file__).resolve().parents[1]


def same(rng: np.random.Generator, folder: Path) -> list[str]:
    return []


def test_each_peer_has_its_turn_and_differences_are_listed() -> None:
    drawn: list[float] = []

    def differing(rng: np.random.Generator, folder: Path) -> list[str]:
        drawn.append(rng.random())
        return ["pixel 3"]

    chosen = [Comparison("one", "files", same, lambda: None), Comparison("other", "rows", differing, lambda: None)]
    run(chosen, seed=5, seconds=0)
    assert [one.n for one in chosen] == [1, 1]
    assert table(chosen)[2:] == ["| one | files | 1 | 0 |", "| other | rows | 1 | 1 |", "\n- other, case 0: pixel 3"]
    run([Comparison("other", "rows", differing, lambda: None)], seed=5, seconds=0)
    assert drawn[0] == drawn[1]


def test_a_page_gets_the_last_run(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write(page, "new")
    assert page.read_text() == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"


def test_the_plain_median_of_counts() -> None:
    """Counts of 0, 1 and 2, as many of 0 as of 2, and one hit: the median is 1; with fewer of 2, below."""
    even = np.array([0.0] * 10 + [1.0] * 20 + [2.0] * 10 + [1000.0])
    assert curves.grouped_median(even, 1.0) == pytest.approx(1.0, abs=0.03)
    assert curves.grouped_median(even[:35], 1.0) == pytest.approx(0.875, abs=0.03)  # (17.5 - 10) / 20 from 0.5 on


@pytest.mark.slow
def test_a_curve_is_its_plain_definition(tmp_path: Path) -> None:
    assert curves.plain_case(np.random.default_rng(11), tmp_path) == []


@pytest.mark.slow
def test_a_curve_that_is_off_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def off(cube: ReadCube, skip: np.ndarray) -> Curve:
        curve = measure_curve(cube, skip)
        curve.rate[0] += curve.rate_err[0]
        return curve

    monkeypatch.setattr(curves, "measure_curve", off)
    found = curves.plain_case(np.random.default_rng(11), tmp_path)
    assert [text.split(":")[0] for text in found] == ["interval 1"]


def test_calwf3_is_named_where_it_is_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert calibrated.missing() == "calwf3.e is not on the PATH"


def test_fits_are_those_of_stcal(tmp_path: Path) -> None:
    pytest.importorskip("stcal", reason="stcal is not installed")
    assert ramps.case(np.random.default_rng(1), tmp_path) == []


# --- versions ----------------------------------------------------------------------------------------------------


def test_differences_are_listed_by_column() -> None:
    old = {"a 1": {"rate": 1.0, "kind": "x", "gone": 1, "run_id": "r"}, "a 2": {"rate": 2.0, "kind": "x", "gone": 1}}
    new = {"a 1": {"rate": 1.0, "kind": "y", "more": 1, "run_id": "s"}, "a 2": {"rate": 2.5, "kind": "x", "more": 1}}
    assert compare_versions.columns("reads", old, new) == [
        "reads.gone: only in the other version",
        "reads.more: new",
        "reads.kind: 1 of 2 rows differ, e.g. 'x' and 'y'",
        "reads.rate: 1 of 2 rows differ, by 0.5 at most (2 and 2.5)",
    ]
    assert compare_versions.columns("reads", old, {}) == ["reads: other rows (2 and 0)"]


def test_differences_of_products_are_listed_by_extension(tmp_path: Path) -> None:
    for name, value in (("old", 0.0), ("new", 1.0)):
        (tmp_path / name).mkdir()
        pixels = np.zeros((4, 4), np.float32)
        pixels[1, 1] = value
        planes = [fits.ImageHDU(pixels, name="SCI"), fits.ImageHDU(0 * pixels, name="ERR")]
        fits.HDUList([fits.PrimaryHDU(), *planes]).writeto(tmp_path / name / "ia_flt.fits")
    found = compare_versions.products(tmp_path / "new" / "ia_flt.fits", tmp_path)
    assert found == ["ia_flt.fits[SCI,1]: 1 of 16 pixels differ"]


def test_an_unknown_version_is_said() -> None:
    command = [sys.executable, str(ROOT / "tools" / "compare_versions.py"), "v99"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1, "no version 'v99' in this repository; give a tag or a commit (git tag, git log)\n",
    )  # fmt: skip
