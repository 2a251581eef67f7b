"""TAP: clients and validators of the Virtual Observatory find what SQL finds, and nothing harms the service."""

from __future__ import annotations

import csv
import gc
import io
import json
import shutil
import subprocess
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pyarrow.parquet as pq
import pytest
import pyvo
import requests
from astropy.io import fits, votable
from astropy.table import Table as AstropyTable
from starlette.testclient import TestClient

from tests.helpers.served import listening
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.catalog.queries import load_all
from wfc3tvb.errors import QueryError
from wfc3tvb.simulate.catalog import simulate_catalog
from wfc3tvb.web.app import application
from wfc3tvb.web.tap import run
from wfc3tvb.web.tap.adql import to_duckdb
from wfc3tvb.web.tap.documents import EXAMPLES
from wfc3tvb.web.tap.jobs import Jobs
from wfc3tvb.web.tap.metadata import table_names

HOST = {"base_url": "http://localhost"}
#: Names that break formats which are put together carelessly.
HOSTILE = ("a,b;c", 'say "no"', "M 31 <b>&amp;</b>", "Größe ☃", "two\nlines", "tab\there", "]]>", "bell\x07", "'; --")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn catalog of 8 visits, some of whose targets have strange names."""
    folder = tmp_path_factory.mktemp("tap") / "catalog"
    with simulate_catalog(folder, 8) as catalog:
        rows = catalog.fetch("SELECT * FROM exposures ORDER BY rootname").to_pylist()
        catalog.replace("exposures", [row | {"target_name": name} for row, name in zip(rows, HOSTILE, strict=False)])
    return folder


@pytest.fixture(scope="module")
def catalog(folder: Path) -> Iterator[Catalog]:
    with open_catalog(folder) as catalog:
        yield catalog


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with TestClient(application(folder), **HOST) as client:
        yield client


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with listening(application(folder)) as address:
        yield f"{address}/tap"


@pytest.fixture
def service(address: str) -> Iterator[pyvo.dal.TAPService]:
    """Yield the service as pyvo sees it; pyvo leaves connections to be closed by the garbage collector, at any time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        with requests.Session() as session:
            yield pyvo.dal.TAPService(address, session=session)
        gc.collect()


def ask(client: TestClient, query: str, **parameters: str) -> Any:
    return client.post("/tap/sync", data={"LANG": "ADQL", "QUERY": query} | parameters)


def rows_of(answer: Any) -> AstropyTable:
    assert answer.status_code == 200, answer.text
    return votable.parse_single_table(io.BytesIO(answer.content)).to_table()


def column(client: TestClient, query: str) -> list[Any]:
    table = rows_of(ask(client, query))
    return table[table.colnames[0]].tolist()


# --- ADQL --------------------------------------------------------------------------------------------------------


def test_rows_and_their_order(client: TestClient, catalog: Catalog) -> None:
    found = column(client, "SELECT TOP 3 rootname FROM wfc3tvb.exposures WHERE filter = 'F105W' ORDER BY sky_mean DESC")
    expected = catalog.sql("SELECT rootname FROM exposures WHERE filter = 'F105W' ORDER BY sky_mean DESC LIMIT 3")
    assert found == [row[0] for row in expected.fetchall()]


