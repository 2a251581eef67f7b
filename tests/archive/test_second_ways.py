"""What has no public evidence has a second way: the loopback archive refuses the first one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from astropy.time import Time

from tests.helpers.odd_server import Answer, odd_server
from tests.helpers.small_archive import DATASETS, make_archive
from wfc3tvb.archive import mast as mast_module
from wfc3tvb.archive import mast_products
from wfc3tvb.archive.http import HttpClient
from wfc3tvb.archive.mast import Mast
from wfc3tvb.archive.remote import MastArchive, PublicArchive
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.config import MeasureSettings, Selection, Services
from wfc3tvb.errors import BadDownloadError, RejectedQueryError, ServiceError, SlowServiceError
from wfc3tvb.fits.ima import read_ima
from wfc3tvb.identifiers import bucket_key
from wfc3tvb.loopback import Archive, Index, serve
from wfc3tvb.models import Row
from wfc3tvb.survey.survey import plan_survey

pytestmark = pytest.mark.slow

ROOT = "ibohbfb9q"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("archive"), size=24, nsamp=3)


def services(archive: Archive, **options: Any) -> Services:
    return replace(Services(mast=archive.mast, s3=archive.s3, retries=3, backoff=0.01, timeout=10.0), **options)


def row(dataset: str, asn_id: str | None, *members: str, **own: Any) -> Row:
    """Return a row of the loopback archive's index."""
    usual = {"instrument_config": "WFC3/IR", "filters": "G141", "proposal_id": 1, "pi": "x", "target_name": "t",
             "start_time": 55000.0, "stop_time": 55000.1, "sun_alt": 1.0, "generation_date": 58000.0}  # fmt: skip
    return {"dataset": dataset, "asn_id": asn_id, "members": list(members)} | usual | own


def listed(archive: Archive, selection: Selection | None = None) -> dict[str, tuple[str, ...]]:
    rows = Mast(services(archive)).datasets(selection or Selection(filters=("all",)))
    return {each["dataset"]: tuple(each["members"]) for each in rows}


def test_the_instrument_is_selected_otherwise(archive: Archive) -> None:
    archive.faults.refuse_config = True
    assert listed(archive) == DATASETS


def test_the_instrument_is_selected_otherwise_where_nothing_is_found() -> None:
    """MAST leaves the configuration empty: the first criterion matches nothing; of WFC3, only the infrared counts."""
    rows = [row("ic6g07021", "ic6g07020", "ic6g07abq", instrument_config=""),
            row("ic6g08020", "ic6g08020", "ic6g08abq", instrument_config="WFC3/UVIS", filters="F606W"),
            row("ic6g09020", "ic6g09020", "ic6g09abq", instrument_config="", filters="F606W")]  # fmt: skip
    with serve(Index.from_rows(rows)) as archive:
        assert list(listed(archive)) == ["ic6g07021"]


def test_a_criterion_that_is_passed_over_is_noticed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mast_module, "INSTRUMENT_CRITERIA", ({"sci_data_set_name": "I*"},))
    monkeypatch.setattr(mast_module, "criteria_of", lambda selection, instrument: dict(instrument))
    rows = [row("ic6g07020", "ic6g07020", "ic6g07abq"),
            row("ic6g08020", "ic6g08020", "ic6g08abq", instrument_config="WFC3/UVIS")]  # fmt: skip
    with serve(Index.from_rows(rows)) as archive:
        assert list(listed(archive)) == ["ic6g07020"]
    assert "lists 1 datasets of other instruments; they are left out" in caplog.text


def test_both_criteria_refused_is_an_error(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.faults.refuse_config = True
    monkeypatch.setattr(mast_module, "INSTRUMENT_CRITERIA", ({"sci_instrument_config": "WFC3/IR"},) * 2)
    with pytest.raises(RejectedQueryError, match="^MAST: rejected the query as invalid"):
        listed(archive)


def test_product_lists_come_in_smaller_pieces() -> None:
    rows = [row(f"i{i:05d}010", f"i{i:05d}010", f"i{i:05d}01q", start_time=55000 + i / 100) for i in range(120)]
    with serve(Index.from_rows(rows)) as archive:
        archive.faults.most_products = 2
        found = listed(archive)
        asked = [entry for entry in archive.log.entries if entry.path.endswith("post_list_products")]
    assert found == {each["dataset"]: (each["members"][0],) for each in rows}
    # 120, then 12, are refused; then one at a time, and nothing that is refused is asked twice.
    assert sum(entry.status == 400 for entry in asked) == 2
    assert len(asked) == 122


def test_a_product_list_cut_in_silence_is_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(f"i{i:05d}010", f"i{i:05d}010", f"i{i:05d}01q", start_time=55000 + i / 100) for i in range(60)]
    whole = mast_products.products_of
    monkeypatch.setattr(mast_products, "products_of", lambda answer: whole(answer)[:15])
    with serve(Index.from_rows(rows)) as archive:
        assert len([members for members in listed(archive).values() if members]) == 60


def test_whole_files_where_mast_serves_no_ranges(archive: Archive, folder: Path) -> None:
    archive.faults.no_ranges = True
    cube, orbit = MastArchive(services(archive)).read(ROOT, MeasureSettings(rows=8))
    assert (cube.rate == read_ima(folder / bucket_key(ROOT, "ima"), rows=8).rate).all()
    assert orbit is not None


