"""Catalogs of every release, and of future schemas: they open, answer queries, grow, and do not pass for damaged."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner
from deltalake import DeltaTable

from tests.catalog.test_queries import GIVEN, flux_table
from tests.survey.test_rescore import measurements
from wfc3tvb import schema
from wfc3tvb.catalog import queries
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.catalog.compaction import compact
from wfc3tvb.catalog.delta.tables import Tables
from wfc3tvb.catalog.export import read_table
from wfc3tvb.catalog.release import write_release
from wfc3tvb.catalog.upgrade import compare_catalog, read_snapshots, upgrade
from wfc3tvb.catalog.verify import CheckResult, verify
from wfc3tvb.catalog.views import RELATIONS
from wfc3tvb.cli import main
from wfc3tvb.errors import (
    CatalogError,
    DamagedCatalogError,
    NewerCatalogError,
    NoCatalogError,
    OldCatalogError,
)  # fmt: skip
from wfc3tvb.report.pages import write_report
from wfc3tvb.schema import SCHEMA_VERSION, TABLES, Column, Table, arrow_schema, migrations
from wfc3tvb.schema.migrations import Change, parse_version
from wfc3tvb.survey.rescore import rescore

pytestmark = pytest.mark.slow

KEPT = Path(__file__).resolve().parents[1] / "data" / "catalogs"
RELEASES = sorted(path.name for path in KEPT.iterdir() if path.is_dir())
#: What the demo leaves: rows of every table, and the sum of the sky of its exposures.
ROWS = {"datasets": 1, "exposures": 6, "reads": 90, "visit_fits": 66, "failures": 1, "reprocessed": 7, "runs": 2}
ROWS |= {name: 0 for name, table in TABLES.items() if table.since != "1.0"}
#: Tables of the first release.
FIRST = [name for name, table in TABLES.items() if table.since == "1.0"]
ADDED = "added_later"
#: The version that follows this one.
NEXT = f"{parse_version(SCHEMA_VERSION)[0]}.{parse_version(SCHEMA_VERSION)[1] + 1}"


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """A copy of the first release's catalog."""
    return Path(shutil.copytree(KEPT / "0.1.0", tmp_path / "catalog"))


