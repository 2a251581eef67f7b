"""The archive's products of simulated visits: calibrated with CRCORR=PERFORM, aligned, drizzled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from wfc3tvb.simulate.visit import SimulatedVisit, simulate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SimulatedVisit:
    return simulate(tmp_path_factory.mktemp("products"), "trail", size=128)


def test_every_product_is_beside_its_raw_file_and_nothing_else(made: SimulatedVisit) -> None:
    bucket = made.folder / "hst" / "public"
    found = {path.name for path in bucket.rglob("*") if path.is_file()}
    wanted = {f"{root}_{suffix}.fits" for root in made.rootnames for suffix in ("raw", "spt", "ima", "flt")}
    assert found == wanted | {f"ibst01010_{suffix}.fits" for suffix in ("asn", "drz", "jit")}
    assert {path.name for path in made.folder.iterdir()} == {"hst", "references", "truth"}


def test_calibration_gives_the_truth_back(made: SimulatedVisit) -> None:
    for root in made.rootnames:
        with fits.open(made.path(root, "flt")) as hdus:
            header = hdus[0].header
            assert header["CRCORR"] == "COMPLETE"
            assert header["CAL_VER"]
            assert header["PHOTFLAM"] == pytest.approx(3.06e-20, rel=0.01)
            good = hdus["DQ", 1].data == 0
            assert np.median(hdus["SCI", 1].data[good]) == pytest.approx(made.truth(root)["mean_rate"], abs=0.02)


def test_the_archives_flt_is_aligned_and_the_product_drizzled(made: SimulatedVisit) -> None:
    header = fits.getheader(made.path(made.rootnames[0], "flt"), "SCI")
    assert header["CTYPE1"] == "RA---TAN-SIP"
    with fits.open(made.path("ibst01010", "drz")) as hdus:
        assert {"SCI", "WHT"} <= {hdu.name for hdu in hdus}
        assert hdus[0].header["NDRIZIM"] == 3
        seen = hdus["WHT"].data > 0
        assert np.median(hdus["SCI"].data[seen]) == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("extension", range(4))
def test_ima_headers_have_every_keyword_of_real_ones(real_images: Path, made: SimulatedVisit, extension: int) -> None:
    commentary = {"COMMENT", "HISTORY", ""}
    real = set(fits.getheader(real_images / "ibxy07p9q_ima.fits", extension)) - commentary
    header = set(fits.getheader(made.path(made.rootnames[0], "ima"), extension))
    missing = real - header
    assert missing <= {"ORIGIN", "BSIDEOPS", "GROUPS"}
