"""The check of a live run is as strict as the printed digits allow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from wfc3tvb.checks.validate import B9Q_READS, compare_reads, linearity

#: Times of STEP200, NSAMP 16 [s].
TIMES = (2.932, 5.865, 8.797, 11.729, 24.23, 49.23, *(99.231 + np.array([0, 1, 3, 5, 7, 9, 11, 13, 15]) * 100))


def write_ima(path: Path, levels: Sequence[float], origin: str) -> Path:
    """Write reads whose light has that median; what the printed medians leave out is far from it."""
    hdus = [fits.PrimaryHDU()]
    hdus[0].header["NSAMP"], hdus[0].header["ORIGIN"] = len(levels) + 1, origin
    for version, (level, time) in enumerate([*zip(levels[::-1], TIMES[::-1], strict=True), (0.0, 0.0)], 1):
        plane = np.full((1024, 1024), -50, np.float32)
        plane[5:1014, 5:1014] = level + np.linspace(-1, 1, 1009, dtype=np.float32)
        hdu = fits.ImageHDU(plane, name="SCI", ver=version)
        hdu.header["SAMPTIME"] = time
        hdus.append(hdu)
    fits.HDUList(hdus).writeto(path)
    return path


@pytest.mark.parametrize(
    ("origin", "read", "off", "agrees"),
    [
        ("STScI", 0, 0.009, True),
        ("STScI", 0, 0.011, False),
        ("STScI", 5, -0.011, False),
        ("STScI", 14, 0.011, False),
        ("wfc3tvb 0.1.0", 0, 0.3, True),
        ("wfc3tvb 0.1.0", 0, 0.33, False),
        ("wfc3tvb 0.1.0", 14, 0.011, False),
    ],
)
def test_every_median_is_held_to_a_hundredth(tmp_path: Path, origin: str, read: int, off: float, agrees: bool) -> None:
    levels = list(B9Q_READS)
    levels[read] += off
    finding = compare_reads(write_ima(tmp_path / "ibohbfb9q_ima.fits", levels, origin))
    assert finding.ok == agrees
    assert ("simulated" in finding.detail) == (origin != "STScI")


def test_a_read_too_few_does_not_agree(tmp_path: Path) -> None:
    hdus = fits.open(write_ima(tmp_path / "whole.fits", B9Q_READS, "STScI"))
    hdus[0].header["NSAMP"] = 15
    hdus.writeto(tmp_path / "ibohbfb9q_ima.fits")
    hdus.close()
    assert not compare_reads(tmp_path / "ibohbfb9q_ima.fits").ok


def test_the_linearity_file_of_the_printed_numbers_is_told_from_a_newer_one(tmp_path: Path) -> None:
    path = tmp_path / "ibohbfb9q_flt.fits"
    for name, ok in (("iref$u1k1727mi_lin.fits", True), ("iref$9a51234mi_lin.fits", False)):
        fits.PrimaryHDU(header=fits.Header({"NLINFILE": name, "CAL_VER": "3.7.3"})).writeto(path, overwrite=True)
        finding = linearity(path)
        assert (finding.ok, finding.optional) == (ok, not ok)
        assert name[5:] in finding.detail
        assert "3.7.3" in finding.detail
        assert ("printed numbers stem from u1k1727mi_lin.fits" in finding.detail) is not ok