def test_files_that_the_bucket_lacks_come_from_mast(archive: Archive) -> None:
    archive.faults.not_in_bucket = {f"{ROOT}_ima.fits"}
    cube, _ = PublicArchive(services(archive)).read(ROOT, MeasureSettings(rows=8))
    assert cube.rootname == ROOT
    assert {entry.service for entry in archive.log.entries if "_ima" in entry.path and entry.status < 300} == {"mast"}


@pytest.mark.parametrize("status", [200, 403])
def test_a_bucket_that_has_nothing_but_pages(archive: Archive, status: int) -> None:
    with odd_server(lambda _: Answer(status, b"<html>denied</html>")) as bucket:
        source = PublicArchive(services(archive, s3=bucket.url, retries=1))
        cube, orbit = source.read(ROOT, MeasureSettings(rows=8))
    assert cube.rootname == ROOT
    assert orbit is not None
    assert bucket.asked


def test_a_page_in_place_of_a_file_is_not_taken(archive: Archive, folder: Path, tmp_path: Path) -> None:
    archive.faults.pages = 2
    path = MastArchive(services(archive)).download(ROOT, "raw", tmp_path)
    assert path.read_bytes() == (folder / bucket_key(ROOT, "raw")).read_bytes()
    archive.faults.pages = 99
    with pytest.raises(BadDownloadError, match="^MAST: sent HTML instead of the file, on every attempt"):
        MastArchive(services(archive)).download(ROOT, "spt", tmp_path)
    archive.faults.pages = 0


def test_caom_may_be_down(archive: Archive, caplog: pytest.LogCaptureFixture) -> None:
    archive.faults.caom_503 = 99
    assert listed(archive) == DATASETS
    archive.faults.caom_503 = 0
    assert "CAOM, which checks the number of datasets, did not answer as expected (MAST: unavailable" in caplog.text


def test_caom_may_never_finish(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mast_module, "_CAOM_SECONDS", 0.5)
    archive.faults.long_polls = 10**6
    assert listed(archive) == DATASETS
    assert "did not finish its answer in time" in caplog.text


@pytest.fixture
def slow_windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Let searches over more than so many days come too late."""
    longest = [0.0]
    send = HttpClient.send

    def slow(self: HttpClient, service: str, method: str, url: str, **given: Any) -> Any:
        if url.endswith("/search"):
            (window,) = [c["sci_start_time"] for c in json.loads(given["body"])["conditions"] if "sci_start_time" in c]
            start, end = Time(window.split("..")).mjd
            if end - start > longest[0]:
                raise SlowServiceError(service, "no answer in time")
        return send(self, service, method, url, **given)

    monkeypatch.setattr(HttpClient, "send", slow)
    yield longest


def test_a_search_that_takes_too_long_is_divided(archive: Archive, slow_windows: list[float]) -> None:
    slow_windows[0] = 1000.0
    assert listed(archive, Selection(start=55000.0, end=59000.0)) == DATASETS
    slow_windows[0] = 10.0
    with pytest.raises(SlowServiceError, match="no answer in time"):
        listed(archive, Selection(start=55000.0, end=59000.0))


@pytest.mark.parametrize("name", ["ic6g07020", "ic6g07021", "ic6g07abq"])
def test_an_association_that_is_listed_by_its_part(name: str) -> None:
    with serve(Index.from_rows([row("ic6g07021", "ic6g07020", "ic6g07abq", "ic6g07adq")])) as archive:
        assert listed(archive, Selection(ids=(name,))) == {"ic6g07021": ("ic6g07abq", "ic6g07adq")}


def test_parts_that_end_in_a_letter() -> None:
    rows = [row(f"ibyg0202{part}", "ibyg02020", f"ibyg02{part.lower()}1q") for part in "129abc"]
    with serve(Index.from_rows(rows)) as archive:
        found = listed(archive, Selection(ids=("ibyg02020",)))
        assert found == {f"ibyg0202{part}": (f"ibyg02{part}1q",) for part in "129abc"}
        assert list(listed(archive, Selection(ids=("ibyg0202a",)))) == ["ibyg0202a"]


@pytest.mark.skipif(not mast_module._COUNTS, reason="needs astroquery 0.4.12")
def test_windows_are_counted_before_their_rows_are_fetched(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mast_module, "MAX_ROWS", 1)
    monkeypatch.setattr(mast_module, "_LONG", 0.0)
    assert listed(archive) == DATASETS
    searches = [entry.n_bytes for entry in archive.log.entries if entry.path.endswith("/search")]
    assert sum(n_bytes > 500 for n_bytes in searches) == len(DATASETS)


def test_no_connection_is_still_one_line(archive: Archive) -> None:
    nowhere = Mast(services(archive, mast="http://localhost:9", retries=0))
    with pytest.raises(ServiceError, match=r"^MAST: no connection .*; check the network"):
        nowhere.members(["ibohbf040", "ibohbf050"])


@pytest.mark.parametrize("name", ["ic6g07020", "ic6g07021", "ic6g07abq"])
def test_a_survey_measures_an_association_named_in_any_way(tmp_path: Path, name: str) -> None:
    rows = [row("ic6g07021", "ic6g07020", "ic6g07abq", "ic6g07adq")]
    with serve(Index.from_rows(rows)) as archive, open_catalog(tmp_path / "catalog", mode="a") as catalog:
        source = MastArchive(services(archive))
        plan = plan_survey(catalog, Selection(ids=(name,)), source=source)
        assert (plan.n_datasets, plan.n_exposures) == (1, 1 if name.endswith("q") else 2)
