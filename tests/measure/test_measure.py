"""Measurement of a file or a cube: real files, bad input, nulls for values that cannot be measured."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.helpers.generator import SPARS100, make_cube, sources
from tests.helpers.recorded import REAL, unpack
from wfc3tvb.archive.local_folder import FolderArchive
from wfc3tvb.config import MeasureSettings, Selection
from wfc3tvb.errors import BadFileError, NotFitsError
from wfc3tvb.fits.support_file import read_orbit
from wfc3tvb.measurement import measure, measure_cube, rejection_threshold
from wfc3tvb.schema import TABLES, to_arrow
from wfc3tvb.simulate.reference_tables import crrejtab


def check_rows(measured) -> None:
    to_arrow("exposures", [measured.exposure])
    to_arrow("reads", measured.reads)
    for row in (measured.exposure, *measured.reads):
        assert not [k for k, v in row.items() if v == "" or (isinstance(v, float) and not math.isfinite(v))]


@pytest.mark.parametrize("name", REAL)
def test_short_subarrays_of_the_archive(name: str, real_images: Path) -> None:
    """F130N, RAPID, 0.8 s: the curve is kept, the sky columns are null."""
    measured = measure(real_images / f"{name}_ima.fits")
    row = measured.exposure
    check_rows(measured)
    assert (row["rootname"], row["filter"], row["samp_seq"], row["nsamp"]) == (name, "F130N", "RAPID", 4)
    assert row["quality_flags"][0] == "subarray"
    assert "few_reads" in row["quality_flags"]
    assert row["n_reads_used"] == 0
    for column in ("sky_mean", "ratio_cumulative", "factor2", "tvb_score", "excess_variable", "tvb_class"):
        assert row[column] is None
    assert row["recommend"] == "none"
    assert row["flagged"] is False
    assert [read["read"] for read in measured.reads] == [1, 2, 3]
    assert all(read["rate"] is not None and read["n_pixels"] > 0.915 * 64**2 for read in measured.reads)
    assert row["source"] == "local"


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    return unpack("ima/igold031q_ima.fits", tmp_path)


def test_rise_on_a_subarray_calibrated_by_calwf3(golden: Path) -> None:
    measured = measure(golden, settings=MeasureSettings(pstat=True))
    row = measured.exposure
    check_rows(measured)
    assert row["sky_mean"] == pytest.approx(1.5149, abs=0.01)
    assert row["factor2"] is True
    assert row["affected_position"] == "end"
    assert row["tvb_score"] > 4
    assert row["obs_frac_broken"] > 0.9
    assert all(read["cumulative_median"] is not None for read in measured.reads)
    assert "no_geometry" in row["quality_flags"]


def test_geometry_from_the_support_file_beside(golden: Path, tmp_path: Path) -> None:
    unpack("ephemeris/jbz504eoq_spt.fits", tmp_path).rename(golden.with_name("igold031q_spt.fits"))
    measured = measure(golden)
    row = measured.exposure
    check_rows(measured)
    assert row["geometry_source"] == "spt"
    assert "no_geometry" not in row["quality_flags"]
    assert all(read["sun_alt"] is not None and read["longitude"] is not None for read in measured.reads)
    assert row["sun_alt_min"] == min(read["sun_alt"] for read in measured.reads)
    assert 0 <= row["frac_in_shadow"] <= 1


def test_support_file_without_elements(golden: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The exposure is measured; only its geometry is null. Every orbit element may be missing, or no number."""
    alone = measure(golden).exposure
    support = golden.with_name("igold031q_spt.fits")
    fits.PrimaryHDU().writeto(support)
    for measured in (measure(golden), measure(golden, spt=support)):
        assert measured.exposure["geometry_source"] is None
        assert "no_geometry" in measured.exposure["quality_flags"]
        assert measured.exposure["sky_mean"] == alone["sky_mean"]
    assert "keyword EPCHTIME" in caplog.text
    support.write_bytes(b"<html>503</html>")
    with pytest.raises(NotFitsError):
        measure(golden)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="no such file"):
        measure(tmp_path / "ibohbfb9q_ima.fits")


def test_rows_are_complete_for_two_to_sixteen_reads() -> None:
    for n in (1, 2, 3, 15):
        measured = measure_cube(make_cube(0.6, SPARS100[:n], size=64))
        check_rows(measured)
        assert len(measured.reads) == n
        assert set(measured.exposure) == set(TABLES["exposures"].names)
        assert ("few_reads" in measured.exposure["quality_flags"]) is (n < 4)
        assert (measured.exposure["sky_mean"] is None) is (n < 4)


