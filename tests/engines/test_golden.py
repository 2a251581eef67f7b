"""The native engine equals calwf3 3.7.3 in every pixel and keyword of the golden cases."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.helpers import golden
from wfc3tvb.engines.calibrate import calibrate

_OTHERS = (
    "01_rapid64_n16_const", "02_spars25_64_n15_rise", "03_spars100_64_n16_rise3peak", "04_step50_64_n13_fall",
    "08_step50_128_n16_rise_f110w",
)  # fmt: skip


@pytest.fixture(scope="module")
def iref(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("iref")
    golden.unpack(golden.HERE / "iref", folder)
    return folder


@pytest.fixture(scope="module")
def all_iref(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Path:
    folder = tmp_path_factory.mktemp("all_iref")
    golden.unpack(shared_data / "golden" / "iref", folder)
    return folder


def check(case: Path, mode: str, iref: Path, folder: Path) -> None:
    golden.unpack(case, folder)
    golden.unpack(case / mode, folder / "theirs")
    (raw,) = folder.glob("*_raw.fits")
    (made,) = calibrate(raw, engine="native", crcorr=mode, iref=iref)
    assert made.ima is not None
    for product in (made.ima, made.flt):
        assert golden.differences(product, folder / "theirs" / product.name) == []


def test_the_linearity_file_varies_from_pixel_to_pixel(iref: Path) -> None:
    """The archive's has done so since October 2025 (WFC3 ISR 2025-08): the cases compared are of that kind."""
    for path in iref.glob("*_lin.fits"):
        with fits.open(path) as hdus:
            for version in (2, 3, 4):
                plane = hdus["COEF", version].data[5:-5, 5:-5]
                assert plane.std() > 0.01 * abs(plane.mean())


def test_there_are_five_cases() -> None:
    assert len(golden.names()) == 5


@pytest.mark.parametrize("mode", ["perform", "omit"])
@pytest.mark.parametrize("case", golden.names())
def test_equal(case: str, mode: str, iref: Path, tmp_path: Path) -> None:
    check(golden.HERE / case, mode, iref, tmp_path)


@pytest.mark.parametrize("case", _OTHERS)
def test_equal_in_other_cases(case: str, all_iref: Path, tmp_path: Path, shared_data: Path) -> None:
    for mode in ("perform", "omit"):
        (tmp_path / mode).mkdir()
        check(shared_data / "golden" / case, mode, all_iref, tmp_path / mode)


#: What calwf3's trailers say: saturated in zeroth, first, last read; unstable.
_NUMBERS = {
    "05_spars100_64_n16_saturated": (6, 11, 193, 0), "09_spars100_64_n4_rise": (0, 0, 3, 0),
    "12_spars100_64_n16_limb_trail": (0, 0, 12, 63), "16_step50_64_n10_stress_badinpdq": (0, 2, 25, 1),
    "17_spars100_64_n2_edge": (3, 7, 7, 0),
}  # fmt: skip


@pytest.mark.parametrize(("case", "numbers"), _NUMBERS.items())
def test_trailer_has_the_numbers_of_calwf3(case: str, numbers: tuple[int, ...], iref: Path, tmp_path: Path) -> None:
    golden.unpack(golden.HERE / case, tmp_path)
    (made,) = calibrate(next(tmp_path.glob("*_raw.fits")), engine="native", iref=iref)
    assert made.trailer is not None
    text = made.trailer.read_text()
    words = (
        r"(\d+) saturated pixels in 0th read", r"(\d+) saturated pixels in 1st read",
        r"(\d+) saturated pixels in imset 1\n", r"(\d+) pixels detected as unstable",
    )  # fmt: skip
    assert tuple(int(re.findall(word, text)[0]) for word in words) == numbers


def test_comparison_sees_one_pixel(iref: Path, tmp_path: Path) -> None:
    case = golden.HERE / golden.names()[0]
    golden.unpack(case / "perform", tmp_path / "a")
    golden.unpack(case / "perform", tmp_path / "b")
    (a,), (b,) = (list((tmp_path / name).glob("*_flt.fits")) for name in "ab")
    assert golden.differences(a, b) == []
    with fits.open(b, mode="update") as hdus:
        hdus["SCI"].data[3, 5] = np.nextafter(hdus["SCI"].data[3, 5], np.float32(np.inf))
    assert golden.differences(a, b) == ["SCI,1: 1 pixels differ"]
