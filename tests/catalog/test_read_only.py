"""No statement sent to the explorer or to `wfc3tvb sql` can write: two safeguards, each sufficient alone."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.helpers import hostile, known
from tests.helpers.served import listening
from wfc3tvb.catalog import duckdb_views
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.catalog.sql import statements
from wfc3tvb.cli import main
from wfc3tvb.models import Row
from wfc3tvb.web.app import application

pytestmark = pytest.mark.slow

Walls = tuple[str, ...]
#: Which walls stand: what a statement is judged by, and the lock on what runs it.
WALLS: tuple[Walls, ...] = (("statements", "lock"), ("statements",), ("lock",))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("doors") / "catalog"
    with known.make(folder) as catalog:
        catalog.update_views()
    return folder


@pytest.fixture
def new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new").mkdir()
    return tmp_path / "new"


def leave(monkeypatch: pytest.MonkeyPatch, walls: Walls) -> None:
    """Take down the other walls."""
    if "statements" not in walls:
        monkeypatch.setattr(statements, "check_statement", lambda _, text, **__: statements.Checked(text))
    if "lock" not in walls:
        monkeypatch.setattr(duckdb_views, "lock", lambda _, files, **__: files)


def by_http(folder: Path) -> Iterator[Callable[[str], bool]]:
    with TestClient(application(folder), base_url="http://localhost") as client:
        yield lambda text: client.get("/sql", params={"q": text}).status_code == 200


def by_command(folder: Path) -> Iterator[Callable[[str], bool]]:
    yield lambda text: CliRunner().invoke(main, ["sql", text, "--catalog", str(folder)]).exit_code == 0


@pytest.mark.parametrize("walls", WALLS, ids="+".join)
@pytest.mark.parametrize("door", [by_http, by_command])
def test_no_statement_writes(
    folder: Path,
    new: Path,
    monkeypatch: pytest.MonkeyPatch,
    door: Callable[[Path], Iterator[Callable[[str], bool]]],
    walls: Walls,
) -> None:
    leave(monkeypatch, walls)
    before, sent = hostile.contents(folder), hostile.statements(folder, new)
    assert len(sent) > 60
    for ask in door(folder):
        for text in sent:
            passed = ask(text)
            assert not (passed and "statements" in walls), text
            assert hostile.contents(folder, new.parent) == before, text
        assert ask("SELECT count(*) FROM reads JOIN exposures USING (rootname)")


def test_downloads_are_behind_the_same_walls(folder: Path, new: Path) -> None:
    before = hostile.contents(folder)
    with TestClient(application(folder), base_url="http://localhost") as client:
        for text in hostile.statements(folder, new)[::5]:
            assert client.get("/download", params={"q": text}).status_code == 400, text
    assert hostile.contents(folder, new.parent) == before


def test_without_walls_they_would_write(tmp_path: Path, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known.make(tmp_path / "other").close()
    leave(monkeypatch, ())
    before = hostile.contents(tmp_path / "other", new)
    with open_catalog(tmp_path / "other", locked=True) as catalog:
        for text in hostile.statements(tmp_path / "other", new)[:1]:
            catalog.fetch(text)
    assert hostile.contents(tmp_path / "other", new) != before


def test_python_refuses_them_too(folder: Path, new: Path) -> None:
    before = hostile.contents(folder)
    with open_catalog(folder) as catalog:
        for text in hostile.statements(folder, new):
            with pytest.raises(statements.QueryError):
                catalog.sql(text)
    assert hostile.contents(folder, new.parent) == before


READING = """
SELECT 1 AS n
FROM exposures
TABLE exposures
VALUES (1), (2)
SHOW TABLES
SHOW ALL TABLES
DESCRIBE exposures
DESCRIBE SELECT 1
SUMMARIZE exposures
SUMMARIZE SELECT rootname FROM reads
EXPLAIN SELECT 1
explain (format json) from exposures
/* a */ -- b{line}EXPLAIN WITH a AS (SELECT 1) FROM a
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT * FROM t;
(SELECT 1 UNION SELECT 2) ORDER BY 1 -- the end
PIVOT exposures ON tvb_class USING count()
PIVOT exposures ON tvb_class IN ('none') USING count() GROUP BY filter
WITH a AS (FROM exposures) PIVOT a ON filter USING count()
UNPIVOT (SELECT sky_min, sky_max FROM exposures) ON sky_min, sky_max
SELECT 'COPY x TO y; DROP VIEW reads' AS text
SELECT unnest([1, 2]), struct_pack(a := 1) FROM range(2)
FROM histogram(exposures, sky_mean)
SELECT * FROM query_table('exposures')
SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'reads'
SELECT json_serialize_sql('SELECT 1')
"""


@pytest.mark.parametrize("text", READING.strip().splitlines())
def test_what_reads_passes_everywhere(folder: Path, text: str) -> None:
    text = text.replace("{line}", "\n")
    for own in ({}, {"locked": True}, {"locked": True, "own_files": True}):
        with open_catalog(folder, **own) as catalog:
            assert catalog.fetch(text).num_columns > 0


def test_pivot_is_answered(folder: Path) -> None:
    with open_catalog(folder, locked=True) as catalog:
        rows = catalog.fetch("PIVOT (SELECT filter, tvb_class FROM exposures) ON tvb_class USING count()").to_pylist()
    assert rows == [{"filter": "F105W", "none": 1, "severe": 1}]


def test_many_comments_are_read_in_no_time(folder: Path) -> None:
    with open_catalog(folder) as catalog:
        assert catalog.sql("/**/" * 2000 + "SELECT 1").fetchall() == [(1,)]
        with pytest.raises(statements.QueryError):
            catalog.sql("/**/" * 2000 + "SELEC 1")


OWN = {
    "FROM read_csv('{0}')": [{"a": 1, "b": 2}],
    "FROM '{0}'": [{"a": 1, "b": 2}],
    "SELECT own.b FROM '{0}' own": [{"b": 2}],
    "SELECT b FROM read_csv(['{0}', '{0}'], header = true)": [{"b": 2}, {"b": 2}],
    "SELECT count(*) AS n FROM '{1}/*.csv' SEMI JOIN range(3) t(a) USING (a)": [{"n": 1}],
    "SELECT count(*) AS n FROM read_parquet('{1}/../own.parquet')": [{"n": 3}],
    "SELECT b FROM '{1}/../{2}/own.csv'": [{"b": 2}],
    "SELECT size FROM read_text('{0}')": [{"size": 8}],
    "SELECT column_name FROM (SUMMARIZE '{0}')": [{"column_name": "a"}, {"column_name": "b"}],
    "SELECT file[-7:] AS name FROM glob('{1}/*')": [{"name": "own.csv"}],
}


@pytest.mark.parametrize("text", OWN)
def test_own_files_are_read_and_not_by_strangers(folder: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "o'ä").mkdir()
    path = tmp_path / "o'ä" / "own.csv"
    path.write_text("a,b\n1,2\n")
    said = text.format(*(str(name).replace("'", "''") for name in (path, path.parent, path.parent.name)))
    with open_catalog(folder) as catalog:
        catalog.sql("SELECT rootname FROM exposures").write_parquet(str(tmp_path / "own.parquet"))
        assert catalog.fetch(said).to_pylist() == OWN[text]
    with open_catalog(folder, locked=True, own_files=True) as catalog:
        assert catalog.fetch(said).to_pylist() == OWN[text]
    with open_catalog(folder, locked=True) as catalog, pytest.raises(statements.QueryError):
        catalog.fetch(said)


def test_paths_may_lead_through_the_folder_above(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "own.csv").write_text("a,b\n1,2\n")
    monkeypatch.chdir(tmp_path / "below")
    shutil.copytree(folder, tmp_path / "c?..c")
    for place in ("../c?..c", "../below/../c?..c", tmp_path / "below" / ".." / "c?..c"):
        for own in (True, False):
            with open_catalog(place, locked=True, own_files=own) as catalog:
                assert catalog.fetch("SELECT count(*) AS n FROM reads").to_pylist() == [{"n": 6}]
        with open_catalog(place, locked=True, own_files=True) as catalog:
            for name in ("'../own.csv'", "read_csv('./../own.csv')", "read_csv(['../*.csv'])"):
                assert catalog.fetch(f"FROM {name}").to_pylist() == [{"a": 1, "b": 2}]
            assert catalog.fetch("SELECT a FROM read_csv($1)", ["../own.csv"]).to_pylist() == [{"a": 1}]


def test_a_missing_own_file_is_named(folder: Path, tmp_path: Path) -> None:
    said = CliRunner().invoke(main, ["sql", f"FROM '{tmp_path}/none.csv'", "--catalog", str(folder)])
    assert said.exit_code == 2
    assert f'"{tmp_path}/none.csv"' in said.stderr
    (tmp_path / "shut.csv").write_text("a\n1\n")
    (tmp_path / "shut.csv").chmod(0)
    if os.geteuid():  # root reads everything
        said = CliRunner().invoke(main, ["sql", f"FROM '{tmp_path}/shut.csv'", "--catalog", str(folder)])
        assert "Permission denied" in said.stderr and "Traceback" not in said.stderr


def test_a_locked_catalog_answers_as_an_open_one(folder: Path) -> None:
    text = "FROM reads ORDER BY ALL"
    with open_catalog(folder) as one, open_catalog(folder, locked=True, threads=4) as other:
        assert one.fetch(text).equals(other.fetch(text))
        own = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0  # noqa: PTH208
        for _ in range(50):
            other.fetch(text)
    assert sys.platform != "linux" or len(os.listdir("/proc/self/fd")) <= own  # noqa: PTH208


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_pages_of_others_run_nothing(folder: Path, site: str) -> None:
    image = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    link = {"sec-fetch-site": site, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    frame = link | {"sec-fetch-dest": "iframe"}
    with TestClient(application(folder), base_url="http://localhost") as client:
        for path in ("/sql?q=SELECT 6 * 7", "/sql", "/sql/", "/download?q=SELECT 1", "/"):
            for headers in (image, frame, *([link] if path.startswith("/download") else [])):
                assert client.get(path, headers=headers).status_code == 403, (path, headers)
                assert client.head(path, headers=headers).status_code == 403
        shown = client.get("/sql?q=SELECT 6 * 7", headers=link)  # a statement that is shared: shown, not run
        assert shown.status_code == 200
        assert "SELECT 6 * 7" in shown.text
        assert "42" not in re.sub(r"<(style|script).*?</\1>|<[^>]*>", "", shown.text, flags=re.DOTALL)
        assert client.get("/statistics", headers=image).status_code == 403
        assert client.get("/", headers=link).status_code == 200
        assert client.get("/visit/ibohbf", headers=link).status_code == 200


@pytest.mark.parametrize("site", ["same-origin", "none", None])
def test_own_pages_and_programs_are_answered(folder: Path, site: str | None) -> None:
    headers = {"sec-fetch-site": site, "sec-fetch-mode": "navigate"} if site else {}
    with TestClient(application(folder), base_url="http://localhost") as client:
        for path in ("/sql?q=SELECT 1 AS x", "/download?q=SELECT 1 AS x", "/"):
            assert client.get(path, headers=headers).status_code == 200
        assert client.get("/").headers["cross-origin-resource-policy"] == "same-origin"


ESCAPE = "\x1b[2J\x1b]0;x\x07\x9b"


RUN = """
import ast, sys
from wfc3tvb.cli import main
for arguments in ast.literal_eval(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit:
        print("--- ended")
"""


def in_a_terminal(commands: list[list[str]]) -> bytes:
    """Return what commands print where stdout and stderr are a terminal."""
    reader, terminal = pty.openpty()
    command = [sys.executable, "-W", "ignore", "-c", RUN, repr(commands)]
    environment = os.environ | {"TERM": "dumb", "NO_COLOR": "1"}
    with subprocess.Popen(command, stdout=terminal, stderr=terminal, stdin=terminal, env=environment) as process:
        os.close(terminal)
        found = b"".join(iter(lambda: piece(reader), b""))
        process.wait()
    os.close(reader)
    return found


def piece(reader: int) -> bytes:
    try:
        return os.read(reader, 65536)
    except OSError:  # the other end is closed
        return b""


def with_escapes(folder: Path) -> Catalog:
    """Return a catalog whose texts hold what terminals obey."""
    catalog = known.make(folder)
    rows: list[Row] = catalog.fetch("FROM exposures").to_pylist()
    for row in rows:
        row["target_name"] = f"[red]{ESCAPE}"
        row["quality_flags"] = [ESCAPE]
    catalog.replace("exposures", rows)
    return catalog


def test_nothing_raw_reaches_a_terminal(tmp_path: Path) -> None:
    folder = tmp_path / "catalog"
    with_escapes(folder).close()
    asked = f"SELECT target_name, [target_name] AS l, {{'a': target_name}} AS \"{ESCAPE}\" FROM exposures"
    commands = [
        ["sql", asked], ["sql", asked, "--format", "csv"], ["sql", asked, "--format", "json"],
        ["sql", "SELECT error(target_name) FROM exposures"], ["sql", f"FROM '{ESCAPE}.csv'"], ["show", "ibohbf"],
        ["show", "ibohbfbdq"], ["show", ESCAPE], ["query", ESCAPE], ["query", "my_visit", "--param", "visit=ibohbf"],
        ["sql", "SELECT 1", "--output", f"{tmp_path}/{ESCAPE}.csv"],
    ]  # fmt: skip
    printed = in_a_terminal([[*arguments, "--catalog", str(folder)] for arguments in commands])
    shown = re.sub(r"\x1b\[(31|0)m", "", printed.decode().replace("\r\n", "\n"))  # errors are red
    assert shown.count("--- ended") == len(commands)
    assert shown.count("\N{REPLACEMENT CHARACTER}[2J") > len(commands)
    assert not [c for c in shown if not c.isprintable() and c not in "\n\t"], shown


def test_files_and_pipes_keep_the_data(tmp_path: Path) -> None:
    with_escapes(tmp_path / "catalog").close()
    asked = "SELECT DISTINCT target_name FROM exposures"
    said = CliRunner().invoke(main, ["sql", asked, "--format", "csv", "--catalog", str(tmp_path / "catalog")])
    assert said.stdout == f"target_name\n[red]{ESCAPE}\n"
    shown = CliRunner().invoke(main, ["show", "ibohbf", "--catalog", str(tmp_path / "catalog")])
    assert "[red]\N{REPLACEMENT CHARACTER}[2J" in shown.stdout


def test_chromium_says_that_another_page_asks(folder: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium here")
    explorer, seen = application(folder), []

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def watch(message: Any) -> None:
            if message["type"] == "http.response.start":
                seen.append((scope["path"], message["status"]))
            await send(message)

        await explorer(scope, receive, watch)

    with listening(watched) as address:
        page = f'<img src="{address}/sql?q=SELECT 1"><img src="{address}/download?q=SELECT 1"><img src="{address}/">'
        others = Starlette(routes=[Route("/", lambda _: HTMLResponse(page))])
        with listening(others) as elsewhere:
            command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000"]
            subprocess.run([*command, "--dump-dom", elsewhere], check=True, capture_output=True, timeout=120)
        assert {(path, 403) for path in ("/sql", "/download", "/")} == set(seen)
        seen.clear()
        subprocess.run([*command, "--dump-dom", f"{address}/sql"], check=True, capture_output=True, timeout=120)
        assert ("/sql", 200) in seen and ("/static/explorer.js", 200) in seen
