"""The report is one folder that opens offline, with every number behind its pictures."""

from __future__ import annotations

import csv
import errno
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits
from PIL import Image

from tests.helpers import known
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.errors import ReportError
from wfc3tvb.parallel.workers import Workers
from wfc3tvb.report.chart_plots import draw
from wfc3tvb.report.charts import Chart, ChartRows
from wfc3tvb.report.curve_plots import curve_plots
from wfc3tvb.report.pages import write_report
from wfc3tvb.report.thumbnails import read_small
from wfc3tvb.report.visit_pages import Setting, VisitRows, fingerprints, outdated
from wfc3tvb.schema import TABLES
from wfc3tvb.simulate.catalog import simulate_catalog

pytestmark = pytest.mark.slow

_READS_OF = "FROM reads WHERE rootname = $r ORDER BY read"


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
    pages = [*report.parent.glob("*.html"), *report.parent.glob("visits/*.html")]
    assert len(pages) == 5
    for page in pages:
        text = page.read_text()
        icon = "data:image/svg+xml,"
        assert f'<link rel="icon" href="{icon}' in text
        text = text.replace("http://www.w3.org/2000/svg", "")
        links = [link for link in re.findall(r'(?:src|href)="([^"#]+)(?:#[^"]*)?"', text) if not link.startswith(icon)]
        assert links
        assert all((page.parent / link).exists() for link in links)
        assert all(f'id="{name}"' in text for name in re.findall(r'href="#([^"]+)"', text))
        assert not re.search(r"https?://|<script", text)


def test_numbers(report: Path) -> None:
    text = report.read_text()
    assert re.search(r"<b>3</b>\s*<span>exposures</span>", text)
    assert re.search(r"<b>1</b>\s*<span>flagged \(33%\)</span>", text)
    assert "Synthetic data" in text
    with (report.parent / "tables" / "classes_by_filter.csv").open() as file:
        found = {row["tvb_class"]: float(row["fraction"]) for row in csv.DictReader(file)}
    assert found == pytest.approx({"none": 1 / 3, "severe": 1 / 3, "": 1 / 3}, abs=1e-9)


def test_every_figure_has_its_table_command_and_sql(report: Path) -> None:
    text = report.read_text()
    figures = text.count("<figure>")
    assert figures >= 3
    assert text.count("the figure (SVG)</a></figcaption>") == text.count("<summary>SQL</summary>") == figures
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
    assert "Nothing failed." in (tmp_path / "report" / "failures.html").read_text()


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


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a simulated catalog and its report, which tests may bring up to date."""
    folder = tmp_path_factory.mktemp("drawn")
    with simulate_catalog(folder / "catalog", 15) as catalog:
        write_report(catalog, folder / "report")
    return folder


def dates(folder: Path) -> dict[str, int]:
    """Return when each page of a visit was written."""
    return {page.stem: page.stat().st_mtime_ns for page in (folder / "report" / "visits").glob("*.html")}


def write_product(path: Path, level: float, scatter: float) -> Path:
    """Write an FLT, or a drizzled image, of noise."""
    image = np.random.default_rng(1).normal(level, scatter, (96, 96)).astype(np.float32)
    beside = np.ones(image.shape, np.float32) if "_drz" in path.name else np.zeros(image.shape, np.int16)
    name = "WHT" if "_drz" in path.name else "DQ"
    path.parent.mkdir(parents=True, exist_ok=True)
    planes = [fits.ImageHDU(image, name="SCI", ver=1), fits.ImageHDU(beside, name=name, ver=1)]
    fits.HDUList([fits.PrimaryHDU(), *planes]).writeto(path)
    return path


@pytest.fixture(scope="module")
def repaired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a report with the repair of a visit: an exposure and the drizzled image."""
    folder = tmp_path_factory.mktemp("repaired")
    rows = []
    for kind, name in (("flt", "ibohbfb9q"), ("drz", "ibohbf040")):
        write_product(folder / "ibohbf040" / "orig" / f"{name}_{kind}.fits", 1.6, 0.16)
        path = write_product(folder / "ibohbf040" / kind / f"{name}_{kind}.fits", 1.5, 0.04)
        rows.append(TABLES["reprocessed"].empty_row() | {
            "product_id": kind, "rootname": None if kind == "drz" else name, "dataset": "ibohbf040", "kind": kind,
            "method": "optimal", "path": str(path), "accepted": True, "noise_before": 0.16, "noise_after": 0.04,
            "depth_gain_mag": 1.505, "exptime_factor": 16.0, "accept_reason": "noise is lower",
        })  # fmt: skip
    with known.make(folder / "catalog") as catalog:
        catalog.replace("reprocessed", rows)
        return write_report(catalog, folder / "report").parent


