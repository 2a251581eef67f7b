"""Export as one DuckDB file, and of views: for the program duckdb, and for those who do not know the views."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from tests.helpers import known
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.catalog.export import read_table
from wfc3tvb.catalog.views import RELATIONS
from wfc3tvb.cli.app import main

DOCS = Path(__file__).resolve().parents[2] / "docs" / "catalog.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "tvb-catalog"
    known.make(folder).close()
    return folder


def export(folder: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["export", *map(str, arguments), "--catalog", str(folder)])


def test_one_file_has_all_tables_and_views_with_comments(folder: Path, tmp_path: Path) -> None:
    assert export(folder, tmp_path / "out", "--format", "duckdb").exit_code == 0
    moved = shutil.move(tmp_path / "out" / "wfc3tvb.duckdb", tmp_path / "elsewhere.duckdb")
    with duckdb.connect(moved, read_only=True) as alone, open_catalog(folder) as catalog:
        for name in RELATIONS:
            query = f"FROM {name} ORDER BY ALL"
            assert alone.sql(query).fetchall() == catalog.sql(query).fetchall(), name
        kinds = dict(alone.sql("SELECT table_name, table_type FROM information_schema.tables").fetchall())
        assert {name: kinds[name] for name in ("exposures", "visits", "obscore")} == {
            "exposures": "BASE TABLE", "visits": "VIEW", "obscore": "VIEW",
        }  # fmt: skip
        comments = "SELECT comment FROM duckdb_columns() WHERE table_name = $1 AND column_name = $2"
        for table, column, unit in (("exposures", "sky_mean", "[electron/s]"), ("visits", "sky_max", "[electron/s]")):
            [(comment,)] = alone.execute(comments, [table, column]).fetchall()
            assert unit in comment
        assert alone.sql("SELECT mjd('2013-01-31')").fetchall() == [(56323.0,)]
    readme = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "| wfc3tvb.duckdb: exposures | 3 |" in readme
    assert "## visits" in readme


def test_statements_of_the_docs_for_the_shell_run(folder: Path, tmp_path: Path) -> None:
    """The lines after the prompt D of the shell, in the order of the page, in either database."""
    assert export(folder, tmp_path / "one", "--format", "duckdb").exit_code == 0
    section = DOCS.read_text(encoding="utf-8").partition("## The duckdb shell")[2].partition("\n## ")[0]
    statements = re.findall(r"^(?:D |\$ duckdb [^\"\n]+ \")(.*?)\"?$", section, re.MULTILINE)
    assert len(statements) >= 7
    for database in (folder / "catalog.duckdb", tmp_path / "one" / "wfc3tvb.duckdb"):
        with duckdb.connect(str(database), read_only=True) as connection:
            # The extension delta comes from the network.
            found = [connection.execute(text).fetchall() for text in statements if "delta_scan" not in text]
        assert [("ibohbf", "F105W", "severe", 1)] in found
        assert [row[0] for row in found[-1]] == ["ibohbfb7q", "ibohbfb9q", "ibohbfbdq"]


@pytest.mark.parametrize("form", ["parquet", "csv", "ecsv", "votable", "fits", "json"])
def test_views_are_written_by_their_names(folder: Path, tmp_path: Path, form: str) -> None:
    answer = export(folder, tmp_path / "out", "visits", "programs", "--format", form)
    assert answer.exit_code == 0, answer.stderr
    ending = {"votable": "vot"}.get(form, form)
    tables = sorted(path.name for path in (tmp_path / "out").glob(f"*.{ending}"))
    assert tables == [f"programs.{ending}", f"visits.{ending}"]
    if form != "json":
        visits = read_table(tmp_path / "out" / f"visits.{ending}")
        assert list(visits["visit"]) == ["ibohbf"]
        assert str(visits["sky_max"].unit) == "electron / s"


def test_names_that_are_no_tables_are_refused(folder: Path, tmp_path: Path) -> None:
    unknown = export(folder, tmp_path / "out", "visit")
    assert unknown.exit_code == 2
    assert "there is no table or view 'visit'; choose from datasets, exposures" in unknown.stderr
    assert "takes no names of tables" in export(folder, tmp_path / "out", "visits", "--format", "duckdb").stderr


def test_units_in_the_headings_of_csv_are_read_again(folder: Path, tmp_path: Path) -> None:
    for units in ([], ["--units"]):
        out = tmp_path / f"out{len(units)}"
        assert export(folder, out, "exposures", "--format", "csv", *units).exit_code == 0
    plain, headed = ((tmp_path / f"out{n}" / "exposures.csv") for n in (0, 1))
    assert ",sky_mean," in plain.read_text(encoding="utf-8").partition("\n")[0]
    assert ",sky_mean [electron/s]," in headed.read_text(encoding="utf-8").partition("\n")[0]
    one, other = read_table(plain), read_table(headed)
    assert one.colnames == other.colnames
    assert list(one["sky_mean"].filled(-1)) == list(other["sky_mean"].filled(-1))
    assert other["sky_mean"].unit == one["sky_mean"].unit


@pytest.mark.parametrize("form", ["duckdb", "csv"])
def test_what_a_killed_run_has_left_is_removed_a_day_later(folder: Path, tmp_path: Path, form: str) -> None:
    old, new = tmp_path / ".wfc3tvb.duckdb.1.part", tmp_path / ".wfc3tvb.duckdb.2.part"
    for path, hours in ((old, 25), (new, 1)):
        path.touch()
        os.utime(path, (time.time() - 3600 * hours,) * 2)
    assert export(folder, tmp_path, "--format", form).exit_code == 0
    assert (old.exists(), new.exists()) == (False, True)
