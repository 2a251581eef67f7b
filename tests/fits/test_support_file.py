"""Support files: the orbit elements, and the messages for files that lack them."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy.io import fits

from tests.helpers.recorded import unpack
from wfc3tvb.errors import BadFileError, MissingKeywordError, NotFitsError
from wfc3tvb.fits.support_file import KEYWORDS, orbit_if_usable, orbit_of, read_orbit


def header(**changed: object) -> dict[str, object]:
    return dict.fromkeys(KEYWORDS.values(), 0.5) | changed


def test_reads_a_file_of_the_archive(tmp_path: Path) -> None:
    orbit = read_orbit(unpack("ephemeris/jbz504eoq_spt.fits", tmp_path))
    assert orbit.epoch == 875145600.0
    assert orbit.semi_latus_rectum == 6934150.296795
    assert orbit.sin_inclination**2 + orbit.cos_inclination**2 == pytest.approx(1, abs=1e-12)


def test_missing_element_is_named() -> None:
    values = header()
    del values["MEANANOM"]
    with pytest.raises(MissingKeywordError, match="x_spt.fits: keyword MEANANOM is missing"):
        orbit_of(values, "x_spt.fits")


@pytest.mark.parametrize("value", [None, "", "2.5", True, float("nan")])
def test_element_that_is_no_number_is_named(value: object) -> None:
    with pytest.raises(BadFileError, match="EPCHTIME"):
        orbit_of(header(EPCHTIME=value))


@pytest.mark.parametrize("content", [b"", b"<html>503</html>" * 300])
def test_not_a_fits_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ibohbfb9q_spt.fits"
    path.write_bytes(content)
    with pytest.raises(NotFitsError, match="ibohbfb9q_spt.fits: not a FITS file"):
        read_orbit(path)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="no such file"):
        read_orbit(tmp_path / "none_spt.fits")


def test_file_without_elements(tmp_path: Path) -> None:
    path = tmp_path / "ibohbfb9q_spt.fits"
    fits.PrimaryHDU().writeto(path)
    with pytest.raises(MissingKeywordError, match="EPCHTIME"):
        read_orbit(path)


@pytest.mark.parametrize("value", ["********", "NaN", "1.2.3x"])
@pytest.mark.parametrize("keyword", ["SEMILREC", "ECCENTRY"])
def test_a_damaged_element_leaves_the_geometry_empty(
    tmp_path: Path, keyword: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = unpack("ephemeris/jbz504eoq_spt.fits", tmp_path)
    content = path.read_bytes()
    place = content.index(f"{keyword:8s}=".encode())
    path.write_bytes(content[:place] + f"{keyword:8s}= {value:>20s}".ljust(80).encode() + content[place + 80 :])
    with pytest.raises(BadFileError, match=f"keyword {keyword} "):
        read_orbit(path)
    assert orbit_if_usable(lambda: read_orbit(path)) is None
    assert f"keyword {keyword} " in caplog.text
    assert "measured without geometry" in caplog.text
