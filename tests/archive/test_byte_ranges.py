"""Cubes from byte ranges: equal to those of whole files, few bytes, every header checked."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.helpers.scaled import store_scaled
from tests.helpers.small_archive import ima, make_archive, primary_header, write
from wfc3tvb.archive import costs
from wfc3tvb.archive.byte_ranges import read_cube, read_exposure, read_support
from wfc3tvb.archive.remote import BucketArchive, MastArchive, PublicArchive
from wfc3tvb.config import MeasureSettings, Services
from wfc3tvb.errors import (
    BadDownloadError,
    BadFileError,
    MissingProductError,
    ServiceError,
    ServiceUnreachableError,
    ShortDownloadError,
    TruncatedFileError,
    WrongInstrumentError,
)
from wfc3tvb.fits.ima import read_ima
from wfc3tvb.fits.support_file import read_orbit
from wfc3tvb.identifiers import bucket_key
from wfc3tvb.loopback import Archive, serve
from wfc3tvb.models import ReadCube

pytestmark = pytest.mark.slow

ROOT = "ibohbfb9q"
SETTINGS = MeasureSettings(rows=12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("archive"), size=96, nsamp=6)


@pytest.fixture(params=[BucketArchive, MastArchive])
def files(request: pytest.FixtureRequest, archive: Archive) -> MastArchive:
    return make(request.param, archive)


@pytest.fixture(autouse=True)
def _no_file_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "_SMALL", 0)


def make(kind: type[MastArchive], archive: Archive) -> MastArchive:
    return kind(Services(mast=archive.mast, s3=archive.s3, retries=2, backoff=0.01, timeout=10.0))


def same(a: ReadCube, b: ReadCube) -> bool:
    arrays = ("t", "mjd", "rate", "dq", "rows")
    assert all(np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True) for name in arrays)
    assert dict(a.header) == dict(b.header)
    return (a.rootname, a.shape, a.raw_shape) == (b.rootname, b.shape, b.raw_shape)


def test_equal_to_the_whole_file(files: MastArchive, folder: Path, archive: Archive) -> None:
    cube, orbit = read_exposure(files, ROOT, SETTINGS)
    assert same(cube, read_ima(folder / bucket_key(ROOT, "ima"), rows=12))
    assert orbit == read_orbit(folder / bucket_key(ROOT, "spt"))
    got = archive.log.by_file()
    assert cube.n_bytes == sum(size for _, size in got.values())
    # The first bytes, a header and two bands of each of five reads, and the DQ header of the first.
    assert got["ibohbfb9q_ima.fits"][0] == 17
    assert got["ibohbfb9q_spt.fits"][0] == 1


def test_a_real_file(files: MastArchive, folder: Path, real_images: Path) -> None:
    real = real_images / "ibxy07p9q_ima.fits"
    target = folder / bucket_key("ibxy01z8q", "ima")
    kept = target.read_bytes()
    shutil.copy(real, target)
    try:
        assert same(read_cube(files, "ibxy01z8q", MeasureSettings(rows=20)), read_ima(real, rows=20))
    finally:
        target.write_bytes(kept)


@pytest.fixture(scope="module")
def full_frame(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an archive with a full frame of 16 reads."""
    folder = tmp_path_factory.mktemp("full")
    header = primary_header(ROOT, None, 55800.0, 16, 1024)
    hdus = ima(header, 1024, 16, sky=0.8)
    # Real primary headers are 8 blocks.
    hdus[0].header.extend([("HISTORY", f"line {i}") for i in range(230)])
    write(folder, ROOT, "ima", hdus)
    return folder


def fetched(folder: Path, settings: MeasureSettings) -> tuple[ReadCube, int]:
    """Return the exposure in a folder, fetched by ranges, and the number of requests."""
    with serve(folder) as archive:
        cube = read_cube(make(BucketArchive, archive), ROOT, settings)
        n_requests, n_bytes = archive.log.by_file()[f"{ROOT}_ima.fits"]
    assert n_bytes == cube.n_bytes
    return cube, n_requests


def test_full_frame_of_16_reads_within_its_budget(full_frame: Path) -> None:
    cube, n_requests = fetched(full_frame, MeasureSettings())
    assert cube.rate.shape == (15, 80, 1014)
    assert n_requests == 48
    assert cube.n_bytes < 8_000_000
    assert same(cube, read_ima(full_frame / bucket_key(ROOT, "ima"), rows=80))


