"""Statistics pages of the explorer show every filter, and offer the numbers that they draw."""

from __future__ import annotations

import csv
import html
import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.errors import QueryError
from wfc3tvb.report.binned import binned
from wfc3tvb.report.charts import CHARTS, Chart
from wfc3tvb.simulate.catalog import simulate_catalog
from wfc3tvb.web.app import application
from wfc3tvb.web.site import Site
from wfc3tvb.web.statistics_pages import Choice, choice_of, compute_in_advance, show

pytestmark = pytest.mark.slow

HOST = {"base_url": "http://localhost"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("drawn") / "catalog"
    simulate_catalog(folder, 12).close()
    app = application(folder)
    app.state.folder = folder
    with TestClient(app, **HOST) as client:
        yield client


def sections(text: str) -> Iterator[tuple[list[dict[str, Any]], list[tuple[str, str]], list[str]]]:
    """Yield the plots of each chart on a page, its panels, and the rows behind its links to CSV."""
    for section in re.findall(r"<section.*?</section>", text, re.DOTALL):
        plots = [json.loads(html.unescape(found)) for found in re.findall(r'data-plot="([^"]+)"', section)]
        heads = re.findall(r'class="panel"><b>(.*?)</b> (.*?)</p>', section)
        links = re.findall(r'href="(/download[^"]+)" download>CSV', section)
        yield plots, heads, [html.unescape(link) for link in links]


def csv_rows(client: TestClient, link: str) -> list[dict[str, str]]:
    return list(csv.DictReader(client.get(link).text.splitlines()))


def test_statistics_have_a_plot_for_each_filter_and_the_numbers_in_it(drawn: TestClient) -> None:
    text, names = drawn.get("/statistics").text, set()
    for plots, heads, links in sections(text):
        names |= {name for name, _ in heads}
        for plot in plots:
            assert all(trace["x"] and len(trace["x"]) == len(trace["y"]) for trace in plot["data"])
        clouds = [trace for plot in plots for trace in plot["data"] if trace.get("mode") == "markers"]
        points = [point for trace in clouds for point in trace["y"]]
        if len(links) == 2:  # points and medians
            assert len(csv_rows(drawn, links[0])) == len(points)
            shown = sum(len(t["y"]) for p in plots for t in p["data"] if t["name"] == "median")
            assert shown <= len(csv_rows(drawn, links[1]))
    assert names == {"", *drawn.get("/api/statistics.json").json()["filters"]}
    asked = re.findall(r'href="(/sql[?]q=[^"]+)">edit as SQL', text)
    assert len(asked) >= 15
    assert all(drawn.get(html.unescape(link)).status_code == 200 for link in asked)


def test_medians_are_spoken_of_where_they_are_drawn(drawn: TestClient, tmp_path: Path) -> None:
    simulate_catalog(tmp_path / "few", 1).close()
    with TestClient(application(tmp_path / "few"), **HOST) as few:
        for client, some in ((drawn, True), (few, False)):
            found = re.findall(r"<section.*?</section>", client.get("/statistics").text, re.DOTALL)
            drawn_in = ["&#34;median&#34;" in text for text in found]
            assert drawn_in == ["Medians and the band are" in text for text in found]
            assert any(drawn_in) == some


def test_sampled_plots_say_how_many_of_how_many(drawn: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfc3tvb.web.chart_statements.POINTS", 7)
    monkeypatch.setattr("wfc3tvb.web.chart_statements.EXPOSURES", 2)
    with TestClient(application(drawn.app.state.folder), **HOST) as client:
        scored = client.get("/api/statistics.json").json()["filters"]["F105W"]
        levels = client.get("/statistics/level_over_time_expstart_sky_mean?filter=F105W").text
        reads = client.get("/statistics/reads_against_sun_sun_alt_rate?filter=F105W").text
    assert "<b>F105W</b> all 2 exposures" in levels
    assert f"which come from 2 of {scored} exposures drawn at random (F105W)." in levels
    assert re.search(r"<b>F105W</b> 7 of \d\d reads", reads)


def test_medians_are_those_of_numpy(drawn: TestClient) -> None:
    chart = drawn.get("/api/statistics/reads_against_sun_sun_alt_rate.json?filter=F105W").json()
    reads = {"q": "SELECT sun_alt, rate FROM reads JOIN exposures USING (rootname) WHERE used AND filter = 'F105W' "
                  "AND sun_alt IS NOT NULL AND rate IS NOT NULL"}  # fmt: skip
    rows = drawn.get("/api/sql.json", params=reads).json()["rows"]
    expected = binned(*(np.array([row[column] for row in rows]) for column in ("sun_alt", "rate")))
    found = [row for row in chart["numbers"]["medians"]["rows"] if row["n"] >= 8]
    assert [row["n"] for row in found] == expected.count.tolist()
    assert [row["sun_alt"] for row in found] == pytest.approx(expected.x.tolist())
    assert [row["median"] for row in found] == pytest.approx(expected.median.tolist())
    assert [row["low"] for row in found] == pytest.approx(expected.low.tolist())
    assert [row["high"] for row in found] == pytest.approx(expected.high.tolist())
    [plot] = chart["plots"]
    shown = min(len(rows), 250)
    assert plot["shows"].startswith(f"{shown} of {len(rows):,} reads" if shown < len(rows) else f"all {shown} reads")


def test_a_filter_can_be_chosen_and_the_choice_is_an_address(drawn: TestClient) -> None:
    text = drawn.get("/statistics?filter=f105w").text
    assert '<a href="/statistics?filter=F105W" aria-current="page"' in text
    assert 'href="/statistics/level_over_time_expstart_sky_mean?filter=F105W"' in text
    assert {name for _, heads, _ in sections(text) for name, _ in heads} == {"", "F105W"}
    links = [link for _, _, links in sections(text) for link in links]
    assert all({row["filter"] for row in csv_rows(drawn, link)} == {"F105W"} for link in links)
    assert drawn.get("/statistics?filter=F999W").status_code == 404


def test_charts_of_a_large_catalog_come_one_by_one(drawn: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfc3tvb.web.statistics_pages.AT_ONCE", 2)
    client = TestClient(application(drawn.app.state.folder), **HOST)  # not started: nothing is computed in advance
    text = client.get("/statistics").text
    later = re.findall(r'data-from="([^"]+)"', text)
    assert len(later) >= 9
    assert "data-plot=" not in text
    shown = [html.unescape(address) for address in later if "data-plot=" in client.get(html.unescape(address)).text]
    assert "/statistics/classes_by_filter_filter_fraction?part" in shown
    again = client.get("/statistics").text  # what has been counted is there, what cannot be drawn is gone
    assert again.count("<section") == len(shown)
    assert "data-from=" not in again
    assert client.get("/statistics/nothing").status_code == 404


def test_charts_of_a_large_catalog_are_computed_in_advance(drawn: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfc3tvb.web.statistics_pages.AT_ONCE", 2)
    site, stop = Site(drawn.app.state.folder), threading.Event()
    compute_in_advance(site, stop)
    names = {chart.name for chart in CHARTS}
    assert {key.split()[1] for key in site._known if key.startswith("chart ")} == names
    site.close()


def test_computing_in_advance_ends_with_the_explorer(drawn: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfc3tvb.web.statistics_pages.AT_ONCE", 2)
    site, stop, made = Site(drawn.app.state.folder), threading.Event(), []

    def only_one(site: Site, chart: Chart, choice: Choice) -> None:
        made.append(chart.name)
        stop.set()

    monkeypatch.setattr("wfc3tvb.web.statistics_pages.show", only_one)
    compute_in_advance(site, stop)
    assert made == [CHARTS[0].name]
    site.close()


def test_a_damaged_catalog_is_left_to_the_pages(drawn: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(site: Site) -> int:
        raise QueryError("a file is missing")

    monkeypatch.setattr("wfc3tvb.web.statistics_pages.exposures", damaged)
    site = Site(drawn.app.state.folder)
    compute_in_advance(site, threading.Event())
    assert not any(key.startswith("chart ") for key in site._known)
    site.close()


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
@pytest.mark.parametrize("name", ["", "F110W"])
@pytest.mark.parametrize("known", [True, False])
def test_a_chart_shows_the_rows_of_its_statements(drawn: TestClient, chart: Chart, name: str, *, known: bool) -> None:
    site = Site(drawn.app.state.folder)
    if known:
        show(site, chart, choice_of(site))
    one = show(site, chart, choice_of(site, name), height=600)
    titles = ["Points", "Medians"] if chart.kind == "points" else ["Numbers"]
    assert [numbers.title for numbers in one.numbers] == titles
    for numbers in one.numbers:
        alone = site.fetch(numbers.sql)
        assert alone.num_rows or chart.query == "forecast_against_measured"  # not forecast
        assert numbers.table.to_pylist() == alone.to_pylist()
        for field in alone.schema:
            assert (field.metadata or {}).items() <= (numbers.table.schema.field(field.name).metadata or {}).items()
    site.close()


def test_a_value_is_made_once_however_many_ask_for_it(drawn: TestClient) -> None:
    site, made = Site(drawn.app.state.folder), []

    def slow(catalog: Catalog) -> int:
        made.append(1)
        time.sleep(0.2)
        return 42

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: site.once("slow", slow), range(4))) == [42] * 4
    assert len(made) == 1
    site.close()
