"""The child process of stwcs and drizzlepac: parameters, failures in one line, no astrometry service."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from wfc3tvb.errors import BadArgumentError, DrizzleError
from wfc3tvb.repair import astrodrizzle_process
from wfc3tvb.repair.astrodrizzle import DrizzleProcess, DrizzleSettings, drizzle, parameters_for, read_parameters

pytestmark = pytest.mark.slow


def flts(folder: Path, n: int, size: int = 16) -> list[Path]:
    """Write files with image and DQ, no FLTs that could be drizzled."""
    paths = [folder / f"ibohbf{i:02d}q_flt.fits" for i in range(n)]
    for path in paths:
        image = fits.ImageHDU(np.zeros((size, size), np.float32), name="SCI")
        fits.HDUList([fits.PrimaryHDU(), image]).writeto(path)
    return paths


def test_cosmic_rays_are_rejected_whatever_the_table_says(tmp_path: Path) -> None:
    found = parameters_for(flts(tmp_path, 3), {"final_pixfrac": 0.8})
    assert all(found[name] for name in ("driz_separate", "median", "blot", "driz_cr"))
    assert (found["resetbits"], found["num_cores"], found["final_pixfrac"]) == (4096, 1, 0.8)
    assert found["in_memory"]


def test_one_exposure_has_nothing_to_reject_against(tmp_path: Path) -> None:
    assert "driz_cr" not in parameters_for(flts(tmp_path, 1), {})


def test_the_users_parameters_win(tmp_path: Path) -> None:
    assert parameters_for(flts(tmp_path, 3), {"driz_cr": False})["driz_cr"] is False


def test_a_large_association_is_drizzled_out_of_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfc3tvb.repair.astrodrizzle.IN_MEMORY_LIMIT", 1000)
    assert not parameters_for(flts(tmp_path, 3), {})["in_memory"]


@pytest.mark.parametrize("text", ["[1]", "{", '{"output": "x"}'])
def test_bad_parameter_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pars.json"
    path.write_text(text)
    with pytest.raises(BadArgumentError, match=r"pars\.json"):
        read_parameters(path)


def test_a_failed_child_says_why_and_leaves_its_log(tmp_path: Path, process: DrizzleProcess) -> None:
    paths = flts(tmp_path, 2)
    with pytest.raises(DrizzleError) as caught:
        drizzle(process, paths, "ibohbf040", iref=tmp_path)
    assert "failed" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.log
    assert (tmp_path / "drizzle.log").read_text()


def test_a_child_that_hangs_is_stopped(tmp_path: Path, process: DrizzleProcess) -> None:
    with pytest.raises(DrizzleError, match=r"not finished after 0\.01 s"):
        drizzle(process, flts(tmp_path, 1), None, iref=tmp_path, settings=DrizzleSettings(timeout=0.01))


def test_inverse_variance_maps_are_paired_with_the_exposures(tmp_path: Path, process: DrizzleProcess) -> None:
    paths = flts(tmp_path, 2)
    with pytest.raises(DrizzleError):
        drizzle(process, paths, "ibohbf040", iref=tmp_path, weights=[4.0, 1.0])
    job = json.loads((tmp_path / "drizzle.json").read_text())
    assert job["inputs"] == "@inputs.lis"
    assert job["parameters"]["final_wht_type"] == "IVM"
    first = (tmp_path / "inputs.lis").read_text().split()[1]
    assert fits.getdata(tmp_path / first, 1).mean() == 4.0


@pytest.fixture(scope="module")
def process() -> Iterator[DrizzleProcess]:
    with DrizzleProcess() as started:
        yield started


def test_a_process_that_failed_is_followed_by_another(tmp_path: Path, process: DrizzleProcess) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        with pytest.raises(DrizzleError, match="updatewcs or AstroDrizzle failed") as caught:
            drizzle(process, flts(folder, 1), None, iref=tmp_path)
        assert not caught.value.killed
        assert "Traceback" in (folder / "drizzle.log").read_text()


def test_a_killed_process_is_known_as_killed(tmp_path: Path) -> None:
    with DrizzleProcess() as process:
        assert process._process is not None
        process._process.kill()
        process._process.wait()
        process.start = lambda: None  # type: ignore[method-assign]
        with pytest.raises(DrizzleError, match="killed by signal 9") as caught:
            drizzle(process, flts(tmp_path, 1), None, iref=tmp_path)
        assert caught.value.killed


def test_a_process_without_a_job_ends_with_its_block() -> None:
    with DrizzleProcess() as process:
        child = process._process
        assert child is not None
        assert child.poll() is None
    assert child.poll() is not None


# --- the astrometry service ----------------------------------------------------------------------------------------


def test_an_astrometry_service_that_is_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTROMETRY_SERVICE_URL", "http://127.0.0.1:9/")
    monkeypatch.setattr(astrodrizzle_process.time, "sleep", lambda seconds: None)
    assert not astrodrizzle_process.astrometry_answers()


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (("IDC_w3m18525i-FIT_REL_GAIAeDR3", "IDC_w3m18525i-GSC240"), ""),
        (("IDC_w3m18525i-GSC240", "IDC_w3m18525i"), "the astrometry service gave no solution for ibohbf01q"),
    ],
)
def test_all_exposures_have_the_services_solution_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, str], problem: str
) -> None:
    paths, asked = flts(tmp_path, 2), []

    def update(files: Sequence[str], *, use_db: bool) -> None:
        asked.append(use_db)
        for path, name in zip(files, names, strict=True):
            for keyword, value in (("CTYPE1", "RA---TAN-SIP"), ("WCSNAME", name if use_db else "IDC_w3m18525i")):
                fits.setval(path, keyword, value=value, extname="SCI")

    monkeypatch.setattr(astrodrizzle_process, "_update", update)
    monkeypatch.setattr(astrodrizzle_process, "astrometry_answers", lambda: True)
    assert astrodrizzle_process.align([str(path) for path in paths], use_db=True) == problem
    assert asked == ([True, False] if problem else [True])
    assert fits.getval(paths[0], "WCSNAME", extname="SCI") == (names[0] if not problem else "IDC_w3m18525i")


def test_a_service_that_breaks_off_is_said_and_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = flts(tmp_path, 1)

    def update(files: Sequence[str], *, use_db: bool) -> None:
        if use_db:
            raise ConnectionError("reset by peer")
        fits.setval(path, "CTYPE1", value="RA---TAN-SIP", extname="SCI")

    monkeypatch.setattr(astrodrizzle_process, "_update", update)
    monkeypatch.setattr(astrodrizzle_process, "astrometry_answers", lambda: True)
    problem = "the connection to the astrometry service was lost (ConnectionError)"
    assert astrodrizzle_process.align([str(path)], use_db=True) == problem


def test_the_error_of_a_job_is_known_whatever_is_printed_after_it(tmp_path: Path) -> None:
    program = """