def test_fast_takes_half_the_bytes_in_two_requests_a_read(full_frame: Path) -> None:
    cube, n_requests = fetched(full_frame, MeasureSettings(fast=True))
    assert n_requests == 33
    # Estimates include the first 28,800 bytes of the support file, in a request of its own.
    requests, n_bytes = costs.cost_of("IR", MeasureSettings(fast=True))
    assert (n_requests + 1, cube.n_bytes + 28_800) == (requests, pytest.approx(n_bytes, rel=0.02))
    assert cube.n_bytes + 28_800 < 4_000_000
    whole = read_ima(full_frame / bucket_key(ROOT, "ima"))
    assert np.array_equal(cube.rate, whole.rate[:, :36])
    assert np.array_equal(cube.dq, whole.dq[:, :36])
    assert np.array_equal(cube.t, whole.t)


def test_fast_measures_a_small_file_whole(files: MastArchive, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "_SMALL", 16_000_000)
    assert same(read_cube(files, ROOT, MeasureSettings(fast=True)), read_ima(folder / bucket_key(ROOT, "ima")))


def test_pstat_takes_the_whole_file(files: MastArchive, folder: Path) -> None:
    cube = read_cube(files, ROOT, MeasureSettings(pstat=True))
    assert cube.cumulative_median is not None
    assert cube.n_bytes == (folder / bucket_key(ROOT, "ima")).stat().st_size


def test_many_rows_take_the_whole_file(files: MastArchive, folder: Path, archive: Archive) -> None:
    assert same(read_cube(files, ROOT, MeasureSettings(rows=500)), read_ima(folder / bucket_key(ROOT, "ima"), rows=500))
    # The first bytes, then the file.
    assert archive.log.by_file()["ibohbfb9q_ima.fits"][0] == 2


def test_a_small_file_is_fetched_whole_and_all_of_it_measured(
    files: MastArchive, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "_SMALL", 16_000_000)
    assert same(read_cube(files, ROOT, MeasureSettings()), read_ima(folder / bucket_key(ROOT, "ima")))


@pytest.mark.parametrize(("name", "scale", "zero"), [("SCI", 2.0, 0.0), ("DQ", 1.0, 32768.0)])
def test_scaled_planes_are_read_as_their_pixels(
    folder: Path, tmp_path: Path, name: str, scale: float, zero: float
) -> None:
    shutil.copytree(folder, tmp_path / "archive")
    path = tmp_path / "archive" / bucket_key(ROOT, "ima")
    store_scaled(path, name, scale, zero)
    with serve(tmp_path / "archive") as archive:
        found = read_cube(make(BucketArchive, archive), ROOT, SETTINGS)
    true = read_ima(folder / bucket_key(ROOT, "ima"), rows=12)
    middle = np.isin(found.rows, true.rows)  # a file with scaled flags is fetched whole
    assert np.array_equal(found.rate[:, middle], true.rate)
    assert np.array_equal(found.dq[:, middle], true.dq)


def test_a_server_without_ranges_streams_the_file_once(archive: Archive, folder: Path) -> None:
    archive.faults.no_ranges = True
    cube, orbit = read_exposure(make(MastArchive, archive), ROOT, SETTINGS)
    assert same(cube, read_ima(folder / bucket_key(ROOT, "ima"), rows=12))
    assert orbit == read_orbit(folder / bucket_key(ROOT, "spt"))


def test_no_support_file(files: MastArchive, archive: Archive) -> None:
    archive.faults.missing = {"ibohbfb9q_spt.fits"}
    _, orbit = read_exposure(files, ROOT, SETTINGS)
    assert orbit is None


def test_a_missing_file(files: MastArchive) -> None:
    with pytest.raises(MissingProductError, match="has no file ibohbfzzq_ima.fits"):
        read_cube(files, "ibohbfzzq", MeasureSettings())


def test_503_is_tried_again(files: MastArchive, folder: Path, archive: Archive) -> None:
    archive.faults.mast_503 = archive.faults.s3_503 = 2
    assert same(read_cube(files, ROOT, SETTINGS), read_ima(folder / bucket_key(ROOT, "ima"), rows=12))
    archive.faults.mast_503 = archive.faults.s3_503 = 1000
    with pytest.raises(ServiceUnreachableError):
        read_cube(files, ROOT, SETTINGS)


def test_cut_answers_are_fetched_again(files: MastArchive, folder: Path, archive: Archive) -> None:
    archive.faults.cut_after, archive.faults.cut_times = 1000, 2
    assert same(read_cube(files, ROOT, SETTINGS), read_ima(folder / bucket_key(ROOT, "ima"), rows=12))


