"""The explorer's API answers as its description says, in JSON, and errors have their status."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from tests.helpers import known
from wfc3tvb.catalog.results import Cap
from wfc3tvb.web import api
from wfc3tvb.web.app import application


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("api") / "catalog"
    known.make(folder).close()
    with TestClient(application(folder), base_url="http://localhost") as client:
        yield client


def test_every_example_of_the_description_works(client: TestClient) -> None:
    page = client.get("/api").text
    examples = re.findall(r"<pre[^>]*>curl 'http://localhost(/api/[^']+)'</pre>", page)
    assert len(examples) == len(api.ENDPOINTS)
    for example in examples:
        answer = client.get(html.unescape(example))
        assert answer.status_code == 200, example
        assert answer.headers["content-type"] == "application/json"
        assert isinstance(answer.json(), dict)


def test_the_catalog(client: TestClient) -> None:
    found = client.get("/api/catalog.json").json()
    assert (found["exposures"], found["visits"], found["flagged"], found["severe"]) == (3, 1, 1, 1)
    assert found["synthetic"] is True


def test_a_search(client: TestClient) -> None:
    found = client.get("/api/exposures.json", params={"flagged": "yes"}).json()
    assert (found["total"], found["page"], found["next"]) == (1, 1, None)
    assert [row["rootname"] for row in found["rows"]] == ["ibohbfb9q"]
    assert found["rows"][0]["expstart"] == 56298.7852  # reads back exactly
    sky = next(column for column in found["columns"] if column["name"] == "sky_mean")
    assert sky["unit"] == "electron/s"
    again = client.get("/api/sql.json", params={"q": found["sql"]}).json()
    assert again["rows"] == found["rows"]
    assert again["complete"] is True
    assert client.get("/api/visits.json").json()["rows"][0]["n_exposures"] == 3
    assert client.get("/api/programs.json?text=12442").json()["rows"][0]["filters"] == ["F105W"]


def test_pages_follow_each_other(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfc3tvb.web.site.ROWS_A_PAGE", 2)
    address, names = "/api/exposures.json?sort=rootname", []
    while address:
        found = client.get(address).json()
        names += [row["rootname"] for row in found["rows"]]
        address = found["next"]
    assert names == ["ibohbfb7q", "ibohbfb9q", "ibohbfbdq"]


def test_one_exposure_visit_and_program(client: TestClient) -> None:
    one = client.get("/api/exposure/IBOHBFB9Q.json").json()
    assert one["exposure"]["tvb_class"] == "severe"
    assert [read["rate"] for read in one["reads"]] == [1.0, 2.0]
    assert one["why"]
    visit = client.get("/api/visit/ibohbf.json").json()
    assert (len(visit["exposures"]), len(visit["reads"]), visit["failures"]) == (3, 6, [])
    program = client.get("/api/program/12442.json").json()
    assert program["program"]["n_flagged"] == 1
    assert len(program["exposures"]) == 3


def test_a_documented_query_takes_its_parameters(client: TestClient) -> None:
    found = client.get("/api/query/my_visit.json?visit=IBOHBF").json()
    assert (found["n"], found["complete"]) == (3, True)
    names = {query["name"] for query in client.get("/api/queries.json").json()["queries"]}
    assert "my_visit" in names


def test_a_long_result_says_that_it_is_cut(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "LIMIT", Cap(5, 10, 10**6))
    found = client.get("/api/sql.json?q=FROM range(100)").json()
    assert (found["n"], found["complete"]) == (5, False)
    assert client.get("/api/sql.json?q=FROM range(5)").json()["complete"] is True


def test_numbers_read_back_exactly_and_nan_is_null(client: TestClient) -> None:
    query = {"q": "SELECT 'nan'::DOUBLE AS a, 'inf'::DOUBLE AS b, 1.0::DOUBLE / 3 AS c, 2::BIGINT ** 62 AS d"}
    text = client.get("/api/sql.json", params=query).text
    assert json.loads(text, parse_constant=pytest.fail)["rows"] == [{"a": None, "b": None, "c": 1 / 3, "d": 2.0**62}]


@pytest.mark.parametrize(
    ("address", "status", "message"),
    [
        ("sql.json", 400, "the parameter q is missing"),
        ("sql.json?q=SELEC", 400, "syntax error"),
        ("sql.json?q=SELECT nothing FROM exposures", 400, "nothing"),
        ("exposures.json?sort=nothing", 400, "cannot sort by"),
        ("exposures.json?page=0", 400, "is not a page number"),
        ("query/my_visit.json", 400, "needs"),
        ("query/my_visit.json?visit=ibohbf&more=1", 400, "no parameter more"),
        ("query/nothing.json", 404, "nothing"),
        ("exposure/ibzzzzzzq.json", 404, "not known"),
        ("visit/ibzzzz.json", 404, "not known"),
        ("program/1.json", 404, "no exposure of program 1"),
        ("program/x.json", 404, "there is no page /api/program/x.json"),
        ("statistics/nothing.json", 404, "there is no chart"),
        ("nothing.json", 404, "there is no page /api/nothing.json"),
    ],
)
def test_errors_are_json_with_their_status(client: TestClient, address: str, status: int, message: str) -> None:
    answer = client.get(f"/api/{address}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"]["status"] == status
    assert message in answer.json()["error"]["message"]


def test_other_methods_are_refused(client: TestClient) -> None:
    answer = client.post("/api/sql.json?q=SELECT 1")
    assert answer.status_code == 405
    assert answer.json()["error"]["status"] == 405


def test_a_bug_is_json_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known.make(tmp_path / "catalog").close()
    monkeypatch.setattr(api, "reasons", lambda _: 1 / 0)
    app = application(tmp_path / "catalog")
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        answer = client.get("/api/exposure/ibohbfb9q.json")
    assert answer.status_code == 500
    assert "ZeroDivisionError" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "text",
    ["SELECT * FROM read_text('/etc/hostname')", "COPY exposures TO '/tmp/out.csv'", "DROP VIEW exposures",
     "SELECT 1; SELECT 2", "SET enable_external_access = true", "ATTACH '/tmp/x.duckdb'"],
)  # fmt: skip
def test_the_api_has_the_walls_of_the_console(client: TestClient, text: str) -> None:
    answer = client.get(f"/api/sql.json?q={quote(text)}")
    assert answer.status_code == 400
    assert "error" in answer.json()
