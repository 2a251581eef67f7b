"""Rows of the golden cases: the steps, in plain Python too, give the reads and the image of calwf3 3.7.3 to the bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.helpers import golden
from wfc3tvb.calibration.bands import Work
from wfc3tvb.calibration.run import calibrate_rows, steps_of
from wfc3tvb.engines.calibrate import read_primary, switches_of
from wfc3tvb.engines.raw_reads import read_imsets
from wfc3tvb.references.locate import find, load


@pytest.fixture(scope="module")
def iref(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("iref")
    golden.unpack(golden.HERE / "iref", folder)
    return folder


#: Case, mode, and rows of the frame with most of what can happen: hits, spikes, saturation, unstable pixels.
CASES = [
    ("05_spars100_64_n16_saturated", "perform", 28),
    ("12_spars100_64_n16_limb_trail", "perform", 60),
    ("16_step50_64_n10_stress_badinpdq", "perform", 39),
    ("16_step50_64_n10_stress_badinpdq", "omit", 26),
    ("09_spars100_64_n4_rise", "perform", 43),
    ("17_spars100_64_n2_edge", "perform", 39),
]


@pytest.mark.parametrize(("case", "mode", "y0"), CASES)
def test_rows_are_those_of_calwf3(case: str, mode: str, y0: int, iref: Path, tmp_path: Path) -> None:
    golden.unpack(golden.HERE / case, tmp_path)
    golden.unpack(golden.HERE / case / mode, tmp_path / "theirs")
    (raw,) = tmp_path.glob("*_raw.fits")
    (ima,), (flt,) = (tmp_path / "theirs").glob("*_ima.fits"), (tmp_path / "theirs").glob("*_flt.fits")
    switches = switches_of(read_primary(raw), mode)
    source = read_imsets(raw)
    loaded = load(source.primary, source.ramp, switches, find(source.primary, switches, iref=iref))
    work = Work(source.ramp, loaded.data, loaded.switches)
    part = work.rows(y0, y0 + 1)
    calibrate_rows(part, steps_of(work))
    n, light = source.ramp.n, slice(y0 - work.light.y0, y0 + 1 - work.light.y0)
    with fits.open(ima) as hdus:
        for name, made in (("SCI", part.ramp.sci), ("ERR", part.ramp.err), ("DQ", part.ramp.dq)):
            for version in range(1, n + 1):
                theirs = hdus[name, version].data[y0 : y0 + 1]
                np.testing.assert_array_equal(made[n - version], theirs, err_msg=f"{name},{version}")
    with fits.open(flt) as hdus:
        image = part.image
        planes = {"SCI": image.sci, "ERR": image.err, "DQ": image.dq, "SAMP": image.samp, "TIME": image.time}
        for name, plane in planes.items():
            theirs = hdus[name, 1].data
            if theirs is not None:
                np.testing.assert_array_equal(plane, theirs[light], err_msg=name)
