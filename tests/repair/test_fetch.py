"""Unusual exposures of a dataset are reported, or refused before anything is repaired."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from tests.helpers.small_archive import association
from wfc3tvb.errors import DiskFullError, MissingProductError, RefusedError, TruncatedFileError
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
    assert error.value.stage == "fetch"
    fetched = fetch(lone)
    (raw,) = fetched.raws
    raw.write_bytes(raw.read_bytes()[:9000])  # an earlier run's leftover
    assert len(fetch(lone).raws[0].read_bytes()) > 9000


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
