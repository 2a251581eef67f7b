"""A survey of the archive, end to end: the real astroquery against the loopback archive."""

from __future__ import annotations

import errno
import logging
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.small_archive import as_new, make_archive
from wfc3tvb.archive import costs
from wfc3tvb.archive.costs import cost_of
from wfc3tvb.archive.local_folder import FolderArchive
from wfc3tvb.archive.remote import MastArchive, PublicArchive
from wfc3tvb.archive.source import open_source, rows_for_precision
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.config import MeasureSettings, Selection, Services
from wfc3tvb.errors import (
    BadArgumentError,
    MissingProductError,
    ServiceUnreachableError,
    TruncatedFileError,
    UnknownDatasetError,
)
from wfc3tvb.identifiers import bucket_key
from wfc3tvb.loopback import Archive, Index, serve
from wfc3tvb.parallel.workers import Workers
from wfc3tvb.survey.survey import plan_survey, survey

pytestmark = pytest.mark.slow

SETTINGS = MeasureSettings(rows=12, min_reads=2)
STABLE = "EXCLUDE (measured_at, bytes_read, run_id, source)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("archive"), size=96, nsamp=6)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return open_catalog(tmp_path / "catalog", mode="a")


@pytest.fixture
def mast(archive: Archive) -> MastArchive:
    return MastArchive(services(archive))


@pytest.fixture
def s3(archive: Archive) -> PublicArchive:
    return PublicArchive(services(archive))


@pytest.fixture(params=[MastArchive, PublicArchive])
def source(request: pytest.FixtureRequest, archive: Archive) -> MastArchive:
    made: MastArchive = request.param(services(archive))
    return made


def services(archive: Archive) -> Services:
    return Services(mast=archive.mast, s3=archive.s3, retries=1, backoff=0.01, timeout=10.0)


def rows(catalog: Catalog, text: str) -> list[tuple[Any, ...]]:
    return catalog.sql(text).fetchall()


def test_a_survey_fills_the_catalog_as_one_of_the_same_folder(
    source: MastArchive, catalog: Catalog, folder: Path, tmp_path: Path
) -> None:
    report = survey(catalog, Selection(), source=source, settings=SETTINGS)
    assert (report.n_measured, report.n_failed) == (6, 0)
    local = open_catalog(tmp_path / "local", mode="a")
    survey(local, Selection(), source=FolderArchive(folder), settings=SETTINGS)
    for text in (f"SELECT * {STABLE} FROM exposures ORDER BY rootname", "SELECT * FROM reads ORDER BY rootname, read",
                 "SELECT dataset, asn_id, members FROM datasets ORDER BY 1"):  # fmt: skip
        assert rows(catalog, text) == rows(local, text)
    assert rows(catalog, "SELECT DISTINCT source FROM exposures") == [(source.name,)]


def test_two_jobs_give_the_same(s3: MastArchive, catalog: Catalog, tmp_path: Path) -> None:
    survey(catalog, Selection(), source=s3, settings=SETTINGS, workers=Workers(2))
    other = open_catalog(tmp_path / "one", mode="a")
    survey(other, Selection(), source=s3, settings=SETTINGS)
    text = f"SELECT * {STABLE} FROM exposures ORDER BY rootname"
    assert rows(catalog, text) == rows(other, text)
    assert len(rows(catalog, text)) == 6


def test_bytes_are_those_of_the_archives_log(
    mast: MastArchive, catalog: Catalog, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "_SMALL", 0)
    report = survey(catalog, Selection(), source=mast, settings=SETTINGS)
    assert report.n_bytes == sum(size for _, size in archive.log.by_file().values())
    assert rows(catalog, "SELECT sum(bytes_read) FROM exposures") == [(report.n_bytes,)]


def test_a_second_survey_fetches_no_file(s3: MastArchive, catalog: Catalog, archive: Archive) -> None:
    survey(catalog, Selection(), source=s3, settings=SETTINGS)
    as_new(archive)
    again = survey(catalog, Selection(), source=s3, settings=SETTINGS)
    assert (again.n_measured, again.n_known) == (0, 6)
    assert archive.log.by_file() == {}


