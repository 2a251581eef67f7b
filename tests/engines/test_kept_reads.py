"""Calibrated reads kept in memory are those that an IMA file holds."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.helpers import golden
from wfc3tvb.engines.calibrate import calibrate, calibrate_in_memory
from wfc3tvb.errors import BadFileError
from wfc3tvb.fits.calibrated_reads import CalibratedReads, read_calibrated
from wfc3tvb.fits.cards import Cards


@pytest.fixture(params=["17_spars100_64_n2_edge", "05_spars100_64_n16_saturated", "16_step50_64_n10_stress_badinpdq"])
def raw(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    golden.unpack(golden.HERE / "iref", tmp_path / "iref")
    golden.unpack(golden.HERE / request.param, tmp_path)
    (path,) = tmp_path.glob("*_raw.fits")
    return path


def kept(raw: Path, crcorr: str = "omit") -> CalibratedReads:
    received: list[CalibratedReads] = []
    outdir = raw.parent / "made"
    outdir.mkdir()
    options = {"outdir": outdir, "iref": raw.parent / "iref", "threads": 2, "receive": received.append}
    result = calibrate_in_memory(raw, crcorr=crcorr, keywords={}, **options)
    assert result.ima is None
    assert sorted(path.name[9:] for path in outdir.iterdir()) == [".tra", "_flt.fits"]
    (reads,) = received
    return reads


def test_reads_are_the_same_in_memory_and_from_the_file(raw: Path) -> None:
    ours = kept(raw)
    (made,) = calibrate(raw, crcorr="omit", iref=raw.parent / "iref")
    assert made.ima is not None
    theirs = read_calibrated(made.ima)
    for field in fields(CalibratedReads):
        one, other = getattr(ours, field.name), getattr(theirs, field.name)
        if field.name == "header":
            assert [str(card) for card in one.cards] == [str(card) for card in other.cards]
        else:
            assert np.array_equal(one, other), field.name
            assert type(one) is type(other)
    assert ours.gain == theirs.gain
    assert (raw.parent / "made" / made.flt.name).read_bytes() == made.flt.read_bytes()


def test_fitted_reads_are_not_handed_over(raw: Path) -> None:
    with pytest.raises(BadFileError, match="has a ramp fit already"):
        kept(raw, crcorr="perform")


def test_ramps_are_copies_and_the_reads_are_not(raw: Path) -> None:
    reads = kept(raw)
    ramp, before = reads.ramp(), reads.rate.copy()
    for cube in (ramp.counts, ramp.error, ramp.dq):
        cube[:] = 0
    assert np.array_equal(reads.rate, before)
    assert np.shares_memory(reads.integration().rate, reads.rate)


@pytest.mark.parametrize("end", [(), ("HISTORY made",), ("COMMENT one", "", "HISTORY two")])
def test_keywords_are_set_as_astropy_sets_them(end: tuple[str, ...]) -> None:
    cards = ["NSAMP   =                   16 / number of reads", "DARKFILE= 'iref$old_drk.fits'  / dark", *end]
    text = "".join(each.ljust(80) for each in cards)
    values = {"DARKFILE": "iref$new_longer_drk.fits", "CRDS_CTX": "hst_1200.pmap", "CRCORR": "PERFORM"}
    theirs = fits.Header.fromstring(text)
    theirs.update(values)
    ours = Cards(text)
    ours.update(values)
    assert "".join(ours.cards).rstrip() == theirs.tostring(endcard=False, padding=False).rstrip()
    assert {key: ours[key] for key in values} == values
