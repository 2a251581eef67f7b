"""Reference tables: thresholds of the published ones, and tables that are damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy.io import fits

from tests.helpers import recorded
from wfc3tvb.errors import BadFileError, UnsuitableReferenceError
from wfc3tvb.references.tables import CRSIGMAS, amplifiers, bad_pixels, photometry, rejection


@pytest.mark.parametrize("nsamp", range(2, 17))
def test_thresholds_shipped_are_those_of_the_files(nsamp: int, tmp_path: Path) -> None:
    path = recorded.unpack("references/u6a1748ri_crr.fits", tmp_path)
    assert {path.name: rejection(path, nsamp, 1402.9).threshold} == CRSIGMAS


def written(path: Path, *columns: fits.Column) -> Path:
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns, name="PHOTFLAM")]).writeto(path)
    return path


def run_of(length: int) -> tuple[fits.Column, ...]:
    values = {"PIX1": 3, "PIX2": 2, "LENGTH": length, "AXIS": 1, "VALUE": 16}
    return tuple(fits.Column(name, "J", array=[value]) for name, value in values.items())


def test_runs_of_bad_pixels(tmp_path: Path) -> None:
    found = bad_pixels(written(tmp_path / "bpx.fits", *run_of(4)), (5, 8), (0.0, 0.0), 2.5)
    assert found.sum() == 4 * 16
    assert found[1].tolist() == [0, 0, 16, 16, 16, 16, 0, 0]


@pytest.mark.parametrize("length", [0, 1025, 2**31 - 1])
def test_runs_beyond_the_detector_are_refused(tmp_path: Path, length: int) -> None:
    """Their pixels would fill the memory."""
    with pytest.raises(UnsuitableReferenceError, match="runs without length"):
        bad_pixels(written(tmp_path / "bpx.fits", *run_of(length)), (5, 8), (0.0, 0.0), 2.5)


def test_cells_of_another_kind_are_named(tmp_path: Path) -> None:
    texts = [fits.Column(f"{stem}{amp}", "4A", array=["2.35"]) for stem in ("ATODGN", "READNSE") for amp in "ABCD"]
    wanted = {"CCDAMP": "ABCD"} | {"CCDGAIN": 2.5, "CCDCHIP": 1, "BINAXIS1": 1, "BINAXIS2": 1}
    wanted |= {f"CCDOFST{amp}": 0 for amp in "ABCD"}
    usual = [fits.Column(name, "4A" if isinstance(v, str) else "E", array=[v]) for name, v in wanted.items()]
    with pytest.raises(BadFileError, match="no number in column ATODGNA"):
        amplifiers(written(tmp_path / "ccd.fits", *usual, *texts), 2.5)


@pytest.mark.parametrize(("n", "times"), [(3, [1.0, 2.0]), (2, [1.0]), (0, [1.0, 2.0])])
def test_photometry_with_fewer_values_than_announced(tmp_path: Path, n: int, times: list[float]) -> None:
    columns = (
        fits.Column("OBSMODE", "30A", array=["wfc3,ir,f105w,mjd#"]), fits.Column("DATACOL", "12A", array=["PHOTFLAM1"]),
        fits.Column("NELEM1", "I", array=[n]), fits.Column("PAR1VALUES", f"{len(times)}D", array=[times]),
        fits.Column("PHOTFLAM1", "2D", array=[[1.0, 2.0]]),
    )  # fmt: skip
    with pytest.raises(BadFileError, match=f"no {n} values of PHOTFLAM|no number"):
        photometry(written(tmp_path / "imp.fits", *columns), "F105W", 1.5)
