"""The MAST client, with the real astroquery against the loopback archive."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.helpers.small_archive import DATASETS, make_archive
from wfc3tvb.archive import mast as mast_module
from wfc3tvb.archive import mast_products
from wfc3tvb.archive.astroquery_session import configure_session
from wfc3tvb.archive.http import HttpClient, token_of
from wfc3tvb.archive.mast import Mast
from wfc3tvb.archive.mast_answers import Product
from wfc3tvb.archive.remote import MastArchive
from wfc3tvb.config import Selection, Services
from wfc3tvb.errors import (
    BadArgumentError,
    MissingProductError,
    ServiceUnreachableError,
    ShortDownloadError,
    TruncatedQueryError,
    UnknownDatasetError,
)
from wfc3tvb.identifiers import bucket_key
from wfc3tvb.loopback import Archive, Faults, Index, serve

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("archive"), size=24, nsamp=3)


def services(archive: Archive, **options: Any) -> Services:
    return replace(Services(mast=archive.mast, s3=archive.s3, retries=3, backoff=0.01, timeout=10.0), **options)


@pytest.fixture
def mast(archive: Archive) -> Mast:
    return Mast(services(archive))


@pytest.fixture
def files(archive: Archive) -> MastArchive:
    return MastArchive(services(archive))


def test_lists_associations_and_lone_exposures_with_members(mast: Mast) -> None:
    rows = list(mast.datasets(Selection()))
    assert {row["dataset"]: tuple(row["members"]) for row in rows} == DATASETS
    first = rows[0]
    assert first["asn_id"] == "ibohbf040"
    assert first["filters"] == "F105W"
    assert first["instrument_config"] == "WFC3/IR"
    assert first["pi"] == "Faber"
    assert first["start_time"] == pytest.approx(55800.0)
    assert first["generation_date"] == pytest.approx(58882.0)
    assert rows[-1]["asn_id"] is None


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(filters=("F110W",)), []),
        (Selection(filters=("all",)), list(DATASETS)),
        (Selection(proposals=(12099,)), list(DATASETS)),
        (Selection(proposals=(1,)), []),
        (Selection(start=55805.0), ["ibohbf050", "ibxy01z8q"]),
        (Selection(end=55805.0), ["ibohbf040"]),
        (Selection(ids=("ibohbf050",)), ["ibohbf050"]),
        (Selection(ids=("ibxy01z8q", "ibohbf040")), ["ibohbf040", "ibxy01z8q"]),
        (Selection(ids=("ibohbfb9q",)), ["ibohbf040"]),
        (Selection(ids=("ibohbfb9q",), filters=("F110W",)), []),
    ],
)
def test_selections(mast: Mast, selection: Selection, expected: list[str]) -> None:
    assert [row["dataset"] for row in mast.datasets(selection)] == expected


@pytest.mark.parametrize("name", ["ibohbf990", "iaaaaaa1q", "ibohbfzzq"])
def test_an_unknown_id_is_named(mast: Mast, name: str) -> None:
    with pytest.raises(UnknownDatasetError, match=f"{name} is not known to MAST"):
        list(mast.datasets(Selection(ids=("ibohbf040", name))))


def test_windows_are_halved_until_they_fit(mast: Mast, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mast_module, "MAX_ROWS", 1)
    assert [row["dataset"] for row in mast.datasets(Selection())] == list(DATASETS)
    searches = [e for e in archive.log.entries if e.path.endswith("/search")]
    assert len(searches) > 3


def test_a_truncated_list_is_an_error(mast: Mast, archive: Archive) -> None:
    archive.faults.max_rows = 2
    with pytest.raises(TruncatedQueryError, match="returned 2 of the 3 datasets"):
        list(mast.datasets(Selection()))


def test_a_list_of_ten_thousand_comes_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"dataset": f"i{i:05d}010", "asn_id": f"i{i:05d}010", "instrument_config": "WFC3/IR", "filters": "F105W",
         "proposal_id": 1, "pi": "x", "target_name": "t", "start_time": 55000.0 + i / 10, "stop_time": 55000.1 + i / 10,
         "sun_alt": 1.0, "generation_date": 58000.0, "members": [f"i{i:05d}01q"]}
        for i in range(11_000)
    ]  # fmt: skip
    with serve(Index.from_rows(rows)) as archive:
        found = list(Mast(services(archive)).datasets(Selection()))
    assert [row["dataset"] for row in found] == [row["dataset"] for row in rows]
    assert found[-1]["members"] == ["i1099901q"]


def test_a_product_of_a_part_of_an_association() -> None:
    row = {"dataset": "ic6g07021", "asn_id": "ic6g07020", "instrument_config": "WFC3/IR", "filters": "F105W",
           "proposal_id": 1, "pi": "x", "target_name": "t", "start_time": 55000.0, "stop_time": 55000.1,
           "sun_alt": None, "generation_date": 58000.0, "members": []}  # fmt: skip
    rows = [row, row | {"dataset": "ic6g07020", "members": ["ic6g07abq", "ic6g07adq"]}]
    with serve(Index.from_rows(rows)) as archive:
        found = list(Mast(services(archive)).datasets(Selection()))
    assert [(r["dataset"], r["asn_id"], r["members"]) for r in found] == [
        (name, "ic6g07020", ["ic6g07abq", "ic6g07adq"]) for name in ("ic6g07020", "ic6g07021")
    ]


def test_a_difference_to_caom_is_reported(
    mast: Mast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Mast, "count_caom", lambda self, selection: 7)
    assert len(list(mast.datasets(Selection()))) == 3
    assert "lists 3 datasets, CAOM 7" in caplog.text


def test_caom_counts_the_same(mast: Mast, caplog: pytest.LogCaptureFixture) -> None:
    list(mast.datasets(Selection(start=55805.0)))
    assert caplog.records == []
    assert mast.count_caom(Selection(start=55805.0)) == 2


def test_long_polls_wait(mast: Mast, archive: Archive) -> None:
    archive.faults.long_polls = 2
    began = time.monotonic()
    assert mast.count_caom(Selection()) == 3
    assert time.monotonic() - began > 0.5


def test_503_is_tried_again_and_given_up_in_one_line(mast: Mast, archive: Archive) -> None:
    archive.faults.mast_503 = 3
    assert len(list(mast.datasets(Selection()))) == 3
    archive.faults.mast_503 = 100
    with pytest.raises(ServiceUnreachableError, match=r"^MAST: unavailable on every attempt; try again later$"):
        list(mast.datasets(Selection()))


def test_retry_after_is_honoured(mast: Mast, archive: Archive) -> None:
    archive.faults.mast_503, archive.faults.retry_after = 1, 1.0
    began = time.monotonic()
    mast.count_caom(Selection())
    assert time.monotonic() - began > 0.9


def test_no_network(archive: Archive) -> None:
    nowhere = Mast(services(archive, mast="http://localhost:9", retries=0))
    with pytest.raises(ServiceUnreachableError, match=r"^MAST: no connection .*; check the network"):
        list(nowhere.datasets(Selection()))


def test_a_silent_server_is_not_waited_for(folder: Path) -> None:
    with serve(folder, faults=Faults(latency=1.0)) as slow, pytest.raises(ServiceUnreachableError, match="MAST: "):
        Mast(services(slow, timeout=0.1, retries=0)).count_caom(Selection())


def test_downloads_whole_files(files: MastArchive, folder: Path, tmp_path: Path) -> None:
    path = files.download("IBOHBFB9Q", "ima", tmp_path)
    assert path == tmp_path / "ibohbfb9q_ima.fits"
    assert path.read_bytes() == (folder / bucket_key("ibohbfb9q", "ima")).read_bytes()


def test_a_cut_download_is_taken_up_where_it_broke(
    files: MastArchive, archive: Archive, folder: Path, tmp_path: Path
) -> None:
    archive.faults.cut_after, archive.faults.cut_times = 70_000, 1
    path = files.download("ibohbfb9q", "ima", tmp_path)
    truth = (folder / bucket_key("ibohbfb9q", "ima")).read_bytes()
    assert path.read_bytes() == truth
    sent = [e.n_bytes for e in archive.log.entries if "Download" in e.path]
    assert sent == [70_000, len(truth) - 70_000]


def test_a_download_that_stays_short_leaves_nothing(files: MastArchive, archive: Archive, tmp_path: Path) -> None:
    archive.faults.cut_after, archive.faults.cut_times = 100, 50
    archive.faults.no_ranges = True
    with pytest.raises(ShortDownloadError, match=r"^MAST: ibohbfb9q_ima.fits is incomplete: 100 of \d+ bytes"):
        files.download("ibohbfb9q", "ima", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file(files: MastArchive, tmp_path: Path) -> None:
    with pytest.raises(MissingProductError, match=r"^MAST: has no file ibohbfzzq_ima.fits"):
        files.download("ibohbfzzq", "ima", tmp_path)


@pytest.mark.parametrize("name", ["../../etc", "ib/ohbfb9", "ibohbfb9q\n", "i" * 5000, "ibohbfb9q_ima.fits/.."])
def test_hostile_names_are_refused(archive: Archive, tmp_path: Path, name: str) -> None:
    # Nobody listens there: a request would be another error.
    nowhere = MastArchive(services(archive, mast="http://localhost:9", retries=0))
    with pytest.raises(BadArgumentError):
        nowhere.download(name, "ima", tmp_path)


def test_unsafe_names_in_product_lists_are_ignored(
    mast: Mast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["../../ibohbfb7q_ima.fits", "ibohbfb7q_ima.fits\x00", "i" * 3000, "ibohbfb8q_ima.fits"]
    products = [Product("ibohbf040", name) for name in names]
    monkeypatch.setattr(mast_products, "products_of", lambda answer: products)
    assert mast.members(["ibohbf040"]) == {"ibohbf040": ["ibohbfb8q"]}
    assert caplog.text.count("unsafe name") == 3


def test_the_token_goes_to_mast_and_never_into_the_log(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MAST_API_TOKEN", "secret-token")
    MastArchive(services(archive)).download("ibohbfb9q", "ima", tmp_path)
    session = configure_session(requests.Session(), HttpClient(services(archive)))
    sent = session.prepare_request(requests.Request("GET", archive.mast)).headers["Cookie"]
    elsewhere = session.prepare_request(requests.Request("GET", "https://example.org/"))
    assert sent == "mast_token=secret-token"
    assert "Cookie" not in elsewhere.headers
    assert token_of(f"{archive.mast}/x", services(archive)) == {"Cookie": sent}
    assert token_of("https://example.org/", services(archive)) == {}
    assert "secret-token" not in caplog.text


def test_many_threads_each_with_its_client(archive: Archive, folder: Path, tmp_path: Path) -> None:
    truth = (folder / bucket_key("ibohbfb9q", "ima")).read_bytes()
    good = []

    def fetch(i: int) -> None:
        path = MastArchive(services(archive)).download("ibohbfb9q", "ima", tmp_path / str(i))
        good.append(path.read_bytes() == truth)

    threads = [threading.Thread(target=fetch, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert good == [True] * 12
