"""The explorer answers queries, and gives access to nothing but the catalog."""

from __future__ import annotations

import asyncio
import html
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote
from urllib.request import urlopen

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from tests.helpers import known
from tests.helpers.browser import CTRL, Browser
from tests.helpers.served import listening
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.catalog.export import FORMATS
from wfc3tvb.catalog.results import Cap
from wfc3tvb.errors import NoCatalogError
from wfc3tvb.report.rendering import render
from wfc3tvb.schema import TABLES
from wfc3tvb.web import console_pages
from wfc3tvb.web.app import application
from wfc3tvb.web.site import AT_A_TIME, Site

pytestmark = pytest.mark.slow

HOST = {"base_url": "http://localhost"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explorer") / "catalog"
    known.make(folder).close()
    return folder


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    with TestClient(application(folder), **HOST) as client:
        yield client


@pytest.mark.parametrize(
    ("query", "n"),
    [("filter=f105w", 3), ("filter=F160W", 0), ("flagged=yes", 1), ("page=2", 0), ("", 3), ("text=12442", 3),
     ("text=ibohbfb9q", 1), ("text=goods", 3), ("tvb_class=severe", 1),
     ("cone=189.2,62.2,0.1", 3), ("cone=10 10 1", 0), ("text=nothing", 0)],
)  # fmt: skip
def test_search(client: TestClient, query: str, n: int) -> None:
    page = client.get(f"/?{query}")
    assert page.status_code == 200
    assert page.text.count('href="/visit/ibohbf"') == n


@pytest.mark.parametrize("cone", ["1,2", "a b c", "189.2 62.2 nan", "10 100 1", "10 10 -1", "inf 0 1"])
def test_no_cone(client: TestClient, cone: str) -> None:
    assert "is not a cone" in client.get("/", params={"cone": cone}).text


def test_search_sorts(client: TestClient) -> None:
    text = client.get("/?sort=sky_mean").text
    assert text.index("ibohbfb7q") < text.index("ibohbfb9q") < text.index("ibohbfbdq")
    assert client.get("/?sort=1;drop").status_code == 400


def test_search_turns_pages(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfc3tvb.web.site.ROWS_A_PAGE", 2)
    with TestClient(application(folder), **HOST) as client:
        first = client.get("/?filter=F105W&sort=rootname").text
        assert "3 exposures; shown: 1 to 2" in first
        later = re.search(r'href="([^"]+)" rel="next"', first)
        assert later
        assert 'rel="prev"' not in first
        second = client.get(html.unescape(later[1])).text
        assert "shown: 3 to 3" in second
        assert 'rel="prev"' in second and 'rel="next"' not in second
        assert "No page 3: 3 exposures found" in client.get("/?page=3").text
        for page in ("0", "-1", "x", "1e9", "9" * 30, "9" * 5000, "10000000", " ", "\N{ARABIC-INDIC DIGIT TWO}"):
            assert client.get("/", params={"page": page}).status_code == 400


def test_an_empty_catalog_says_what_to_do(tmp_path: Path) -> None:
    open_catalog(tmp_path / "empty", mode="a").close()
    with TestClient(application(tmp_path / "empty"), **HOST) as client:
        assert "wfc3tvb survey" in client.get("/").text
        assert "Nothing found. Try fewer conditions" in client.get("/?text=x").text
        assert "No exposure has been scored yet" in client.get("/statistics").text
        assert "No rows. Columns: rootname" in client.get("/sql?q=SELECT rootname FROM reads").text


def test_cells_are_text(client: TestClient) -> None:
    text = client.get("/").text
    assert "GOODS-N &lt;b&gt;" in text
    assert "GOODS-N <b>" not in text


@pytest.mark.parametrize(("address", "columns"), [("/", 17), ("/visits", 15), ("/programs", 12)])
def test_every_search_can_be_downloaded_edited_and_shared(client: TestClient, address: str, columns: int) -> None:
    page = client.get(f"{address}?text=12442&tvb_class=severe").text
    links = {html.unescape(found) for found in re.findall(r'href="([^"]+)"', page)}
    download = next(link for link in links if link.startswith("/download") and link.endswith("format=csv"))
    edit = next(link for link in links if link.startswith("/sql?q="))
    assert f"{address}?text=12442&tvb_class=severe" in links
    lines = client.get(download).text.splitlines()
    assert (len(lines), lines[0].count(",") + 1) == (2, columns)
    shown = client.get(edit).text
    assert "1 row in" in shown
    assert shown.count("<th ") == columns


def test_lists_sort_and_turn_pages_in_two_steps(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfc3tvb.web.list_pages._DIRECT", 0)
    monkeypatch.setattr("wfc3tvb.web.site.ROWS_A_PAGE", 2)
    with TestClient(application(folder), **HOST) as client:
        pages = [client.get(f"/?sort=-rootname&page={page}").text for page in (1, 2, 3)]
    found = [re.findall(r'#ibohbf\w+">(\w+)</a>', page) for page in pages]
    assert found == [["ibohbfbdq", "ibohbfb9q"], ["ibohbfb7q"], []]


def test_programs_without_a_number_are_listed(tmp_path: Path) -> None:
    with known.make(tmp_path / "catalog") as catalog:
        catalog.record([known.exposure("iaaaaaaaq", known.CLEAN | {"proposal_id": None, "visit": "iaaaaa"})])
    with TestClient(application(tmp_path / "catalog"), **HOST) as client:
        page = client.get("/programs").text
        assert "2 programs" in page
        assert '<td><span aria-label="null">' in page
        assert client.get("/visit/iaaaaa").status_code == 200


def test_a_program(client: TestClient) -> None:
    page = client.get("/program/12442").text
    assert "1 of 3 exposures in 1 visit is flagged for repair" in page
    assert 'href="/visit/ibohbf"' in page
    plot = json.loads(html.unescape(re.findall(r'data-plot="([^"]+)"', page)[0]))
    assert {trace["name"]: trace["y"] for trace in plot["data"]} == {"none": [0.47], "severe": [1.5]}
    assert client.get("/program/7").status_code == 404


def test_an_exposure_leads_to_its_visit(client: TestClient) -> None:
    answer = client.get("/exposure/IBOHBFB9Q", follow_redirects=False)
    assert answer.headers["location"] == "/visit/ibohbf#ibohbfb9q"
    assert 'id="ibohbfb9q"' in client.get("/visit/ibohbf").text


def test_names_in_any_result_are_links(client: TestClient) -> None:
    query = {"q": "SELECT rootnames, visit AS worst_visit, proposal_id AS program FROM visits"}
    page = client.get("/sql", params=query).text
    for address in ("/visit/ibohbf#ibohbfb7q", "/visit/ibohbf#ibohbfb9q", "/visit/ibohbf", "/program/12442"):
        assert f'<a href="{address}">' in page


def test_a_visit_that_only_failed_says_so(tmp_path: Path) -> None:
    with known.make(tmp_path / "catalog") as catalog:
        failed = {"key": "ibzzzz010", "stage": "measure", "error": "TruncatedFileError", "failed_at": 57000.0}
        catalog.append("failures", [TABLES["failures"].empty_row() | failed])
    with TestClient(application(tmp_path / "catalog"), **HOST) as client:
        page = client.get("/visit/ibzzzz")
        assert page.status_code == 200
        assert "No exposure of this visit has been measured" in page.text
        assert "TruncatedFileError" in page.text


def test_simulated_data_say_so_on_every_page(client: TestClient, tmp_path: Path) -> None:
    pages = ("/", "/visits", "/programs", "/program/12442", "/visit/ibohbf", "/statistics", "/sql", "/api", "/nothing")
    assert all("simulated, not observed" in client.get(page).text for page in pages)
    with open_catalog(tmp_path / "real", mode="a") as catalog:
        catalog.record([known.exposure("ibohbfb9q", known.HIT | {"cal_ver": "3.7.2"})])
    with TestClient(application(tmp_path / "real"), **HOST) as real:
        assert not any("simulated, not observed" in real.get(page).text for page in pages)


def test_the_newest_version_is_shown(tmp_path: Path) -> None:
    with known.make(tmp_path / "catalog") as catalog, TestClient(application(tmp_path / "catalog"), **HOST) as client:
        assert "3 exposures" in client.get("/").text
        catalog.record([known.exposure("ibohbfbzq", known.CLEAN)])
        assert "4 exposures" in client.get("/").text
        assert client.get("/api/catalog.json").json()["exposures"] == 4


def test_there_is_an_icon(client: TestClient) -> None:
    for address in ("/favicon.ico", "/static/favicon.svg"):
        answer = client.get(address)
        assert answer.headers["content-type"].startswith("image/svg+xml")
        assert answer.text.startswith("<svg")
    assert '<link rel="icon" href="/static/favicon.svg"' in client.get("/").text
    # The report has the same one, inside its pages, since it is read without a server.
    page = render("failures.html", title="Failures", lead="", rows=[], version="1", source="catalog")
    address = html.unescape(re.findall(r'rel="icon" href="data:image/svg\+xml,([^"]+)"', page)[0])
    assert unquote(address) == client.get("/favicon.ico").text


def test_visit(client: TestClient) -> None:
    page = client.get("/visit/ibohbf")
    assert "severe, helium" in page.text
    assert 'class="answer">1 of 2 exposures was hit (1 could not be scored); it is worth a repair' in page.text
    assert "<code>wfc3tvb reprocess --id ibohbf040</code>" in page.text
    assert client.get("/visit/ibzzzz").status_code == 404


def test_unknown_pages_are_pages(client: TestClient) -> None:
    for path in ("nothing", "static/x.js", "thumbnail/ibohbfb9q.png", "visit/ibohbf/histograms.png", "visit/a/b/c"):
        page = client.get(f"/{path}")
        assert page.status_code == 404
        assert 'role="alert"' in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]


def test_a_bug_is_a_page_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfc3tvb.web.visit_pages.visit_plot", lambda *_: 1 / 0)
    with TestClient(application(folder), raise_server_exceptions=False, **HOST) as client:
        page = client.get("/visit/ibohbf")
    assert page.status_code == 500
    assert "ZeroDivisionError in /visit/ibohbf" in page.text


def test_thumbnails_and_histograms(tmp_path: Path) -> None:
    products = tmp_path / "products" / "ibohbf040"
    for folder, level in (("orig", 1.0), ("flt", 2.0)):
        write_flt(products / folder / "ibohbfb9q_flt.fits", level)
    made = {"product_id": "p", "rootname": "ibohbfb9q", "dataset": "ibohbf040", "kind": "flt", "method": "omit",
            "path": str(products / "flt" / "ibohbfb9q_flt.fits")}  # fmt: skip
    with known.make(tmp_path / "catalog") as catalog:
        catalog.replace("reprocessed", [TABLES["reprocessed"].empty_row() | made])
    with TestClient(application(tmp_path / "catalog"), **HOST) as client:
        text = client.get("/visit/IBOHBF").text
        assert 'src="/thumbnail/ibohbfb9q.png"' in text
        assert 'src="/visit/ibohbf/histograms.png"' in text
        assert text.count("no image on this machine") == 2
        for path in ("/thumbnail/ibohbfb9q.png", "/visit/ibohbf/histograms.png"):
            answer = client.get(path)
            assert answer.headers["content-type"] == "image/png"
            assert answer.content.startswith(b"\x89PNG")


def test_a_visit_shows_its_drizzled_images_before_and_after(tmp_path: Path) -> None:
    """Truth: sky of 1.0 before and 0.5 after, scatters 0.1 and 0.02; from -3 to 6 scatters of the noisier one."""
    products, rng = tmp_path / "products" / "ibohbf040", np.random.default_rng(3)
    for folder, level, noise in (("orig", 1.0, 0.1), ("drz", 0.5, 0.02)):
        planes = [fits.ImageHDU(rng.normal(level, noise, (64, 64)).astype(np.float32), name="SCI", ver=1),
                  fits.ImageHDU(np.ones((64, 64), np.float32), name="WHT", ver=1)]  # fmt: skip
        (products / folder).mkdir(parents=True)
        fits.HDUList([fits.PrimaryHDU(), *planes]).writeto(products / folder / "ibohbf040_drz.fits")
    made = {"product_id": "p", "rootname": None, "dataset": "ibohbf040", "kind": "drz", "method": "optimal",
            "path": str(products / "drz" / "ibohbf040_drz.fits")}  # fmt: skip
    with known.make(tmp_path / "catalog") as catalog:
        catalog.replace("reprocessed", [TABLES["reprocessed"].empty_row() | made])
    with TestClient(application(tmp_path / "catalog"), **HOST) as client:
        text = client.get("/visit/ibohbf").text
        pair, curves = text.index("ibohbf040, drizzled: before and after"), text.index("Sky between reads")
        assert text.index('class="answer"') < pair < curves
        sky = [float(level) for level in re.findall(r"<p>[^<]*minus its sky of ([\d.]+) e-/s</p>", text)]
        assert sky == pytest.approx([1.0, 0.5], abs=0.006)
        [limits, _] = re.findall(r"Black is (-[\d.]+) and white ([\d.]+) e-/s above the sky in both", text)
        assert [float(limit) for limit in limits] == pytest.approx([-0.3, 0.6], rel=0.05)
        pictures = [Image.open(BytesIO(client.get(address).content))
                    for address in re.findall(r'src="(/visit/ibohbf/ibohbf040_drz_[^"]+)"', text)]  # fmt: skip
        assert [(picture.mode, picture.size) for picture in pictures] == [("L", (64, 64))] * 4
        before, after = (np.asarray(picture) for picture in pictures[:2])
        # The sky is at a third of the way from black to white, one scatter is a ninth of it.
        assert np.median(before) == pytest.approx(np.median(after), abs=4) == pytest.approx(85, abs=4)
        assert [float(image.std()) for image in (before, after)] == pytest.approx([255 / 9, 255 / 45], rel=0.1)
        assert client.get("/visit/ibohbf/nothing.png").status_code == 404


def test_a_visit_without_repair_shows_no_drizzled_images(client: TestClient) -> None:
    text = client.get("/visit/ibohbf").text
    assert "drizzled" not in text
    assert "_drz_before.png" not in text


def write_flt(path: Path, level: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(1).normal(level, 0.1, (64, 64)).astype(np.float32)
    planes = [fits.ImageHDU(image, name="SCI", ver=1), fits.ImageHDU(np.zeros((64, 64), np.int16), name="DQ", ver=1)]
    fits.HDUList([fits.PrimaryHDU(), *planes]).writeto(path)


def test_an_error_names_the_line_as_it_was_written(client: TestClient) -> None:
    assert "LINE 1: SELECT nothing FROM" in client.get("/sql?q=SELECT nothing FROM exposures").text
    second = client.get("/api/sql.json", params={"q": "SELECT rootname,\n  nothing FROM exposures"}).json()
    assert "LINE 2:   nothing FROM" in second["error"]["message"]


def test_documented_queries_can_be_asked_as_they_stand(client: TestClient) -> None:
    links = re.findall(r'<li><a href="(/sql[?]q=[^"]+)"', client.get("/sql").text)
    assert len(links) >= 20
    for link in links:
        assert client.get(html.unescape(link)).status_code == 200, link


def test_contrast_is_enough_in_light_and_dark() -> None:
    style = (files("wfc3tvb.report") / "templates" / "style.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{([^}]+--paper[^}]+)\}", style)
    assert len(blocks) == 2
    for block in blocks:
        colors = dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6})", block))
        for ground in ("paper", "panel", "head"):
            for name in ("ink", "soft", "accent", "none", "mild", "moderate", "severe"):
                assert contrast(colors[name], colors[ground]) >= 4.5, (name, ground)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours (WCAG 2.1)."""

    def luminance(color: str) -> float:
        digits = color[1:] if len(color) == 7 else "".join(2 * c for c in color[1:])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_console_and_download(client: TestClient) -> None:
    query = {"q": "SELECT rootname FROM exposures WHERE flagged"}
    assert "ibohbfb9q" in client.get("/sql", params=query).text
    assert client.get("/download", params=query | {"format": "csv"}).text == "rootname\nibohbfb9q\n"
    for name in ("parquet", "votable", "fits", "ecsv", "json"):
        assert client.get("/download", params=query | {"format": name}).status_code == 200
    assert client.get("/download", params=query | {"format": "exe"}).status_code == 400


HOSTILE = """
SELECT * FROM read_csv('/etc/passwd')
SELECT * FROM read_text('/etc/hostname')
SELECT * FROM read_blob('/etc/hostname')
SELECT * FROM read_json('/etc/os-release')
SELECT * FROM read_parquet('/etc/passwd')
SELECT * FROM parquet_metadata('/etc/passwd')
SELECT * FROM parquet_schema('/etc/passwd')
SELECT * FROM sniff_csv('/etc/passwd')
SELECT * FROM glob('/etc/*')
SELECT * FROM '/etc/passwd'
SELECT * FROM '/etc/x.csv'
SELECT * FROM read_csv('../../../../etc/passwd')
SELECT * FROM read_csv('file:///etc/passwd')
SELECT * FROM 'http://127.0.0.1:1/x.parquet'
SELECT * FROM read_csv('https://127.0.0.1:1/x.csv')
SELECT * FROM read_parquet('s3://stpubdata/x.parquet')
WITH x AS (SELECT * FROM read_csv('/etc/passwd')) SELECT * FROM x
SELECT (SELECT count(*) FROM read_text('/etc/hostname'))
FROM read_csv('/etc/passwd')
FROM query('SELECT * FROM read_csv(''/etc/passwd'')')
SUMMARIZE SELECT * FROM read_csv('/etc/passwd')
DESCRIBE SELECT * FROM read_csv('/etc/passwd')
EXPLAIN ANALYZE SELECT * FROM read_csv('/etc/passwd')
COPY (SELECT 1) TO '/tmp/out.csv'
COPY exposures TO 'out.parquet'
EXPORT DATABASE '/tmp/out'
IMPORT DATABASE '/tmp/out'
ATTACH '/tmp/x.duckdb'
ATTACH ':memory:' AS other
DETACH memory
USE memory
SET enable_external_access = true
SET allowed_directories = ['/']
SET lock_configuration = false
SET memory_limit = '100GB'
RESET memory_limit
PRAGMA database_list
PRAGMA enable_profiling
INSTALL httpfs
LOAD httpfs
CREATE TABLE t AS SELECT 1
CREATE OR REPLACE VIEW exposures AS SELECT 1
CREATE MACRO f(a) AS a
CREATE SECRET s (TYPE s3)
DROP VIEW exposures
INSERT INTO exposures VALUES (1)
UPDATE exposures SET rootname = 'x'
DELETE FROM exposures
CALL force_checkpoint()
CHECKPOINT
VACUUM
PREPARE q AS SELECT 1
SELECT 1; SELECT 2
SELECT 1; DROP VIEW exposures
BEGIN
SELECT nextval('x')
SELECT * FROM no_such_table
SELECT
)) UNION SELECT 1 --
SELECT * FROM exposures) ; DROP VIEW exposures; --
""".strip().splitlines()


@pytest.mark.parametrize("text", HOSTILE)
def test_console_refuses_all_but_the_catalog(client: TestClient, text: str) -> None:
    page = client.get("/sql", params={"q": text})
    assert page.status_code == 400
    assert 'role="alert"' in page.text


@pytest.mark.parametrize(
    "text",
    [
        "SELECT count(*) FROM range(10000000000) a, range(10000000000) b",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
        "SELECT length(repeat('x', 100000000000))",
        "SELECT list(range) FROM range(10000000000)",
    ],
)
def test_a_statement_without_end_is_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("wfc3tvb.web.site.SECONDS", 1.0)
    with TestClient(application(folder), **HOST) as client:
        assert client.get("/sql", params={"q": text}).status_code == 400
        assert client.get("/").status_code == 200


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_one_huge_value_does_not_take_the_memory() -> None:
    # DuckDB's own limit does not count it.
    script = """
