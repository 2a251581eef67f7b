"""A full disk: one line with a remedy, and existing files stay intact."""

from __future__ import annotations

import errno
import os
import shutil
from collections import namedtuple
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from click.testing import CliRunner
from deltalake.exceptions import DeltaError

from tests.catalog.test_catalog import measurement
from wfc3tvb.catalog import duckdb_views, export, release
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.catalog.compaction import compact
from wfc3tvb.catalog.delta import tables
from wfc3tvb.catalog.delta.write_errors import writing
from wfc3tvb.catalog.formats import parquet
from wfc3tvb.catalog.formats.rows import Rows
from wfc3tvb.catalog.sql.query_errors import query_errors
from wfc3tvb.cli import main
from wfc3tvb.errors import CatalogNotWritableError, DiskFullError, StorageError, TvbError

FULL = "No space left on device; free some space and run the command again, or choose another folder"
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    catalog = open_catalog(tmp_path / "catalog", mode="a")
    catalog.record([measurement("ibaaaa01q")])
    catalog.update_views()
    return catalog


def test_nothing_is_begun_for_which_there_is_no_room(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog.record([measurement("ibaaaa02q")])
    versions = {name: snapshot.version for name, snapshot in catalog.snapshots.items()}
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(10**9, 10**9 - 100, 100))
    for work in (lambda: catalog.record([measurement("ibaaaa03q")]), lambda: catalog.tables.sort("reads")):
        with pytest.raises(CatalogNotWritableError, match=FULL):
            work()
    catalog.reload()
    assert {name: snapshot.version for name, snapshot in catalog.snapshots.items()} == versions


def test_the_views_file_stays_whole(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (catalog.folder / duckdb_views.VIEWS_FILE).read_bytes()
    catalog.record([measurement("ibaaaa02q")])

    def fail(*given: object, **more: object) -> None:
        raise duckdb.TransactionException('Failed to commit: Could not write file "x.wal": No space left on device')

    monkeypatch.setattr(duckdb_views, "file_statements", fail)
    with pytest.raises(CatalogNotWritableError, match=FULL):
        catalog.update_views()
    assert (catalog.folder / duckdb_views.VIEWS_FILE).read_bytes() == before
    # Who only reads is not stopped.
    assert open_catalog(catalog.folder).sql("SELECT count(*) FROM exposures").fetchall() == [(2,)]


def test_a_file_is_written_whole_or_not_at_all(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(rows: Rows, path: Path) -> None:
        path.write_text("half of")
        raise OSError(errno.ENOSPC, "Error writing bytes to file")

    monkeypatch.setitem(export._WRITERS, "json", fail)
    out = tmp_path / "out" / "reads.json"
    out.parent.mkdir()
    out.write_text("what was there")
    command = ["sql", "FROM reads", "--catalog", str(catalog.folder), "--output", str(out)]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 1
    assert done.stderr.startswith("wfc3tvb: no space is left on the disk; free some space")
    assert [(path.name, path.read_text()) for path in out.parent.iterdir()] == [("reads.json", "what was there")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no file that is always full")
def test_a_full_disk_under_a_parquet_file_is_told_as_such() -> None:
    rows = Rows.of_table(pa.table({"x": list(range(100_000))}))
    with pytest.raises(OSError, match="No space left on device"):
        parquet.write(rows, Path("/dev/full"))


def test_a_panic_of_the_table_library_is_no_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    panic = b"thread 'tokio-rt-worker' (1) panicked at src/buffered.rs:369:41:\nAlready shut down\n"
    with pytest.raises(CatalogNotWritableError, match="Input/output error; check the disk"), writing(tmp_path):
        os.write(2, panic)
        raise DeltaError("Unable to rename file: Input/output error (os error 5)")
    assert capfd.readouterr().err == ""
    with writing(tmp_path):
        os.write(2, b"progress\n")
    assert capfd.readouterr().err == "progress\n"


FAILING = {
    "/a/reads.parquet: the disk cannot read or write it (Input/output error); check the disk or its connection":
        duckdb.IOException('IO Error: Cannot open file "/a/reads.parquet": Input/output error'),
    "Cannot allocate memory; close other programs, or use a machine with more memory":
        OSError(errno.ENOMEM, "Cannot allocate memory"),
}  # fmt: skip


@pytest.mark.parametrize("line", FAILING)
def test_an_error_of_the_system_that_a_library_meets_is_one_line(
    line: str, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(store: Catalog, out: Path, form: str, **options: object) -> None:
        raise FAILING[line]

    monkeypatch.setattr(release, "write_release", fail)
    done = CliRunner().invoke(main, ["export", str(tmp_path / "out"), "--catalog", str(catalog.folder)])
    assert (done.exit_code, done.stdout, done.stderr) == (1 if "the disk" in line else 2, "", f"wfc3tvb: {line}\n")


@pytest.mark.parametrize(
    ("words", "expected"), [("No space left on device", DiskFullError), ("Input/output error", StorageError)]
)
def test_a_disk_that_fails_during_a_statement_is_no_mistake_in_it(words: str, expected: type[TvbError]) -> None:
    with pytest.raises(expected), query_errors("SELECT 1"):
        raise duckdb.IOException(f'IO Error: Could not read from file "/a/part.parquet": {words}')


def test_a_log_that_the_disk_cannot_read_is_not_damaged(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(uri: str) -> None:
        raise DeltaError("Generic LocalFileSystem error: Unable to read (os error 5)")

    monkeypatch.setattr(tables, "DeltaTable", fail)
    with pytest.raises(StorageError, match="Input/output error"):
        catalog.tables.open("reads")


def test_a_history_that_the_disk_cannot_read_is_not_damaged(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: object) -> None:
        raise OSError("Generic LocalFileSystem error\n  ↳ Unable to open x.json\n  ↳ Input/output error (os error 5)")

    catalog.record([measurement("ibaaaa02q")])
    monkeypatch.setattr(tables.DeltaTable, "history", fail)
    with pytest.raises(StorageError, match="Input/output error"):
        catalog.tables.is_sorted("reads")


def test_a_compaction_removes_what_a_commit_that_was_cut_short_has_left(catalog: Catalog) -> None:
    log = catalog.tables.place("reads") / "_delta_log"
    old, new = log / "00000000000000000009.json#1", log / "00000000000000000009.json#2"
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    compact(catalog)
    assert (old.exists(), new.exists()) == (False, True)
