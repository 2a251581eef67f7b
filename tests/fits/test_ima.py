"""Intermediate files as cubes; medians equal to wfc3tools.pstat; messages for files that cannot be used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_array_equal

from tests.helpers.recorded import REAL, unpack
from tests.helpers.scaled import store_scaled
from wfc3tvb.errors import (
    BadFileError,
    MissingKeywordError,
    NotFitsError,
    TruncatedFileError,
    WrongInstrumentError,
)
from wfc3tvb.fits.calibrated_reads import read_calibrated
from wfc3tvb.fits.ima import read_ima
from wfc3tvb.fits.plane_headers import few_keywords
from wfc3tvb.fits.plane_medians import plane_medians
from wfc3tvb.measurement import measure

PSTAT = """
import json, sys
from wfc3tools import pstat
found = {p: pstat(p, stat="midpt", units="rate", plot=False)[1].tolist() for p in sys.argv[1:]}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An IMA of a simulated 64-pixel subarray, made by calwf3 3.7.3."""
    return unpack("ima/igold031q_ima.fits", tmp_path_factory.mktemp("golden"))


@pytest.fixture
def real(tmp_path: Path) -> Path:
    return unpack(f"ima/{REAL[0]}_ima.fits", tmp_path)


def test_a_file_of_the_archive(real: Path) -> None:
    check_cube(real)
    assert read_ima(real).shape == (64, 64)


def test_a_whole_file_of_the_archive(shared_data: Path) -> None:
    path = shared_data / "ima" / f"{REAL[0]}_ima.fits"
    check_cube(path)
    assert read_ima(path).shape == (256, 256)


def check_cube(path: Path) -> None:
    """Compare what `read_ima` makes of a real file with what is in it."""
    cube = read_ima(path)
    with fits.open(path) as file:
        assert cube.rootname == REAL[0]
        assert cube.header["FILTER"] == "F130N"
        assert_array_equal(cube.t, [file["SCI", v].header["SAMPTIME"] for v in (3, 2, 1)])
        assert_array_equal(cube.mjd, [file["SCI", v].header["ROUTTIME"] for v in (3, 2, 1)])
        for read, version in enumerate((3, 2, 1)):
            assert_array_equal(cube.rate[read], file["SCI", version].data[5:-5, 5:-5])
            assert_array_equal(cube.dq[read], file["DQ", version].data[5:-5, 5:-5])
    assert cube.n_bytes == path.stat().st_size


def test_a_band_of_rows(golden: Path) -> None:
    whole, band = read_ima(golden), read_ima(golden, rows=10)
    assert_array_equal(band.rows, np.arange(27, 37))
    assert_array_equal(band.rate, whole.rate[:, 27:37])
    assert band.shape == whole.shape == (64, 64)


def test_medians_are_pstats_to_the_last_bit(real_images: Path, golden: Path, tmp_path: Path) -> None:
    """STScI's own program on files of the archive, on a simulated one, and on one in counts."""
    counts = tmp_path / "icount01q_ima.fits"
    in_counts(golden, counts)
    paths = [*(str(real_images / f"{name}_ima.fits") for name in REAL), str(golden), str(counts)]
    environment = {"MPLBACKEND": "agg", "PATH": "", "HOME": str(tmp_path)}
    command = [sys.executable, "-W", "ignore", "-c", PSTAT, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    for path, values in json.loads(done.stdout.splitlines()[-1]).items():
        assert_array_equal(read_ima(path, pstat=True).cumulative_median, values[-2::-1])


def in_counts(source: Path, path: Path) -> None:
    """Write an IMA's copy in electrons, as UNITCORR=OMIT leaves it."""
    with fits.open(source) as file:
        for hdu in file[1:]:
            if hdu.header["EXTNAME"] == "SCI":
                hdu.data = (hdu.data * max(hdu.header["SAMPTIME"], 1e-9)).astype(">f4")
                hdu.header["BUNIT"] = "ELECTRONS"
        file.writeto(path)


def test_counts_become_rates(golden: Path, tmp_path: Path) -> None:
    in_counts(golden, tmp_path / "icount01q_ima.fits")
    ours, true = read_ima(tmp_path / "icount01q_ima.fits"), read_ima(golden)
    np.testing.assert_allclose(ours.rate, true.rate, rtol=3e-7, atol=1e-6)


def test_unscaled_reads_stay_in_the_mapped_file(golden: Path) -> None:
    cube = read_ima(golden)
    assert not cube.rate.flags.owndata
    assert cube.rate.dtype == np.dtype(">f4")


@pytest.mark.parametrize("rows", [None, 10])
def test_scaled_planes_are_read_as_their_pixels(golden: Path, tmp_path: Path, rows: int | None) -> None:
    """A file stored as half its values, with BSCALE 2, scored 2.83 instead of 5.91; flags are scaled too."""
    path = tmp_path / golden.name
    path.write_bytes(golden.read_bytes())
    store_scaled(path, "SCI", 2.0, 0.0)
    store_scaled(path, "DQ", 1.0, 32768.0)
    true, ours = read_ima(golden, rows=rows, pstat=True), read_ima(path, rows=rows, pstat=True)
    assert_array_equal(ours.rate, true.rate)
    assert_array_equal(ours.dq, true.dq)
    assert_array_equal(ours.cumulative_median, true.cumulative_median)
    store_scaled(path, "SCI", 0.25, -3.5)
    with fits.open(path) as file:
        assert_array_equal(read_ima(path).rate[-1], file["SCI", 1].data[5:-5, 5:-5].astype(np.float32))


def test_score_of_a_scaled_file(golden: Path, tmp_path: Path) -> None:
    path = tmp_path / golden.name
    path.write_bytes(golden.read_bytes())
    store_scaled(path, "SCI", 2.0, 0.0)
    assert measure(path).exposure["tvb_score"] == pytest.approx(5.91, abs=0.005)


@pytest.mark.parametrize(("card", "value"), [("BSCALE", 0.0), ("BSCALE", "two"), ("BZERO", "n/a 1")])
def test_a_scale_that_cannot_be_meant(real: Path, card: str, value: object) -> None:
    with fits.open(real, mode="update", do_not_scale_image_data=True) as file:
        file["SCI", 2].header[card] = value
    with pytest.raises(BadFileError, match=f"SCI,2 has {card} "):
        read_ima(real)


def test_a_number_is_read_from_the_value_and_not_from_the_comment() -> None:
    cards = {"BSCALE": (0.5, "was 2.0"), "ROUTTIME": ("", "MJD 55000"), "SAMPTIME": (2.5e-3, "")}
    text = fits.Header([(name, *card) for name, card in cards.items()]).tostring().replace("0.5 /", " .5 /")
    assert few_keywords(text.encode()) == {"BSCALE": 0.5, "SAMPTIME": 0.0025}


def test_reads_in_different_units_are_refused(golden: Path, tmp_path: Path) -> None:
    path = tmp_path / golden.name
    path.write_bytes(golden.read_bytes())
    with fits.open(path, mode="update") as file:
        file["SCI", 3].header["BUNIT"] = "ELECTRONS"
    with pytest.raises(BadFileError, match=r"SCI,3 is in 'ELECTRONS', but SCI,1 in 'ELECTRONS/S'; give reads of one"):
        read_ima(path)
    with pytest.raises(BadFileError, match="not in electron/s"):
        read_calibrated(path)


@pytest.mark.parametrize(
    "plane",
    [
        np.zeros((64, 64)),
        np.arange(4096.0).reshape(64, 64),
        np.repeat([0.0, 1.0], 2048).reshape(64, 64),
        np.random.default_rng(1).normal(size=(74, 74)),
        np.random.default_rng(2).integers(0, 3, (73, 71)).astype(float),
        np.where(np.arange(4096).reshape(64, 64) == 7, np.nan, 1.0),
    ],
)
@pytest.mark.parametrize("order", ["<f4", ">f4"])
def test_median_of_any_plane_is_numpys(plane: np.ndarray, order: str) -> None:
    plane = plane.astype(order)
    assert_array_equal(plane_medians([plane]), [np.median(plane)])


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9, 0.999])
def test_cut_short(real: Path, keep: float) -> None:
    content = real.read_bytes()
    real.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(TruncatedFileError, match="ibxy01z8q_ima.fits.*check the copy"):
        read_ima(real)