@pytest.mark.parametrize(
    ("expression", "value"),
    [("MOD(7, 3)", 1), ("LOG(EXP(1))", 1), ("LOG10(1000)", 3), ("TRUNCATE(2.57, 1)", 2.5), ("ROUND(2.57, 1)", 2.6),
     ("CEILING(1.2)", 2), ("POWER(2, 5)", 32), ("ABS(-3)", 3), ("DEGREES(PI())", 180), ("SQRT(16)", 4),
     ("COALESCE(NULL, 5)", 5), ("CAST(2.9 AS INTEGER)", 3), ("CASE WHEN 1 < 2 THEN 7 ELSE 8 END", 7),
     ("DISTANCE(POINT('ICRS', 0, 0), POINT('ICRS', 90, 0))", 90), ("DISTANCE(0, 89, 180, 89)", 2),
     ("COORD1(POINT('ICRS', 12, 34))", 12), ("COORD2(CENTROID(CIRCLE('ICRS', 12, 34, 1)))", 34),
     ("AREA(CIRCLE('ICRS', 0, 90, 90))", 2 * np.pi * np.degrees(1) ** 2),
     ("AREA(POLYGON('ICRS', 0, 0, 90, 0, 0, 90))", np.pi / 2 * np.degrees(1) ** 2),
     ("AREA(BOX('ICRS', 10, 0, 0.1, 0.1))", 0.01)],
)  # fmt: skip
def test_functions(client: TestClient, expression: str, value: float) -> None:
    found = column(client, f"SELECT TOP 1 {expression} AS x FROM wfc3tvb.exposures")
    assert found == [pytest.approx(value, rel=1e-5)]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [("CONTAINS(POINT('ICRS', 359.9, 0), CIRCLE('ICRS', 0.1, 0, 0.21))", 1),
     ("CONTAINS(POINT('ICRS', 359.9, 0), CIRCLE('ICRS', 0.1, 0, 0.19))", 0),
     ("CONTAINS(POINT('ICRS', 180, 89.9), POLYGON('ICRS', 0, 89, 120, 89, 240, 89))", 1),
     ("CONTAINS(POINT('ICRS', 1, 1), BOX('ICRS', 0, 0, 2.1, 2.1))", 1),
     ("CONTAINS(POINT('ICRS', 1, 1), BOX('ICRS', 0, 0, 1.9, 1.9))", 0),
     ("CONTAINS(CIRCLE('ICRS', 0, 0, 1), CIRCLE('ICRS', 1, 0, 2.1))", 1),
     ("CONTAINS(CIRCLE('ICRS', 0, 0, 1), CIRCLE('ICRS', 1, 0, 1.9))", 0),
     ("CONTAINS(CIRCLE('ICRS', 0, 0, 0.9), BOX('ICRS', 0, 0, 2, 2))", 1),
     ("CONTAINS(CIRCLE('ICRS', 0, 0, 1.1), BOX('ICRS', 0, 0, 2, 2))", 0),
     ("CONTAINS(BOX('ICRS', 0, 0, 2, 2), CIRCLE('ICRS', 0, 0, 1.5))", 1),
     ("CONTAINS(BOX('ICRS', 0, 0, 2, 2), CIRCLE('ICRS', 0, 0, 1.3))", 0),
     ("CONTAINS(BOX('ICRS', 0, 0, 1, 1), BOX('ICRS', 0, 0, 2, 2))", 1),
     ("INTERSECTS(CIRCLE('ICRS', 0, 0, 1), CIRCLE('ICRS', 3, 0, 1.9))", 0),
     ("INTERSECTS(CIRCLE('ICRS', 0, 0, 1), CIRCLE('ICRS', 3, 0, 2.1))", 1),
     ("INTERSECTS(CIRCLE('ICRS', 3, 0, 1.9), BOX('ICRS', 0, 0, 2, 2))", 0),
     ("INTERSECTS(BOX('ICRS', 0, 0, 2, 2), CIRCLE('ICRS', 3, 0, 2.1))", 1),
     ("INTERSECTS(BOX('ICRS', 0, 0, 2, 2), BOX('ICRS', 1.9, 1.9, 2, 2))", 1),
     ("INTERSECTS(BOX('ICRS', 0, 0, 2, 2), BOX('ICRS', 2.1, 0, 2, 2))", 0),
     ("INTERSECTS(POINT('ICRS', 0, 0), CIRCLE('ICRS', 0, 0, 1))", 1),
     ("CONTAINS(POINT('ICRS', 1, 1), REGION('CIRCLE ICRS 1 1.5 0.6'))", 1)],
)  # fmt: skip
def test_shapes(client: TestClient, condition: str, expected: int) -> None:
    assert column(client, f"SELECT TOP 1 {condition} AS x FROM wfc3tvb.exposures") == [expected]