def test_a_visit_begins_with_the_answer_then_the_drizzled_pair_then_the_curves(repaired: Path) -> None:
    text = (repaired / "visits" / "ibohbf.html").read_text()
    order = ["1 of 2 exposures was hit (1 could not be scored); repaired and accepted: noise 0.1600",
             "ibohbf040, drizzled: before and after", "Sky between reads", "ibohbfb9q, before and after"]  # fmt: skip
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_both_images_are_at_one_stretch_about_their_own_sky(repaired: Path) -> None:
    for name in ("ibohbf040_drz", "ibohbfb9q_flt"):
        before, after = (
            np.asarray(Image.open(repaired / "figures" / "repairs" / f"{name}_{when}_center.png")).astype(float)
            for when in ("before", "after")
        )
        # black is 3, white 6 standard deviations of the image before from the sky
        assert np.median(before) == pytest.approx(85, abs=5)
        assert np.median(after) == pytest.approx(85, abs=5)
        assert after.std() == pytest.approx(before.std() / 4, rel=0.1)


def test_the_page_of_repairs_has_rows(repaired: Path) -> None:
    text = (repaired / "repairs.html").read_text()
    assert "2 images made, 2 accepted." in text
    assert text.count("<tr>") == 1 + 2
    assert '<a href="visits/ibohbf.html">ibohbf</a>' in text
    assert "{" not in text.partition("<main")[2]
    assert text.count("<img") == 2


