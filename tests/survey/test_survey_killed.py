"""A survey killed at any instant, run again, gives the catalog of an undisturbed run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from tests.helpers.fakes import N_READS
from wfc3tvb.catalog.catalog import open_catalog

pytestmark = pytest.mark.slow

T = TypeVar("T")
N = 40
SCRIPT = """
import sys, time
from functools import partial
from tests.helpers.fakes import FakeSource, measure_fake
from wfc3tvb.config import Selection
from wfc3tvb.catalog import compaction
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.parallel.workers import Workers
from wfc3tvb.survey import survey as module

module.BATCH_SIZE = 7
compaction.MERGE_EVERY = 4

def slow(cube, orbit, settings):
    time.sleep(0.01)
    return measure_fake(cube, orbit, settings)

module.survey(open_catalog(sys.argv[1], mode="a"), Selection(), source=FakeSource({n}), measure=slow)
"""
STABLE = "EXCLUDE (measured_at, bytes_read, run_id)"


def start(folder: Path, system: str = "") -> subprocess.Popen[bytes]:
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen([sys.executable, "-c", system + SCRIPT.format(n=N), str(folder)], cwd=root)


def contents(folder: Path) -> list[object]:
    with open_catalog(folder) as catalog:
        exposures = catalog.sql(f"SELECT * {STABLE} FROM exposures ORDER BY rootname").fetchall()
        reads = catalog.sql("SELECT * FROM reads ORDER BY rootname, read").fetchall()
        return [exposures, reads]


@pytest.mark.parametrize("seed", range(2))
def test_killed_survey_goes_on(tmp_path: Path, seed: int) -> None:
    undisturbed, folder = tmp_path / "undisturbed", tmp_path / "killed"
    assert start(undisturbed).wait() == 0
    rng = random.Random(seed)
    for _ in range(2):
        process = start(folder)
        time.sleep(rng.uniform(1.0, 3.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start(folder).wait() == 0
    assert contents(folder) == contents(undisturbed)
    assert len(contents(folder)[1]) == N * N_READS  # type: ignore[arg-type]


#: As on a network file system without locks, where nothing is merged.
WITHOUT_LOCKS = """
import errno, fcntl
def flock(file, how):
    raise OSError(errno.ENOLCK, "No locks available")
fcntl.flock = flock
"""


@pytest.mark.parametrize("system", ["", WITHOUT_LOCKS], ids=["locks", "no locks"])
def test_two_surveys_at_once_into_one_catalog(tmp_path: Path, system: str) -> None:
    open_catalog(tmp_path / "one", mode="a").close()
    both = [start(tmp_path / "one", system), start(tmp_path / "one", system)]
    assert [process.wait() for process in both] == [0, 0]
    assert start(tmp_path / "alone").wait() == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "alone")


FULL = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))  # as a full disk: writes beyond it fail
"""


def test_a_full_disk_is_one_error_and_the_catalog_stays(tmp_path: Path) -> None:
    folder = tmp_path / "catalog"
    root = Path(__file__).resolve().parents[2]
    open_catalog(folder, mode="a").close()
    command = [sys.executable, "-c", FULL + SCRIPT.format(n=N), str(folder)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "CatalogNotWritableError: cannot write the catalog in" in done.stderr
    with open_catalog(folder) as catalog:
        assert catalog.sql("SELECT count(*) FROM exposures").fetchall() == [(0,)]
    assert start(folder).wait() == 0
    assert len(contents(folder)[1]) == N * N_READS  # type: ignore[arg-type]


def test_the_workers_of_a_killed_survey_end_with_it(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    script = SCRIPT.replace("measure=slow", "measure=slow, workers=Workers(2)").format(n=4000)
    command = [sys.executable, "-c", script, str(tmp_path / "catalog")]
    with subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True) as process:
        workers = wait_for(lambda: workers_of(process.pid), 60)
        process.kill()
        # What still has the pipe open keeps this waiting.
        _, said = process.communicate(timeout=60)
    assert said == ""
    assert wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), 20)


#: A shell makes commands that it runs in the background, perhaps these tests, ignore Ctrl-C.
LISTENS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


def test_ctrl_c_in_a_terminal_reaches_the_driver_alone(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    script = LISTENS + SCRIPT.replace("measure=slow", "measure=slow, workers=Workers(2)").format(n=4000)
    command = [sys.executable, "-c", script, str(tmp_path / "catalog")]
    with subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        wait_for(lambda: workers_of(process.pid), 60)  # which are still importing
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert said.endswith("KeyboardInterrupt\n"), said
    assert "runpy" not in said  # where a worker begins


def workers_of(pid: int) -> list[str]:
    """Return the worker processes of a process, once there are two."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = [c for c in children.read_text().split() if "LokyProcess" in Path(f"/proc/{c}/cmdline").read_text()]
    return found if len(found) == 2 else []


def wait_for(condition: Callable[[], T], seconds: float) -> T:
    """Return the value of a condition as soon as it is true, or what it is in the end."""
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.1)
    return value
