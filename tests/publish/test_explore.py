"""The page of a release answers like DuckDB, over HTTP by ranges or whole files, and from the disk."""

from __future__ import annotations

import asyncio
import json
import math
import re
import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.helpers.browser import Browser
from tests.helpers.folder_server import Ranges, WholeFiles, folder_server
from tests.helpers.served import run_server
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.catalog.queries import load_all
from wfc3tvb.publish.explore import RUNS
from wfc3tvb.publish.identity import Release
from wfc3tvb.publish.release import write_published
from wfc3tvb.schema import TABLES, arrow_schema
from wfc3tvb.simulate.catalog import simulate_catalog

TITLE = 'Sky of "GOODS-N" </script><b>'
Story = Callable[[Browser], Awaitable[None]]


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no chromium here")
    return found


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    with simulate_catalog(tmp_path_factory.mktemp("simulated") / "catalog", 12) as made:
        yield made


@pytest.fixture(scope="module")
def folder(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the release of some simulated visits, with row groups of ten exposures so that there are several."""
    out = tmp_path_factory.mktemp("explored") / "release"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wfc3tvb.publish.release._GROUP_VALUES", 10 * len(TABLES["exposures"].columns))
        write_published(catalog, out, Release(title=TITLE, day="2026-01-01"))
    return out


def test_the_page_is_one_file_that_says_what_it_is(folder: Path) -> None:
    page = (folder / "explore.html").read_text(encoding="utf-8")
    assert "<b>Synthetic data</b>" in page
    assert "<title>Sky of &#34;GOODS-N&#34; &lt;/script&gt;&lt;b&gt;</title>" in page
    assert not re.search(r"<(script|img|iframe)[^>]* src=|<link[^>]* href=.(?!data:)|url\(http", page)
    assert page.count("<script") == page.count("</script>") == 5  # data, bundle, three of its own
    data = page.partition('id="release">')[2].partition("</script>")[0]
    (reads,) = (table for table in json.loads(data)["tables"] if table["name"] == "reads")
    assert reads["bytes"] == (folder / reads["file"]).stat().st_size
    assert [column["name"] for column in reads["columns"]] == list(TABLES["reads"].names)
    for name in load_all():
        assert f'<option value="{name}">' in page or f"<code>{name}</code>" in page, name
    for package in ("hyparquet", "squirreling", "fzstd"):
        assert re.search(rf"{package} \d+\.\d+\.\d+\n\n.*MIT License", page), package


def test_a_release_opens_as_a_catalog(catalog: Catalog, folder: Path) -> None:
    with open_catalog(folder) as released:
        assert released.query("headline").fetchall() == catalog.query("headline").fetchall()


def test_search_curves_and_statements_in_chromium(
    chromium: str, catalog: Catalog, folder: Path, tmp_path: Path
) -> None:
    visit, n = catalog.sql("SELECT visit, count(*) FROM exposures GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1").fetchall()[0]
    (n_reads,) = catalog.query("visit_reads", visit=visit).aggregate("count(rate)").fetchall()[0]

    async def story(browser: Browser) -> None:
        await browser.run(f"document.querySelector('[name=name]').value = '{visit.upper()}'")
        await browser.run("document.querySelector('#search button').click()")
        await browser.until(f"document.querySelectorAll('#found tbody tr').length === {n}")
        await browser.run("document.querySelector('#found td a').click()")
        await browser.until(f"document.querySelectorAll('#plots svg').length === {n}")
        assert await browser.run("document.querySelector('#visit-name').innerText") == f"Visit {visit}"
        assert await browser.run("document.querySelectorAll('#plots .dots').length") >= 0.8 * n_reads
        assert re.match(r"Curves: .* rows; \d+ kB in \d+ requests?, ", await browser.run(text("#visit-cost")))
        await browser.run("document.querySelector('#found').lastElementChild.click()")
        assert f"BETWEEN '{visit}'" in await browser.run("document.querySelector('#statement').value")
        none = "SELECT 6 * count(*) AS answer FROM exposures WHERE false"
        await browser.run(f"document.querySelector('#statement').value = '{none}'")
        await browser.run("document.querySelector('#console button').click()")
        await browser.until(f"{text('#answer td')} === '0'")
        await browser.run("document.querySelector('#statement').value = 'DELETE FROM exposures'")
        await browser.run("document.querySelector('#console button').click()")
        await browser.until(f"{text('#answer .severe')}?.includes('DELETE')")

    served(chromium, folder, Ranges, tmp_path, story)


def test_documented_queries_answer_like_duckdb(chromium: str, catalog: Catalog, folder: Path, tmp_path: Path) -> None:
    async def story(browser: Browser) -> None:
        statements = await browser.run("release.queries")
        assert set(statements) == set(RUNS)
        for name in RUNS:
            await check(browser, catalog, statements[name]["sql"])

    served(chromium, folder, Ranges, tmp_path, story)


def test_conditions_leave_out_row_groups_and_no_rows(
    chromium: str, catalog: Catalog, folder: Path, tmp_path: Path
) -> None:
    visit = catalog.sql("SELECT visit FROM exposures ORDER BY rootname LIMIT 1 OFFSET 25").fetchall()[0][0]
    conditions = (
        f"visit = lower('{visit.upper()}')", f"rootname BETWEEN '{visit}' AND '{visit}~'", "expstart > 57000.5",
        f"'{visit}' <= visit AND sky_mean < 1", f"visit IN ('{visit}', 'none', 'zzzzzz')", "proposal_id = -1",
        f"NOT flagged OR visit = '{visit}'", "tvb_kind IS NULL", "filter <> 'F105W'", f"visit NOT IN ('{visit}')",
    )  # fmt: skip

    async def story(browser: Browser) -> None:
        whole = await asked(browser, "SELECT count(sky_mean) AS n, sum(sky_mean) AS total FROM exposures")
        for condition in conditions:
            sql = f"SELECT rootname, sky_mean, quality_flags FROM exposures WHERE {condition} ORDER BY rootname"
            await check(browser, catalog, sql)
        one = await asked(browser, f"SELECT sky_mean, sky_err FROM exposures WHERE visit = '{visit}'")
        assert whole["cost"]["requests"] > 3  # the footer, and one for each group
        assert one["cost"]["requests"] <= 3

    served(chromium, folder, Ranges, tmp_path, story)


def test_a_server_without_ranges_and_the_disk(chromium: str, catalog: Catalog, folder: Path, tmp_path: Path) -> None:
    sql = load_all()["headline"].example()

    async def whole(browser: Browser) -> None:
        await check(browser, catalog, sql)
        n_bytes = sum(path.stat().st_size for path in folder.glob("*_exposures.parquet"))
        n_bytes += sum(path.stat().st_size for path in folder.glob("*_reprocessed.parquet"))
        assert await browser.run("[traffic.bytes, traffic.requests, traffic.whole]") == [n_bytes, 2, True]
        await browser.run("document.querySelector('#search button').click()")
        await browser.until(f"{text('#found .cost')}?.includes('whole files only')")

    async def disk(browser: Browser) -> None:
        assert await browser.run("document.querySelector('#local').hidden") is False
        assert "choose the file" in (await asked(browser, sql))["error"]
        root = (await browser.call("DOM.getDocument"))["root"]["nodeId"]
        node = (await browser.call("DOM.querySelector", nodeId=root, selector="#choose"))["nodeId"]
        files = [str(path) for path in folder.glob("*.parquet")]
        await browser.call("DOM.setFileInputFiles", nodeId=node, files=files)
        await browser.until(f"{text('#chosen')}.includes('reads, visit_fits')")
        await check(browser, catalog, sql)

    served(chromium, folder, WholeFiles, tmp_path / "served", whole)
    opened(chromium, f"file://{folder}/explore.html", tmp_path / "disk", disk)


@pytest.mark.slow
def test_queries_of_ten_thousand_exposures_by_ranges(chromium: str, tmp_path: Path) -> None:
    with many(tmp_path / "catalog") as catalog:
        write_published(catalog, tmp_path / "release", Release(), products=False)
    found = {}

    async def story(browser: Browser) -> None:
        statements = await browser.run("release.queries")
        for name in RUNS:
            if "JOIN exposures" not in statements[name]["sql"]:  # these go through all reads, as the page says
                found[name] = await fastest(browser, statements[name]["sql"])
        visit = "rootname BETWEEN 'i0500' AND 'i0500~'"
        found["curves"] = await fastest(browser, f"SELECT read, t_end, rate, rate_err, used FROM reads WHERE {visit}")

    served(chromium, tmp_path / "release", Ranges, tmp_path, story)
    assert found["curves"]["n"] == 150
    assert {name: cost for name, cost in found.items() if cost["bytes"] > 2e6 or cost["seconds"] > 1} == {}


def many(folder: Path) -> Catalog:
    """Return a catalog of 1000 visits of 10 exposures of 15 reads, with numbers that cannot be compressed."""
    rng = np.random.default_rng(1083)
    names = [f"i{visit:04d}{exposure:02d}aq" for visit in range(1000) for exposure in range(10)]
    catalog = open_catalog(folder, mode="a")
    catalog.replace("exposures", random_rows("exposures", rng, {
        "rootname": names, "visit": [name[:5] for name in names], "asn_id": [f"{name[:5]}010" for name in names],
        "filter": rng.choice(["F105W", "F110W", "F140W"], len(names)), "samp_seq": ["SPARS100"] * len(names),
    }))  # fmt: skip
    catalog.replace("reads", random_rows("reads", rng, {
        "rootname": np.repeat(names, 15), "read": np.tile(np.arange(1, 16), len(names)),
    }))  # fmt: skip
    return catalog


def random_rows(table: str, rng: np.random.Generator, given: dict[str, Any]) -> pa.Table:
    """Return rows with random numbers and truth values, and nulls in columns of other types that are not given."""
    n = len(given["rootname"])
    make = {pa.float64(): lambda: rng.random(n), pa.bool_(): lambda: rng.random(n) < 0.5}
    schema = arrow_schema(table)
    columns = [given.get(f.name, make.get(f.type, lambda: [None] * n)()) for f in schema]
    return pa.table([pa.array(values, f.type) for values, f in zip(columns, schema, strict=True)], schema=schema)


async def fastest(browser: Browser, sql: str) -> dict[str, float]:
    """Return the cost of a statement, all that was fetched before forgotten: the fastest of three."""
    forget = "for (const s of Object.values(sources)) { s.file = new RemoteFile(s.table); s.footer = null; }"
    costs = []
    for _ in range(3):
        await browser.run(forget)
        found = await asked(browser, sql)
        assert "error" not in found, (sql, found)
        costs.append(found["cost"] | {"n": len(found["rows"])})
    return min(costs, key=lambda cost: float(cost["seconds"]))


async def check(browser: Browser, catalog: Catalog, sql: str) -> None:
    """Fail unless the page and DuckDB give the same rows."""
    found = await asked(browser, sql)
    assert "error" not in found, (sql, found)
    expected = catalog.fetch(sql).to_pylist()
    assert len(found["rows"]) == len(expected), sql
    for row, true in zip(found["rows"], expected, strict=True):
        assert list(row) == list(true), sql
        assert all(same(row[name], true[name]) for name in true), (sql, row, true)


def same(value: Any, true: Any) -> bool:
    if isinstance(value, float | int) and isinstance(true, float | int):
        return math.isclose(value, true, rel_tol=1e-9)
    return bool(value == true)


async def asked(browser: Browser, sql: str) -> Any:
    """Return what the page answers to a statement: rows and cost, or the error."""
    await browser.run("window.found = null")
    await browser.run(f"ask({json.dumps(sql)}).then(r => found = r, e => found = {{error: e.message}}); 0")
    await browser.until("window.found !== null")
    return await browser.run("window.found")


def text(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)})?.innerText"


def served(chromium: str, folder: Path, handler: type[WholeFiles], profile: Path, story: Story) -> None:
    """Serve a release, and tell a story in its page."""
    with run_server(folder_server(folder, handler)) as server:
        opened(chromium, f"http://127.0.0.1:{server.server_address[1]}/explore.html", profile, story)


def opened(chromium: str, address: str, profile: Path, story: Story) -> None:
    async def told() -> None:
        browser = await Browser(chromium, profile / "profile").open()
        try:
            await browser.go(address)
            await story(browser)
        finally:
            await browser.close()

    asyncio.run(told())