@pytest.fixture
def evolve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Make this program one with another schema, until the test ends."""

    def change(version: str, *tables: Table, changes: tuple[Change, ...] = ()) -> None:
        for table in tables:
            for relations in (TABLES, RELATIONS):
                monkeypatch.setitem(relations, table.name, table)  # type: ignore[arg-type]
        monkeypatch.setattr(schema, "SCHEMA_VERSION", version)
        monkeypatch.setattr(migrations, "CHANGES", changes)
        arrow_schema.cache_clear()

    yield change
    monkeypatch.undo()
    arrow_schema.cache_clear()


def with_column(name: str, kind: str = "float", since: str = NEXT) -> Table:
    column = Column(ADDED, kind, "s", "added by a later version", since=since)
    return replace(TABLES[name], columns=(*TABLES[name].columns, column))


def failed(found: list[CheckResult]) -> set[tuple[str, str]]:
    return {(result.check, result.target) for result in found if not result.passed}


def files_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != "catalog.duckdb")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def count(catalog: Catalog, table: str, where: str = "true") -> int:
    return int(catalog.sql(f"SELECT count(*) FROM {table} WHERE {where}").fetchall()[0][0])


# --- releases ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copytree(KEPT / request.param, tmp_path / "catalog"))


def test_the_catalog_of_a_release_answers_every_query_and_stays_as_it_is(release: Path, tmp_path: Path) -> None:
    before = files_of(release)
    with open_catalog(release) as catalog:
        assert {name: count(catalog, name) for name in TABLES} == ROWS
        for name in queries.load_all():
            table = {"table": flux_table(tmp_path)} if name == "excess_by_solar_flux" else {}
            catalog.query(name, **GIVEN.get(name, {}) | table).fetchall()
        headline = catalog.query("headline").to_arrow_table().to_pylist()[0]
    assert (headline["exposures"], headline["flagged"], headline["severe"]) == (6, 3, 2)
    assert files_of(release) == before
    with duckdb.connect(str(release / "catalog.duckdb"), read_only=True) as plain:
        assert plain.execute("SELECT count(*), min(read), max(read) FROM reads").fetchall() == [(90, 1, 15)]


def test_the_catalog_of_a_release_grows_and_is_scored_again(release: Path, tmp_path: Path) -> None:
    with open_catalog(release, mode="r+") as catalog:
        catalog.record([replace(m, exposure=m.exposure | {"expstart": 56298.8}) for m in measurements()])
        report = rescore(catalog)
        assert report.n_scored == 6 + 3
        compact(catalog, grace_hours=0)
        assert (count(catalog, "exposures"), count(catalog, "reads")) == (9, 90 + 3 * 15)
        written = {path.name for path in write_release(catalog, tmp_path / "out", "parquet")}
        page = write_report(catalog, tmp_path / "report")
    assert {f"{name}.parquet" for name in TABLES} <= written
    assert len(read_table(tmp_path / "out" / "exposures.parquet")) == 9
    assert "ibohbf" in (page.parent / "visits.html").read_text()
    # The three have no dataset in the archive's list, and no run: they were recorded without a survey.
    assert failed(verify(release)) == {("listed", "exposures"), ("runs", "exposures")}


def test_the_commands_work_on_the_catalog_of_a_release(release: Path) -> None:
    for command in (["verify"], ["rescore"], ["verify"], ["compact"], ["verify"], ["show", "IBOHBF040"]):
        done = CliRunner().invoke(main, [*command, "--catalog", str(release)])
        assert (command, done.exit_code) == (command, 0), done.output


def test_the_schema_of_a_release_is_not_changed_without_a_new_version() -> None:
    for name in RELEASES:
        found = compare_catalog(read_snapshots(Tables(KEPT / name)))
        assert found.faults == []
        if found.stored.version == SCHEMA_VERSION:
            assert [table for table, each in found.tables.items() if each.added or each.unknown] == []


# --- a column, a table more ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        ("datasets", "str", "x"),
        ("exposures", "float", 1.5),
        ("reads", "int", 3),
        ("visit_fits", "bool", True),
        ("failures", "str[]", ["a", "b"]),
        ("reprocessed", "int[]", [1, 2]),
        ("runs", "float", -2.0),
    ],
)
def test_an_added_column_costs_nobody_anything(
    name: str, kind: str, value: object, first: Path, evolve: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    evolve(NEXT, with_column(name, kind))
    before = files_of(first)
    with open_catalog(first) as catalog:
        assert {table: count(catalog, table) for table in TABLES} == ROWS
        assert count(catalog, name, f"{ADDED} IS NULL") == ROWS[name]
    assert files_of(first) == before
    assert failed(verify(first)) == set()
    details = {result.target: result.detail for result in verify(first) if result.check == "version"}
    new = sum(column.since != "1.0" for column in TABLES[name].columns)
    assert details[name] == (
        f"schema 1.0, this program's is {NEXT}"
        + f", with {new} column{'s' * (new > 1)} more, which the next write adds" * (new > 0)
    )

    key = TABLES[name].key[0]
    with open_catalog(first, mode="r+") as catalog:
        rows = catalog.fetch(f"FROM {name} WHERE {key} = (SELECT min({key}) FROM {name})").to_pylist()
        with caplog.at_level(logging.WARNING):
            catalog.replace(name, [row | {ADDED: value} for row in rows])
            catalog.replace(name, [row | {ADDED: value} for row in rows])
        assert [record.getMessage().count(f"{name}.{ADDED}") for record in caplog.records] == [1]
        assert {table: count(catalog, table) for table in TABLES} == ROWS
        written = catalog.sql(f"SELECT DISTINCT {ADDED} FROM {name} WHERE {ADDED} IS NOT NULL").fetchall()
        assert written == [(value,)]
        assert count(catalog, name, f"{ADDED} IS NOT NULL") == len(rows)
    assert {snapshot.stored.version for snapshot in read_snapshots(Tables(first)).values()} == {NEXT}
    assert failed(verify(first)) == set()
    with open_catalog(first, mode="r+") as catalog:
        compact(catalog, grace_hours=0)
        assert (count(catalog, name), count(catalog, name, f"{ADDED} IS NOT NULL")) == (ROWS[name], len(rows))
    with duckdb.connect(str(first / "catalog.duckdb"), read_only=True) as plain:
        assert plain.execute(f"SELECT count({ADDED}) FROM {name}").fetchall() == [(len(rows),)]


def test_a_catalog_of_a_version_with_fewer_tables_opens(first: Path, evolve: Callable[..., None]) -> None:
    evolve(NEXT, Table("notes", "note", ("key",), (Column("key", "str", "", "key"),), since=NEXT))
    with open_catalog(first) as catalog:
        assert (count(catalog, "exposures"), count(catalog, "notes")) == (6, 0)
    assert not (first / "notes").exists()
    assert failed(verify(first)) == set()
    with open_catalog(first, mode="r+") as catalog:
        catalog.append("notes", [{"key": "a"}])
        assert catalog.sql("FROM notes").fetchall() == [("a",)]
    assert failed(verify(first)) == set()
    shutil.rmtree(first / "notes")
    with pytest.raises(DamagedCatalogError, match="table notes is missing"):
        open_catalog(first)


def test_an_upgrade_that_was_interrupted_is_taken_up_again(
    first: Path, evolve: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    evolve(NEXT, with_column("exposures"), with_column("runs"))
    real, done = Tables._configure, []

    def die(tables: Tables, table: str, properties: dict[str, str]) -> None:
        done.append(table)
        if len(done) == 4:  # columns of `exposures` are there, its version is not
            raise KeyboardInterrupt
        real(tables, table, properties)

    monkeypatch.setattr(Tables, "_configure", die)
    with open_catalog(first, mode="r+") as catalog, pytest.raises(KeyboardInterrupt):
        catalog.upgrade()
    monkeypatch.setattr(Tables, "_configure", real)
    with open_catalog(first) as catalog:
        assert count(catalog, "exposures", f"{ADDED} IS NULL") == 6
    assert failed(verify(first)) == set()
    with open_catalog(first, mode="r+") as catalog:
        catalog.upgrade()
    assert {each.stored.version for each in read_snapshots(Tables(first)).values()} == {NEXT}
    with open_catalog(first) as catalog:
        assert {name: count(catalog, name) for name in TABLES} == ROWS


# --- names that change ---------------------------------------------------------------------------------------------


def test_a_renamed_and_a_removed_column_keep_what_is_stored(first: Path, evolve: Callable[..., None]) -> None:
    with open_catalog(first) as catalog:
        before = catalog.sql("SELECT rootname, read, latitude FROM reads ORDER BY ALL").fetchall()
    kept = [c for c in TABLES["reads"].columns if c.name != "longitude"]
    columns = tuple(replace(c, name="geo_latitude") if c.name == "latitude" else c for c in kept)
    changes = (
        Change("1.0", "2.0", "reads", "latitude", "geo_latitude"),
        Change("1.0", "2.0", "reads", "longitude", None),
    )
    evolve("2.0", replace(TABLES["reads"], columns=columns), changes=changes)
    text = "SELECT rootname, read, geo_latitude FROM reads ORDER BY ALL"
    with open_catalog(first, mode="r+") as catalog:
        assert catalog.sql(text).fetchall() == before
        rows = catalog.fetch("FROM reads WHERE rootname = 'ibohbfb7q'").to_pylist()
        catalog.replace("reads", [row | {"geo_latitude": 10.0} for row in rows])
        after = catalog.sql(text).fetchall()
    assert after == [(root, n, 10.0 if root == "ibohbfb7q" else value) for root, n, value in before]
    assert failed(verify(first)) == set()


def test_a_renamed_table_is_read_and_its_folder_renamed_by_the_first_write(
    first: Path, evolve: Callable[..., None]
) -> None:
    (first / "visit_fits").rename(first / "light")
    evolve("2.0", changes=(Change("1.0", "2.0", None, "light", "visit_fits"),))
    with open_catalog(first) as catalog:
        assert count(catalog, "visit_fits") == 66
    assert (first / "light").is_dir()
    with open_catalog(first, mode="r+") as catalog:
        catalog.append("failures", catalog.fetch("FROM failures"))
        assert (count(catalog, "visit_fits"), count(catalog, "failures")) == (66, 2)
    assert not (first / "light").exists()
    with open_catalog(first) as catalog:
        assert count(catalog, "visit_fits") == 66


# --- newer, too old ------------------------------------------------------------------------------------------------


def record_version(folder: Path, version: str) -> None:
    properties = {"wfc3tvb.schema_version": version, "wfc3tvb.package_version": "0.9.0"}
    for name in filter(lambda name: (folder / name).is_dir(), TABLES):
        DeltaTable(str(folder / name)).alter.set_table_properties(properties, raise_if_not_exists=False)


def test_a_catalog_of_a_newer_minor_version_is_read_and_not_written(first: Path, evolve: Callable[..., None]) -> None:
    newer = f"{parse_version(SCHEMA_VERSION)[0]}.99"
    upgrade(Tables(first))
    record_version(first, newer)
    with open_catalog(first) as catalog:
        assert {name: count(catalog, name) for name in TABLES} == ROWS
    wrote = rf"wfc3tvb 0.9.0 \(schema {newer}\); .* cannot write it; pip install 'wfc3tvb>=0.9.0'"
    for mode in ("r+", "a"):
        with pytest.raises(NewerCatalogError, match=wrote):
            open_catalog(first, mode=mode)
    assert failed(verify(first)) == {("version", name) for name in TABLES}


def test_a_catalog_of_a_newer_major_version_names_what_to_install(first: Path) -> None:
    upgrade(Tables(first))
    record_version(first, "99.0")
    with pytest.raises(NewerCatalogError, match="cannot read it; pip install 'wfc3tvb>=0.9.0'") as caught:
        open_catalog(first)
    assert (caught.value.schema_version, caught.value.package_version) == ("99.0", "0.9.0")
    done = CliRunner().invoke(main, ["sql", "FROM reads", "--catalog", str(first)])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "pip install" in done.stderr
    assert {check for check, _ in failed(verify(first))} == {"version"}


def test_a_writer_that_was_open_before_an_upgrade_says_so(first: Path, evolve: Callable[..., None]) -> None:
    with open_catalog(first, mode="r+") as old:
        failures = old.fetch("FROM failures")
        old.append("failures", failures)
        evolve(NEXT, with_column("failures"))
        with open_catalog(first, mode="r+") as new:
            new.upgrade()
        with pytest.raises(CatalogError, match="changed the columns of table failures; run the command"):
            old.append("failures", failures)


def test_a_catalog_older_than_any_release_is_named(first: Path) -> None:
    record_version(first, "0.9")
    with pytest.raises(OldCatalogError, match="has schema 0.9; this version reads 1.0 and later"):
        open_catalog(first)
    assert failed(verify(first)) == {("version", name) for name in FIRST}


# --- damage --------------------------------------------------------------------------------------------------------


def edit_schema(folder: Path, table: str, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change the columns that a table's log declares."""
    for path in (folder / table / "_delta_log").glob("*.json"):
        actions = [json.loads(line) for line in path.read_text().splitlines()]
        for action in actions:
            if "metaData" in action:
                declared = json.loads(action["metaData"]["schemaString"])
                change(declared["fields"])
                action["metaData"]["schemaString"] = json.dumps(declared)
        path.write_text("\n".join(map(json.dumps, actions)))


