"""A full disk: one line with a remedy, and existing files stay intact."""

from __future__ import annotations

import errno
import shutil
from collections import namedtuple
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from tests.catalog.test_catalog import measurement
from wfc3tvb.catalog import duckdb_views, export
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.catalog.formats.rows import Rows
from wfc3tvb.cli import main
from wfc3tvb.errors import CatalogNotWritableError

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

    def fail(connection: duckdb.DuckDBPyConnection) -> None:
        raise duckdb.TransactionException('Failed to commit: Could not write file "x.wal": No space left on device')

    monkeypatch.setattr(duckdb_views, "add_comments", fail)
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
    assert done.exit_code == 2
    assert done.stderr.startswith("wfc3tvb: no space is left on the disk; free some space")
    assert [(path.name, path.read_text()) for path in out.parent.iterdir()] == [("reads.json", "what was there")]