def test_footprints(client: TestClient, catalog: Catalog) -> None:
    ra, dec = catalog.sql("SELECT ra, dec FROM exposures ORDER BY rootname LIMIT 1").fetchall()[0]
    every = catalog.fetch("SELECT rootname, ra, dec FROM exposures").to_pylist()
    same = sorted(row["rootname"] for row in every if (row["ra"], row["dec"]) == (ra, dec))
    text = "SELECT obs_id FROM ivoa.obscore WHERE 1 = {} ORDER BY obs_id"
    assert column(client, text.format(f"CONTAINS(POINT('ICRS', {ra}, {dec}), s_region)")) == same
    assert column(client, text.format(f"INTERSECTS(CIRCLE('ICRS', {ra}, {dec + 0.1}, 0.09), s_region)")) == same
    assert column(client, text.format(f"INTERSECTS(CIRCLE('ICRS', {ra}, {dec + 0.1}, 0.05), s_region)")) == []
    assert column(client, text.format(f"CONTAINS(s_region, CIRCLE('ICRS', {ra}, {dec}, 0.04))")) == same
    assert column(client, text.format(f"CONTAINS(s_region, CIRCLE('ICRS', {ra}, {dec}, 0.02))")) == []


def test_names_of_tables(client: TestClient) -> None:
    for name in ("wfc3tvb.exposures", "exposures", "WFC3TVB.Exposures", "ivoa.ObsCore", "tap_schema.columns"):
        assert column(client, f"SELECT COUNT(*) AS n FROM {name}")[0] > 10
    joined = (
        "SELECT COUNT(*) AS n FROM wfc3tvb.exposures JOIN wfc3tvb.reads ON wfc3tvb.reads.rootname = exposures.rootname"
    )
    assert column(client, joined) == column(client, "SELECT COUNT(*) AS n FROM wfc3tvb.reads")
    shadowed = (
        "WITH exposures AS (SELECT 1 AS n) SELECT n FROM exposures UNION ALL SELECT COUNT(*) FROM wfc3tvb.exposures"
    )
    assert column(client, shadowed)[0] == 1
    assert column(client, shadowed)[1] > 10


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("what is hit?", "not"), ("", "QUERY is missing"), ("SELECT", "selection list"),
        ("SELECT FROM exposures", "selection list"), ("SELECT x y z FROM exposures", "line 1, column"),
        ("SELECT nothing FROM wfc3tvb.exposures", "nothing"), ("SELECT 1 FROM nowhere", "nowhere"),
        ("SELECT 1; SELECT 2", "2 statements"), ("DELETE FROM wfc3tvb.exposures", "only SELECT"),
        ("INSERT INTO exposures SELECT * FROM exposures", "only SELECT"), ("DROP TABLE exposures", "only SELECT"),
        ("CREATE TABLE x AS SELECT 1 AS y", "only SELECT"), ("COPY exposures TO '/tmp/x.csv'", "only SELECT"),
        ("ATTACH '/tmp/x.db'", "not ADQL"), ("PRAGMA version", "only SELECT"), ("SET threads = 99", "only SELECT"),
        ("WITH a AS (DELETE FROM exposures RETURNING *) SELECT * FROM a", ""),
        ("SELECT * FROM read_csv('/etc/passwd')", "tables"), ("SELECT * FROM '/etc/passwd'", ""),
        ('SELECT * FROM "/etc/passwd.csv"', ""), ("SELECT getenv('HOME') FROM exposures", ""),
        ("SELECT nextval('x') FROM exposures", "nextval"), ("SELECT CONTAINS(1, 2) FROM exposures", "not a shape"),
        ("SELECT CIRCLE('ICRS', 1) FROM exposures", "CIRCLE takes"), ("SELECT AREA() FROM exposures", "AREA takes 1"),
        ("SELECT REGION('anything') FROM exposures", "REGION"),
        ("SELECT POLYGON('ICRS', 1, 2, 3) FROM exposures", "three or more corners"),
        ("SELECT " + "(" * 5000 + "1" + ")" * 5000 + " FROM exposures", "nested"),
        ("SELECT " + " + ".join(["1"] * 5000) + " FROM exposures", "depth"),
        ("SELECT '" + "x" * 200_000 + "' FROM exposures", "the limit is"),
        ("SELECT \x00 FROM exposures", ""),
    ],
)  # fmt: skip
def test_what_is_no_query_is_an_error(client: TestClient, query: str, reason: str) -> None:
    body = urlencode({"LANG": "ADQL", "QUERY": query.encode("utf-8", "surrogatepass")})
    answer = client.post("/tap/sync", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/x-votable+xml"
    document = votable.parse(io.BytesIO(answer.content))
    [status] = document.resources[0].infos
    assert (status.name, status.value) == ("QUERY_STATUS", "ERROR")
    assert reason in status.content
    assert "Traceback" not in status.content
    assert column(client, "SELECT TOP 1 1 AS one FROM exposures") == [1]


def test_the_walls_stand_in_duckdbs_language_too(client: TestClient) -> None:
    for query in ("DELETE FROM exposures", "COPY exposures TO '/tmp/x.csv'", "FROM read_text('/etc/passwd')",
                  "SELECT getenv('HOME')", "FROM '/etc/passwd.csv'"):  # fmt: skip
        answer = ask(client, query, LANG="DUCKDB")
        assert answer.status_code == 400
        assert 'value="ERROR"' in answer.text


@pytest.mark.parametrize(
    "query",
    ["SELECT COUNT(*) AS n FROM reads a, reads b, reads c, reads d, reads e WHERE a.rate < b.rate + c.rate * d.rate",
     "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT MAX(n) AS n FROM t"],
)  # fmt: skip
def test_a_query_without_end_is_stopped(folder: Path, query: str) -> None:
    asked = run.Parameters(query, "ADQL", run.Format("votable", ""), 10)
    began = time.monotonic()
    with pytest.raises(QueryError, match=r"stopped after 0\.5 s"):
        run.run_query(folder, asked, run.Limits(seconds=0.5))
    assert time.monotonic() - began < 10


def test_translation_keeps_quoted_names() -> None:
    text = to_duckdb('SELECT "read", e."references" FROM reprocessed AS e, reads', table_names()).sql
    assert text == 'SELECT "read", e."references" FROM main.reprocessed AS e, main.reads AS reads'


# --- results -----------------------------------------------------------------------------------------------------


def test_overflow_is_marked(client: TestClient, catalog: Catalog) -> None:
    total = catalog.sql("SELECT count(*) FROM exposures").fetchall()[0][0]
    query = "SELECT rootname FROM wfc3tvb.exposures"
    for maxrec, rows, over in ((5, 5, True), (0, 0, True), (total, total, False), (total + 1, total, False)):
        answer = ask(client, query, MAXREC=str(maxrec))
        assert len(rows_of(answer)) == rows
        assert ('value="OVERFLOW"' in answer.text) == over
        assert answer.text.index("OVERFLOW") > answer.text.index("</TABLE>") if over else True
    assert ask(client, query, MAXREC="some").status_code == 400


def test_metadata_of_a_result(client: TestClient) -> None:
    answer = ask(client, "SELECT TOP 1 s_ra, s_region, calib_level, flagged, t_min, 1.5 AS x FROM ivoa.obscore")
    fields = {field.name: field for field in votable.parse_single_table(io.BytesIO(answer.content)).fields}
    ra = fields["s_ra"]
    assert (str(ra.unit), ra.ucd, ra.datatype) == ("deg", "pos.eq.ra", "double")
    assert ra.utype == "obscore:Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C1"
    assert (fields["s_region"].xtype, fields["calib_level"].datatype) == ("adql:REGION", "long")
    assert (fields["flagged"].datatype, fields["x"].datatype) == ("boolean", "double")
    # The same name in another table has that table's metadata.
    other = votable.parse_single_table(io.BytesIO(ask(client, "SELECT TOP 1 s_region FROM exposures").content))
    assert other.fields[0].utype is None


def test_strange_names_come_back_from_every_format(client: TestClient, catalog: Catalog) -> None:
    query = "SELECT rootname, target_name, tvb_score FROM wfc3tvb.exposures ORDER BY rootname"
    rows = catalog.fetch(query.replace("wfc3tvb.", "")).to_pylist()
    names = [row["target_name"] for row in rows]
    assert set(HOSTILE) <= set(names)

    def content(form: str) -> bytes:
        answer = ask(client, query, RESPONSEFORMAT=form)
        assert answer.status_code == 200, answer.text
        return bytes(answer.content)

    table = rows_of(ask(client, query))
    assert table["target_name"].tolist() == [name.replace("\x07", "?") for name in names]  # XML has no such character
    assert table["tvb_score"].tolist() == [row["tvb_score"] for row in rows]
    for form, delimiter in (("csv", ","), ("tsv", "\t")):
        found = list(csv.DictReader(io.StringIO(content(form).decode(), newline=""), delimiter=delimiter))
        assert [row["target_name"] for row in found] == names
        scores = [float(row["tvb_score"]) for row in found]
        assert scores == pytest.approx([row["tvb_score"] for row in rows], rel=1e-6)  # text has the digits of use
    parquet = pq.read_table(io.BytesIO(content("application/vnd.apache.parquet")))
    assert parquet["target_name"].to_pylist() == names
    assert parquet.schema.field("tvb_score").metadata[b"description"]
    with fits.open(io.BytesIO(content("fits"))) as hdus:
        assert len(hdus[1].data) == len(rows)
    assert [row["target_name"] for row in json.loads(content("json"))] == names


def test_nulls_and_special_numbers(client: TestClient) -> None:
    query = """SELECT 'NaN'::DOUBLE AS a, '-inf'::DOUBLE AS b, NULL::DOUBLE AS c, NULL::BIGINT AS d, NULL AS e,
        true AS f, [1, 2] AS g, DATE '2020-01-02' AS h"""
    table = rows_of(ask(client, query, LANG="DUCKDB"))
    assert np.isnan(np.ma.getdata(table["a"])[0])
    assert table["b"][0] == -np.inf
    assert table["d"].mask.tolist() == [True]
    assert bool(table["f"][0])
    assert (table["g"][0], table["h"][0]) == ("1;2", "2020-01-02")


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [({"RESPONSEFORMAT": "xlsx"}, "RESPONSEFORMAT"), ({"LANG": "PQL"}, "LANG"), ({"LANG": "ADQL-7.0"}, "LANG"),
     ({"REQUEST": "doNothing"}, "REQUEST"), ({"UPLOAD": "t,http://x"}, "UPLOAD"), ({"MAXREC": "-1"}, "MAXREC")],
)  # fmt: skip
def test_bad_parameters(client: TestClient, parameters: dict[str, str], reason: str) -> None:
    answer = ask(client, "SELECT TOP 1 rootname FROM exposures", **parameters)
    assert answer.status_code == 400
    assert reason in answer.text