@pytest.mark.parametrize("name", FIRST)
def test_a_table_whose_file_is_gone_is_damaged_whichever_it_is(name: str, first: Path) -> None:
    for path in (first / name).glob("*.parquet"):
        path.unlink()
    with pytest.raises(DamagedCatalogError, match="catalog is damaged: .*; see: wfc3tvb verify --catalog"):
        open_catalog(first)
    assert failed(verify(first)) == {("files", name)}


@pytest.mark.parametrize("name", FIRST)
@pytest.mark.parametrize("mode", ["r", "r+", "a"])
def test_a_table_that_is_gone_is_damage_and_is_not_made_anew(name: str, mode: str, first: Path) -> None:
    shutil.rmtree(first / name)
    with pytest.raises(DamagedCatalogError, match=f"table {name} is missing"):
        open_catalog(first, mode=mode)
    assert not (first / name).exists()
    assert failed(verify(first)) == {("log", name)}


def test_a_column_of_another_type_is_named(first: Path) -> None:
    def as_text(fields: list[dict[str, Any]]) -> None:
        next(field for field in fields if field["name"] == "rate")["type"] = "string"

    edit_schema(first, "reads", as_text)
    for mode in ("r", "a"):
        with pytest.raises(DamagedCatalogError, match="table reads: column rate has type str instead of float"):
            open_catalog(first, mode=mode)
    assert failed(verify(first)) == {("columns", "reads")}


