"""Files that other programs wrote with the archive's pixels: read alike, or refused for their true cause."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_allclose, assert_array_equal

from tests.helpers.recorded import unpack
from tests.helpers.variants import NO_FLAGS, SAME
from wfc3tvb.archive.byte_ranges import read_cube
from wfc3tvb.archive.local_folder import FolderArchive
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.config import MeasureSettings, Selection, Services
from wfc3tvb.errors import BadFileError, NotFitsError, TruncatedFileError
from wfc3tvb.fits.blocks import data_size
from wfc3tvb.fits.ima import read_ima
from wfc3tvb.measurement import measure
from wfc3tvb.models import ReadCube
from wfc3tvb.survey.survey import survey

ROOT = "igold031q"
#: Score of the exposure, calibrated by calwf3 3.7.3.
SCORE = 5.91


@pytest.fixture(scope="module")
def true(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An IMA of a simulated 64-pixel subarray, made by calwf3 3.7.3."""
    return unpack(f"ima/{ROOT}_ima.fits", tmp_path_factory.mktemp("true"))


def check_alike(found: ReadCube, true: ReadCube, exact: bool) -> None:
    assert_allclose(found.rate, true.rate, rtol=0 if exact else 1.2e-7, atol=0 if exact else 1e-6)
    assert_array_equal(found.dq, true.dq)
    assert_array_equal(found.t, true.t)
    assert_array_equal(found.mjd, true.mjd)
    assert_array_equal(found.rows, true.rows)


@pytest.mark.parametrize("rows", [None, 20])
@pytest.mark.parametrize("name", SAME)
def test_the_pixels_of_the_archive_in_another_form(true: Path, tmp_path: Path, name: str, rows: int | None) -> None:
    path, content = tmp_path / true.name, true.read_bytes()
    path.write_bytes(SAME[name](content))
    assert path.read_bytes() != content
    found, expected = read_ima(path, rows=rows, pstat=True), read_ima(true, rows=rows, pstat=True)
    check_alike(found, expected, exact=name != "scaled integers")
    assert_allclose(found.cumulative_median, expected.cumulative_median, rtol=1e-6)
    assert found.n_bytes == path.stat().st_size
    assert found.header["NSAMP"] == 16
    if rows is None:
        assert measure(path).exposure["tvb_score"] == pytest.approx(SCORE, abs=0.005)


