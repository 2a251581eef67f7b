"""Rare but real input of the native engine, by what calwf3 3.7.3 makes of it (seen in its products and its source)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner

from tests.helpers import golden
from wfc3tvb.cli import main
from wfc3tvb.engines.calibrate import calibrate
from wfc3tvb.errors import BadFileError, TvbError, UnsuitableReferenceError
from wfc3tvb.references.tables import _first_number

_CASE = "09_spars100_64_n4_rise"
_CCDTAB, _DARK, _FLAT = "s20100c1i_ccd.fits", "s20100spars10064i_drk.fits", "s20100105w64i_pfl.fits"
_CRREJ = "s20100r256i_crr.fits"
_PLANES = ("SCI", "ERR", "DQ", "SAMP", "TIME")
Hdus = fits.HDUList


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    golden.unpack(golden.HERE / _CASE, tmp_path)
    golden.unpack(golden.HERE / "iref", tmp_path / "iref")
    return tmp_path


def products(
    folder: Path, name: str, raw: Callable[[Hdus], object] | None = None, **iref: Callable[[Hdus], object]
) -> Path:
    """Calibrate the case after changes to the RAW file and to references, and return the folder of the products."""
    (original,) = folder.glob("*_raw.fits")
    files = {original: raw or (lambda hdus: None)}
    files |= {folder / "iref" / file: change for file, change in zip(iref, iref.values(), strict=True)}
    kept = {path: path.read_bytes() for path in files}
    try:
        for path, change in files.items():
            changed = list(_changed(path, change))
            fits.HDUList(changed).writeto(path, overwrite=True, output_verify="ignore")
        calibrate(original, engine="native", iref=folder / "iref", outdir=folder / name)
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
    return folder / name


def _changed(path: Path, change: Callable[[Hdus], object]) -> Iterator[fits.PrimaryHDU]:
    with fits.open(path, memmap=False, do_not_scale_image_data=True) as hdus:
        copies = fits.HDUList([hdu.copy() for hdu in hdus])
    change(copies)
    yield from copies


def same(one: Path, other: Path) -> None:
    for path in sorted(other.glob("*.fits")):
        assert golden.differences(one / path.name, path) == []


def test_what_calwf3_drops_from_a_primary_header(folder: Path) -> None:
    def genuine(hdus: Hdus) -> None:
        hdus[0].header.set("GROUPS", False, "image is in group format", before="FILENAME")
        hdus[0].header["DATATYPE"] = "INTEGER*2"

    made, plain = products(folder, "genuine", genuine), products(folder, "plain")
    same(made, plain)
    for path in sorted(made.glob("*.fits")):
        header = fits.getheader(path)
        assert "GROUPS" not in header and "DATATYPE" not in header
        assert list(header["COMMENT"]) == [
            "  FITS (Flexible Image Transport System) format is defined in 'Astronomy",
            "  and Astrophysics', volume 376, page 359; bibcode: 2001A&A...376..359H",
        ]


def test_extnames_in_lower_case(folder: Path) -> None:
    def lower(hdus: Hdus) -> None:
        for hdu in hdus[1:]:
            hdu.header["EXTNAME"] = hdu.header["EXTNAME"].lower()

    made = products(folder, "lower", lower)
    same(made, products(folder, "plain"))
    (ima,) = made.glob("*_ima.fits")
    with fits.open(ima) as hdus:
        assert {hdu.header["EXTNAME"] for hdu in hdus[1:]} == set(_PLANES)
        assert hdus["SCI", 1].data.dtype == ">f4"


def test_a_constant_of_flags_keeps_its_lower_16_bits(folder: Path) -> None:
    def flagged(value: int) -> Callable[[Hdus], object]:
        def change(hdus: Hdus) -> None:
            for k, hdu in enumerate(hdus):
                if (hdu.name, hdu.ver) == ("DQ", 2):
                    header = hdu.header.copy()
                    header.update({"NPIX1": 74, "NPIX2": 74, "PIXVALUE": value})
                    hdus[k] = fits.ImageHDU(None, header)

        return change

    same(products(folder, "beyond", flagged(40000)), products(folder, "within", flagged(40000 - 65536)))
    with pytest.raises(BadFileError, match=r"has PIXVALUE 3e\+09 in DQ,2"):
        products(folder, "far", flagged(3_000_000_000))


def test_flags_of_32_bits(folder: Path) -> None:
    def wide(value: int) -> Callable[[Hdus], object]:
        def change(hdus: Hdus) -> None:
            for k, hdu in enumerate(hdus):
                if (hdu.name, hdu.ver) == ("DQ", 1):
                    pixels = np.zeros((74, 74), np.int32)
                    pixels[30, 30] = value
                    hdus[k] = fits.ImageHDU(pixels, name="DQ", ver=1)

        return change

    (flt,) = products(folder, "fits", wide(16)).glob("*_flt.fits")
    assert fits.getdata(flt, "DQ")[25, 25] & 16
    with pytest.raises(BadFileError, match="has flags of more than 16 bits in DQ,1"):
        products(folder, "not", wide(70000))


def test_signal_flagged_in_the_zeroth_read_reaches_the_others_without_zoffcorr(folder: Path) -> None:
    def flagged(hdus: Hdus) -> None:
        hdus[0].header["ZOFFCORR"] = "OMIT"
        for k, hdu in enumerate(hdus):
            if (hdu.name, hdu.ver) == ("DQ", 4):
                pixels = np.zeros((74, 74), np.int16)
                pixels[30, 30] = pixels[2, 30] = 2048  # the second is a reference pixel
                hdus[k] = fits.ImageHDU(pixels, name="DQ", ver=4)

    (ima,) = products(folder, "flagged", flagged).glob("*_ima.fits")
    with fits.open(ima) as hdus:
        carried = [int(hdus["DQ", version].data[30, 30]) & 2048 for version in (1, 2, 3, 4)]
        border = [int(np.asarray(golden_plane(hdus["DQ", version]))[2, 30]) & 2048 for version in (1, 2, 3)]
    assert carried == [2048] * 4
    assert border == [0] * 3


def golden_plane(hdu: fits.ImageHDU) -> np.ndarray:
    return np.full((74, 74), hdu.header.get("PIXVALUE", 0)) if hdu.data is None else hdu.data


def test_scaled_counts_are_computed_in_double_precision(folder: Path) -> None:
    (raw,) = folder.glob("*_raw.fits")
    with fits.open(raw) as hdus:
        counts = {version: np.round(hdus["SCI", version].data / 0.013) for version in (1, 2, 3, 4)}

    def scaled(hdus: Hdus) -> None:
        for k, hdu in enumerate(hdus):
            if hdu.name == "SCI":
                header = hdu.header.copy()
                hdus[k] = fits.ImageHDU(counts[hdu.ver].astype(np.int32), header)
                hdus[k].header["BSCALE"], hdus[k].header["BZERO"] = 0.013, 0.7

    def plain(hdus: Hdus) -> None:
        for k, hdu in enumerate(hdus):
            if hdu.name == "SCI":
                header = hdu.header.copy()
                for name in ("BSCALE", "BZERO"):
                    header.remove(name, ignore_missing=True)
                hdus[k] = fits.ImageHDU((counts[hdu.ver] * 0.013 + 0.7).astype(np.float32), header)

    single = counts[1].astype(np.float32) * np.float32(0.013) + np.float32(0.7)
    assert np.any(single != (counts[1] * 0.013 + 0.7).astype(np.float32))
    same(products(folder, "scaled", scaled), products(folder, "plain", plain))


def first_row(**cells: object) -> Callable[[Hdus], object]:
    """Return a change that puts a row before the CCDTAB's only one, the same but for some cells."""

    def change(hdus: Hdus) -> None:
        data = np.repeat(np.asarray(hdus[1].data), 2)
        for name, value in cells.items():
            data[name][0] = value
        hdus[1] = fits.BinTableHDU(data, hdus[1].header)

    return change