def test_a_reprocessed_file_comes_back_and_nothing_else(catalog: Catalog, folder: Path) -> None:
    index = Index.from_folder(folder)
    newer = [row | {"generation_date": 60000.0 * (row["dataset"] == "ibxy01z8q") or row["generation_date"]}
             for row in index.datasets]  # fmt: skip
    with serve(index) as archive:
        assert survey(catalog, Selection(), source=MastArchive(services(archive)), settings=SETTINGS).n_measured == 6
    with serve(replace(index, datasets=newer)) as archive:
        report = survey(catalog, Selection(), source=MastArchive(services(archive)), settings=SETTINGS)
    assert (report.n_measured, report.n_known) == (1, 5)


def test_one_member_by_its_name(mast: MastArchive, catalog: Catalog) -> None:
    survey(catalog, Selection(ids=("ibohbfb9q",)), source=mast, settings=SETTINGS)
    assert rows(catalog, "SELECT rootname, dataset, asn_id FROM exposures") == [("ibohbfb9q", "ibohbf040", "ibohbf040")]


def test_an_unknown_id_measures_nothing(mast: MastArchive, catalog: Catalog) -> None:
    with pytest.raises(UnknownDatasetError, match="ibohbf990 is not known to MAST"):
        survey(catalog, Selection(ids=("ibohbf990",)), source=mast, settings=SETTINGS)
    assert rows(catalog, "SELECT count(*) FROM exposures") == [(0,)]


def test_no_network_is_one_line_and_the_catalog_stays(catalog: Catalog, archive: Archive) -> None:
    survey(catalog, Selection(ids=("ibohbf040",)), source=MastArchive(services(archive)), settings=SETTINGS)
    nowhere = MastArchive(replace(services(archive), mast="http://localhost:9", retries=0))
    with pytest.raises(ServiceUnreachableError, match="^MAST: no connection"):
        survey(catalog, Selection(), source=nowhere, settings=SETTINGS)
    assert rows(catalog, "SELECT count(*) FROM exposures") == [(3,)]


def test_what_cannot_be_fetched_is_a_failure_and_a_rerun_gets_it(
    source: MastArchive, catalog: Catalog, archive: Archive
) -> None:
    survey(catalog, Selection(ids=("ibohbf040",)), source=source, settings=SETTINGS)
    plan_survey(catalog, Selection(), source=source)

    def outage(stage: str, done: int, total: int | None = None, *, failed: int = 0) -> None:
        if stage == "measure":
            archive.faults.mast_503 = archive.faults.s3_503 = 1000

    report = survey(catalog, Selection(), source=source, settings=SETTINGS, progress=outage)
    assert (report.n_measured, report.n_failed) == (0, 3)
    found = rows(catalog, "SELECT DISTINCT stage, error, retryable FROM failures")
    assert found == [("fetch", "ServiceUnreachableError", True)]
    as_new(archive)
    report = survey(catalog, Selection(), source=source, settings=SETTINGS)
    assert (report.n_measured, report.n_failed, report.n_known) == (3, 0, 3)


def test_short_answers_are_made_whole(mast: MastArchive, catalog: Catalog, archive: Archive) -> None:
    archive.faults.cut_after, archive.faults.cut_times = 2000, 1
    report = survey(catalog, Selection(), source=mast, settings=SETTINGS)
    assert (report.n_measured, report.n_failed) == (6, 0)