def test_other_bodies_are_refused(client: TestClient) -> None:
    assert "form without files" in client.post("/tap/sync", json={"QUERY": "SELECT 1"}).text
    assert "longer than" in client.post("/tap/sync", data={"QUERY": "x" * 2**21}).text
    twice = client.get("/tap/sync?QUERY=SELECT+1&query=SELECT+2")
    assert "given twice" in twice.text


def test_many_rows_take_little_time(folder: Path) -> None:
    query = "SELECT range AS n, range / 7 AS x, 'a <b> & c' AS t FROM range(100000)"
    asked = run.Parameters(query, "DUCKDB", run.Format("votable", ""), 100_000)
    began = time.process_time()
    content = run.run_query(folder, asked, run.Limits())
    assert time.process_time() - began < 5
    assert content.count(b"<TR>") == 100_000


# --- access ------------------------------------------------------------------------------------------------------


def test_a_token_is_a_password(folder: Path) -> None:
    with TestClient(application(folder, token="secret"), **HOST) as client:
        refused = client.get("/tap/tables")
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Basic")
        assert client.get("/").status_code == 403
        assert client.get("/tap/tables", auth=("anyone", "secret")).status_code == 200
        assert client.get("/tap/tables", headers={"Authorization": "Bearer secret"}).status_code == 200
        for header in ("Basic !!!", "Basic c2VjcmV0", "Bearer", "secret", "Digest x"):
            assert client.get("/tap/tables", headers={"Authorization": header}).status_code == 401