@pytest.mark.parametrize("times", [(3.0, 103.0, 103.0, 203.0), (203.0, 103.0, 50.0, 3.0), (0.0, 0.0, 0.0, 0.0)])
def test_times_that_do_not_increase(times: tuple[float, ...]) -> None:
    cube = replace(make_cube(0.6, size=64), t=np.array(times))
    cube = replace(cube, rate=cube.rate[:4], dq=cube.dq[:4], mjd=cube.mjd[:4])
    measured = measure_cube(cube)
    check_rows(measured)
    assert "bad_times" in measured.exposure["quality_flags"]
    assert measured.exposure["sky_mean"] is None


def test_reads_without_pixels() -> None:
    cube = make_cube(0.6, size=64)
    rate = cube.rate.copy()
    rate[[3, 14]] = np.nan
    measured = measure_cube(replace(cube, rate=rate))
    check_rows(measured)
    assert "bad_reads" in measured.exposure["quality_flags"]
    assert [read["read"] for read in measured.reads if read["rate"] is None] == [4, 15]
    assert measured.exposure["sky_mean"] == pytest.approx(0.6, abs=0.02)
    nothing = measure_cube(replace(cube, rate=np.full_like(rate, np.nan)))
    check_rows(nothing)
    assert nothing.exposure["sky_mean"] is None


@pytest.mark.parametrize("i", [5, 14])
def test_reads_that_hold_no_light(i: int) -> None:
    """Lost pixels are all alike; a read may be flagged all over (saturated): neither gives a rate."""
    cube = make_cube(0.6, size=64)
    lost, flagged = cube.rate.copy(), cube.dq.copy()
    lost[i] = 0
    flagged[i] |= 256
    for changed in (replace(cube, rate=lost), replace(cube, dq=flagged)):
        measured = measure_cube(changed)
        check_rows(measured)
        assert "bad_reads" in measured.exposure["quality_flags"]
        assert [read["read"] for read in measured.reads if read["rate"] is None] == [i + 1]
        assert measured.exposure["sky_mean"] == pytest.approx(0.6, abs=0.02)
    nowhere = measure_cube(replace(cube, dq=cube.dq | 512))
    assert set(nowhere.exposure["quality_flags"]) == {"bad_reads", "few_reads", "no_geometry"}
    assert nowhere.exposure["sky_mean"] is None


@pytest.mark.parametrize("brightness", [1.0, 30.0, 200.0])
def test_extended_target_is_scored_without_its_level(brightness: float) -> None:
    """A galaxy that fills the frame: the changes are scored, the excess over the zodiacal light is null."""
    x = np.linspace(-1, 1, 256)
    light = brightness * np.exp(-2 * np.hypot(x[:, None], x))
    measured = measure_cube(make_cube(0.6, scene=light, size=256))
    check_rows(measured)
    assert "extended_source" in measured.exposure["quality_flags"]
    assert measured.exposure["sky_err"] > 0.1
    assert measured.exposure["excess_helium"] is None
    assert measured.exposure["elevated"] is None
    # The photons of a steady light of 40 electron/s are enough to break every fifth pixel.
    assert measured.exposure["tvb_class"] == {1.0: "none", 30.0: "mild", 200.0: "moderate"}[brightness]
    assert measured.exposure["flagged"] is (brightness == 200.0)


def test_band_of_rows(golden: Path) -> None:
    measured = measure(golden, settings=MeasureSettings(rows=20))
    assert "partial_rows" in measured.exposure["quality_flags"]
    assert measured.exposure["rows_used"] == 20
    check_rows(measured)


def test_header_that_lies() -> None:
    """Values of the wrong kind become null."""
    header = {"EXPTIME": "n/a", "RA_APER": None, "PROPOSID": "", "EXPSTART": float("inf"), "ASN_ID": "NONE"}
    measured = measure_cube(make_cube(0.6, size=64, header=header))
    check_rows(measured)
    row = measured.exposure
    assert [row[name] for name in ("exptime", "ra", "proposal_id", "expstart", "asn_id")] == [None] * 5
    assert row["dataset"] == "isimu0x1q"