def test_a_file_whose_folder_has_another_name(folder: Path, tmp_path: Path) -> None:
    odd = tmp_path / "hst" / "public" / "iboh" / "ibohbfb9j"
    shutil.copytree((folder / bucket_key(ROOT, "ima")).parent, odd)
    with serve(tmp_path) as archive:
        cube, orbit = read_exposure(make(BucketArchive, archive), ROOT, SETTINGS)
    assert cube.rootname == ROOT
    assert orbit is not None


# --- files that are not what they should be ------------------------------------------------------------------------


def change_header(hdus: fits.HDUList) -> fits.HDUList:
    hdus[6].header.update({f"MORE{i}": i for i in range(99)})
    return hdus


def swap(hdus: fits.HDUList) -> fits.HDUList:
    hdus[6].ver = 7
    return hdus


def uvis(hdus: fits.HDUList) -> fits.HDUList:
    hdus[0].header["DETECTOR"] = "UVIS"
    return hdus


def one_plane_larger(hdus: fits.HDUList) -> fits.HDUList:
    hdus[6].data = np.zeros((200, 96), np.float32)
    return hdus


@pytest.mark.parametrize(
    ("change", "error"),
    [(uvis, WrongInstrumentError), (swap, TruncatedFileError), (one_plane_larger, BadFileError)],
)
def test_lying_files_are_named(
    tmp_path: Path, change: Callable[[fits.HDUList], fits.HDUList], error: type[Exception]
) -> None:
    hdus = change(ima(primary_header(ROOT, None, 55800.0, 6, 96), 96, 6, sky=0.5))
    write(tmp_path, ROOT, "ima", hdus)
    with serve(tmp_path) as archive, pytest.raises(error, match="ibohbfb9q_ima.fits"):
        read_cube(make(MastArchive, archive), ROOT, SETTINGS)


def test_a_file_laid_out_otherwise_is_fetched_whole(tmp_path: Path) -> None:
    hdus = change_header(ima(primary_header(ROOT, None, 55800.0, 6, 96), 96, 6, sky=0.5))
    write(tmp_path, ROOT, "ima", hdus)
    with serve(tmp_path) as archive:
        cube = read_cube(make(MastArchive, archive), ROOT, SETTINGS)
    assert same(cube, read_ima(tmp_path / bucket_key(ROOT, "ima"), rows=12))


@pytest.mark.parametrize("size", [0, 100, 3000, 60_000, 200_000])
def test_files_cut_short(tmp_path: Path, folder: Path, size: int) -> None:
    path = tmp_path / bucket_key(ROOT, "ima")
    path.parent.mkdir(parents=True)
    path.write_bytes((folder / bucket_key(ROOT, "ima")).read_bytes()[:size])
    with serve(tmp_path) as archive, pytest.raises((BadFileError, BadDownloadError)) as caught:
        read_exposure(make(MastArchive, archive), ROOT, SETTINGS)
    assert isinstance(caught.value, TruncatedFileError if size else BadDownloadError)
    assert caught.value.retryable  # it may have been cut on its way


@pytest.mark.parametrize("size", [0, 2000])
def test_a_broken_support_file(tmp_path: Path, folder: Path, size: int) -> None:
    path = tmp_path / bucket_key(ROOT, "spt")
    path.parent.mkdir(parents=True)
    path.write_bytes((folder / bucket_key(ROOT, "spt")).read_bytes()[:size])
    expected = (BadFileError, "ibohbfb9q_spt.fits") if size else (BadDownloadError, "an empty body")
    with serve(tmp_path) as archive, pytest.raises(expected[0], match=expected[1]):
        read_support(make(MastArchive, archive), ROOT)


@pytest.mark.parametrize("keyword", ["NAXIS1", "NAXIS2"])
def test_a_huge_claim_takes_no_memory(tmp_path: Path, folder: Path, keyword: str) -> None:
    path = tmp_path / bucket_key(ROOT, "ima")
    path.parent.mkdir(parents=True)
    raw = (folder / bucket_key(ROOT, "ima")).read_bytes()
    card = next(raw[i : i + 80] for i in range(0, 20_000, 80) if raw[i : i + 8].decode() == f"{keyword:<8}")
    path.write_bytes(raw.replace(card, f"{keyword:<8}= {2_000_000_000:>20}".ljust(80).encode()))
    with serve(tmp_path) as archive, pytest.raises(BadFileError, match="implies more data"):
        read_cube(make(MastArchive, archive), ROOT, SETTINGS)