def test_ccdamp_not_applicable_is_no_wildcard(folder: Path) -> None:
    other = first_row(CCDAMP="N/A", ATODGNA=9.9)
    same(products(folder, "other", **{_CCDTAB: other}), products(folder, "plain"))
    (flt,) = products(folder, "any", **{_CCDTAB: first_row(CCDAMP="ANY", ATODGNA=9.9)}).glob("*_flt.fits")
    assert fits.getval(flt, "ATODGNA") == pytest.approx(9.9)


def test_a_dummy_in_lower_case_is_none(folder: Path) -> None:
    def dummy(word: str) -> Callable[[Hdus], object]:
        return lambda hdus: hdus[0].header.set("PEDIGREE", word)

    (small,) = products(folder, "small", **{_DARK: dummy("dummy 01/01/2009")}).glob("*_flt.fits")
    (capital,) = products(folder, "capital", **{_DARK: dummy("DUMMY 01/01/2009")}).glob("*_flt.fits")
    assert [fits.getval(path, "DARKCORR") for path in (small, capital)] == ["COMPLETE", "SKIPPED"]


def test_blank_cells_of_a_row_in_history(folder: Path) -> None:
    def cells(pedigree: bytes, descrip: bytes) -> Callable[[Hdus], object]:
        def change(hdus: Hdus) -> None:
            data = np.asarray(hdus[1].data).copy()
            bytes_of = data.view(np.uint8).reshape(len(data), -1)
            for name, text in (("PEDIGREE", pedigree), ("DESCRIP", descrip)):
                at, size = data.dtype.fields[name][1], data.dtype.fields[name][0].itemsize
                bytes_of[0, at : at + size] = np.frombuffer(text.ljust(size, text[-1:]), np.uint8)
            hdus[1] = fits.BinTableHDU.fromstring(
                hdus[1].header.tostring().encode() + data.tobytes().ljust(2880, b"\0")
            )

        return change

    lines = []
    for name, blank in (("nul", b"\0"), ("blank", b" ")):
        (flt,) = products(folder, name, **{_CCDTAB: cells(blank, blank)}).glob("*_flt.fits")
        history = list(fits.getheader(flt)["HISTORY"])
        lines.append([line.strip() for line in history[2:6]])
    own = fits.getheader(folder / "iref" / _CCDTAB)["DESCRIP"]
    assert lines[0][:3] == ["INDEF", own, "INDEF"]
    assert lines[1][:3] == ["", own, ""]