def test_geometry_needs_a_direction(tmp_path: Path) -> None:
    orbit = read_orbit(unpack("ephemeris/jbz504eoq_spt.fits", tmp_path))
    measured = measure_cube(make_cube(0.6, size=64), orbit)
    check_rows(measured)
    assert measured.reads[0]["sun_alt"] is None
    assert "no_geometry" in measured.exposure["quality_flags"]
    assert measured.exposure["geometry_source"] is None


def test_threshold_is_that_of_the_exposures_own_crrejtab(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where a folder is given that has the table; else that of its name, or 4 standard deviations."""
    header = {"CRREJTAB": "iref$own_crr.fits", "EXPTIME": 1402.9}
    assert measure_cube(make_cube(0.6, size=64, header=header)).exposure["crrejtab_sigma"] == 4.0
    assert rejection_threshold(header | {"NSAMP": 16}, tmp_path) == 4.0
    assert "there is no file" in caplog.text
    table = crrejtab()
    table[1].data["CRSIGMAS"] = "5.5"
    table.writeto(tmp_path / "own_crr.fits")
    assert rejection_threshold(header | {"NSAMP": 16}, tmp_path) == 5.5
    assert "rejects at 5.5 standard deviations, not at 4" in caplog.text
    sky = np.where(np.arange(15) < 8, 0.5, 2.0)
    own = MeasureSettings(iref=str(tmp_path))
    patient = measure_cube(make_cube(sky, size=64, header=header), None, own).exposure
    usual = measure_cube(make_cube(sky, size=64)).exposure
    assert patient["crrejtab_sigma"] == 5.5
    assert patient["pred_frac_broken"] < usual["pred_frac_broken"]


def test_an_exposure_scores_the_same_on_every_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Independent of the environment variable iref, and of a table of the same name in its folder."""
    table = crrejtab()
    table[1].data["CRSIGMAS"] = "5.5"
    table.writeto(tmp_path / "u6a1748ri_crr.fits")
    cube = make_cube(np.where(np.arange(15) < 8, 0.5, 2.0), size=64, header={"CRREJTAB": "iref$u6a1748ri_crr.fits"})
    monkeypatch.delenv("iref", raising=False)
    here = measure_cube(cube).exposure
    monkeypatch.setenv("iref", str(tmp_path))
    assert measure_cube(cube).exposure == here
    assert here["crrejtab_sigma"] == 4.0


def test_without_a_flat_field_rates_hold_the_response() -> None:
    scene = sources(256, 400, 800, np.random.default_rng(4))
    flagged, plain = (
        measure_cube(make_cube(1.0, scene=scene, size=256, header={"FLATCORR": switch}))
        for switch in ("OMIT", "COMPLETE")
    )
    check_rows(flagged)
    assert "no_flat_field" in flagged.exposure["quality_flags"]
    assert "no_flat_field" not in plain.exposure["quality_flags"]
    assert plain.exposure["sky_mean"] < flagged.exposure["sky_mean"]  # faint light is taken off of one alone


def test_impossible_header_values_are_null(tmp_path: Path) -> None:
    path = unpack("ima/igold031q_ima.fits", tmp_path)
    content = path.read_bytes()
    for keyword, value in (("PROPOSID", "9223372036854775808"), ("EXPTIME", "-100.0")):
        place = content.index(f"{keyword:8s}=".encode())
        content = content[:place] + f"{keyword:8s}= {value:>20s}".ljust(80).encode() + content[place + 80 :]
    path.write_bytes(content)
    exposure = measure(path).exposure
    assert (exposure["proposal_id"], exposure["exptime"]) == (None, None)
    (listed,) = FolderArchive(tmp_path).datasets(Selection())
    assert listed["proposal_id"] is None


_MEASURE = """
import sys, numpy, wfc3tvb
wfc3tvb.measure(sys.argv[1], settings=wfc3tvb.MeasureSettings(pstat=True))
from wfc3tvb.calibration.likelihood.fit import fit_ramps_optimal
times = numpy.array([100.0, 200.0, 300.0])
fit_ramps_optimal(numpy.ones((3, 4, 4), numpy.float32), times, numpy.ones(3))
print(*{"numba", "scipy", "pandas"}.intersection(sys.modules))
"""


@pytest.mark.slow
def test_curve_and_fit_start_without_numba_once_compiled(golden: Path) -> None:
    command = [sys.executable, "-c", _MEASURE, str(golden)]
    said = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert said[1].split() == []