def test_a_drawn_archive_has_all_charts_by_filter(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfc3tvb.report.pages.VISITS_A_PAGE", 10)
    with open_catalog(drawn / "catalog") as catalog:
        filters = [name for (name,) in catalog.sql("SELECT DISTINCT filter FROM exposures ORDER BY 1").fetchall()]
        page = write_report(catalog, drawn / "report")
    text = page.read_text()
    for title in ("To be repaired, by year", "Distribution of the helium excess", "Helium at dawn and at dusk"):
        assert f"<h3>{title}</h3>" in text
    for name in filters:
        assert f'aria-label="Sky against the Sun&#39;s altitude, {name}"' in text
    lists = [(page.parent / name).read_text() for name in ("visits.html", "visits-2.html")]
    assert [one.count("<tr>") for one in lists] == [10 + 1, 5 + 1]
    assert "15 rows, shown: 11 to 15" in lists[1]
    assert sum(one.count('href="visits/') for one in lists) == len(dates(drawn)) == 15


def test_a_sampled_plot_says_so_and_its_medians_are_those_of_all(drawn: Path) -> None:
    rows = [{"x": float(n % 10), "y": float(n % 10), "tvb_class": "none", "filter": "F105W"} for n in range(2145)]
    chart = Chart("q", "t", "c", "points", "x", "y", ("", ""))
    found = draw(chart, ChartRows({"F105W": rows}, pa.table({}), 1500, 35012, of_reads=True))
    assert found.note == (
        "Points: 250 of 2,145 reads, from 1,500 of 35,012 exposures, drawn at random; medians and the band "
        "(16 to 84 %) are those of all 2,145."
    )
    assert str(found.plots[0]).count("h0") == 250


def test_only_what_has_changed_is_written_again(drawn: Path) -> None:
    with open_catalog(drawn / "catalog", mode="r+") as catalog:
        write_report(catalog, drawn / "report")
        before = dates(drawn)
        write_report(catalog, drawn / "report")
        assert dates(drawn) == before
        row = catalog.fetch("FROM exposures WHERE visit = 'is0003' ORDER BY rootname LIMIT 1").to_pylist()[0]
        catalog.replace("exposures", [row | {"sky_mean": 7.654}])
        (drawn / "report" / "visits" / "is0005.html").unlink()
        write_report(catalog, drawn / "report")
        after = dates(drawn)
    assert {name for name in after if after[name] != before.get(name)} == {"is0003", "is0005"}
    assert "7.654" in (drawn / "report" / "visits" / "is0003.html").read_text()


def test_another_program_or_other_pictures_write_pages_again(report: Path, tmp_path: Path) -> None:
    folder = report.parent.parent
    with open_catalog(folder / "catalog") as catalog:
        setting = Setting(folder / "catalog", report.parent, (folder / "files",), synthetic=True)
        marks = fingerprints(catalog, setting)
        assert outdated(setting, marks) == {}
        write_image(tmp_path / "ibohbfb7q_flt.fits", 3.0)
        other = replace(setting, folders=(tmp_path,))
        assert set(outdated(other, fingerprints(catalog, other))) == {"ibohbf"}
        assert outdated(setting, marks | {"ibohbf": "another"}) == {"ibohbf": "another"}


def test_pages_of_visits_that_are_gone_are_removed(drawn: Path) -> None:
    visits = drawn / "report" / "visits"
    shutil.copy(visits / "is0001.html", visits / "is9999.html")
    (visits / "notes.html").write_text("<html>mine</html>")
    with open_catalog(drawn / "catalog") as catalog:
        write_report(catalog, drawn / "report")
    assert not (visits / "is9999.html").exists()
    assert (visits / "notes.html").exists()
    (visits / "notes.html").unlink()


def test_workers_write_the_same_pages(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfc3tvb.report.pages._AT_A_TIME", 5)
    seen: list[tuple[int, int | None]] = []
    with open_catalog(drawn / "catalog") as catalog:
        write_report(catalog, drawn / "report")
        write_report(
            catalog,
            tmp_path / "report",
            workers=Workers(2),
            progress=lambda _, done, total=None, **__: seen.append((done, total)),
        )
    for page in (drawn / "report" / "visits").iterdir():
        assert (tmp_path / "report" / "visits" / page.name).read_bytes() == page.read_bytes()
    assert seen == [(0, 15), (5, 15), (10, 15), (15, 15)]


def test_a_page_that_cannot_be_written_is_named(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(rows: VisitRows, *_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr("wfc3tvb.report.visit_pages.write_page", full)
    with (
        open_catalog(drawn / "catalog") as catalog,
        pytest.raises(ReportError, match=r"visit is0000 .* no space is left"),
    ):
        write_report(catalog, tmp_path / "report")


def test_curves_show_zodiacal_light_shadow_and_class(drawn: Path) -> None:
    with open_catalog(drawn / "catalog") as catalog:
        rows = catalog.fetch("FROM exposures WHERE visit = 'is0003' ORDER BY rootname").to_pylist()
        reads = {row["rootname"]: catalog.fetch(_READS_OF, {"r": row["rootname"]}).to_pylist() for row in rows}
    for row, plot in zip(rows, map(str, curve_plots(rows, reads)), strict=True):
        shadow = sum(read["in_shadow"] for read in reads[row["rootname"]])
        assert plot.count('class="shade"') == 2 * shadow
        assert plot.count('class="line green dashed"') == 1
        assert plot.count('class="error"') == len(reads[row["rootname"]])
        assert f'<g class="{row["tvb_class"]}">' in plot


def test_missing_values_are_dashes(tmp_path: Path) -> None:
    missing = ("expstart", "sky_mean", "exptime", "target_name", "proposal_id", "tvb_class", "zodi_model")
    with simulate_catalog(tmp_path / "catalog", 3) as catalog:
        rows = catalog.sql("SELECT * FROM exposures").to_arrow_table().to_pylist()
        catalog.replace("exposures", [row | dict.fromkeys(missing) for row in rows])
        page = write_report(catalog, tmp_path / "report")
    visit, *_ = sorted((page.parent / "visits").iterdir())
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