def test_a_column_that_its_version_had_and_that_is_gone_is_named(first: Path) -> None:
    edit_schema(first, "runs", lambda fields: fields.remove(next(f for f in fields if f["name"] == "versions")))
    with pytest.raises(DamagedCatalogError, match="table runs: column versions is missing"):
        open_catalog(first)
    assert failed(verify(first)) == {("columns", "runs")}


def test_a_column_of_ones_own_is_left_as_it_is(first: Path) -> None:
    edit_schema(first, "runs", lambda fields: fields.append(dict(fields[0], name="mine")))
    with open_catalog(first, mode="r+") as catalog:
        rows = catalog.fetch("FROM runs").to_pylist()
        catalog.append("runs", [rows[0] | {"run_id": "new"}])
        assert count(catalog, "runs") == 3
    assert failed(verify(first)) == set()
    details = {result.target: result.detail for result in verify(first) if result.check == "columns"}
    assert details["runs"] == "8 stored; not in the schema and left unchanged: mine"


def test_a_catalog_whose_making_was_interrupted_is_none_yet(tmp_path: Path) -> None:
    open_catalog(tmp_path / "catalog", mode="a").close()
    shutil.rmtree(tmp_path / "catalog" / "runs")
    for mode in ("r", "r+"):
        with pytest.raises(NoCatalogError):
            open_catalog(tmp_path / "catalog", mode=mode)
    with open_catalog(tmp_path / "catalog", mode="a") as catalog:
        assert {name: count(catalog, name) for name in TABLES} == dict.fromkeys(TABLES, 0)
