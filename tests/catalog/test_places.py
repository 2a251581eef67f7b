"""Where a catalog can be: odd paths, file systems without locks or links, DuckDB 1.x, forked processes."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import subprocess
import sys
from pathlib import Path

import polars
import pytest
from deltalake import DeltaTable
from pandas import read_parquet

from tests.catalog.test_catalog import measurement
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.catalog.compaction import compact
from wfc3tvb.catalog.release import write_release
from wfc3tvb.errors import CatalogError

pytestmark = pytest.mark.slow

FORKED = """
import os, sys
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.errors import CatalogError
catalog = open_catalog(sys.argv[1], mode="r+")
assert catalog.sql("SELECT count(*) FROM reads").fetchall() == [(3,)]
actions = {
    "query": lambda: catalog.sql("SELECT count(*) FROM reads"),
    "write": lambda: catalog.append("failures", []),
    "another": lambda: open_catalog(sys.argv[1]),
    "close": catalog.close,
    "end": lambda: None,
}
if os.fork() == 0:
    try:
        actions[sys.argv[2]]()
        print("done")
    except CatalogError as error:
        print(error)
    sys.exit()  # with the interpreter's cleanup
os.wait()
print("parent", catalog.sql("SELECT count(*) FROM reads").fetchall())
"""


ODD = ["a|b", "a^b", "a?b", "a\\b", "a[b", "a]b", "a%41b", "a\nb", "\x1b[0m", "a\x7fb", "a\udc80b"]


@pytest.mark.parametrize("part", ODD)
def test_a_path_that_the_table_library_cannot_open_is_refused_first(tmp_path: Path, part: str) -> None:
    with pytest.raises(CatalogError, match="a catalog's path must not contain") as refused:
        open_catalog(tmp_path / part / "catalog", mode="a")
    assert "choose another folder" in str(refused.value)
    assert str(refused.value).isprintable()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", ["a b", "a*b", "a#b", "a'b", 'a"b', "a%b", "a$b;c", "a{b}", "~a", "a:b", "é→"])
def test_other_odd_paths_work(tmp_path: Path, part: str) -> None:
    with open_catalog(tmp_path / part, mode="a") as catalog:
        catalog.record([measurement("ibaaaa01q", 5)])
        catalog.record([measurement("ibaaaa01q", 3)])
    with open_catalog(tmp_path / part, locked=True) as catalog:
        assert catalog.sql("SELECT count(*) FROM reads").fetchall() == [(3,)]


def test_the_views_open_in_duckdb_1(tmp_path: Path) -> None:
    open_catalog(tmp_path / "catalog", mode="a").close()
    magic, storage = struct.unpack_from("<4sQ", (tmp_path / "catalog" / "catalog.duckdb").read_bytes(), 8)
    assert magic == b"DUCK"
    assert storage == 64  # of DuckDB 0.9 to 1.1; later versions read it


def test_queries_spill_among_the_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_catalog(tmp_path / "catalog", mode="a").close()
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    with open_catalog(tmp_path / "catalog", memory_limit="60MB", threads=1) as catalog:
        seen: list[str] = []
        rows = "SELECT hash(range) AS h, repeat('x', 100) || range AS text FROM range(1000000) ORDER BY h"
        found = catalog.sql(f"SELECT count(DISTINCT text) FROM ({rows} LIMIT 900000)").fetchall()
        seen += [path.name for path in here.iterdir()]
        spilled = catalog.sql("SELECT value FROM duckdb_settings() WHERE name = 'temp_directory'").fetchall()
    assert found == [(900000,)]
    assert seen == []
    assert not Path(spilled[0][0]).is_relative_to(here)
    assert not Path(spilled[0][0]).exists()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def no_locks(file: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with open_catalog(tmp_path / "catalog", mode="a") as catalog:
        catalog.record([measurement("ibaaaa01q", 3)])
        assert catalog.sql("SELECT count(*) FROM reads").fetchall() == [(3,)]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_hard_links_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def no_links(*arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(CatalogError, match="its file system has no hard links .*; choose a folder on another disk"):
        open_catalog(tmp_path / "catalog", mode="a")
    assert list((tmp_path / "catalog").iterdir()) == []


@pytest.mark.parametrize("action", ["query", "write", "another", "close", "end"])
def test_a_forked_process_says_so_instead_of_hanging(tmp_path: Path, action: str) -> None:
    with open_catalog(tmp_path / "catalog", mode="a") as catalog:
        catalog.record([measurement("ibaaaa01q", 3)])
    command = [sys.executable, "-W", "ignore", "-c", FORKED, str(tmp_path / "catalog"), action]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    child, parent = done.stdout.splitlines()
    assert parent == "parent [(3,)]"
    refused = action in ("query", "write", "another")
    assert ("this process was forked (os.fork) from one that had opened a catalog" in child) == refused, child
    assert (child == "done") != refused


def test_replaced_rows_are_read_once_in_every_documented_way(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "catalog", mode="a") as catalog:
        for sky in (1.0, 2.0):
            catalog.record([measurement("ibaaaa01q", 3, sky_mean=sky)])
        list(write_release(catalog, tmp_path / "snapshot", "parquet"))
        folder = catalog.folder / "exposures"
        every_file = read_parquet(folder, columns=["sky_mean"])["sky_mean"]
        assert sorted(set(every_file)) == [1.0, 2.0]  # what the documents warn of
        log = DeltaTable(folder).to_pyarrow_dataset().to_table().to_pandas()
        for rows in (log, polars.read_delta(str(folder)), read_parquet(tmp_path / "snapshot" / "exposures.parquet")):
            assert list(rows["sky_mean"]) == [2.0]
        assert catalog.sql("FROM exposures").df()["sky_mean"].to_list() == [2.0]
    with open_catalog(tmp_path / "catalog", mode="r+") as catalog:
        compact(catalog, grace_hours=0)
    assert read_parquet(folder)["sky_mean"].to_list() == [2.0]
