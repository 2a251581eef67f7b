"""The explorer answers, and a stranger gets nothing but the catalog."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests import known
from tests.report.browser import Browser
from tests.report.served import listening
from wfc3tvb.errors import NoCatalogError
from wfc3tvb.report.explorer import application

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
    [("", 3), ("text=12442", 3), ("text=ibohbfb9q", 1), ("text=goods", 3), ("tvb_class=severe", 1),
     ("cone=189.2,62.2,0.1", 3), ("cone=10 10 1", 0), ("text=nothing", 0)],
)  # fmt: skip
def test_search(client: TestClient, query: str, n: int) -> None:
    page = client.get(f"/?{query}")
    assert page.status_code == 200
    assert page.text.count('href="/visit/ibohbf"') == n


def test_search_sorts(client: TestClient) -> None:
    text = client.get("/?sort=sky_mean").text
    assert text.index("ibohbfb7q") < text.index("ibohbfb9q") < text.index("ibohbfbdq")
    assert client.get("/?sort=1;drop").status_code == 400


def test_cells_are_text(client: TestClient) -> None:
    text = client.get("/").text
    assert "GOODS-N &lt;b&gt;" in text
    assert "GOODS-N <b>" not in text


def test_visit(client: TestClient) -> None:
    page = client.get("/visit/ibohbf")
    assert "severe, helium" in page.text
    assert client.get("/visit/ibzzzz").status_code == 404


def test_console_and_download(client: TestClient) -> None:
    query = {"q": "SELECT rootname FROM exposures WHERE flagged"}
    assert "ibohbfb9q" in client.get("/sql", params=query).text
    assert client.get("/download", params=query | {"format": "csv"}).text == '"rootname"\n"ibohbfb9q"\n'
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
    monkeypatch.setattr("wfc3tvb.report.explorer.SECONDS", 1.0)
    with TestClient(application(folder), **HOST) as client:
        assert client.get("/sql", params={"q": text}).status_code == 400
        assert client.get("/").status_code == 200


def test_console_limits_rows(client: TestClient) -> None:
    page = client.get("/sql", params={"q": "SELECT * FROM range(100000) ORDER BY 1 -- many"})
    assert page.text.count("<tr>") == 501


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
            await browser.run("document.querySelector('nav a[href=\"/sql\"]').click()")
            await browser.until("document.querySelector('textarea') !== null")
            await browser.run("document.querySelector('textarea').value = 'SELECT 6 * 7 AS answer'")
            await browser.run("document.querySelector('form button').click()")
            await browser.until("document.querySelector('td')?.innerText === '42'")
        finally:
            browser.close()

    with listening(application(folder)) as address:
        asyncio.run(story(address))
    assert (tmp_path / "visit.png").stat().st_size > 10_000