def test_a_broken_file_is_one_failure_and_the_others_go_on(catalog: Catalog, folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    path = copy / bucket_key("ibohbfb9q", "ima")
    path.write_bytes(path.read_bytes()[:100_000])
    with serve(copy) as archive:
        report = survey(catalog, Selection(), source=MastArchive(services(archive)), settings=SETTINGS)
    assert (report.n_measured, report.n_failed) == (5, 1)
    ((key, stage, message, retryable),) = rows(catalog, "SELECT key, stage, message, retryable FROM failures")
    assert (key, stage, retryable) == ("ibohbfb9q", "read", True)  # it may have been cut on its way
    assert "ibohbfb9q_ima.fits" in message


@pytest.mark.parametrize("n_pages", [1, 10_000])
def test_pages_in_place_of_files_are_no_files_and_a_rerun_recovers(
    catalog: Catalog, source: MastArchive, archive: Archive, n_pages: int
) -> None:
    archive.faults.pages = n_pages
    first = survey(catalog, Selection(), source=source, settings=SETTINGS)
    archive.faults.pages = 0
    if n_pages > 1:
        assert (first.n_measured, first.n_failed) == (0, 6)
        found = rows(catalog, "SELECT DISTINCT stage, error, retryable FROM failures")
        assert found == [("fetch", "BadDownloadError", True)]
        first = survey(catalog, Selection(), source=source, settings=SETTINGS)
    assert (first.n_measured, first.n_failed) == (6, 0)


def test_a_support_file_that_is_refused_is_named_and_measured_again(
    catalog: Catalog, source: MastArchive, archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    archive.faults.proprietary = {"ibohbfb9q_spt.fits"}
    assert survey(catalog, Selection(), source=source, settings=SETTINGS).n_measured == 6
    flagged = "SELECT rootname FROM exposures WHERE list_contains(quality_flags, 'no_geometry')"
    assert rows(catalog, flagged) == [("ibohbfb9q",)]
    assert (
        "ibohbfb9q is measured without geometry (MAST: refused access to ibohbfb9q_spt.fits (HTTP 401)" in caplog.text
    )
    archive.faults.proprietary = set()
    survey(catalog, Selection(), source=source, settings=SETTINGS, recheck=True)
    assert rows(catalog, flagged) == []


def test_a_disk_that_fails_is_a_row(catalog: Catalog, mast: MastArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error", "/mnt/ibohbfb9q_ima.fits")

    monkeypatch.setattr(MastArchive, "read", fail)
    report = survey(catalog, Selection(), source=mast, settings=SETTINGS)
    assert report.n_failed == 6
    ((stage, error, retryable),) = rows(catalog, "SELECT DISTINCT stage, error, retryable FROM failures")
    assert (stage, error, retryable) == ("read", "StorageError", True)


def test_what_is_no_file_or_there_twice_is_ignored_and_named(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    names = [row["dataset"] for row in FolderArchive(folder).datasets(Selection())]
    first = next(iter(sorted(copy.rglob("*_ima.fits"))))
    (copy / "zz").mkdir()
    shutil.copy(first, copy / "zz" / first.name)
    os.mkfifo(copy / "ibohbfzzq_ima.fits")
    os.mkfifo(copy / "ibohbfzzq_spt.fits")
    assert [row["dataset"] for row in FolderArchive(copy).datasets(Selection())] == names
    assert FolderArchive(copy).path(first.name[:9], "ima") == first
    assert f"1 left out, of the same name as another: {copy / 'zz' / first.name} ({first} is used)" in caplog.text
    assert f"1 left out, no file, but a folder or a pipe: {copy}/ibohbfzzq_ima.fits" in caplog.text


def test_s3_lacks_a_file_that_mast_has(catalog: Catalog, folder: Path, tmp_path: Path) -> None:
    with serve(folder) as mast, serve(tmp_path / "empty") as empty:
        source = PublicArchive(replace(services(mast), s3=empty.s3))
        report = survey(catalog, Selection(), source=source, settings=SETTINGS)
    assert (report.n_measured, report.n_failed) == (6, 0)


def test_a_dry_run_says_requests_and_bytes(s3: MastArchive, catalog: Catalog) -> None:
    plan = plan_survey(catalog, Selection(), source=s3)
    assert (plan.n_datasets, plan.n_exposures) == (3, 6)
    assert plan.requests == 6 * 49
    assert plan.n_bytes == pytest.approx(6 * 7.7e6, rel=0.02)
    assert plan.basis == "the apertures listed, 16 reads each, 4 MB/s"


def test_a_dry_run_knows_subarrays_and_the_reads_of_exposures_before(
    s3: MastArchive, catalog: Catalog, archive: Archive
) -> None:
    survey(catalog, Selection(ids=("ibohbf040",)), source=s3, settings=SETTINGS)
    plan = plan_survey(catalog, Selection(), source=s3, settings=MeasureSettings(pstat=True))
    whole = 6 * (10 * 1024**2 + 23_040) + 83_520
    assert plan.n_bytes == pytest.approx(3 * whole)
    assert "number of reads as in 3 earlier exposures" in plan.basis
    assert cost_of("IRSUB256-FIX", MeasureSettings())[0] == 3
    assert len({cost_of(name, MeasureSettings()) for name in ("GRISM1024", "IR", None)}) == 1
    assert cost_of("IRSUB512", MeasureSettings())[1] == pytest.approx(4.1e6, rel=0.02)


def test_precision_decides_the_rows() -> None:
    assert rows_for_precision(0.0009) == 79
    assert rows_for_precision(0.0018) == 20
    assert rows_for_precision(1e-9) == 1014
    assert rows_for_precision(1e-300) == 1014
    assert rows_for_precision(1.0) == rows_for_precision(float("inf")) == 8  # the fewest that --rows takes
    with pytest.raises(BadArgumentError, match="above zero"):
        rows_for_precision(0.0)


def test_sources_travel_to_workers(s3: MastArchive) -> None:
    assert pickle.loads(pickle.dumps(s3)) == s3


def test_open_source(folder: Path) -> None:
    assert open_source("auto").name == "s3"
    assert open_source("s3").name == "s3"
    assert open_source("mast").name == "mast"
    assert open_source(folder) == FolderArchive(folder)
    assert open_source(str(folder)) == FolderArchive(folder)
    with pytest.raises(BadArgumentError, match="there is no folder"):
        open_source("nowhere")


def test_the_environment_points_everything_at_the_archive(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in archive.environment().items():
        monkeypatch.setenv(name, value)
    found = Services()
    assert (found.mast, found.s3, found.crds) == (archive.mast, archive.s3, archive.crds)


def test_proprietary_files_are_had_by_their_owner_alone(
    source: MastArchive,
    catalog: Catalog,
    archive: Archive,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    archive.faults.proprietary = {"ibohbfb9q_ima.fits", "ibohbfb9q_spt.fits"}
    text = "SELECT message FROM failures WHERE key = 'ibohbfb9q' ORDER BY failed_at"
    for token in (None, "somebody"):
        if token:
            monkeypatch.setenv("MAST_API_TOKEN", token)
        # Clients live as long as their process: a place of their own for each token.
        asked = replace(source, services=replace(source.services, timeout=10.0 + len(token or "")))
        assert survey(catalog, Selection(), source=asked, settings=SETTINGS, recheck=True).n_failed == 1
    assert [message for (message,) in rows(catalog, text)] == [
        "MAST: refused access to ibohbfb9q_ima.fits (HTTP 401); set MAST_API_TOKEN if you have access to the data",
        "MAST: refused access to ibohbfb9q_ima.fits (HTTP 401); check that MAST_API_TOKEN is valid and belongs to "
        "someone with access",
    ]
    monkeypatch.setenv("MAST_API_TOKEN", archive.faults.token)
    asked = replace(source, services=replace(source.services, timeout=11.0))
    assert survey(catalog, Selection(), source=asked, settings=SETTINGS, recheck=True).n_failed == 0
    assert len(rows(catalog, "FROM exposures WHERE rootname = 'ibohbfb9q' AND geometry_source = 'spt'")) == 1
    assert "somebody" not in caplog.text


def test_a_folder_gives_copies(folder: Path, tmp_path: Path) -> None:
    original = folder / bucket_key("ibohbfb9q", "ima")
    copy = FolderArchive(folder).download("ibohbfb9q", "ima", tmp_path)
    assert copy == tmp_path / "ibohbfb9q_ima.fits"
    assert copy.read_bytes() == original.read_bytes()
    assert not copy.samefile(original)
    assert list(tmp_path.iterdir()) == [copy]
    with pytest.raises(MissingProductError, match="no file ibohbfb9q_flt.fits; copy it into the folder"):
        FolderArchive(folder).download("ibohbfb9q", "flt", tmp_path)


def test_a_damaged_file_has_the_remedy_of_who_holds_it(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    path = copy / bucket_key("ibohbfb9q", "ima")
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(TruncatedFileError, match="check the copy$"):
        FolderArchive(copy).read("ibohbfb9q", SETTINGS)
    with serve(copy) as archive, pytest.raises(TruncatedFileError, match="the archive's copy is damaged"):
        PublicArchive(services(archive)).read("ibohbfb9q", SETTINGS)
