"""What is unusual of a dataset's exposures: said, or refused before anything is repaired."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from tests.simulate.small_archive import association
from wfc3tvb.errors import RefusedError
from wfc3tvb.pipeline.repair_fetch import check

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
    assert check(*dataset(tmp_path)) == ()


def test_several_filters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="several filters: F105W, F110W"):
        check(*dataset(tmp_path, {"FILTER": "F110W"}))


def test_repeat_observations_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="EXP-RPT"):
        check(*dataset(tmp_path, kind="EXP-RP1"))


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"SAMP_SEQ": "SPARS100"}, "sample sequences differ: SPARS100/16, STEP200/16"),
        ({"NSAMP": 12}, "sample sequences differ: STEP200/12, STEP200/16"),
        ({"EXPFLAG": "INTERRUPTED"}, "ibohbfb7q: EXPFLAG INTERRUPTED"),
        ({"FGSLOCK": "GYROS"}, "ibohbfb7q: guide stars GYROS"),
    ],
)
def test_what_may_spoil_a_repair_is_said(tmp_path: Path, keywords: dict[str, Any], words: str) -> None:
    assert check(*dataset(tmp_path, keywords)) == (words,)
