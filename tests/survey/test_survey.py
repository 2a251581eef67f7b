"""The survey: what is new is measured once, failures are rows, and any number of jobs gives the same rows."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.fakes import N_READS, FakeSource, measure_fake, rootname
from wfc3tvb.catalog import run_log
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.catalog.compaction import compact
from wfc3tvb.catalog.verify import verify
from wfc3tvb.config import MeasureSettings, Selection
from wfc3tvb.dates import mjd_now
from wfc3tvb.errors import UnknownDatasetError
from wfc3tvb.models import Measurement, ReadCube
from wfc3tvb.parallel.workers import Workers
from wfc3tvb.survey import plan as plan_module
from wfc3tvb.survey import worker
from wfc3tvb.survey.plan import ASKED_AGAIN, MAX_ATTEMPTS
from wfc3tvb.survey.survey import plan_survey
from wfc3tvb.survey.survey import survey as real_survey

pytestmark = pytest.mark.slow

survey = partial(real_survey, measure=measure_fake)
STABLE = "EXCLUDE (measured_at, bytes_read, run_id)"


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return open_catalog(tmp_path / "catalog", mode="a")


def rows(catalog: Catalog, text: str) -> list[tuple[Any, ...]]:
    return catalog.sql(text).fetchall()


def test_every_member_gets_its_rows_and_provenance(catalog: Catalog) -> None:
    report = survey(catalog, Selection(), source=FakeSource(10))
    assert (report.n_measured, report.n_failed, report.n_known) == (10, 0, 0)
    assert rows(catalog, "SELECT count(*), count(DISTINCT rootname) FROM exposures") == [(10, 10)]
    assert rows(catalog, "SELECT count(*) FROM reads") == [(10 * N_READS,)]
    found = rows(catalog, "SELECT DISTINCT dataset, asn_id, archive_generation_date, bytes_read, source, run_id "
                          "FROM exposures ORDER BY 1")  # fmt: skip
    assert found[0] == ("iaaaaa010", "iaaaaa010", 57000.0, 10, "simulated", report.run_id)
    assert len(found) == 3
    assert report.classes == {"none": 7, "severe": 3}
    assert report.n_flagged == 3
    assert report.next_command.startswith("wfc3tvb show iaaaa")
    assert report.n_bytes == 100


def test_what_the_archive_did_not_give_out_is_asked_for_again_after_a_week(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = FakeSource(4, absent=(rootname(2),))
    assert survey(catalog, Selection(), source=kept).n_failed == 1
    assert survey(catalog, Selection(), source=kept).n_given_up == 1
    now = mjd_now()
    monkeypatch.setattr(plan_module, "mjd_now", lambda: now + ASKED_AGAIN - 0.1)
    assert survey(catalog, Selection(), source=kept).n_given_up == 1
    monkeypatch.setattr(plan_module, "mjd_now", lambda: now + ASKED_AGAIN + 0.1)
    # Released meanwhile: the list and the generation date are as before.
    report = survey(catalog, Selection(), source=FakeSource(4))
    assert (report.n_measured, report.n_failed, report.n_given_up) == (1, 0, 0)


def test_flagged_exposures_of_several_classes_in_one_dataset_all_count(catalog: Catalog) -> None:
    def mixed(cube: Any, orbit: None, settings: MeasureSettings) -> Any:
        measured = measure_fake(cube, orbit, settings)
        tvb_class = "severe" if cube.rootname[7] == "0" else "moderate"
        return replace(measured, exposure=measured.exposure | {"flagged": True, "tvb_class": tvb_class})

    assert real_survey(catalog, Selection(), source=FakeSource(4), measure=mixed).n_flagged == 4


def test_a_second_run_has_nothing_to_do(catalog: Catalog) -> None:
    survey(catalog, Selection(), source=FakeSource(8))
    version = catalog.snapshots["datasets"].version
    again = survey(catalog, Selection(), source=FakeSource(8))
    assert (again.n_measured, again.n_known) == (0, 8)
    assert again.classes == {"none": 6, "severe": 2}
    assert catalog.snapshots["datasets"].version == version
    assert rows(catalog, "SELECT n_done, n_failed, ended_at IS NOT NULL FROM runs ORDER BY started_at") == [
        (8, 0, True),
        (0, 0, True),
    ]


def test_new_and_reprocessed_exposures_come_back_and_nothing_else(catalog: Catalog) -> None:
    survey(catalog, Selection(), source=FakeSource(8))
    assert survey(catalog, Selection(), source=FakeSource(12)).n_measured == 4
    newer = FakeSource(4, generation=57001.0)
    report = survey(catalog, Selection(), source=newer)
    assert (report.n_measured, report.n_known) == (4, 0)
    assert rows(catalog, "SELECT count(*), count(DISTINCT rootname) FROM exposures") == [(12, 12)]
    assert rows(catalog, "SELECT count(*), count(DISTINCT (rootname, read)) FROM reads") == [(36, 36)]


def test_recheck_measures_again(catalog: Catalog) -> None:
    survey(catalog, Selection(), source=FakeSource(4))
    assert survey(catalog, Selection(), source=FakeSource(4), recheck=True).n_measured == 4
    assert rows(catalog, "SELECT count(*) FROM reads") == [(12,)]


def test_ids_name_datasets_or_single_members(catalog: Catalog) -> None:
    report = survey(catalog, Selection(ids=(rootname(5),)), source=FakeSource(12))
    assert report.n_measured == 1
    assert rows(catalog, "SELECT rootname FROM exposures") == [(rootname(5),)]
    assert survey(catalog, Selection(ids=("iaaaac010",)), source=FakeSource(12)).n_measured == 4


def test_an_unknown_id_is_an_error_and_nothing_is_measured(catalog: Catalog) -> None:
    with pytest.raises(UnknownDatasetError, match="ibohbf040"):
        survey(catalog, Selection(ids=("ibohbf040",)), source=FakeSource(4))
    assert rows(catalog, "SELECT count(*) FROM runs") == [(0,)]


def test_limit(catalog: Catalog) -> None:
    assert survey(catalog, Selection(limit=3), source=FakeSource(10)).n_measured == 3
    assert survey(catalog, Selection(), source=FakeSource(10)).n_measured == 7


def test_a_bad_file_is_one_failures_row_and_the_others_go_on(catalog: Catalog) -> None:
    source = FakeSource(6, broken=(rootname(2),), down=(rootname(4),))
    report = survey(catalog, Selection(), source=source)
    assert (report.n_measured, report.n_failed) == (4, 2)
    text = "SELECT key, stage, error, message, attempt, retryable, run_id FROM failures ORDER BY key"
    assert rows(catalog, text) == [
        (rootname(2), "read", "BadFileError", f"{rootname(2)}: is broken; fetch it again", 1, False, report.run_id),
        (rootname(4), "fetch", "ServiceUnreachableError", "archive: no answer; try again later", 1, True,
         report.run_id),
    ]  # fmt: skip
    assert [row["key"] for row in report.failures] == [rootname(2), rootname(4)]


def test_a_rerun_tries_again_what_may_pass_up_to_a_limit(catalog: Catalog) -> None:
    source = FakeSource(4, broken=(rootname(0),), down=(rootname(1),))
    for _ in range(MAX_ATTEMPTS):
        report = survey(catalog, Selection(), source=source)
    assert report.n_given_up == 1
    last = survey(catalog, Selection(), source=source)
    assert (last.n_failed, last.n_given_up) == (0, 2)
    text = "SELECT key, list(attempt ORDER BY attempt) FROM failures GROUP BY key ORDER BY key"
    assert rows(catalog, text) == [(rootname(0), [1]), (rootname(1), list(range(1, MAX_ATTEMPTS + 1)))]
    reprocessed = survey(catalog, Selection(), source=FakeSource(4, generation=1e5))
    assert (reprocessed.n_measured, reprocessed.n_given_up) == (4, 0)


def test_a_file_that_changed_since_it_failed_is_tried_again(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    survey(catalog, Selection(), source=FakeSource(4, broken=(rootname(0),)))
    monkeypatch.setattr(FakeSource, "changed_at", lambda self, root: 1e5)
    assert survey(catalog, Selection(), source=FakeSource(4)).n_measured == 1


@pytest.mark.parametrize("workers", [Workers(2), pytest.param(Workers(cluster="local:2"), id="dask")])
def test_any_number_of_jobs_gives_the_same_rows(tmp_path: Path, workers: Workers) -> None:
    source = FakeSource(20, broken=(rootname(7),))
    found = []
    for name, how in (("one", Workers()), ("many", workers)):
        catalog = open_catalog(tmp_path / name, mode="a")
        survey(catalog, Selection(), source=source, workers=how)
        exposures = rows(catalog, f"SELECT * {STABLE} FROM exposures ORDER BY rootname")
        reads = rows(catalog, "SELECT * FROM reads ORDER BY rootname, read")
        failures = rows(catalog, "SELECT * EXCLUDE (failed_at, run_id) FROM failures ORDER BY key")
        found.append((exposures, reads, failures))
    assert found[0] == found[1]
    assert len(found[0][0]) == 19


def test_dry_run_counts_and_measures_nothing(catalog: Catalog) -> None:
    survey(catalog, Selection(limit=2), source=FakeSource(10))
    plan = plan_survey(catalog, Selection(), source=FakeSource(10), workers=Workers(2))
    assert (plan.n_datasets, plan.n_exposures, plan.n_known, plan.n_given_up) == (3, 8, 2, 0)
    assert (plan.requests, plan.n_bytes) == (16, 80)
    assert plan.seconds == pytest.approx(80 / 6e8 / 2)
    assert "16 reads each, 600 MB/s for each of 2 jobs" in plan.basis
    assert rows(catalog, "SELECT count(*) FROM exposures") == [(2,)]


def test_a_dry_run_learns_from_earlier_surveys(catalog: Catalog) -> None:
    survey(catalog, Selection(limit=8), source=FakeSource(40))
    ((began, ended),) = rows(catalog, "SELECT started_at, ended_at FROM runs")
    plan = plan_survey(catalog, Selection(), source=FakeSource(40))
    assert plan.seconds == pytest.approx(32 / 8 * (ended - began) * 86400)
    assert plan.basis.endswith("the speed of the last survey")


@pytest.mark.parametrize("skew", [-3000.0, 3000.0])
def test_a_clock_that_jumps_loses_and_doubles_nothing(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, skew: float
) -> None:
    down = FakeSource(8, down=(rootname(1),))
    survey(catalog, Selection(), source=down)
    for module in (run_log, worker, plan_module):
        monkeypatch.setattr(module, "mjd_now", lambda: mjd_now() + skew)
    assert survey(catalog, Selection(), source=down).n_failed == 1
    report = survey(catalog, Selection(), source=FakeSource(12))
    assert (report.n_measured, report.n_known, report.n_failed) == (5, 7, 0)
    assert survey(catalog, Selection(), source=FakeSource(12)).n_measured == 0
    assert rows(catalog, "SELECT count(*), count(DISTINCT rootname) FROM exposures") == [(12, 12)]
    assert all(result.passed for result in verify(catalog))


def test_a_failure_by_a_clock_that_was_ahead_hides_no_newer_file(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_log, "mjd_now", lambda: mjd_now() + 3000)
    assert survey(catalog, Selection(), source=FakeSource(3, broken=(rootname(1),))).n_failed == 1
    monkeypatch.undo()
    assert survey(catalog, Selection(), source=FakeSource(3)).n_measured == 1


def test_items_are_fetched_ahead_and_the_rows_stay_the_same(tmp_path: Path) -> None:
    found = []
    for prefetch, jobs in ((0, 1), (3, 1), (3, 2)):
        with open_catalog(tmp_path / f"{prefetch}{jobs}", mode="a") as catalog:
            source = FakeSource(20, broken=(rootname(3),), down=(rootname(19),), prefetch=prefetch)
            report = survey(catalog, Selection(), source=source, workers=Workers(jobs), measure=measure_fake)
            assert (report.n_measured, report.n_failed) == (18, 2)
            found.append(rows(catalog, f"SELECT * {STABLE} FROM exposures ORDER BY rootname"))
            found.append(rows(catalog, "SELECT key, stage, error FROM failures ORDER BY key"))
    assert found[:2] == found[2:4] == found[4:]
    assert [(stage, error) for _, stage, error in found[1]] == [
        ("read", "BadFileError"), ("fetch", "ServiceUnreachableError")
    ]  # fmt: skip


def test_progress_counts_up_to_the_total(catalog: Catalog) -> None:
    seen: list[tuple[str, int, int | None, int]] = []

    def progress(stage: str, done: int, total: int | None = None, *, failed: int = 0) -> None:
        seen.append((stage, done, total, failed))

    survey(catalog, Selection(), source=FakeSource(4, broken=(rootname(0),)), progress=progress)
    assert seen[0] == ("list", 1, 1, 0)
    assert seen[1:-1] == [("measure", n, 4, min(n, 1)) for n in range(5)]
    assert seen[-1] == ("visits", 1, 1, 0)


def test_a_bug_in_one_item_is_its_row_and_the_run_goes_on(catalog: Catalog) -> None:
    def bug(cube: Any, orbit: None, settings: MeasureSettings) -> Any:
        return measure_fake(cube, orbit, settings) if cube.rootname != rootname(2) else 1 / 0

    report = real_survey(catalog, Selection(), source=FakeSource(4), measure=bug)
    assert (report.n_measured, report.n_failed) == (3, 1)
    ((key, stage, error, message),) = rows(catalog, "SELECT key, stage, error, message FROM failures")
    assert (key, error) == (rootname(2), "ZeroDivisionError")
    assert message.startswith("bug in wfc3tvb at ")
    assert "ZeroDivisionError: division by zero; please report it with " in message
    (log,) = (catalog.folder / "logs").iterdir()
    assert message.endswith(str(log))
    assert "else 1 / 0" in log.read_text()
    assert rows(catalog, "SELECT n_done, n_failed, ended_at IS NOT NULL FROM runs") == [(3, 1, True)]


def test_ctrl_c_keeps_the_batch_in_hand_and_the_next_run_goes_on(catalog: Catalog) -> None:
    def progress(stage: str, done: int, total: int | None = None, *, failed: int = 0) -> None:
        if stage == "measure" and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        survey(catalog, Selection(), source=FakeSource(8), progress=progress)
    assert rows(catalog, "SELECT count(*) FROM exposures") == [(3,)]
    assert survey(catalog, Selection(), source=FakeSource(8)).n_measured == 5


def test_a_long_list_is_stored_in_pieces(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "_LISTED_AT_A_TIME", 2)
    assert survey(catalog, Selection(), source=FakeSource(20)).n_measured == 20
    changed = replace(FakeSource(20), name="local")
    assert survey(catalog, Selection(), source=changed).n_known == 20


def test_files_that_a_compaction_removes_meanwhile_are_not_needed_any_more(catalog: Catalog) -> None:
    source = FakeSource(12)
    for k in range(2):  # several files of datasets, exposures and forecasts, which are merged
        survey(catalog, Selection(ids=(rootname(4 * k),)), source=source)
    compacted = []

    def measure(cube: ReadCube, orbit: None, settings: MeasureSettings) -> Measurement:
        if not compacted:
            with open_catalog(catalog.folder, mode="r+") as other:
                compacted.extend(compact(other, grace_hours=0))
        return measure_fake(cube, orbit, settings)

    report = survey(catalog, Selection(), source=source, measure=measure)
    assert {each.table for each in compacted if each.n_removed} >= {"datasets", "exposures"}
    assert (report.n_measured, report.n_known, report.n_flagged) == (10, 2, 3)