def test_no_network() -> None:
    nowhere = Services(mast="http://localhost:9", s3="http://localhost:9", retries=0, timeout=2.0)
    for kind, service in ((BucketArchive, "S3"), (MastArchive, "MAST")):
        with pytest.raises(ServiceUnreachableError, match=f"^{service}: "):
            read_cube(kind(replace(nowhere)), ROOT, MeasureSettings())


class Memory:
    """Files from bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def ranges(self, rootname: str, suffix: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return [self.data[start:stop] for start, stop in ranges]

    def download(self, rootname: str, suffix: str, folder: Path) -> Path:
        path = folder / f"{rootname}_{suffix}.fits"
        path.write_bytes(self.data)
        return path


def mutate(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Cut, overwrite, swap or repeat something, mostly in headers."""
    at = int(rng.integers(0, len(data)))
    block = at // 2880 * 2880
    match int(rng.integers(0, 6)):
        case 0:
            return data[:at]
        case 1:
            data[at : at + 8] = rng.bytes(8)
        case 2:
            cards = [i for i in range(0, len(data) - 80, 80) if data[i + 8 : i + 10] == b"= "]
            card = cards[int(rng.integers(0, len(cards)))]
            value = str(rng.choice(["-1", "0", "7", "99999999999", "T", "'x'", "NaN", "1.5", ""]))
            data[card + 10 : card + 80] = f"{value:>20}".ljust(70).encode()
        case 3:
            data[block : block + 2880] = b" " * 2880
        case 4:
            del data[block : block + 2880]
        case 5:
            data[block:block] = data[block : block + 2880]
    return data


def test_three_hundred_mutated_files_are_cubes_or_one_line(folder: Path) -> None:
    truth = (folder / bucket_key(ROOT, "ima")).read_bytes()
    rng = np.random.default_rng(5)
    n_bad = 0
    for _ in range(300):
        files = Memory(bytes(mutate(bytearray(truth), rng)))
        try:
            cube = read_cube(files, ROOT, SETTINGS)
        except BadFileError as error:
            assert "\n" not in str(error)
            n_bad += 1
        else:
            assert cube.rate.shape[1:] == (12, 86)
    assert 50 < n_bad < 300


def test_retry_after_is_honoured_by_both(files: MastArchive, archive: Archive) -> None:
    archive.faults.s3_503 = archive.faults.mast_503 = 1
    archive.faults.retry_after = 1.0
    began = time.monotonic()
    read_support(files, ROOT)
    assert time.monotonic() - began >= 1.0


def test_answers_that_all_break_off_are_said_so(files: MastArchive, archive: Archive) -> None:
    archive.faults.cut_after, archive.faults.cut_times = 100, 1000
    with pytest.raises(ShortDownloadError, match="every response was cut off .*; check the network"):
        files.ranges(ROOT, "ima", [(0, 2880)])


def test_a_download_is_checked_against_the_stated_checksum(
    files: MastArchive, archive: Archive, tmp_path: Path
) -> None:
    assert files.download(ROOT, "ima", tmp_path).exists()
    archive.faults.wrong_checksum = {"ibohbfb9q_spt.fits"}
    with pytest.raises(ShortDownloadError, match="arrived damaged: its checksum differs from the announced one"):
        files.download(ROOT, "spt", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["ibohbfb9q_ima.fits"]


def test_a_file_replaced_while_it_is_read_is_noticed(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    path = copy / bucket_key(ROOT, "ima")
    with serve(copy) as archive:
        files = make(BucketArchive, archive)
        files.ranges(ROOT, "ima", [(0, 100)])
        path.write_bytes(path.read_bytes() + bytes(2880))
        with pytest.raises(ServiceError, match="ibohbfb9q_ima.fits changed while it was read"):
            files.ranges(ROOT, "ima", [(100, 200)])


def test_what_s3_lacks_comes_from_mast_file_by_file(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / bucket_key(ROOT, "spt")).unlink()
    with serve(folder) as mast, serve(copy) as bucket:
        files = PublicArchive(Services(mast=mast.mast, s3=bucket.s3, retries=0))
        cube, orbit = read_exposure(files, ROOT, SETTINGS)
    assert orbit == read_orbit(folder / bucket_key(ROOT, "spt"))
    assert list(mast.log.by_file()) == ["ibohbfb9q_spt.fits"]
    assert cube.n_bytes == bucket.log.by_file()["ibohbfb9q_ima.fits"][1] + mast.log.n_bytes