def test_flats_of_other_places_are_multiplied_as_they_are(folder: Path) -> None:
    (raw,) = folder.glob("*_raw.fits")
    flat = folder / "iref" / _FLAT
    with fits.open(flat) as hdus:
        hdus[0].header["FILETYPE"] = "DELTA FLAT"
        hdus.writeto(folder / "iref" / "delta.fits")
        for name in ("LTV1", "LTV2"):
            hdus["SCI", 1].header[name] = hdus["SCI", 1].header.get(name, 0.0) + 7
        hdus.writeto(folder / "iref" / "moved.fits")

    def delta(name: str) -> Callable[[Hdus], object]:
        return lambda hdus: hdus[0].header.set("DFLTFILE", f"iref${name}")

    made, expected = products(folder, "moved", delta("moved.fits")), products(folder, "delta", delta("delta.fits"))
    for path in sorted(expected.glob("*.fits")):
        assert [
            d for d in golden.differences(made / path.name, path) if "FLTFILE" not in d and "HISTORY" not in d
        ] == []


@pytest.mark.parametrize(
    ("text", "sigma"), [("4.0", 4), ("4.0,3", 4), ("5;4", 5), ("6/2", 6), ("3.5 x", 3.5), ("4,", 4)]
)
def test_thresholds_are_read_as_calwf3_reads_them(text: str, sigma: float) -> None:
    assert _first_number(Path("crr.fits"), text) == sigma


@pytest.mark.parametrize("text", [",4.0", "", "x", "0", "-4", "4,x", "nan", "inf"])
def test_thresholds_that_would_make_every_read_a_hit_are_refused(text: str) -> None:
    with pytest.raises(UnsuitableReferenceError, match="CRSIGMAS is"):
        _first_number(Path("crr.fits"), text)


@pytest.mark.parametrize("number", [0, -1])
def test_a_dark_without_images_is_refused(folder: Path, number: int) -> None:
    refused(folder, f"DARKFILE {_DARK}: NUMEXPOS is {number}", **{_DARK: lambda h: h[0].header.set("NUMEXPOS", number)})


def test_gains_of_zero_are_refused(folder: Path) -> None:
    def nothing(hdus: Hdus) -> None:
        for name in "ABCD":
            hdus[1].data[f"ATODGN{name}"] = 0

    refused(folder, f"CCDTAB {_CCDTAB}: its ATODGN are 0", **{_CCDTAB: nothing})


def refused(folder: Path, words: str, **iref: Callable[[Hdus], object]) -> None:
    with pytest.raises(TvbError) as error:
        products(folder, "refused", **iref)
    assert words in str(error.value) and "\n" not in str(error.value)
    assert not list((folder / "refused").glob("*"))


def test_an_association_leaves_a_trailer_and_fails_without_a_member(folder: Path) -> None:
    (raw,) = folder.glob("*_raw.fits")
    second = raw.with_name("iaaa01aaq_raw.fits")
    second.write_bytes(raw.read_bytes())

    def associate(name: str, *members: str) -> Path:
        rows = Table({"MEMNAME": members, "MEMTYPE": ["EXP-DTH"] * len(members), "MEMPRSNT": [True] * len(members)})
        fits.HDUList([fits.PrimaryHDU(), fits.table_to_hdu(rows)]).writeto(folder / name)
        return folder / name

    complete = associate("iaaa01010_asn.fits", raw.name[:9].upper(), "IAAA01AAQ")
    calibrate(complete, engine="native", iref=folder / "iref", outdir=folder / "all")
    text = (folder / "all" / "iaaa01010.tra").read_text()
    assert text == "".join((folder / "all" / f"{name[:9]}.tra").read_text() for name in (raw.name, second.name))
    lacking = associate("iaaa01020_asn.fits", raw.name[:9].upper(), "IAAA01ABQ")
    options = ["--engine", "native", "--iref", str(folder / "iref"), "--outdir", str(folder / "some")]
    done = CliRunner().invoke(main, ["calibrate", str(lacking), *options])
    assert done.exit_code == 2
    assert (folder / "some" / raw.name.replace("_raw", "_flt")).is_file()
    assert (folder / "some" / "iaaa01020.tra").read_text().count("CALBEG") == 1