@pytest.mark.parametrize("name", NO_FLAGS)
def test_without_flags_all_pixels_count(true: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / true.name
    path.write_bytes(NO_FLAGS[name](true.read_bytes()))
    found = read_ima(path)
    assert_array_equal(found.rate, read_ima(true).rate)
    assert np.unique(found.dq).tolist() == ([64] if name == "constant flags" else [0])
    assert measure(path).exposure["tvb_score"] == pytest.approx(SCORE, abs=0.02)


def test_a_folder_of_them_is_surveyed_without_a_failure(true: Path, tmp_path: Path) -> None:
    folder, content = tmp_path / "files", true.read_bytes()
    folder.mkdir()
    names = {f"igold{i:02d}1q": variant for i, variant in enumerate([*SAME.values(), *NO_FLAGS.values()], 10)}
    for root, variant in names.items():
        renamed = content.replace(ROOT.encode(), root.encode()).replace(ROOT.upper().encode(), root.upper().encode())
        (folder / f"{root}_ima.fits").write_bytes(variant(renamed))
    with open_catalog(tmp_path / "catalog", mode="a") as catalog:
        report = survey(catalog, Selection(filters=("all",)), source=FolderArchive(folder))
        assert (report.n_measured, report.n_failed) == (len(names), 0)
        scores = catalog.sql("SELECT tvb_score FROM exposures").fetchall()
    assert_allclose(scores, SCORE, atol=0.02)


@pytest.mark.parametrize("name", [name for name in (*SAME, *NO_FLAGS) if "gzip" not in name])
def test_the_archive_may_serve_them_too(true: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By byte ranges where they are laid out as usual, else whole."""
    monkeypatch.setattr("wfc3tvb.archive.costs._SMALL", 0)
    path = tmp_path / true.name
    path.write_bytes({**SAME, **NO_FLAGS}[name](true.read_bytes()))
    files = Memory(path.read_bytes())
    found, expected = read_cube(files, ROOT, MeasureSettings(rows=12)), read_ima(path, rows=12)
    assert_array_equal(found.rate, expected.rate)
    assert_array_equal(found.dq, expected.dq)


class Memory:
    """An archive with one file."""

    services = Services()

    def __init__(self, data: bytes) -> None:
        self.data = data

    def ranges(self, rootname: str, suffix: str, ranges: list[tuple[int, int]]) -> list[bytes]:
        return [self.data[start:stop] for start, stop in ranges]

    def download(self, rootname: str, suffix: str, folder: Path) -> Path:
        path = folder / f"{rootname}_{suffix}.fits"
        path.write_bytes(self.data)
        return path


# --- the true cause -------------------------------------------------------------------------------------------------


def changed(data: bytes, version: int, **keywords: object) -> bytes:
    """Return a file with other cards in the header of SCI of a version; the rest as it is."""
    at = data.index(f"EXTVER  = {version:20d}".encode())
    start = max(data.rfind(b"XTENSION", 0, at), 0)
    for keyword, value in keywords.items():
        place = data.index(f"{keyword:8}=".encode(), start)
        data = data[:place] + f"{keyword:8}= {value:>20}".ljust(80).encode() + data[place + 80 :]
    return data


@pytest.mark.parametrize(
    ("keywords", "cause"),
    [
        ({"BITPIX": "-31"}, "SCI,3 has BITPIX -31"),
        ({"NAXIS1": "'wide'"}, "SCI,3 has NAXIS1 'wide', not a whole number"),
        ({"NAXIS1": "74.5"}, "SCI,3 has NAXIS1 74.5, not a whole number"),
        ({"NAXIS2": "-74"}, "SCI,3 has NAXIS2 -74, a negative size"),
        ({"NAXIS": "3"}, "keyword NAXIS3 is missing"),
        ({"PCOUNT": "4"}, "SCI,3 is not an image: PCOUNT 4"),
        ({"XTENSION": "'TABLE   '"}, "SCI,3 is not an image: XTENSION TABLE"),
        ({"NAXIS1": "7400000"}, "the file ends before the data of SCI,3 do"),
        ({"NAXIS1": "1000"}, "has 3 of 16 reads, and no header at byte"),
        ({"EXTVER": "2"}, "has the same read twice"),
        ({"EXTVER": "99"}, "has 15 of 16 reads"),
        ({"SAMPTIME": "'late'"}, "SCI,3 has SAMPTIME 'late', not a number"),
        ({"BUNIT": "'JY'"}, "SCI,3 is in 'JY', not in electrons or counts"),
        ({"BUNIT": "'ELECTRONS'"}, "SCI,3 is in 'ELECTRONS', but SCI,1 in 'ELECTRONS/S'"),
    ],
)
def test_a_file_that_is_refused_says_why(true: Path, tmp_path: Path, keywords: dict[str, object], cause: str) -> None:
    path = tmp_path / true.name
    path.write_bytes(changed(true.read_bytes(), 3, **keywords))
    with pytest.raises(BadFileError) as caught:
        read_ima(path)
    assert cause in str(caught.value)


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_compressed_files_that_are_cut_or_damaged(true: Path, tmp_path: Path, cut: float) -> None:
    path = tmp_path / f"{true.name}.gz"
    packed = SAME["gzip"](true.read_bytes())
    path.write_bytes(packed[: int(cut * len(packed))])
    with pytest.raises(TruncatedFileError, match="the gzip file is cut short"):
        read_ima(path)
    path.write_bytes(packed[:5000] + bytes(500) + packed[5500:])
    with pytest.raises(BadFileError, match="the gzip file is damaged"):
        read_ima(path)
    tiled = SAME["tiles"](true.read_bytes())
    end = tiled.index(b"END" + b" " * 77, tiled.index(b"EXTVER  =                    3"))
    place = -(-end // 2880) * 2880 + 3000  # in the tiles of SCI,3
    path.write_bytes(tiled[:place] + b"\xff" * 4000 + tiled[place + 4000 :])
    with pytest.raises(BadFileError, match="its tiles cannot be decompressed"):
        read_ima(path)


def test_a_gzip_file_that_unpacks_to_more_than_any_exposure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfc3tvb.fits.unpacked.gunzip.__defaults__", (100_000,))
    path = tmp_path / "ibohbfb9q_ima.fits.gz"
    path.write_bytes(SAME["gzip"](b"SIMPLE  =" + bytes(200_000)))
    with pytest.raises(BadFileError, match="unpacks to more data"):
        read_ima(path)


@pytest.mark.parametrize(("first", "program"), [(b"BZh91AY", "bunzip2"), (b"\xfd7zXZ\0", "unxz"), (b"PK\3\4", "unzip")])
def test_other_compressions_are_called_so(tmp_path: Path, first: bytes, program: str) -> None:
    path = tmp_path / "ibohbfb9q_ima.fits.bz2"
    path.write_bytes(first + bytes(100))
    with pytest.raises(NotFitsError, match=rf"is compressed; unpack it first \({program}\)"):
        read_ima(path)


def test_a_raw_file_is_not_calibrated(shared_data: Path, tmp_path: Path) -> None:
    path = tmp_path / f"{ROOT}_raw.fits"
    with fits.open(shared_data / "cases" / "extname_lower_igold031q_raw.fits.gz") as hdus:
        hdus.writeto(path)
    with pytest.raises(BadFileError, match=r"not calibrated \(ZOFFCORR is PERFORM\); give the _ima.fits file"):
        read_ima(path)


# --- sizes ----------------------------------------------------------------------------------------------------------


def test_sizes_are_astropys() -> None:
    """Images of any type and depth, tables with a heap, an extension of another kind."""
    table = fits.BinTableHDU.from_columns([fits.Column("A", "PE()", array=np.array([[1.0], [2.0, 3.0]], object))])
    images = [fits.ImageHDU(np.zeros(shape, kind)) for shape in ((3, 5), (2, 3, 5), (7,)) for kind in ("u1", "f8")]
    for hdu in (table, fits.ImageHDU(), *images):
        out = BytesIO()
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(out)
        out.seek(0)
        with fits.open(out) as hdus:
            assert data_size(hdus[1].header, Path("x.fits"), "x") == hdus[1].size


@pytest.mark.parametrize(
    ("keywords", "size"),
    [
        ({"BITPIX": 16, "NAXIS": 0, "PCOUNT": 99}, 0),
        ({"BITPIX": -32, "NAXIS": 1, "NAXIS1": 10, "PCOUNT": 7, "GCOUNT": 3}, 4 * 3 * (7 + 10)),
        ({"BITPIX": 16, "NAXIS": 3, "NAXIS1": 0, "NAXIS2": 4, "NAXIS3": 5, "GROUPS": True, "PCOUNT": 6, "GCOUNT": 2},
         2 * 2 * (6 + 20)),
        ({"BITPIX": 8, "NAXIS": 2, "NAXIS1": 0, "NAXIS2": 5, "PCOUNT": 11}, 11),
    ],
)  # fmt: skip
def test_sizes_worked_out_by_hand(keywords: dict[str, object], size: int) -> None:
    assert data_size(keywords, Path("x.fits"), "x") == size
