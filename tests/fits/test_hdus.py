"""The engine's own reading and writing of FITS, compared with astropy's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from wfc3tvb.errors import BadFileError, NotFitsError, TruncatedFileError
from wfc3tvb.fits.bintable import read_columns, rows_of
from wfc3tvb.fits.cards import Cards, card, history, value_of
from wfc3tvb.fits.hdus import Pixels, read_fits, write_pieces

VALUES = [
    True, False, 0, -17, 10**12, 1.5, -2.5e-20, 1e30, 56298.78539351, "", "F105W", "it's", "'", "a/b", " blank first",
    "iref$q911321mi_osc.fits", "x" * 40,
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_values_as_astropy_reads_and_writes_them(value: object) -> None:
    theirs = fits.Card("KEYWORD", value, "what it is")
    assert value_of(str(theirs)) == value
    ours = fits.Card.fromstring(card("KEYWORD", value, "what it is"))
    assert ours.value == value
    if len(str(value)) < 50:
        assert ours.comment == "what it is"
    ours.verify("exception")


def test_a_value_that_is_not_defined() -> None:
    assert isinstance(fits.Card.fromstring(card("GOODMEAN", None)).value, fits.Undefined)
    assert value_of(card("GOODMEAN", None)) is None


def test_long_text_continues() -> None:
    text = "".join(chr(65 + i % 26) for i in range(150)) + "'" * 3
    header = fits.Header.fromstring(card("LONG", text))
    assert header["LONG"] == text


def test_history_of_any_length() -> None:
    header = fits.Header.fromstring(history("short") + history("y" * 100))
    assert list(header["HISTORY"]) == ["short", "y" * 72, "y" * 28]


def test_a_header_is_changed_in_its_place() -> None:
    text = card("FIRST", 1, "one") + card("SECOND", "two") + history("told")
    header = Cards(text)
    copy = header.copy()
    copy["FIRST"], copy["THIRD"] = 3, 0.5
    assert (header["FIRST"], copy["FIRST"], copy["THIRD"]) == (1, 3, 0.5)
    assert copy.cards[0] == card("FIRST", 3, "one")
    assert "THIRD" not in header
    assert list(copy) == ["FIRST", "SECOND", "HISTORY", "THIRD"]


@pytest.fixture
def several(tmp_path: Path) -> Path:
    rng = np.random.default_rng(3)
    table = fits.BinTableHDU.from_columns([
        fits.Column("NAME", "10A", array=["one", "", "three's"]),
        fits.Column("GOOD", "L", array=[True, False, True]),
        fits.Column("SHORT", "I", array=np.array([1, -2, 3], np.int16)),
        fits.Column("UNSIGNED", "I", bzero=32768, array=np.array([1, 40000, 65535], np.uint16)),
        fits.Column("PAIR", "2D", array=rng.random((3, 2))),
        fits.Column("ANY", "PJ()", array=np.array([[1], [2, 3], [4, 5, 6]], object)),
        fits.Column("LAST", "E", array=rng.random(3)),
    ])  # fmt: skip
    image = fits.ImageHDU(rng.integers(0, 60000, (5, 7)).astype(np.uint16), name="SCI", ver=2)
    path = tmp_path / "several.fits"
    fits.HDUList([fits.PrimaryHDU(), image, table, fits.ImageHDU(name="EMPTY")]).writeto(path)
    return path


def test_images(several: Path) -> None:
    _, image, _, empty = read_fits(several)
    assert (image.key, empty.key) == (("SCI", 2), ("EMPTY", 1))
    assert image.scaling == (1, 32768)
    assert image.image is not None
    np.testing.assert_array_equal(image.image + 32768.0, fits.getdata(several, 1))
    assert empty.image is None


def test_tables(several: Path) -> None:
    columns, theirs = read_columns(read_fits(several)[2]), fits.getdata(several, 2)
    assert list(columns) == list(theirs.names)
    for name in theirs.names:
        for ours, own in zip(columns[name], theirs[name], strict=True):
            np.testing.assert_array_equal(ours, own)
    assert rows_of(columns)[2]["NAME"] == "three's"


def test_a_column_of_an_unknown_kind(tmp_path: Path) -> None:
    path = tmp_path / "complex.fits"
    fits.BinTableHDU.from_columns([fits.Column("Z", "C", array=np.ones(2, np.complex64))]).writeto(path)
    with pytest.raises(BadFileError, match="unsupported format"):
        read_columns(read_fits(path)[1])


def test_pieces_read_back(tmp_path: Path) -> None:
    values = np.random.default_rng(1).random((11, 13)).astype(np.float32)
    path, theirs = tmp_path / "ours.fits", fits.PrimaryHDU(values)
    write_pieces(path, [theirs.header.tostring().encode(), Pixels(values, ">f4")])
    np.testing.assert_array_equal(fits.getdata(path), values)
    assert path.stat().st_size == 2 * 2880


@pytest.mark.parametrize(("n", "kind"), [(0, NotFitsError), (2800, TruncatedFileError), (9000, TruncatedFileError)])
def test_cut_short(several: Path, n: int, kind: type[BadFileError]) -> None:
    several.write_bytes(several.read_bytes()[:n])
    with pytest.raises(kind):
        read_fits(several)


@pytest.mark.parametrize(("keyword", "before", "after"), [("NAXIS1", "7", "-7"), ("BITPIX", "16", "17")])
def test_headers_that_make_no_sense(several: Path, keyword: str, before: str, after: str) -> None:
    cards = (f"{keyword:8}= {value:>20}".encode() for value in (before, after))
    several.write_bytes(several.read_bytes().replace(*cards))
    with pytest.raises(BadFileError, match="header"):
        read_fits(several)


def test_huge_sizes_are_refused_without_reading(several: Path) -> None:
    before, after = b"NAXIS1  =                    7", b"NAXIS1  =   999999999999999999"
    several.write_bytes(several.read_bytes().replace(before, after))
    with pytest.raises(TruncatedFileError, match="ends before its data do"):
        read_fits(several)


@pytest.mark.parametrize(
    ("keyword", "before", "after", "cause"),
    [
        ("NAXIS1", "43", "4294967296", "ends before its data do"),
        ("NAXIS1", "43", "0", "table of 3 rows of 0 bytes"),
        ("NAXIS2", "3", "99999999999999999999", "data do"),
        ("TFIELDS", "7", "0", "do not fit"),
        ("PCOUNT", "24", "0", "does not fit its heap"),
    ],
)
def test_tables_whose_headers_lie(several: Path, keyword: str, before: str, after: str, cause: str) -> None:
    cards = (f"{keyword:8}= {value:>20}".encode() for value in (before, after))
    several.write_bytes(several.read_bytes().replace(*cards))
    with pytest.raises(BadFileError, match=cause):
        read_columns(read_fits(several)[2])


def test_a_row_length_that_numpy_cannot_describe(tmp_path: Path) -> None:
    """With no rows there are no data that could be too short."""
    table = fits.BinTableHDU.from_columns([fits.Column("A", "E", array=[])])
    path = tmp_path / "empty.fits"
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    path.write_bytes(path.read_bytes().replace(b"NAXIS1  =                    4", b"NAXIS1  =           4294967296"))
    with pytest.raises(BadFileError, match="rows of 4294967296 bytes"):
        read_columns(read_fits(path)[1])


@pytest.mark.parametrize("card", ["GCOUNT  =                    0", "PCOUNT  =                  -35"])
def test_images_without_the_data_that_they_announce(several: Path, card: str) -> None:
    before = f"{card[:10]}{'1' if card.startswith('G') else '0':>20}".encode()
    several.write_bytes(several.read_bytes().replace(before, card.encode(), 1))
    with pytest.raises(BadFileError, match=r"has no image of \(5, 7\) pixels in SCI,2|a negative size"):
        _ = read_fits(several)[1].pixels


def test_columns_without_bytes_are_left_out(several: Path) -> None:
    before, after = (f"TFORM7  = {form}".encode() for form in ("'E       '", "'0E      '"))
    assert before in several.read_bytes()
    several.write_bytes(several.read_bytes().replace(before, after))
    assert list(read_columns(read_fits(several)[2])) == ["NAME", "GOOD", "SHORT", "UNSIGNED", "PAIR", "ANY"]


def test_cells_are_numbers_or_refused(several: Path) -> None:
    columns = read_columns(read_fits(several)[2])
    row = rows_of(columns)[1]
    assert (row.number("SHORT"), row.whole("UNSIGNED"), columns.numbers("SHORT").tolist()) == (-2, 40000, [1, -2, 3])
    for name in ("NAME", "GOOD", "PAIR", "ANY"):
        with pytest.raises(BadFileError, match=f"no number in column {name}"):
            row.number(name)
    for name in ("NAME", "PAIR", "ANY"):
        with pytest.raises(BadFileError, match=f"no numbers in column {name}"):
            columns.numbers(name)
    with pytest.raises(BadFileError, match="no column GAIN"):
        row.whole("GAIN")
