"""Unusual exposures of a dataset are reported, or refused before anything is repaired."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from tests.helpers.small_archive import association
from wfc3tvb.errors import (
    BadFileError,
    DiskFullError,
    MissingProductError,
    RefusedError,
    StorageError,
    TruncatedFileError,
)
from wfc3tvb.parallel.backends import stage
from wfc3tvb.repair.fetch import FetchDataset, check_headers
from wfc3tvb.repair.model import Member, Repair
from wfc3tvb.repair.workspace import read_record, write_record

ROOTS = ("ibohbfb7q", "ibohbfb9q")


def dataset(folder: Path, *own: dict[str, Any], kind: str = "EXP-DTH") -> tuple[list[Path], Path]:
    """Write raw files that differ by the keywords given, and their association."""
    raws = []
    for root, keywords in zip(ROOTS, (*own, {}, {})[:2], strict=True):
        usual = {"FILTER": "F105W", "SAMP_SEQ": "STEP200", "NSAMP": 16, "EXPFLAG": "NORMAL", "FGSLOCK": "FINE"}
        path = folder / f"{root}_raw.fits"
        fits.PrimaryHDU(header=fits.Header(usual | keywords)).writeto(path)
        raws.append(path)
    asn = folder / "ibohbf040_asn.fits"
    table = association("ibohbf040", ROOTS)
    for row in table[1].data:
        row["MEMTYPE"] = str(row["MEMTYPE"]).replace("EXP-DTH", kind)
    table.writeto(asn)
    return raws, asn


def test_nothing_is_said_of_usual_exposures(tmp_path: Path) -> None:
    assert check_headers(*dataset(tmp_path)) == ()


def test_several_filters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"several filters \(F105W, F110W\)"):
        check_headers(*dataset(tmp_path, {"FILTER": "F110W"}))


def test_repeat_observations_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="EXP-RPT"):
        check_headers(*dataset(tmp_path, kind="EXP-RP1"))


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"SAMP_SEQ": "SPARS100"}, "sample sequences differ: SPARS100/16, STEP200/16"),
        ({"NSAMP": 12}, "sample sequences differ: STEP200/12, STEP200/16"),
        ({"EXPFLAG": "INTERRUPTED"}, "ibohbfb7q: EXPFLAG INTERRUPTED"),
        ({"FGSLOCK": "GYROS"}, "ibohbfb7q: commanded lock GYROS"),
    ],
)
def test_what_may_spoil_a_repair_is_said(tmp_path: Path, keywords: dict[str, Any], words: str) -> None:
    assert check_headers(*dataset(tmp_path, keywords)) == (words,)


class Place:
    """Gives raw files, the first so many of them cut short."""

    def __init__(self, cut_short: int) -> None:
        self.cut_short = cut_short

    def download(self, rootname: str, suffix: str, folder: Path) -> Path:
        if suffix != "raw":
            raise MissingProductError("here", f"there is no {suffix}", "")
        path = folder / f"{rootname}_raw.fits"
        header = fits.Header({"FILTER": "F105W"})
        fits.HDUList([fits.PrimaryHDU(header=header), fits.ImageHDU(np.zeros((64, 64)))]).writeto(path)
        if self.cut_short:
            path.write_bytes(path.read_bytes()[:9000])
        self.cut_short = max(self.cut_short - 1, 0)
        return path


def test_a_raw_file_cut_short_is_not_kept(tmp_path: Path) -> None:
    lone = Repair("ibohbfb9q", (Member("ibohbfb9q", "omit", ""),))
    fetch = FetchDataset(Place(1), tmp_path)
    with pytest.raises(TruncatedFileError) as error:
        fetch(lone)
    assert (error.value.stage, error.value.retryable) == ("fetch", True)
    fetched = fetch(lone)
    (raw,) = fetched.raws
    raw.write_bytes(raw.read_bytes()[:9000])  # an earlier run's leftover
    assert len(fetch(lone).raws[0].read_bytes()) > 9000


class Products:
    """Gives every product of an association, of one kind first so many copies that are something else."""

    def __init__(self, kind: str, wrong: bytes, times: int) -> None:
        self.kind, self.wrong, self.times = kind, wrong, times

    def download(self, rootname: str, suffix: str, folder: Path) -> Path:
        path = folder / f"{rootname}_{suffix}.fits"
        if suffix == self.kind and self.times:
            self.times -= 1
            path.write_bytes(self.wrong)
        elif suffix == "asn":
            association(rootname, ROOTS).writeto(path)
        else:
            image = fits.ImageHDU(np.zeros((64, 64), np.float32), name="SCI", ver=1)
            fits.HDUList([fits.PrimaryHDU(header=fits.Header({"FILTER": "F105W"})), image]).writeto(path)
        return path


HTML = b"<html>The archive is in maintenance.</html>"
NO_EXTENSION = fits.PrimaryHDU().header.tostring().encode()
WRONG = {"a page": HTML, "nothing": b"", "a cut header": b"SIMPLE  =".ljust(1000), "no extension": NO_EXTENSION,
         "a cut body": fits.PrimaryHDU(np.zeros((64, 64))).header.tostring().encode() + bytes(2880)}  # fmt: skip
PAIR = Repair("ibohbf040", tuple(Member(root, "omit", "") for root in ROOTS))


# A raw file's extensions are looked at by the engine.
@pytest.mark.parametrize(
    ("kind", "what"), [(kind, what) for kind in ("flt", "drz", "asn") for what in WRONG] + [("raw", "a cut body")]
)
def test_a_bad_product_never_stays_and_a_rerun_recovers(tmp_path: Path, kind: str, what: str) -> None:
    fetch = FetchDataset(Products(kind, WRONG[what], 1), tmp_path)
    with pytest.raises(BadFileError) as error:
        fetch(PAIR)
    assert (error.value.stage, error.value.retryable) == ("fetch", True)
    assert not [path for path in tmp_path.rglob("*.fits") if path.read_bytes() == WRONG[what]]
    fetched = fetch(PAIR)
    assert sorted(path.name[10:13] for path in (fetched.folder / "orig").glob("*.fits")) == [
        "asn", "drz", "flt", "flt", "spt", "spt"
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["flt", "drz", "asn"])
def test_what_an_earlier_version_left_is_fetched_again(tmp_path: Path, kind: str) -> None:
    fetch = FetchDataset(Products("", b"", 0), tmp_path)
    orig = fetch(PAIR).folder / "orig"
    (path, *_) = orig.glob(f"*_{kind}.fits")
    good = path.read_bytes()
    path.write_bytes(HTML)
    fetch(PAIR)
    assert path.read_bytes() == good


def test_a_repair_needs_no_support_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fetched = FetchDataset(Products("spt", HTML, 9), tmp_path)(PAIR)
    assert not list((fetched.folder / "orig").glob("*_spt.fits"))
    assert caplog.text.count("the repair goes on without it") == 2


def test_a_disk_that_fails_is_an_error_of_its_stage() -> None:
    with (
        pytest.raises(StorageError, match=r"^/mnt/x\.fits: the disk cannot read or write it .*check the disk") as error,
        stage("fetch"),
    ):
        raise OSError(errno.EIO, "Input/output error", "/mnt/x.fits")
    assert (error.value.stage, error.value.retryable) == ("fetch", True)


def test_a_disk_that_fills_up_is_an_error_of_its_stage() -> None:
    with pytest.raises(DiskFullError) as error, stage("calibrate"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert (error.value.stage, error.value.retryable) == ("calibrate", True)
    with pytest.raises(PermissionError), stage("calibrate"):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_half_a_record_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "done.json"
    assert read_record(path) is None
    write_record(path, {"a": 1})
    assert read_record(path) == {"a": 1}
    path.write_text('{"a"')
    assert read_record(path) is None
    assert [each.name for each in tmp_path.iterdir()] == ["done.json"]


def test_a_part_of_an_association_has_the_table_of_the_whole(tmp_path: Path) -> None:
    """MAST lists IBYG0202A, whose exposures name IBYG02020 in their headers; its own product is IBYG0202A_DRZ."""
    part = Repair("ibyg0202a", PAIR.members, "ibyg02020")
    assert part.association == "ibyg0202a"
    orig = FetchDataset(Products("", b"", 0), tmp_path)(part).folder / "orig"
    assert sorted(path.name for path in orig.glob("ibyg*")) == ["ibyg02020_asn.fits", "ibyg0202a_drz.fits"]
