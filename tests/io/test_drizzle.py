"""The child process of stwcs and drizzlepac: parameters, failures in one line, no astrometry service."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from wfc3tvb.errors import BadArgumentError, DrizzleError
from wfc3tvb.io import drizzle_child
from wfc3tvb.io.drizzle import DrizzleProcess, DrizzleSettings, drizzle, parameters_for, read_parameters


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
    monkeypatch.setattr("wfc3tvb.io.drizzle.IN_MEMORY_LIMIT", 1000)
    assert not parameters_for(flts(tmp_path, 3), {})["in_memory"]


@pytest.mark.parametrize("text", ["[1]", "{", '{"output": "x"}'])
def test_bad_parameter_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pars.json"
    path.write_text(text)
    with pytest.raises(BadArgumentError, match=r"pars\.json"):
        read_parameters(path)


def test_a_failed_child_says_why_and_leaves_its_log(tmp_path: Path) -> None:
    paths = flts(tmp_path, 2)
    with pytest.raises(DrizzleError) as caught:
        drizzle(paths, "ibohbf040", tmp_path, iref=tmp_path)
    assert "failed" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.log
    assert (tmp_path / "drizzle.log").read_text()


def test_a_child_that_hangs_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(DrizzleError, match=r"not done after 0\.01 s"):
        drizzle(flts(tmp_path, 1), None, tmp_path, iref=tmp_path, settings=DrizzleSettings(timeout=0.01))


def test_inverse_variance_maps_are_paired_with_the_exposures(tmp_path: Path) -> None:
    paths = flts(tmp_path, 2)
    with pytest.raises(DrizzleError):
        drizzle(paths, "ibohbf040", tmp_path, iref=tmp_path, weights=[4.0, 1.0])
    job = json.loads((tmp_path / "drizzle.json").read_text())
    assert job["inputs"] == "@inputs.lis"
    assert job["parameters"]["final_wht_type"] == "IVM"
    first = (tmp_path / "inputs.lis").read_text().split()[1]
    assert fits.getdata(tmp_path / first, 1).mean() == 4.0


def test_an_astrometry_service_that_is_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTROMETRY_SERVICE_URL", "http://127.0.0.1:9/")
    monkeypatch.setattr(drizzle_child.time, "sleep", lambda seconds: None)
    assert not drizzle_child.astrometry_answers()


def test_a_process_without_a_job_ends_with_its_block(tmp_path: Path) -> None:
    with DrizzleProcess(tmp_path, iref=tmp_path) as process:
        assert process._process.poll() is None
    assert process._process.poll() is not None
