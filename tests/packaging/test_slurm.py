"""The example for Slurm: the job that it submits, and its command run by Dask workers of this machine."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.helpers.small_archive import make_archive

PATH = Path(__file__).resolve().parents[2] / "packaging" / "cluster" / "slurm.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    specification = importlib.util.spec_from_file_location("slurm_example", PATH)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_job_that_is_submitted() -> None:
    command = [sys.executable, str(PATH), "--account", "hst", "--partition", "short", "--show-job"]
    script = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = script.splitlines()
    for wanted in ("-J wfc3tvb", "-A hst", "-p short", "--cpus-per-task=2", "--mem=4G", "-t 04:00:00"):
        assert f"#SBATCH {wanted}" in lines
    assert "--nthreads 1 --memory-limit 1.86GiB --nworkers 2" in script


@pytest.mark.slow
def test_its_command_is_run_by_the_workers(
    example: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from distributed import LocalCluster

    make_archive(tmp_path / "files", size=32, nsamp=4)
    survey = ["survey", "--source", str(tmp_path / "files"), "--filters", "all", "--catalog", str(tmp_path / "catalog")]
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster:
        code = example.run(cluster, survey)
    assert code == 0, capfd.readouterr().err
    assert "6 exposures measured" in capfd.readouterr().out