@pytest.mark.parametrize("content", [b"", b"<html>Service Unavailable</html>", b"\x1f\x8b" + bytes(9000)])
def test_not_fits(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ibohbfb9q_ima.fits"
    path.write_bytes(content)
    with pytest.raises(NotFitsError, match="ibohbfb9q_ima.fits"):
        read_ima(path)


def change(path: Path, **keywords: object) -> None:
    with fits.open(path, mode="update") as file:
        for name, value in keywords.items():
            if value is None:
                del file[0].header[name]
            else:
                file[0].header[name] = value


@pytest.mark.parametrize("keywords", [{"DETECTOR": "UVIS"}, {"INSTRUME": "ACS"}, {"OBSMODE": "ACCUM"}])
def test_other_instruments(real: Path, keywords: dict[str, object]) -> None:
    change(real, **keywords)
    with pytest.raises(WrongInstrumentError, match="not WFC3/IR MULTIACCUM"):
        read_ima(real)


def test_missing_keyword(real: Path) -> None:
    change(real, NSAMP=None)
    with pytest.raises(MissingKeywordError, match="keyword NSAMP is missing from the primary header"):
        read_ima(real)


def test_missing_read_time(real: Path) -> None:
    with fits.open(real, mode="update") as file:
        del file["SCI", 2].header["SAMPTIME"]
    with pytest.raises(MissingKeywordError, match="keyword SAMPTIME is missing from the SCI,2 header"):
        read_ima(real)


def test_zeroth_read_not_subtracted(real: Path) -> None:
    change(real, ZOFFCORR="OMIT")
    with pytest.raises(BadFileError, match="zeroth read is not subtracted"):
        read_ima(real)


def test_nsamp_beyond_what_is_there(real: Path) -> None:
    change(real, NSAMP=16)
    with pytest.raises(TruncatedFileError, match="has 4 of 16 reads"):
        read_ima(real)


def test_flt_file(tmp_path: Path) -> None:
    path = unpack("headers/ib4606cpq_flt.fits", tmp_path)
    with pytest.raises(BadFileError, match="give the _ima.fits file"):
        read_ima(path)


def test_folder_and_missing_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing_ima.fits"):
        with pytest.raises(BadFileError, match=path.name):
            read_ima(path)


def test_a_support_file_is_refused_by_name_and_not_as_cut_short(tmp_path: Path) -> None:
    header = fits.Header({"INSTRUME": "WFC3", "ROOTNAME": "ibohbfb9q"})
    log = fits.ImageHDU(np.zeros(965, np.int16), name="UDL")
    fits.HDUList([fits.PrimaryHDU(header=header), log, log.copy()]).writeto(tmp_path / "ibohbfb9q_spt.fits")
    with pytest.raises(WrongInstrumentError, match="is WFC3, not WFC3/IR MULTIACCUM; give a WFC3/IR _ima.fits file"):
        read_ima(tmp_path / "ibohbfb9q_spt.fits")
