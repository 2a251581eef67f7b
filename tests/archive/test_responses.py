"""A status of 200 is no proof of a file: only a FITS body is taken, and everything else is asked for again."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.odd_server import Answer, Asked, odd_server
from tests.helpers.small_archive import ima, primary_header
from wfc3tvb.archive.http import HttpClient
from wfc3tvb.archive.remote import MastArchive
from wfc3tvb.archive.responses import NoRangesError
from wfc3tvb.config import MeasureSettings, Services
from wfc3tvb.errors import BadDownloadError, ServiceError, ShortDownloadError

ROOT = "ibohbfb9q"
HTML = b"<!DOCTYPE html><html><body>The archive is in maintenance.</body></html>"
PATIENT: dict[str, Any] = {"retries": 2, "backoff": 0.001, "timeout": 5.0}


@pytest.fixture(scope="module")
def fits_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small IMA file."""
    path = tmp_path_factory.mktemp("file") / f"{ROOT}_ima.fits"
    ima(primary_header(ROOT, None, 55800.0, 4, 24), 24, 4, sky=0.5).writeto(path)
    return path.read_bytes()


#: What is sent instead of the file, of which it is given the bytes.
WRONG: dict[str, Callable[[bytes], Answer]] = {
    "a page": lambda _: Answer(200, HTML, {"Content-Type": "text/html", "Content-Length": str(len(HTML))}),
    "a page as 203": lambda _: Answer(203, HTML),
    "nothing": lambda _: Answer(200, b"", {"Content-Length": "0"}),
    "nothing, without a length": lambda _: Answer(200),
    "204": lambda _: Answer(204),
    "304": lambda _: Answer(304),
    "202": lambda _: Answer(202, b"{}", {"Content-Length": "2"}),
    "a cut body": lambda file: Answer(200, file[: len(file) // 2]),
    "a body cut between two extensions": lambda file: Answer(200, file[: len(file) // 2880 // 2 * 2880]),
    "a cut header": lambda file: Answer(200, file[:1000]),
    "junk": lambda file: Answer(200, bytes(len(file)), {"Content-Length": str(len(file))}),
    "json": lambda _: Answer(200, b'{"detail": "no"}', {"Content-Type": "application/json"}),
    "a compressed body": lambda file: Answer(200, gzip.compress(file), {"Content-Encoding": "gzip"}),
    "a length of words": lambda file: Answer(200, file[:1000], {"Content-Length": "banana"}),
    "a length beyond any file": lambda file: Answer(200, file[:1000], {"Content-Length": str(10**20)}),
    "a negative length": lambda file: Answer(200, file[:1000], {"Content-Length": "-5"}),
    "a wrong range": lambda file: Answer(206, file[:2880], {"Content-Range": "bytes 5-2884/9000"}),
    "a huge range": lambda file: Answer(206, file, {"Content-Range": f"bytes 0-{10**30}/{10**30}"}),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_not_the_file_is_asked_for_again(kind: str, fits_file: bytes, tmp_path: Path) -> None:
    answers = [WRONG[kind](fits_file), Answer(200, fits_file)]
    with odd_server(lambda _: answers.pop(0)) as server:
        path = MastArchive(Services(mast=server.url, **PATIENT)).download(ROOT, "ima", tmp_path)
    assert path.read_bytes() == fits_file
    assert len(server.asked) == 2


@pytest.mark.parametrize("kind", WRONG)
def test_what_never_is_the_file_leaves_none(kind: str, fits_file: bytes, tmp_path: Path) -> None:
    with odd_server(lambda _: WRONG[kind](fits_file)) as server:
        archive = MastArchive(Services(mast=server.url, **PATIENT))
        with pytest.raises(ServiceError, match="^MAST: ") as caught:
            archive.download(ROOT, "ima", tmp_path)
    assert isinstance(caught.value, BadDownloadError | ShortDownloadError)
    assert caught.value.retryable
    assert len(server.asked) == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", WRONG)
def test_a_survey_reads_an_exposure_after_a_bad_moment(kind: str, fits_file: bytes) -> None:
    """Ranges of the IMA and the support file are both refused once; the file itself is sent to the next request."""
    wrong = {"ima": WRONG[kind](fits_file), "spt": WRONG[kind](fits_file)}

    def reply(asked: Asked) -> Answer:
        suffix = "spt" if "_spt" in asked.path else "ima"
        if suffix in wrong:
            return wrong.pop(suffix)
        return Answer(200, fits_file, {"Content-Length": str(len(fits_file))}) if suffix == "ima" else Answer(404)

    with odd_server(reply) as server:
        archive = MastArchive(Services(mast=server.url, **PATIENT))
        cube, orbit = archive.read(ROOT, MeasureSettings())
    assert (cube.rootname, cube.rate.shape, orbit) == (ROOT, (3, 14, 14), None)


def test_a_range_is_never_unpacked() -> None:
    """A hundred megabytes of zeros, packed in a hundred kilobytes, are refused before they are unpacked."""
    bomb = gzip.compress(bytes(100_000_000))
    headers = {"Content-Encoding": "gzip", "Content-Range": "bytes 0-2879/9000"}
    with odd_server(lambda _: Answer(206, bomb, headers)) as server:
        client = HttpClient(Services(**PATIENT))
        with pytest.raises(BadDownloadError, match=r"^MAST: sent compressed \(gzip\)"):
            client.ranges("MAST", f"{server.url}/x.fits", [(0, 2880)])


def test_more_than_the_range_is_not_read(fits_file: bytes) -> None:
    answer = Answer(206, fits_file + bytes(10_000_000), {"Content-Range": f"bytes 0-2879/{len(fits_file)}"})
    with odd_server(lambda _: answer) as server:
        found = HttpClient(Services(**PATIENT)).ranges("MAST", f"{server.url}/x.fits", [(0, 2880)])
    assert found == [fits_file[:2880]]


def test_a_document_is_unpacked_only_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfc3tvb.archive.http.LONGEST_DOCUMENT", 1_000_000)
    bomb = gzip.compress(bytes(50_000_000))
    packed = {"Content-Encoding": "gzip"}
    with (
        odd_server(lambda _: Answer(200, bomb, packed)) as server,
        pytest.raises(ShortDownloadError, match="longer than 1 MB"),
    ):
        HttpClient(Services(**PATIENT)).get("S3", f"{server.url}/list")
    fine = gzip.compress(b"[1, 2]")
    with odd_server(lambda _: Answer(200, fine, {"Content-Encoding": "gzip"})) as server:
        assert HttpClient(Services(**PATIENT)).get("S3", f"{server.url}/list") == b"[1, 2]"


def test_whole_files_in_place_of_ranges_are_noticed(fits_file: bytes) -> None:
    with odd_server(lambda _: Answer(200, fits_file)) as server, pytest.raises(NoRangesError):
        HttpClient(Services(**PATIENT)).ranges("MAST", f"{server.url}/x.fits", [(0, 2880)])


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [("0.3", 0.3, 2), ("-5", 0, 0.25), ("soon", 0, 0.25), ("", 0, 0.25), ("nan", 0, 0.25), ("1e400", 0.5, 2),
     ("Wed, 01 Jan 2020 00:00:00 GMT", 0, 0.25), ("Wed, 99 Foo 99999999999", 0, 0.25)],
)  # fmt: skip
def test_any_retry_after_is_taken(monkeypatch: pytest.MonkeyPatch, value: str, least: float, most: float) -> None:
    monkeypatch.setattr("wfc3tvb.archive.http.LONGEST_RETRY_AFTER", 0.5)
    answers = [Answer(503, b"", {"Retry-After": value, "Content-Length": "0"}), Answer(200, b"{}")]
    with odd_server(lambda _: answers.pop(0)) as server:
        began = time.monotonic()
        assert HttpClient(Services(**PATIENT)).get("S3", f"{server.url}/list") == b"{}"
        assert least <= time.monotonic() - began < most


def test_a_post_is_asked_again_after_an_internal_error() -> None:
    answers = [Answer(500), Answer(500), Answer(200, b"{}")]
    with odd_server(lambda _: answers.pop(0)) as server:
        _, body = HttpClient(Services(**PATIENT)).send("MAST", "POST", f"{server.url}/search", body=b"{}")
    assert (body, len(server.asked)) == (b"{}", 3)
    with odd_server(lambda _: Answer(500)) as server, pytest.raises(ServiceError, match="HTTP 500 on every attempt"):
        HttpClient(Services(**PATIENT)).send("MAST", "POST", f"{server.url}/search", body=b"{}")