import duckdb
from wfc3tvb.web.security import limit_memory
limit_memory(2**30)
try:
    duckdb.sql("SELECT repeat('x', 4000000000)").fetchall()
except (duckdb.OutOfMemoryException, MemoryError):
    print(duckdb.sql("SELECT 'goes on'").fetchall()[0][0])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "goes on"


def test_too_much_memory_is_a_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhaust(*_: object) -> Response:
        raise MemoryError

    monkeypatch.setitem(console_pages.PAGES, "/sql", exhaust)
    with TestClient(application(folder), **HOST) as client:
        answer = client.get("/sql")
    assert answer.status_code == 400
    assert "too much memory" in answer.text


@pytest.mark.parametrize(
    "text",
    ["UPDATE EXTENSIONS", "EXPLAIN ANALYZE SELECT 1", "SELECT " + "[" * 150 + "1" + "]" * 150,
     "SELECT test_all_types FROM test_all_types()", "SELECT " + ", ".join(f"{n} AS c{n}" for n in range(401)),
     "SELECT range(100000) AS x FROM range(500)"],
)  # fmt: skip
def test_what_cannot_be_shown_is_said(client: TestClient, text: str) -> None:
    for path in ("/sql", "/download"):
        page = client.get(path, params={"q": text})
        assert page.status_code == 400
        assert 'role="alert"' in page.text


