"""The catalog checks itself: an intact one passes, every kind of damage is found, and files can be merged."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from deltalake import DeltaTable

from tests.catalog.test_catalog import measurement
from tests.helpers.fakes import FakeSource, measure_fake
from wfc3tvb.catalog import run_log
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.catalog.compaction import compact
from wfc3tvb.catalog.verify import verify
from wfc3tvb.cli import main
from wfc3tvb.config import Selection
from wfc3tvb.errors import CatalogError, NoCatalogError
from wfc3tvb.survey.survey import plan_survey
from wfc3tvb.survey.survey import survey as real_survey

pytestmark = pytest.mark.slow

survey = partial(real_survey, measure=measure_fake)


def wrong(catalog: Catalog) -> set[tuple[str, str]]:
    return {(result.check, result.target) for result in verify(catalog) if not result.passed}


def told(catalog: Catalog) -> str:
    return next(r.detail for r in verify(catalog) if (r.check, r.target) == ("counts", "datasets"))


def test_a_whole_catalog_passes_and_its_faults_are_named(tmp_path: Path) -> None:
    catalog = open_catalog(tmp_path / "catalog", mode="a")
    catalog.record([measurement("ibaaaa01q")])
    assert wrong(catalog) == set()
    catalog.append("exposures", [measurement("ibaaaa01q").exposure])
    catalog.replace("reads", measurement("ibaaaa09q").reads)
    assert wrong(catalog) == {("keys unique", "exposures")}
    # As a survey leaves them that fails between its two commits.
    orphans = next(r.detail for r in verify(catalog) if (r.check, r.target) == ("no orphans", "reads"))
    assert orphans.startswith("1 exposures have reads but no row")
    assert "e.g. ibaaaa09q; run the same survey again" in orphans


def test_what_is_not_surveyed_yet_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog, source = open_catalog(tmp_path / "catalog", mode="a"), FakeSource(12, broken=("iaaaaaa1q",))
    plan_survey(catalog, Selection(), source=source)
    assert (wrong(catalog), told(catalog)[:34]) == (set(), "12 exposures listed: 0 measured, 0")
    survey(catalog, Selection(limit=5), source=source)
    assert told(catalog) == "12 exposures listed: 4 measured, 1 failed, 7 not surveyed yet"
    survey(catalog, Selection(ids=("iaaaac010",)), source=source)
    # A clock that is a year behind: the exposures of the first survey are measured again, before it as it were.
    monkeypatch.setattr(run_log, "mjd_now", lambda: 50000.0)
    survey(catalog, Selection(limit=6), source=source, recheck=True)
    survey(catalog, Selection(), source=source)
    assert wrong(catalog) == set()
    assert told(catalog) == "12 exposures listed: 11 measured, 1 failed, 0 not surveyed yet"
    compact(catalog, grace_hours=0)
    assert wrong(catalog) == set()


def test_an_interrupted_survey_leaves_a_right_catalog(tmp_path: Path) -> None:
    catalog = open_catalog(tmp_path / "catalog", mode="a")

    def interrupt(stage: str, done: int, total: int | None = None, *, failed: int = 0) -> None:
        if stage == "measure" and done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        survey(catalog, Selection(), source=FakeSource(12), progress=interrupt)
    assert wrong(catalog) == set()
    assert told(catalog) == "12 exposures listed: 5 measured, 0 failed, 7 not surveyed yet"


def _delete(table: str, predicate: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        DeltaTable(str(folder / table)).delete(predicate)

    return damage


def _first(folder: Path, pattern: str) -> Path:
    return sorted(folder.glob(pattern))[0]


def _forget_exposure(folder: Path) -> None:
    for table in ("reads", "exposures"):
        _delete(table, "rootname = 'iaaaaaa1q'")(folder)


def _change_units(folder: Path) -> None:
    log = _first(folder, "reads/_delta_log/*.json")
    log.write_text(log.read_text().replace("electron/s", "counts/s"))


def _spoil(pattern: str, data: bytes | None) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = _first(folder, pattern)
        if data is None:
            path.unlink()
        else:
            path.write_bytes(data)

    return damage


def _remove_table(folder: Path) -> None:
    shutil.rmtree(folder / "failures")


Damage = tuple[Callable[[Path], None], set[tuple[str, str]]]
DAMAGE: dict[str, Damage] = {
    "a file is gone": (_spoil("reads/*.parquet", None), {("files", "reads")}),
    "a file is cut": (_spoil("reads/*.parquet", b"PAR1"), {("files", "reads")}),
    "a log is garbage": (_spoil("reads/_delta_log/*.json", b"x"), {("log", "reads")}),
    "a table is gone": (_remove_table, {("log", "failures")}),
    "a read is lost": (_delete("reads", "read = 2 AND rootname = 'iaaaaaa0q'"), {("curves", "exposures")}),
    "a row is lost": (_delete("exposures", "rootname = 'iaaaaaa0q'"), {("counts", "exposures")}),
    "an exposure is lost": (_forget_exposure, {("counts", "exposures")}),
    "a failure is lost": (_delete("failures", "key = 'iaaaaaa3q'"), {("counts", "failures")}),
    "the list is lost": (_delete("datasets", "true"), {("listed", "exposures")}),
    "the runs are lost": (_delete("runs", "true"), {("runs", "exposures")}),
    "other units": (_change_units, {("units", "reads")}),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_and_a_remedy_said(name: str, tmp_path: Path, surveyed: Path) -> None:
    damage, found = DAMAGE[name]
    folder = tmp_path / "catalog"
    shutil.copytree(surveyed, folder)
    damage(folder)
    failed = [result for result in verify(folder) if not result.passed]
    assert {(result.check, result.target) for result in failed} == found
    assert all(";" in result.detail for result in failed)


@pytest.fixture(scope="module")
def surveyed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify") / "catalog"
    catalog = open_catalog(folder, mode="a")
    survey(catalog, Selection(limit=3), source=FakeSource(8, broken=("iaaaaaa3q",)))
    survey(catalog, Selection(), source=FakeSource(8, broken=("iaaaaaa3q",)))
    assert wrong(catalog) == set()
    return folder


def test_a_damaged_file_is_one_line_for_every_command(tmp_path: Path, surveyed: Path) -> None:
    folder = tmp_path / "catalog"
    shutil.copytree(surveyed, folder)
    for path in (folder / "reads").glob("*.parquet"):
        path.unlink()
    done = CliRunner().invoke(main, ["verify", "--catalog", str(folder)])
    assert done.exit_code == 1
    assert done.stdout.count("wrong ") == 1
    with pytest.raises(CatalogError, match=f"catalog is damaged: .*; see: wfc3tvb verify --catalog {folder}"):
        open_catalog(folder)


def test_no_catalog_is_said(tmp_path: Path) -> None:
    with pytest.raises(NoCatalogError):
        verify(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_merged_files_hold_the_same_rows(tmp_path: Path) -> None:
    catalog = open_catalog(tmp_path / "catalog", mode="a")
    for n in range(5):
        catalog.record([measurement(f"ibaaaa0{n}q")])
    before = catalog.sql("SELECT * FROM reads ORDER BY rootname, read").fetchall()
    found = {row.table: row for row in compact(catalog, grace_hours=0)}
    assert (found["reads"].n_before, found["reads"].n_after) == (5, 1)
    assert catalog.sql("SELECT * FROM reads ORDER BY rootname, read").fetchall() == before
