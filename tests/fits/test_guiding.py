"""Loss of lock as the observation log's headers (JIF) tell it, and the flag that follows."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from tests.helpers.recorded import unpack
from wfc3tvb.archive.local_folder import FolderArchive
from wfc3tvb.config import MeasureSettings
from wfc3tvb.fits.guiding import lock_lost
from wfc3tvb.measurement import measure

ROOT = "igold031q"
NORMAL = {"NLOSSES": 0, "LOCKLOSS": 0.0, "GUIDEACT": "FINE LOCK"}


def write_log(path: Path, exposure: dict[str, Any], association: dict[str, Any] | None = None) -> Path:
    """Write a JIF as the archive has it: a header for each exposure, the second that of `ROOT`."""
    primary = fits.PrimaryHDU(header=fits.Header({"GUIDECMD": "FINE LOCK", "T_GSFAIL": False} | (association or {})))
    hdus = [primary]
    for name, keywords in (("igold030j", {"NLOSSES": 9}), (f"{ROOT[:8]}j", NORMAL | exposure)):
        hdus.append(fits.ImageHDU(np.zeros((4, 4), np.int32), fits.Header({"EXPNAME": name} | keywords), name="jit"))
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


@pytest.mark.parametrize(
    ("exposure", "association", "lost"),
    [
        ({}, {}, False),
        ({"GUIDEACT": "GYRO"}, {"GUIDECMD": "GYRO"}, False),
        ({"NLOSSES": 1}, {}, True),
        ({"LOCKLOSS": 12.5}, {}, True),
        ({"GUIDEACT": "GYRO"}, {"T_GSFAIL": True}, True),
        ({}, {"T_GSFAIL": True}, False),  # another exposure's acquisition failed
        ({"NLOSSES": "N/A"}, {"TNLOSSES": 3}, False),
    ],
)
def test_what_the_log_says(tmp_path: Path, exposure: dict[str, Any], association: dict[str, Any], lost: bool) -> None:
    path = write_log(tmp_path / f"{ROOT[:8]}j_jif.fits", exposure, association)
    assert lock_lost([path], ROOT) is lost
    assert lock_lost([tmp_path / f"{ROOT[:8]}j_jit.fits"], ROOT) is lost


def test_no_log_another_exposures_log_and_a_damaged_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_log(tmp_path / "a_jif.fits", {"NLOSSES": 1})
    assert not lock_lost([path], "ibohbfb9q")
    assert not lock_lost([tmp_path / "b_jif.fits"], ROOT)
    path.write_bytes(b"<html>503</html>")
    assert not lock_lost([path], ROOT)
    assert "cannot be read" in caplog.text


@pytest.mark.parametrize("name", ["ldfd01vlj", "ldfd01vnj", "ldfd01vpj"])
def test_real_logs_without_a_loss(shared_data: Path, tmp_path: Path, name: str) -> None:
    for path in (shared_data / "geometry").glob("ldfd01*_jif.fits.gz"):
        (tmp_path / path.name.removesuffix(".gz")).write_bytes(gzip.decompress(path.read_bytes()))
    assert not lock_lost(sorted(tmp_path.glob("*_jif.fits")), f"{name[:8]}q")


def test_flag_of_a_measurement(tmp_path: Path) -> None:
    """One file and a folder: commanded gyros are no failure, a loss in the log is."""
    path = unpack(f"ima/{ROOT}_ima.fits", tmp_path)
    fits.setval(path, "FGSLOCK", value="FINE/GYRO")
    assert "guide_star_failure" not in measure(path).exposure["quality_flags"]
    write_log(tmp_path / f"{ROOT[:8]}j_jif.fits", {"NLOSSES": 2, "LOCKLOSS": 40.0})
    assert "guide_star_failure" in measure(path).exposure["quality_flags"]
    assert FolderArchive(tmp_path).read(ROOT, MeasureSettings())[0].lock_lost