import atexit
from wfc3tvb.repair import astrodrizzle_process as process

def main(path):
    atexit.register(print, "NAXIS : 140  122")
    raise RuntimeError("the cause")

process.load, process.main = lambda: None, main
process.serve()
"""
    job = tmp_path / "drizzle.json"
    job.write_text('{"iref": ""}')
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, input=f"{job}\n", text=True, capture_output=True, check=False)
    assert done.returncode == 1
    assert (tmp_path / astrodrizzle_process.LOG).read_text().splitlines()[-1] == "NAXIS : 140  122"
    assert job.with_suffix(astrodrizzle_process.ERROR).read_text() == "RuntimeError: the cause"


def test_the_distortion_of_a_filter_is_read_once_from_each_table(tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    def read(table: str, *, filter1: str) -> dict[str, list[int]]:
        asked.append((Path(table).name, filter1))
        return {"coefficients": [Path(table).stat().st_size]}

    known = astrodrizzle_process.kept(read)
    table = tmp_path / "one_idc.fits"
    table.write_bytes(b"12345")
    first = known(str(table), filter1="F105W")
    first["coefficients"].append(7)  # as stwcs changes what it has read
    assert known(str(table), filter1="F105W") == {"coefficients": [5]}
    assert known(str(table), filter1="F160W") == {"coefficients": [5]}
    assert asked == [("one_idc.fits", "F105W"), ("one_idc.fits", "F160W")]
    table.write_bytes(b"123456")
    assert known(str(table), filter1="F105W") == {"coefficients": [6]}
    with pytest.raises(FileNotFoundError):
        known(str(tmp_path / "none_idc.fits"), filter1="F105W")
