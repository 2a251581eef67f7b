"""The catalog: replaced rows, several writers, moved folders, refused statements."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from wfc3tvb.catalog import compaction, duckdb_views
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.catalog.compaction import compact
from wfc3tvb.catalog.delta import tables
from wfc3tvb.catalog.views import RELATIONS
from wfc3tvb.errors import (
    BadArgumentError,
    CatalogExistsError,
    CatalogNotWritableError,
    DamagedCatalogError,
    NoCatalogError,
    QueryError,
    ReadOnlyCatalogError,
    SchemaMismatchError,
)  # fmt: skip
from wfc3tvb.models import Measurement
from wfc3tvb.schema import TABLES, to_arrow

pytestmark = pytest.mark.slow

WRITER = """
import sys
from tests.catalog.test_catalog import measurement
from wfc3tvb.catalog import compaction
from wfc3tvb.catalog.catalog import Catalog, open_catalog
compaction.MERGE_EVERY = 4
catalog = open_catalog(sys.argv[1], mode="a")
for n in range(int(sys.argv[2])):
    catalog.record([measurement(f"ibaaaa{n // 10}{n % 10}q", 3)])
"""

REPLACER = """
import sys
from wfc3tvb.catalog.catalog import open_catalog
catalog = open_catalog(sys.argv[1], mode="a")
rows = catalog.fetch("FROM datasets")
rows = rows.set_column(rows.column_names.index("target_name"), "target_name", [["new"] * rows.num_rows])
print("begins", flush=True)
catalog.replace("datasets", rows)
"""


def measurement(root: str, n_reads: int = 3, **columns: object) -> Measurement:
    exposure = TABLES["exposures"].empty_row() | {"rootname": root, "visit": root[:6], "filter": "F105W"} | columns
    reads = [TABLES["reads"].empty_row() | {"rootname": root, "read": n + 1} for n in range(n_reads)]
    return Measurement(exposure, reads)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return open_catalog(tmp_path / "catalog", mode="a")


def test_rows_described_by_another_version_are_taken(catalog: Catalog) -> None:
    rows = catalog._arrow("failures", [TABLES["failures"].empty_row() | {"key": "a", "stage": "fetch", "attempt": 1}])
    for n, write in enumerate((catalog.tables.append, catalog.tables.replace)):
        fields = [field.with_metadata({b"description": b"version %d" % n}) for field in rows.schema]
        write("failures", rows.cast(pa.schema(fields)))
    catalog.update_views()
    assert catalog.sql("SELECT key FROM failures").fetchall() == [("a",)]


def test_a_measured_again_exposure_replaces_its_rows(catalog: Catalog) -> None:
    catalog.record([measurement("ibaaaa01q", 5, sky_mean=1.0), measurement("ibaaaa02q", 5)])
    catalog.record([measurement("ibaaaa01q", 3, sky_mean=2.0)])
    assert catalog.sql("SELECT sky_mean FROM exposures WHERE rootname = 'ibaaaa01q'").fetchall() == [(2.0,)]
    assert catalog.sql("SELECT rootname, count(*) FROM reads GROUP BY 1 ORDER BY 1").fetchall() == [
        ("ibaaaa01q", 3), ("ibaaaa02q", 5)]  # fmt: skip


def test_any_number_of_keys_is_replaced_in_one_commit(catalog: Catalog) -> None:
    n = 100_000
    names = [f"ib{k:07d}" for k in range(n)]
    rows = catalog._arrow("datasets", [TABLES["datasets"].empty_row() | {"dataset": name} for name in names])
    catalog.append("datasets", rows)
    before = catalog.tables.open("datasets").version()
    catalog.replace("datasets", rows.slice(0, n // 2), keys=names[: n - 1])
    assert catalog.tables.open("datasets").version() == before + 1
    found = catalog.sql("SELECT count(*), count(DISTINCT dataset), max(dataset) FROM datasets").fetchall()
    assert found == [(n // 2 + 1, n // 2 + 1, names[-1])]


def test_a_replacement_that_is_killed_leaves_the_old_rows_or_has_put_all_new_ones(catalog: Catalog) -> None:
    names = [f"ib{k:07d}" for k in range(50_000)]
    old = TABLES["datasets"].empty_row() | {"target_name": "old"}
    catalog.append("datasets", catalog._arrow("datasets", [old | {"dataset": name} for name in names]))
    for delay in (0.05, 0.15, 0.3):
        command = [sys.executable, "-W", "ignore", "-c", REPLACER, str(catalog.folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout
            child.stdout.readline()
            time.sleep(delay)
            child.kill()
        catalog.reload()
        found = catalog.sql("SELECT target_name, count(*) FROM datasets GROUP BY ALL").fetchall()
        assert found in ([("old", 50_000)], [("new", 50_000)])


def test_any_number_of_failures_is_replaced_by_their_whole_key(catalog: Catalog) -> None:
    rows = [
        TABLES["failures"].empty_row() | {"key": f"ib{k:07d}", "stage": stage, "attempt": 1, "error": "FetchError"}
        for k in range(20_000)
        for stage in ("fetch", "measure")
    ]
    catalog.replace("failures", rows)
    catalog.replace("failures", [row | {"error": "FitsError"} for row in rows if row["stage"] == "fetch"])
    found = catalog.sql("SELECT stage, error, count(*) FROM failures GROUP BY ALL ORDER BY stage").fetchall()
    assert found == [("fetch", "FitsError", 20_000), ("measure", "FetchError", 20_000)]


def test_removed_keys_need_no_new_row_and_no_quoting(catalog: Catalog) -> None:
    names = ["it's", 'a "b"', "c, d); --", "kept"]
    catalog.replace("datasets", [TABLES["datasets"].empty_row() | {"dataset": name} for name in names])
    catalog.replace("datasets", [], keys=[*names[:3], "unknown"])
    assert catalog.sql("SELECT dataset FROM datasets").fetchall() == [("kept",)]


@pytest.mark.parametrize("most_listed", [0, 1000])
def test_a_join_and_a_list_of_keys_replace_the_same(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, most_listed: int
) -> None:
    """At the end a row is added under a key that is not among those that are removed."""
    monkeypatch.setattr("wfc3tvb.catalog.delta.tables._MOST_LISTED", most_listed)
    names = ["ib-1", "ib_2", "ib", "i", "ibaaaa01q", "IB", "z", "ib0", "ü", "A", "a"]
    rows = [TABLES["datasets"].empty_row() | {"dataset": name, "target_name": "old"} for name in names]
    catalog.replace("datasets", rows)
    catalog.replace("datasets", [row | {"target_name": "new"} for row in rows[:7]], keys=[*names[:8], "unknown"])
    catalog.replace("datasets", [rows[0] | {"dataset": "other"}], keys=["a"])
    found = dict(catalog.sql("SELECT dataset, target_name FROM datasets").fetchall())
    assert found == dict.fromkeys(names[:7], "new") | {"ü": "old", "A": "old", "other": "old"}


@pytest.mark.parametrize("name", ["it's", "''", "\\", 'a "b"', "c, d); --", "ü", "", "%_"])
def test_keys_are_replaced_whatever_they_contain(catalog: Catalog, name: str) -> None:
    rows = [TABLES["datasets"].empty_row() | {"dataset": each, "target_name": "old"} for each in (name, "ib")]
    catalog.replace("datasets", rows)
    catalog.replace("datasets", [rows[0] | {"target_name": "new"}])
    assert dict(catalog.sql("SELECT dataset, target_name FROM datasets").fetchall()) == {name: "new", "ib": "old"}


def test_reads_without_their_exposure_do_not_exist(catalog: Catalog) -> None:
    catalog.replace("reads", measurement("ibaaaa01q").reads)
    assert catalog.sql("SELECT count(*) FROM reads").fetchall() == [(0,)]


def test_two_writers_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", WRITER, str(tmp_path / "catalog"), "15"]
    open_catalog(tmp_path / "catalog", mode="a").close()
    writers = [subprocess.Popen(command, cwd=Path(__file__).parents[2]) for _ in range(2)]
    catalog = open_catalog(tmp_path / "catalog", mode="r+")
    while any(writer.poll() is None for writer in writers):  # who merge files now and then
        compact(catalog, grace_hours=1)
    assert [writer.wait() for writer in writers] == [0, 0]
    catalog.update_views()
    counts = "SELECT count(*), count(DISTINCT rootname) FROM exposures"
    assert catalog.sql(counts).fetchall() == [(15, 15)]
    assert catalog.snapshots["reads"].n_rows == 45


def test_another_writers_commit_and_a_folder_made_anew_are_seen(catalog: Catalog) -> None:
    reader = open_catalog(catalog.folder)
    count = "SELECT count(*) FROM exposures"
    for n in range(3):
        catalog.record([measurement(f"ibaaaa0{n}q")])
        reader.reload()
        assert reader.sql(count).fetchall() == [(n + 1,)]
    reader.close()
    shutil.rmtree(catalog.folder)
    open_catalog(catalog.folder, mode="a").close()
    reader.reload()
    assert reader.sql(count).fetchall() == [(0,)]


def test_many_commits_leave_few_files_and_every_row(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "MERGE_EVERY", 12)
    reader = open_catalog(catalog.folder)
    for n in range(30):
        catalog.record([measurement(f"ibaaaa{n:02d}q", 3, sky_mean=float(n))])
        if n == 2:
            reader.update_views()
    snapshots = catalog.snapshots
    # A merge leaves one file; six batches come between two merges.
    assert max(len(snapshots[name].files) for name in ("reads", "exposures")) <= 1 + 6
    assert catalog.sql("SELECT count(*), sum(sky_mean) FROM exposures").fetchall() == [(30, 435.0)]
    assert catalog.sql("SELECT count(*), count(DISTINCT rootname) FROM reads").fetchall() == [(90, 30)]
    assert reader.sql("SELECT count(*) FROM reads").fetchall() == [(9,)]  # the files it opened are still there


def test_compact_removes_what_a_killed_writer_left_beside(catalog: Catalog) -> None:
    for name in (".views-old", ".views-new"):
        (catalog.folder / name).mkdir()
    os.utime(catalog.folder / ".views-old", (0, 0))
    compact(catalog, grace_hours=1)
    assert [path.name for path in catalog.folder.glob(".views-*")] == [".views-new"]


def test_compact_leaves_tables_alone_that_it_has_sorted(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = [to_arrow("reads", measurement(f"ib{n:04d}01q").reads) for n in range(3000)]
    catalog.append("reads", pa.concat_tables(reads))
    catalog.record([measurement("ibaaaa01q")])
    monkeypatch.setattr(tables, "TARGET_SIZE", 25_000)
    compact(catalog)
    once = catalog.snapshots["reads"]
    assert len(once.files) > 1
    compact(catalog)
    assert catalog.snapshots["reads"] == once
    catalog.record([measurement("ibaaaa02q")])
    compact(catalog)
    twice = catalog.snapshots["reads"]
    assert twice.version > once.version
    monkeypatch.setattr(tables, "TARGET_SIZE", 2_000)  # these would be files of an older version
    compact(catalog)
    assert catalog.snapshots["reads"].version > twice.version


def test_a_moved_catalog_works_for_us_and_for_plain_duckdb(catalog: Catalog, tmp_path: Path) -> None:
    catalog.record([measurement("ibaaaa01q")])
    catalog.update_views()
    catalog.close()
    shutil.move(catalog.folder, tmp_path / "moved here")
    open_catalog(tmp_path / "moved here")
    with duckdb.connect(str(tmp_path / "moved here" / "catalog.duckdb"), read_only=True) as plain:
        assert plain.execute("SELECT count(*) FROM reads").fetchall() == [(3,)]
        ours = "FROM duckdb_columns() WHERE database_name = 'catalog' AND schema_name = 'main' AND NOT internal"
        text = f"SELECT comment {ours} AND table_name = 'reads' AND column_name = 'rate'"
        assert plain.execute(text).fetchall() == [("interval rate of the sky [electron/s]",)]
        missing = f"SELECT count(*) {ours} AND table_name <> 'about' AND comment IS NULL"
        assert plain.execute(missing).fetchall() == [(0,)]


def test_comments_are_not_made_again_for_new_files(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog.record([measurement("ibaaaa01q")])
    catalog.update_views()
    monkeypatch.setattr(duckdb_views, "add_comments", None)
    monkeypatch.setattr(duckdb_views, "_without_files", [])  # as in another process
    catalog.record([measurement("ibaaaa02q")])
    catalog.update_views()
    with duckdb.connect(str(catalog.folder / "catalog.duckdb"), read_only=True) as plain:
        assert plain.execute("SELECT sum(n_exposures) FROM visits").fetchall() == [(2,)]
        text = "SELECT count(comment) FROM duckdb_columns() WHERE database_name = 'catalog'"
        n_columns = sum(len(relation.columns) for relation in RELATIONS.values())
        assert plain.execute(text).fetchall() == [(n_columns,)]
    monkeypatch.undo()
    with duckdb.connect(str(catalog.folder / "catalog.duckdb")) as plain:
        plain.execute("DROP SCHEMA files CASCADE")
    catalog.record([measurement("ibaaaa03q")])
    catalog.update_views()
    with duckdb.connect(str(catalog.folder / "catalog.duckdb"), read_only=True) as plain:
        assert plain.execute("SELECT count(*) FROM exposures").fetchall() == [(3,)]
    monkeypatch.setattr(duckdb_views, "__version__", "0.0.1")
    duckdb_views._definitions.cache_clear()
    made = []
    monkeypatch.setattr(duckdb_views, "_without_files", made)
    catalog.update_views()
    assert made, "a file of another version is made again from the beginning"
    duckdb_views._definitions.cache_clear()


@pytest.mark.parametrize("text", ["COPY (SELECT 1) TO 'x.csv'", "CREATE TABLE t (a INT)", "SELECT 1; SELECT 2", ""])
def test_what_does_not_read_is_refused(catalog: Catalog, text: str) -> None:
    with pytest.raises(QueryError):
        catalog.sql(text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("SELECT sky_meen FROM exposures", "LINE 1: SELECT sky_meen FROM exposures\n               ^^^^^^^^"),
        ("-- nope\nSELECT e.rootname,\n e.nope FROM exposures e", "LINE 3:  e.nope FROM exposures e\n           ^^^^"),
        ("SELECT 1\nFROM exposurs", "LINE 2: FROM exposurs\n             ^^^^^^^^"),
        ("SELECT fooo(1)", "LINE 1: SELECT fooo(1)\n               ^^^^"),
        ("SELEC 1", "LINE 1: SELEC 1\n        ^^^^^"),
    ],
)
def test_a_typo_is_answered_with_the_place(catalog: Catalog, text: str, place: str) -> None:
    with pytest.raises(QueryError) as caught:
        catalog.sql(text)
    assert str(caught.value).endswith(place)


def test_a_query_without_end_is_stopped(catalog: Catalog) -> None:
    with pytest.raises(QueryError, match="stopped after 0.2 s"):
        catalog.fetch("SELECT count(*) FROM range(10000000000) a, range(10000000000) b", timeout=0.2)


def test_no_catalog_bad_rows_and_a_folder_that_is_a_file(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(NoCatalogError):
        open_catalog(tmp_path / "nothing")
    with pytest.raises(SchemaMismatchError, match="unknown columns"):
        catalog.append("runs", [TABLES["runs"].empty_row() | {"typo": 1}])
    (tmp_path / "file").write_text("")
    with pytest.raises(CatalogNotWritableError):
        open_catalog(tmp_path / "file", mode="a")


def test_lost_reads_are_hidden_also_by_the_views_on_disk(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c", mode="a") as catalog:
        catalog.record([measurement("ibaaaa01q"), measurement("ibaaaa02q")])
        catalog.update_views()
        whole = catalog.sql("SELECT count(*) FROM reads").fetchall()
        catalog.replace("exposures", [], keys=["ibaaaa02q"])
        for _ in range(2):  # as it is read from the tables, then as catalog.duckdb remembers it
            catalog.update_views()
            assert catalog.sql("SELECT DISTINCT rootname FROM reads").fetchall() == [("ibaaaa01q",)]
        catalog.record([measurement("ibaaaa02q")])
        catalog.update_views()
        assert catalog.sql("SELECT count(*) FROM reads").fetchall() == whole


def test_the_modes_are_those_of_h5py_and_zarr(tmp_path: Path) -> None:
    for mode in ("r", "r+"):
        with pytest.raises(NoCatalogError):
            open_catalog(tmp_path / "c", mode=mode)
    assert not (tmp_path / "c").exists()
    with open_catalog(tmp_path / "c", mode="w") as catalog:
        catalog.record([measurement("ibaaaa01q")])
    with open_catalog(tmp_path / "c", mode="a") as catalog:
        catalog.record([measurement("ibaaaa02q")])
    with pytest.raises(CatalogExistsError, match="contains a catalog already"):
        open_catalog(tmp_path / "c", mode="w")
    with open_catalog(tmp_path / "c", mode="r+") as catalog:
        catalog.record([measurement("ibaaaa03q")])
    with open_catalog(tmp_path / "c") as catalog:
        assert catalog.sql("SELECT count(*) FROM exposures").fetchall() == [(3,)]
        for write in (lambda: catalog.record([measurement("ibaaaa04q")]), lambda: compact(catalog)):
            with pytest.raises(ReadOnlyCatalogError, match=r"""mode="r\+\""""):
                write()
    with pytest.raises(BadArgumentError, match="choose one of r, r\\+, a, w"):
        open_catalog(tmp_path / "c", mode="x")


