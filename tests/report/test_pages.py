"""The report is one folder that opens offline, with every number behind its pictures."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import known
from wfc3tvb.report.pages import write_report


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    with known.make(folder / "catalog") as catalog:
        return write_report(catalog, folder / "report")


def test_everything_linked_is_there_and_nothing_is_elsewhere(report: Path) -> None:
    for page in (report, report.parent / "visits" / "ibohbf.html"):
        links = re.findall(r'(?:src|href)="([^"]+)"', page.read_text())
        assert links
        assert all((page.parent / link).exists() for link in links)


def test_numbers(report: Path) -> None:
    text = report.read_text()
    assert re.search(r"<b>3</b>\s*<span>exposures</span>", text)
    assert re.search(r"<b>1</b>\s*<span>flagged</span>", text)
    assert "synthetic data" in text
    with (report.parent / "tables" / "classes_by_filter.csv").open() as file:
        found = {row["tvb_class"]: row["fraction"] for row in csv.DictReader(file)}
    assert found == {"none": str(1 / 3), "severe": str(1 / 3), "": str(1 / 3)}


def test_hostile_cells_are_text(report: Path) -> None:
    text = (report.parent / "visits" / "ibohbf.html").read_text()
    assert "GOODS-N &lt;b&gt;" in text
    assert "GOODS-N <b>" not in text


def test_chromium_draws_it(report: Path, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium here")
    shot = tmp_path / "shot.png"
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--screenshot={shot}", report.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert shot.stat().st_size > 10_000
