"""Queries from the command line: every format, and the messages for wrong queries."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.helpers import known
from tests.helpers.samp import samp_hub, viewer
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.catalog.export import FORMATS, read_table, write_table
from wfc3tvb.catalog.queries import load_all
from wfc3tvb.cli import main
from wfc3tvb.report.result_table import relation

pytestmark = pytest.mark.slow

QUESTION = "SELECT rootname, sky_mean FROM exposures ORDER BY rootname"

ENDLESS = "SELECT count() FROM range(10000000000) a, range(10000000000) b"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ask") / "catalog"
    known.make(folder).close()
    return folder


def ask(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--catalog", str(folder)])


def test_text_formats(folder: Path) -> None:
    assert [row["sky_mean"] for row in json.loads(ask(folder, "sql", QUESTION, "--json").stdout)] == [0.47, 1.5, None]
    rows = list(csv.DictReader(io.StringIO(ask(folder, "sql", QUESTION, "--format", "csv").stdout)))
    assert [row["sky_mean"] for row in rows] == ["0.47", "1.5", ""]
    shown = ask(folder, "sql", QUESTION)
    assert shown.stdout.splitlines()[2].split() == ["ibohbfb7q", "0.470"]
    headed = ask(folder, "sql", QUESTION, "--format", "csv", "--units").stdout.splitlines()
    assert headed[0] == "rootname,sky_mean [electron/s]"
    assert "(3 rows)" in shown.stderr
    assert "<VOTABLE" in ask(folder, "sql", QUESTION, "--format", "votable").stdout


@pytest.mark.parametrize("ending", ["parquet", "vot", "fits", "csv", "ecsv"])
def test_files(folder: Path, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x.{ending}"
    assert ask(folder, "sql", QUESTION, "--output", str(path)).exit_code == 0
    table = read_table(path)
    assert table["sky_mean"].unit.to_string() == "electron / s"
    assert table["sky_mean"].mask.tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["sql", "SELECT sky_meen FROM exposures"], "LINE 1: SELECT sky_meen FROM exposures\n               ^^^^^^^^"),
        (["sql", "DROP VIEW reads"], "DROP is not allowed"),
        (["sql", ENDLESS, "--timeout", "0.2"], "stopped after 0.2 s"),
        (["sql", "SELECT 1", "--format", "fits"], "(--output)"),
        (["sql", "SELECT 1", "--output", "x.xls"], "no format has this ending"),
        (["query", "worst_visit"], "did you mean worst_visits"),
        (["query", "my_visit"], "needs a value of visit"),
        (["query", "my_visit", "--param", "visit"], "write --param visit=VALUE"),
        (["query", "my_visit", "--param", "vist=a"], "no parameter vist"),
        (["query", "worst_visits", "--param", "limit=x"], "'x' is not of type int > 0"),
        (["query", "excess_by_solar_flux", "--param", "table=none.csv"], "none.csv"),
    ],
)
def test_wrong_questions(folder: Path, arguments: list[str], word: str) -> None:
    answer = ask(folder, *arguments)
    assert answer.exit_code == 2
    assert word in answer.stderr
    assert not answer.stdout


def test_a_bad_table_of_a_user_is_one_message(folder: Path, tmp_path: Path) -> None:
    for text in ("mjd,flux\n56298,abc\n", "a,b\n1,2\n", ""):
        (tmp_path / "flux.csv").write_text(text)
        answer = ask(folder, "query", "excess_by_solar_flux", "--param", f"table={tmp_path / 'flux.csv'}")
        assert answer.exit_code == 2
        assert answer.stderr.startswith("wfc3tvb: ")


def test_nothing_found_is_no_error(folder: Path, tmp_path: Path) -> None:
    answer = ask(folder, "query", "my_visit", "--param", "visit=izzzzz")
    assert answer.exit_code == 0
    assert "(0 rows)" in answer.stderr
    assert "no catalog in" in ask(tmp_path / "none", "sql", "SELECT 1").stderr


def test_sums_are_numbers_and_names_stay_apart(folder: Path, tmp_path: Path) -> None:
    text = "SELECT sum(n_flagged) AS n, 1.5 AS x, sum(n_flagged) * 10000000000000000000 AS large FROM visits"
    assert json.loads(ask(folder, "sql", text, "--json").stdout) == [{"n": 1, "x": 1.5, "large": 1e19}]
    both = "SELECT e.rootname, r.rootname FROM exposures e JOIN reads r USING (rootname) LIMIT 1"
    for ending in ("parquet", "fits", "vot", "csv"):
        path = tmp_path / f"x.{ending}"
        assert ask(folder, "sql", both, "--output", str(path)).exit_code == 0
        assert read_table(path).colnames == ["rootname", "rootname_1"]
    odd = "SELECT INTERVAL 2 DAY AS i, 'ab'::BLOB AS b"
    assert ask(folder, "sql", odd, "--format", "csv").stdout.splitlines()[1] == "0 months 2 days 0 s,6162"


def test_a_wide_result_shows_the_columns_that_fit(folder: Path) -> None:
    with open_catalog(folder) as catalog:
        rows = catalog.fetch("FROM exposures")
    table = relation(rows)
    assert len(table.fitting(None)) == rows.num_columns
    shown = [column.heading.partition("\n")[0] for column in table.fitting(80)]
    assert {"rootname", "sky_mean", "tvb_class", "recommend"} <= set(shown)
    narrow = CliRunner().invoke(main, ["sql", "FROM exposures", "--catalog", str(folder)], env={"COLUMNS": "80"})
    headings = " ".join(narrow.stdout.splitlines()[:2])
    assert sorted(word for word in headings.split() if not word.startswith("[")) == sorted(shown)
    assert "[e-/s]" in headings
    assert f"{rows.num_columns - len(shown)} of {rows.num_columns} columns do not fit" in narrow.stderr
    piped = ask(folder, "sql", "SELECT * FROM exposures")
    assert len(piped.stdout.splitlines()) == 5  # names, units, three exposures
    assert "56298.78520" in piped.stdout


def test_queries_are_listed_and_printed() -> None:
    run = CliRunner().invoke
    assert all(name in run(main, ["queries"]).stdout for name in load_all())
    assert run(main, ["queries", "my_visit"]).stdout == load_all()["my_visit"].sql
    assert run(main, ["queries", "my_vist"]).exit_code == 2


ODD = {
    "DATE 'infinity'": "infinity",
    "DATE '-infinity'": "-infinity",
    "TIMESTAMP 'infinity'": "infinity",
    "TIMESTAMPTZ '-infinity'": "-infinity",
    "TIMESTAMP_NS 'infinity'": "infinity",
    "DATE '0044-03-15 (BC)'": "0044-03-15 (BC)",
    "DATE '290000-01-01'": "290000-01-01",
    "TIMESTAMP '290000-01-01 12:00:00'": "290000-01-01 12:00:00",
    "TIME '24:00:00'": "24:00:00",
    "[DATE '290000-01-01']": "[290000-01-01]",
    "{'d': DATE 'infinity'}": "{'d': infinity}",
    "union_value(a := 1)": "1",
    "[INTERVAL 1 YEAR]": "[1 year]",
    "BIGNUM '123'": "123",
    "18446744073709551615": 2.0**64,
    "7::UBIGINT": 7,
    "DATE '2013-01-09'": "2013-01-09",
    "TIMESTAMP '9999-12-31 23:59:59'": "9999-12-31 23:59:59",
    "NULL::DATE": None,
}


@pytest.mark.parametrize("value", ODD)
def test_values_that_python_has_not_are_text(folder: Path, tmp_path: Path, value: str) -> None:
    answer = ask(folder, "sql", f"SELECT {value} AS x", "--json")
    assert json.loads(answer.stdout) == [{"x": ODD[value]}]
    for form in ("table", "csv", "votable", "ecsv"):
        assert ask(folder, "sql", f"SELECT {value} AS x", "--format", form).exit_code == 0
    for ending in ("parquet", "fits"):
        assert ask(folder, "sql", f"SELECT {value} AS x", "--output", str(tmp_path / f"x.{ending}")).exit_code == 0


def test_every_type_of_duckdb_fits_every_format(folder: Path, tmp_path: Path) -> None:
    with open_catalog(folder) as catalog:
        rows = catalog.fetch("FROM test_all_types()")
    assert len(rows.to_pylist()) == 3
    for form in FORMATS:
        assert write_table(rows, tmp_path / "all", form).stat().st_size > 0


NESTED = "{'a': " * 100 + "1" + "}" * 100


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["sql", "UPDATE EXTENSIONS"], "UPDATE is not allowed"),
        (["sql", "/* why */ UPDATE EXTENSIONS"], "UPDATE is not allowed"),
        (["sql", "EXPLAIN ANALYZE SELECT 1"], "EXPLAIN with ANALYZE or of a statement that writes is not allowed"),
        (["sql", "EXPLAIN SELEC 1"], "LINE 1: EXPLAIN SELEC 1\n                ^^^^^"),
        (["sql", "SELECT '\udcff'"], "is not valid UTF-8 text"),
        (["sql", "SELECT chr(55296)"], "Invalid UTF8"),
        (["show", "\udcff"], "is not valid UTF-8 text"),
        (["query", "my_visit", "--param", "visit=\udcff"], "is not valid UTF-8 text"),
        (["query", "\udcff"], "there is no query named \N{REPLACEMENT CHARACTER}"),
        (["sql", f"SELECT {NESTED} AS x"], "nested too deeply"),
        (["sql", "SELECT " + "[" * 150 + "1" + "]" * 150 + " AS x"], "nested too deeply"),
        (["sql", "SELECT " + "+".join("1" * 3000)], "expression depth"),
        (["sql", "SELECT test_all_types AS x FROM test_all_types()"], "cast it to VARCHAR"),
        (["query", "worst_visits", "--param", "limit=" + "9" * 5000], "is not of type int"),
        (["query", "worst_visits", "--param", "limit=" + "9" * 30], "wfc3tvb: "),
    ],
)
def test_what_cannot_be_answered_is_one_message(folder: Path, arguments: list[str], word: str) -> None:
    answer = ask(folder, *arguments)
    assert answer.exit_code == 2, answer.exception
    assert word in answer.stderr
    assert not answer.stdout


def test_a_wiped_table_is_an_error(tmp_path: Path) -> None:
    known.make(tmp_path / "catalog").close()
    shutil.rmtree(tmp_path / "catalog" / "reads" / "_delta_log")
    for arguments in (["sql", "SELECT count(*) FROM reads"], ["show", "ibohbf"], ["query", "headline"], ["compact"]):
        answer = ask(tmp_path / "catalog", *arguments)
        assert answer.exit_code == 2
        assert "the log of table reads is missing" in answer.stderr


def test_a_result_is_sent_to_other_programs(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with samp_hub(tmp_path, monkeypatch), viewer() as received:
        sent = ask(folder, "query", "my_visit", "--param", "visit=ibohbf", "--send")
        both = ask(folder, "sql", QUESTION, "--send", "--format", "csv")
    assert sent.exit_code == 0
    assert (sent.stdout, sent.stderr) == ("", "sent 3 rows to viewer\n")
    assert [name for name, _ in received] == ["my_visit", "sql"]
    assert both.stdout.startswith('"rootname"') or both.stdout.startswith("rootname")
    alone = ask(folder, "sql", QUESTION, "--send")
    assert alone.exit_code == 1
    assert alone.stderr == "wfc3tvb: SAMP: no hub is running on this machine; start TOPCAT or Aladin and try again\n"


def test_maps_of_coverage_need_footprints(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("mocpy", reason="pip install 'wfc3tvb[moc]'")
    made = CliRunner().invoke(main, ["export", str(tmp_path / "moc"), "--format", "moc", "--catalog", str(folder)])
    assert made.exit_code == 2
    assert "no exposure has a footprint" in made.stderr