def test_an_empty_catalog_may_be_made_anew(tmp_path: Path) -> None:
    for _ in range(2):
        open_catalog(tmp_path / "c", mode="w").close()
    with open_catalog(tmp_path / "c") as catalog:
        assert catalog.sql("SELECT count(*) FROM exposures").fetchall() == [(0,)]


@pytest.mark.parametrize("gone", ["exposures", "visit_fits", "reads/_delta_log"])
def test_a_table_that_is_gone_is_never_made_anew(catalog: Catalog, gone: str) -> None:
    catalog.record([measurement("ibaaaa01q")])
    reader = open_catalog(catalog.folder)
    shutil.rmtree(catalog.folder / gone)
    table = gone.split("/")[0]
    for ask in (
        lambda: open_catalog(catalog.folder),
        lambda: open_catalog(catalog.folder, mode="r+"),
        lambda: open_catalog(catalog.folder, mode="a"),
        lambda: Catalog(catalog.folder).sql("SELECT count(*) FROM exposures"),
        lambda: (reader.reload(), reader.sql("SELECT count(*) FROM exposures")),
    ):
        with pytest.raises(DamagedCatalogError, match=f"table {table}.* wfc3tvb verify"):
            ask()
    assert not (catalog.folder / gone).exists()


def test_a_catalog_without_any_log_is_not_made_anew(catalog: Catalog) -> None:
    catalog.record([measurement("ibaaaa01q")])
    for name in TABLES:
        shutil.rmtree(catalog.folder / name / "_delta_log")
    for mode in ("r", "r+", "a", "w"):
        with pytest.raises(DamagedCatalogError, match="the log of table exposures is missing"):
            open_catalog(catalog.folder, mode=mode)


def test_a_catalog_whose_making_was_interrupted_is_finished(catalog: Catalog) -> None:
    for name in ("failures", "runs"):
        shutil.rmtree(catalog.folder / name)
    with open_catalog(catalog.folder, mode="a") as found:
        found.record([measurement("ibaaaa01q")])
        assert found.sql("SELECT count(*) FROM failures").fetchall() == [(0,)]


def test_several_may_make_a_catalog_at_once(tmp_path: Path) -> None:
    def make(n: int) -> None:
        with open_catalog(tmp_path / "c", mode="a") as catalog:
            catalog.record([measurement(f"ibaaaa0{n}q")])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(4)))
    with open_catalog(tmp_path / "c") as catalog:
        assert catalog.sql("SELECT count(*) FROM exposures").fetchall() == [(4,)]