def test_the_address_itself_shows_the_examples(client: TestClient) -> None:
    page = client.get("/tap")
    assert page.headers["content-type"].startswith("application/xhtml+xml")
    assert "worst_exposures" in page.text


def test_other_sites_cannot_ask(client: TestClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert client.get("/tap/sync?QUERY=SELECT+1", headers=headers).status_code == 403
    assert client.post("/tap/async", headers=headers).status_code == 403


# --- jobs --------------------------------------------------------------------------------------------------------


def test_jobs(client: TestClient) -> None:
    data = {"LANG": "ADQL", "QUERY": "SELECT TOP 2 rootname FROM wfc3tvb.exposures", "RESPONSEFORMAT": "csv"}
    made = client.post("/tap/async", data=data, follow_redirects=False)
    assert made.status_code == 303
    job = made.headers["location"].removeprefix("http://localhost")
    assert client.get(f"{job}/phase").text == "PENDING"
    client.post(f"{job}/parameters", data={"MAXREC": "1"})
    assert "MAXREC" in client.get(f"{job}/parameters").text
    client.post(f"{job}/executionduration", data={"EXECUTIONDURATION": "7"})
    assert client.get(f"{job}/executionduration").text == "7"
    assert client.get(f"{job}/results/result").status_code == 404
    assert client.post(f"{job}/phase", data={"PHASE": "FLY"}).status_code == 400
    client.post(f"{job}/phase", data={"PHASE": "RUN"})
    assert "COMPLETED" in wait_for(client, job)
    assert client.get(f"{job}/results/result").text.splitlines()[0].strip('"') == "rootname"
    assert len(client.get(f"{job}/results/result").text.splitlines()) == 2
    assert job.rpartition("/")[2] in client.get("/tap/async").text
    client.delete(job)
    assert client.get(job).status_code == 404


def wait_for(client: TestClient, job: str) -> str:
    """Return the document of a job that has ended."""
    for _ in range(100):
        text = str(client.get(job, params={"WAIT": "1"}).text)
        if any(phase in text for phase in ("COMPLETED", "ERROR", "ABORTED")):
            return text
    raise AssertionError(text)


def test_ended_jobs_give_way_to_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfc3tvb.web.tap.jobs.LARGEST_NUMBER", 3)
    jobs = Jobs(60)
    first = jobs.add([("QUERY", "x")])
    first.finish("COMPLETED")
    second = jobs.add([])
    second.finish("ERROR")
    assert [job.id for job in jobs.every()] == [first.id, second.id]
    jobs.add([])
    last = jobs.add([])
    assert first not in jobs.every()
    assert second in jobs.every()
    last.destruction = last.created
    time.sleep(0.01)
    jobs.add([])
    assert last not in jobs.every()


def test_jobs_that_fail_or_are_stopped(client: TestClient) -> None:
    made = client.post("/tap/async", data={"QUERY": "no query", "PHASE": "RUN"}, follow_redirects=False)
    job = made.headers["location"].removeprefix("http://localhost")
    assert "errorSummary" in wait_for(client, job)
    assert 'value="ERROR"' in client.get(f"{job}/error").text
    made = client.post("/tap/async", data={"QUERY": "SELECT 1 AS x FROM exposures"}, follow_redirects=False)
    job = made.headers["location"].removeprefix("http://localhost")
    client.post(f"{job}/phase", data={"PHASE": "ABORT"})
    assert client.get(f"{job}/phase").text == "ABORTED"
    assert client.post(job, data={"ACTION": "DELETE"}, follow_redirects=False).status_code == 303
    assert client.get(f"{job}/phase").status_code == 404


#: Runs for days in little memory.
ENDLESS = "SELECT sum(i * j) FROM range(1000000) a(i), range(100000000) b(j)"


def test_an_aborted_job_stops_its_query(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def watched(*args: Any, **options: Any) -> bytes:
        try:
            return run.run_query(*args, **options)
        finally:
            ended.set()

    monkeypatch.setattr("wfc3tvb.web.tap.asynchronous.run_query", watched)
    made = client.post("/tap/async", data={"QUERY": ENDLESS, "LANG": "DUCKDB", "PHASE": "RUN"}, follow_redirects=False)
    job = made.headers["location"].removeprefix("http://localhost")
    assert not ended.wait(1.5)
    client.post(f"{job}/phase", data={"PHASE": "ABORT"})
    assert ended.wait(10)
    assert client.get(f"{job}/phase").text == "ABORTED"
    assert client.get(f"{job}/error").status_code == 404


def test_the_number_of_jobs_is_limited(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfc3tvb.web.tap.jobs.LARGEST_NUMBER", 2)
    answers = [client.post("/tap/async", data={"QUERY": "x"}, follow_redirects=False) for _ in range(3)]
    assert answers[-1].status_code == 400
    assert "try again later" in answers[-1].text


# --- clients -----------------------------------------------------------------------------------------------------


def test_every_example_in_pyvo(service: pyvo.dal.TAPService) -> None:
    for _, _, query in EXAMPLES:
        service.search(query)
    assert len(service.search(EXAMPLES[0][2])) > 0
    assert {example["QUERY"] for example in service.examples} == {query for _, _, query in EXAMPLES}


@pytest.mark.slow
def test_every_documented_query_in_pyvo(service: pyvo.dal.TAPService, catalog: Catalog) -> None:
    for name, query in load_all().items():
        if "read_csv" in query.sql:  # of a file of the user, which a server does not read
            continue
        text = query.example()
        found = service.search(text, language="DUCKDB")
        assert len(found) == catalog.fetch(text).num_rows, name
        assert found.fieldnames == tuple(catalog.fetch(text).column_names)


def test_metadata_and_jobs_in_pyvo(service: pyvo.dal.TAPService) -> None:
    assert service.maxrec == 20_000
    assert "wfc3tvb.exposures" in service.tables
    columns = {column.name: column for column in service.tables["ivoa.obscore"].columns}
    assert columns["s_ra"].unit == "deg"
    assert len(service.run_async("SELECT TOP 3 obs_id FROM ivoa.obscore")) == 3
    with pytest.raises(pyvo.DALQueryError, match="only SELECT"):
        service.search("DELETE FROM ivoa.obscore")


def test_many_clients_at_once(client: TestClient) -> None:
    def work(number: int) -> int:
        return len(rows_of(ask(client, f"SELECT TOP {number} rootname FROM wfc3tvb.exposures")))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(1, 9))) == list(range(1, 9))


@pytest.mark.slow
def test_taplint(address: str) -> None:
    if shutil.which("stilts") is None:
        pytest.skip("STILTS is not installed: apt-get install stilts")
    command = ["stilts", "taplint", f"tapurl={address}", "report=EWF", "maxtable=20"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert "Errors: 0; Warnings: 0" in done.stdout, done.stdout[-5000:]