def test_halves_of_characters_are_no_bug(client: TestClient) -> None:
    for address in ("/sql?q=SELECT '%ED%A0%80'", "/?text=%ED%A0%80", "/download?q=SELECT '%ED%A0%80'"):
        assert client.get(address).status_code == 200
    assert client.get("/visit/%ED%A0%80").status_code == 404


@pytest.mark.parametrize(
    "text",
    ["PIVOT exposures ON tvb_class USING count() GROUP BY filter", "SHOW TABLES", "EXPLAIN SELECT 1",
     "SELECT DATE 'infinity' AS x", "FROM test_all_types()"],
)  # fmt: skip
def test_what_can_be_shown_is_shown_and_downloaded(client: TestClient, text: str) -> None:
    assert "<td" in client.get("/sql", params={"q": text}).text
    for form in FORMATS:
        assert client.get("/download", params={"q": text, "format": form}).status_code == 200


def test_results_are_cut_to_rows_and_refused_above_their_bytes(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wfc3tvb.web.site.SHOWN", Cap(5, 10, 10**6))
    monkeypatch.setattr("wfc3tvb.web.site.DOWNLOADED", Cap(5000, 10, 10**6))
    assert client.get("/sql", params={"q": "SHOW TABLES"}).text.count("<tr>") == 6
    long = {"q": "SELECT * FROM range(100000)"}
    assert len(client.get("/download", params=long).text.splitlines()) == 5001
    wide = {"q": "SELECT repeat('x', 1000) AS x FROM range(3000)"}
    assert "takes more than 1 MB" in client.get("/download", params=wide).text
    many = {"q": "SELECT 1 AS a, " + ", ".join(f"{n} AS c{n}" for n in range(10))}
    assert "has 11 columns, and the limit is 10" in client.get("/sql", params=many).text


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_a_wide_result_takes_little_memory(folder: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
from urllib.parse import urlencode
from wfc3tvb.errors import QueryError
from starlette.requests import Request
from wfc3tvb.web.console_pages import download
from wfc3tvb.web.site import Site
site = Site(Path(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
wide = "SELECT " + ", ".join(f"range + {n} AS c{n}" for n in range(400)) + " FROM range(1000000)"
try:
    query = urlencode({"q": wide, "format": "csv"}).encode()
    download(site, Request({"type": "http", "query_string": query, "headers": []}))
except QueryError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    command = [sys.executable, "-W", "ignore", "-c", script, folder]
    said, grown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "takes more than 268 MB" in said
    assert float(grown) < 1000  # all of it has 3,200 Mbyte


def test_console_limits_rows(client: TestClient) -> None:
    page = client.get("/sql", params={"q": "SELECT * FROM range(100000) ORDER BY 1 -- many"})
    assert page.text.count("<tr>") == 501


def test_long_cells_are_cut(client: TestClient) -> None:
    page = client.get("/sql", params={"q": "SELECT repeat('x', 10000000) AS long, range(100000) AS list"})
    assert page.status_code == 200
    assert "... (10000000 characters)" in page.text
    assert len(page.text) < 200_000


def text_of(url: str) -> str:
    with urlopen(url) as answer:
        return str(answer.read().decode())


def test_many_at_once_wait_for_each_other(folder: Path) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def counted(site: Site, request: Request) -> Response:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.05)
        with lock:
            running -= 1
        return Response(request.query_params["q"])

    app = Starlette(routes=Site(folder).routes({"/sql": counted}))
    with listening(app) as address, ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda n: text_of(f"{address}/sql?q={n}"), range(24)))
    assert answers == [str(n) for n in range(24)]
    assert most == AT_A_TIME


def test_other_hosts_and_strangers_are_refused(folder: Path) -> None:
    with TestClient(application(folder), base_url="http://evil.example") as client:
        assert client.get("/").status_code == 400
    with TestClient(application(folder, token="secret", hosts=("*",)), base_url="http://shared") as client:
        assert client.get("/").status_code == 403
        assert client.get("/?token=wrong").status_code == 403
        assert client.get("/?token=secret").status_code == 200
        assert client.get("/sql").status_code == 200


def test_policy_forbids_scripts_of_others(client: TestClient) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "default-src 'none'" in policy


def test_no_catalog(tmp_path: Path) -> None:
    with pytest.raises(NoCatalogError):
        application(tmp_path / "none")


def test_chromium_draws_the_plot(folder: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium here")
    with listening(application(folder)) as address:
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000", "--dump-dom"]
        done = subprocess.run([*command, f"{address}/visit/ibohbf"], check=True, capture_output=True, timeout=120)
    page = done.stdout.decode()
    assert "main-svg" in page
    assert page.count('class="legendtext"') >= 3


def test_clicks_through_lists_and_statements_in_chromium(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium here")
    monkeypatch.setattr("wfc3tvb.web.statistics_pages.AT_ONCE", 0)
    monkeypatch.setattr("wfc3tvb.web.statistics_pages.compute_in_advance", lambda site, stop: None)

    async def story(address: str) -> None:
        browser = await Browser(chromium, tmp_path / "profile").open()

        async def click(selector: str, until: str) -> None:
            await browser.run(f"document.querySelector({json.dumps(selector)}).click()")
            await browser.until(until)

        try:
            await browser.go(address)
            await browser.run("document.querySelector('[name=text]').value = 'GOODS'")
            await click("form[role=search] button", "location.search.includes('text=GOODS')")
            await browser.until("document.querySelectorAll('tbody tr').length === 3")
            assert await browser.run("document.querySelector('[data-copy]').href") == f"{address}/?text=GOODS"
            await click("a[href^='/sql?q=']", "document.querySelector('textarea')?.value.includes('GOODS')")
            await browser.until("document.querySelectorAll('tbody tr').length === 3")
            await click("td a[href='/program/12442']", "document.querySelector('h1').innerText === 'Program 12442'")
            await browser.until("document.querySelectorAll('.main-svg').length > 0")
            await click("td a[href='/visit/ibohbf']", "document.querySelector('h1').innerText === 'Visit ibohbf'")
            await click("nav a[href='/visits']", "document.querySelector('h1').innerText === 'Visits'")
            await click("nav a[href='/programs']", "document.querySelector('h1').innerText === 'Programs'")
            await click("nav a[href='/api']", "document.querySelector('h1').innerText === 'API'")
            await click(".endpoint a", "document.body.innerText.includes('\"exposures\"')")
            # Charts that were not counted when the page was made arrive, and follow the colours of the page.
            await browser.go(f"{address}/statistics")
            await browser.until("document.querySelectorAll('section[data-from]').length === 0")
            # A plot is drawn when it comes near the window; each has three layers.
            await browser.until("document.querySelectorAll('section [data-plot] .main-svg').length >= 3")
            drawn = await browser.run("document.querySelectorAll('.js-plotly-plot').length")
            assert drawn < await browser.run("document.querySelectorAll('[data-plot]').length")
            await browser.run("document.querySelector('footer').scrollIntoView()")
            await browser.until(f"document.querySelectorAll('.js-plotly-plot').length > {drawn}")
            ground = "getComputedStyle(document.querySelector('.main-svg')).backgroundColor"
            assert await browser.run(ground) == "rgb(255, 255, 255)"
            dark = {"name": "prefers-color-scheme", "value": "dark"}
            await browser.call("Emulation.setEmulatedMedia", features=[dark])
            await browser.until(f"{ground} === 'rgb(17, 22, 28)'")
            # A plot keeps its height when the window changes.
            height = "document.querySelector('[data-plot]').clientHeight"
            before = await browser.run(height)
            await browser.call(
                "Emulation.setDeviceMetricsOverride", width=700, height=500, deviceScaleFactor=1, mobile=False
            )
            await browser.until("document.querySelector('.main-svg').clientWidth < 700")
            assert await browser.run(height) == before
            assert await browser.run("document.querySelector('.main-svg').clientHeight") >= before - 4
        finally:
            await browser.close()

    with listening(application(folder)) as address:
        asyncio.run(story(address))


def test_clicks_in_chromium(folder: Path, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium here")

    async def story(address: str) -> None:
        browser = await Browser(chromium, tmp_path / "profile").open()
        try:
            await browser.go(address)
            await browser.run("document.querySelector('a[href*=sort][href*=sky_mean]').click()")
            await browser.until("document.querySelector('th[aria-sort=ascending]')?.innerText === 'sky_mean'")
            await browser.run("document.querySelector('a[href=\"/visit/ibohbf\"]').click()")
            await browser.until("document.querySelectorAll('.main-svg').length > 0")
            await browser.screenshot(tmp_path / "visit.png")
            await browser.run("document.querySelector('nav a[href=\"/statistics\"]').click()")
            await browser.until("document.querySelectorAll('section .main-svg').length > 2")
            assert await browser.run("document.querySelectorAll('.modebar-btn').length") > 2
            assert await browser.run("document.querySelector('.modebar-btn[data-title*=hare]')") is None  # no cloud
            await browser.run("document.querySelector('nav a[href=\"/sql\"]').click()")
            await browser.until("document.querySelector('textarea') !== null")
            await browser.run("document.querySelector('textarea').value = 'SELECT 6 * 7 AS answer'")
            await browser.run("document.querySelector('form button').click()")
            await browser.until("document.querySelector('td')?.innerText === '42'")
            # By keyboard alone: a name of the schema put where the cursor is, and Ctrl+Enter.
            await browser.until("typeof editor !== 'undefined' && editor.value !== undefined")
            await browser.run("editor.setRangeText('SELECT count() AS n FROM ', 0, editor.value.length, 'end')")
            await browser.run("document.querySelector('button[data-insert=rootname]').click()")
            await browser.until("editor.value === 'SELECT count() AS n FROM rootname'")
            await browser.run("editor.value = 'SELECT count() AS n FROM reads'; editor.focus()")
            await browser.key("Enter", modifiers=CTRL)
            await browser.until("document.querySelector('td')?.innerText === '6'")
            await browser.go(address)
            await browser.key("Tab")
            assert await browser.run("document.activeElement.innerText") == "skip to the content"
            assert await browser.run("getComputedStyle(document.activeElement).position") == "static"
            # On a telephone nothing but tables and code scrolls sideways, and at night it is dark.
            await browser.call(
                "Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=True
            )
            dark = {"name": "prefers-color-scheme", "value": "dark"}
            await browser.call("Emulation.setEmulatedMedia", features=[dark])
            for page in ("", "visits", "programs", "program/12442", "visit/ibohbf", "statistics", "sql", "api"):
                await browser.go(f"{address}/{page}")
                assert await browser.run("document.documentElement.scrollWidth") == 390, page
            assert await browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(17, 22, 28)"
        finally:
            await browser.close()

    with listening(application(folder)) as address:
        asyncio.run(story(address))
    assert (tmp_path / "visit.png").stat().st_size > 10_000
