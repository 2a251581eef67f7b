"""The report is one folder that opens offline, with every number behind its pictures."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from tests.helpers import known
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.report.pages import write_report
from wfc3tvb.report.thumbnails import read_small
from wfc3tvb.schema import TABLES
from wfc3tvb.simulate.catalog import simulate_catalog

pytestmark = pytest.mark.slow


def write_image(path: Path, value: float, size: int = 64) -> Path:
    """Write an image with a gradient, with a border of reference pixels where it is an IMA."""
    border = 5 if "_ima" in path.name else 0
    pixels = np.full((size + 2 * border, size + 2 * border), -99.0, np.float32)
    inner = np.tile(value + np.arange(size), (size, 1))
    pixels[border : border + size, border : border + size] = inner
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(pixels, name="SCI", ver=1)]).writeto(path)
    return path


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    write_image(folder / "files" / "ibohbfb7q_flt.fits", 1.0)
    write_image(folder / "files" / "deep" / "ibohbfbdq_ima.fits", 2.0)
    with known.make(folder / "catalog") as catalog:
        return write_report(catalog, folder / "report", images=[folder / "files"])


def test_everything_linked_is_there_and_nothing_is_elsewhere(report: Path) -> None:
    for page in (report, report.parent / "visits.html", report.parent / "visits" / "ibohbf.html"):
        text = page.read_text()
        links = re.findall(r'(?:src|href)="([^"#]+)(?:#[^"]*)?"', text)
        assert links
        assert all((page.parent / link).exists() for link in links)
        assert all(f'id="{name}"' in text for name in re.findall(r'href="#([^"]+)"', text))
        assert not re.search(r"https?://|<script", text)


def test_numbers(report: Path) -> None:
    text = report.read_text()
    assert re.search(r"<b>3</b>\s*<span>exposures</span>", text)
    assert re.search(r"<b>1</b>\s*<span>flagged \(33%\)</span>", text)
    assert "synthetic data" in text
    with (report.parent / "tables" / "classes_by_filter.csv").open() as file:
        found = {row["tvb_class"]: row["fraction"] for row in csv.DictReader(file)}
    assert found == {"none": str(1 / 3), "severe": str(1 / 3), "": str(1 / 3)}


def test_every_figure_has_its_table_command_and_sql(report: Path) -> None:
    text = report.read_text()
    figures = text.count("<figure>")
    assert figures >= 3
    assert text.count("the numbers (CSV)</a></figcaption>") == text.count("<summary>SQL</summary>") == figures
    assert text.count("wfc3tvb query ") == figures


def test_thumbnails_where_pixels_are_and_a_word_where_not(report: Path) -> None:
    text = (report.parent / "visits" / "ibohbf.html").read_text()
    small = report.parent / "figures" / "thumbnails"
    assert sorted(path.name for path in small.iterdir()) == ["ibohbfb7q.png", "ibohbfbdq.png"]
    assert 'alt="ibohbfb7q: the archive&#39;s image"' in text
    assert 'alt="ibohbfbdq: the last read"' in text
    assert text.count("no image on this machine") == 1
    shown = np.asarray(Image.open(small / "ibohbfbdq.png").convert("L")).astype(int)
    assert shown.shape == (64, 64)
    assert (np.diff(shown[0]) >= 0).all()
    assert shown[0, -1] > shown[0, 0] + 50


def test_a_small_picture_is_the_median_of_blocks(tmp_path: Path) -> None:
    path = write_image(tmp_path / "ibohbfb7q_flt.fits", 0.0, size=256)
    image = read_small(path, side=64)
    assert image.shape == (64, 64)
    assert image[0, :3].tolist() == [1.5, 5.5, 9.5]


def test_hostile_cells_are_text(report: Path) -> None:
    text = (report.parent / "visits" / "ibohbf.html").read_text()
    assert "GOODS-N &lt;b&gt;" in text
    assert "GOODS-N <b>" not in text


def test_an_empty_catalog_makes_a_report_too(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "catalog", mode="a") as catalog:
        text = write_report(catalog, tmp_path / "report").read_text()
    assert "No exposure has been scored yet." in text
    assert "Nothing failed." in text


def test_broken_products_are_named_and_do_not_stop_it(tmp_path: Path) -> None:
    broken = tmp_path / "products" / "ibohbf040" / "flt" / "ibohbfb9q_flt.fits"
    for path in (broken, broken.parents[1] / "orig" / broken.name):
        path.parent.mkdir(parents=True)
        path.write_text("not FITS")
    made = {"product_id": "p", "rootname": "ibohbfb9q", "dataset": "ibohbf040", "kind": "flt", "method": "omit",
            "path": str(broken)}  # fmt: skip
    with known.make(tmp_path / "catalog") as catalog:
        catalog.replace("reprocessed", [TABLES["reprocessed"].empty_row() | made])
        page = write_report(catalog, tmp_path / "report")
    assert "ibohbfb9q_flt.fits cannot be read" in (page.parent / "visits" / "ibohbf.html").read_text()


def test_a_drawn_archive_has_all_charts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfc3tvb.report.pages.VISIT_PAGES", 2)
    with simulate_catalog(tmp_path / "catalog", 15) as catalog:
        page = write_report(catalog, tmp_path / "report")
    text = page.read_text()
    titles = ("To be repaired, by year", "Distribution of the helium excess", "Helium at dawn and at dusk")
    assert all(f"{title}, F105W" in text for title in titles)
    listed = (page.parent / "visits.html").read_text()
    assert listed.count("<tr>") == 15 + 1
    assert listed.count('href="visits/') == len(list((page.parent / "visits").iterdir())) == 2


def test_missing_values_are_dashes(tmp_path: Path) -> None:
    missing = ("expstart", "sky_mean", "exptime", "target_name", "proposal_id", "tvb_class")
    with simulate_catalog(tmp_path / "catalog", 15) as catalog:
        rows = catalog.sql("SELECT * FROM exposures").to_arrow_table().to_pylist()
        catalog.replace("exposures", [row | dict.fromkeys(missing) for row in rows])
        page = write_report(catalog, tmp_path / "report")
    (visit, *_) = sorted((page.parent / "visits").iterdir())
    assert "None" not in visit.read_text()
    assert "no verdict" in visit.read_text()


def test_chromium_draws_it(report: Path, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium here")
    shot = tmp_path / "shot.png"
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--screenshot={shot}", report.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert shot.stat().st_size > 10_000
