"""The tool that fails calls of the system: its library counts and fails them, its judge sees what is wrong."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from tools.faults import judge
from tools.faults.library import KINDS, VARIABLE, Control, build, missing
from tools.faults.processes import CRASHED, HUNG, Ended

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(missing() is not None, reason=missing() or "")

WORK = """
import os, subprocess, sys
from pathlib import Path

def work(folder):
    (folder / "a").mkdir()
    (folder / "a" / "x").write_bytes(b"x" * 10)
    (folder / "a" / "x").rename(folder / "a" / "y")

Path(__file__).with_name("outside").write_bytes(b"x")
folder = Path(sys.argv[1])
try:
    work(folder / "first" if len(sys.argv) > 2 else folder)
except OSError as error:
    print(error.errno, error.filename)
if len(sys.argv) == 2:
    (folder / "first").mkdir()
    subprocess.run([sys.executable, __file__, folder, "again"])
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("library"))


def run(library: Path, control: Path, place: Path) -> list[str]:
    """Run WORK in a folder, where a child process does the same once more, and return what it printed."""
    script, folder = place / "work.py", place / "here"
    script.write_text(WORK)
    folder.mkdir(exist_ok=True)
    environment = os.environ | {"LD_PRELOAD": str(library), VARIABLE: str(control)}
    command = [sys.executable, script, folder]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()


def test_calls_below_a_folder_are_counted_in_all_processes(library: Path, tmp_path: Path) -> None:
    control = Control(tmp_path / "control")
    control.count(tmp_path / "here")
    assert run(library, tmp_path / "control", tmp_path) == []
    assert control.counts == dict.fromkeys(KINDS, 0) | {"open": 2, "write": 2, "rename": 2, "mkdir": 3}
    listed = [(kind, n, Path(path).name) for kind, n, path in control.calls()]
    assert listed[:4] == [("mkdir", 1, "a"), ("open", 1, "x"), ("write", 1, "x"), ("rename", 1, "y")]
    assert listed[-1] == ("rename", 2, "y")


@pytest.mark.parametrize(("kind", "n", "error"), [("write", 2, "ENOSPC"), ("rename", 1, "EIO"), ("mkdir", 3, "EIO")])
def test_one_call_fails(library: Path, tmp_path: Path, kind: str, n: int, error: str) -> None:
    control = Control(tmp_path / "control")
    control.fail(tmp_path / "here", kind, error, n)
    (said,) = run(library, tmp_path / "control", tmp_path)
    assert int(said.split()[0]) == getattr(errno, error)
    assert (control.failed, control.counts[kind]) == (1, {"write": 2, "rename": 2, "mkdir": 3}[kind])
    assert Path(control.hit).name == {"write": "x", "rename": "y", "mkdir": "a"}[kind]
    assert (tmp_path / "outside").read_bytes() == b"x"


def test_all_later_calls_fail_if_asked(library: Path, tmp_path: Path) -> None:
    control = Control(tmp_path / "control")
    control.fail(tmp_path / "here", "write", "ENOSPC", 1, lasting=True)
    assert len(run(library, tmp_path / "control", tmp_path)) == 2
    assert control.failed == 2


def test_half_a_file_is_seen(tmp_path: Path) -> None:
    fits.PrimaryHDU(np.arange(5000.0)).writeto(tmp_path / "x.fits")
    (tmp_path / "x.json").write_text('{"a": 1}')
    before = judge.digests(tmp_path)
    (tmp_path / "x.fits").write_bytes((tmp_path / "x.fits").read_bytes()[:-3000])
    (tmp_path / "x.json").write_text('{"a": ')
    assert not any(value.startswith("half") for value in before.values())
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  x.fits\n")
    after = judge.digests(tmp_path)
    assert len(after) == 3
    assert all(value.startswith("half") for value in after.values())


@pytest.mark.parametrize(
    ("ended", "found"),
    [
        (Ended(0, "done", ""), []),
        (Ended(2, "", "12:00:01 ibohbf040_drz by omit: accepted\nwfc3tvb: the disk is full; free some space\n"), []),
        (Ended(2, "", ""), ["exit status 2 with 0 lines: "]),
        (Ended(2, "", "wfc3tvb: a\nb"), ["exit status 2 with 2 lines: wfc3tvb: a / b"]),
        (Ended(CRASHED, "", "Traceback\nOSError: b"), ["crashes: Traceback / OSError: b"]),
        (Ended(0, "", "thread 't' panicked at x"), ["crashes: thread 't' panicked at x"]),
        (Ended(HUNG, "", ""), ["hangs"]),
        (Ended(-11, "", ""), ["killed by signal 11"]),
    ],
)
def test_how_a_command_ends_is_judged(ended: Ended, found: list[str]) -> None:
    assert judge.misreported(ended) == found


def test_names_that_are_drawn_are_the_same_name() -> None:
    one, other = "catalog/.views-a1_x/catalog.duckdb", "catalog/.views-zz0/catalog.duckdb"
    assert judge.drawn(one) == judge.drawn(other) != judge.drawn("catalog/catalog.duckdb")
    assert judge.drawn("reads/_delta_log/00000000000000000001.json#1") == "reads/_delta_log/#.json##"


@pytest.mark.slow
def test_drawn_calls_of_a_survey_fail_and_nothing_is_wrong() -> None:
    command = [sys.executable, "-m", "tools.faults", "--sample", "3", "--seed", "7", "--command", "survey"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("seed ")
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ") and "calls" not in line]
    assert sum(int(row[3]) for row in rows) == 3
