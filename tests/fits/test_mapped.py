"""A file that is cut short while it is mapped must not end the process by SIGBUS."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.small_archive import ima, primary_header
from wfc3tvb.errors import TruncatedFileError
from wfc3tvb.fits.blocks import FileBytes
from wfc3tvb.fits.hdus import read_fits
from wfc3tvb.fits.ima import read_ima
from wfc3tvb.fits.mapped import map_file

TRUNCATE = "import os, sys; os.truncate(sys.argv[1], 0)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An intermediate file of 800 kB."""
    path = tmp_path / "ibohbfb9q_ima.fits"
    ima(primary_header("ibohbfb9q", None, 55800.0, 4, 128), 128, 4, sky=0.5).writeto(path)
    return path


def test_a_program_that_truncates_a_mapped_file_waits(path: Path) -> None:
    """In a process of its own, which must end by itself and not by a signal."""
    code = """
import subprocess, sys, time
from pathlib import Path
from wfc3tvb.fits.ima import read_ima
path = Path(sys.argv[1])
before = float(read_ima(path).rate.sum())
cube = read_ima(path)
other = subprocess.Popen([sys.executable, "-c", sys.argv[2], str(path)])
time.sleep(1.0)
assert float(cube.rate.sum()) == before
del cube
assert other.wait(30) == 0
assert path.stat().st_size == 0
print("fine")
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), TRUNCATE], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr


def test_without_a_lease_the_bytes_are_copied(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(fcntl, "F_SETLEASE", raising=False)
    truth, cube, extensions = path.read_bytes(), read_ima(path), read_fits(path)
    data = map_file(path)
    rates = np.array(cube.rate)
    os.truncate(path, 0)
    assert data.tobytes() == truth
    assert (cube.rate == rates).all()
    assert bytes(extensions[1].raw) in truth


def test_a_file_that_is_being_written_is_copied(path: Path) -> None:
    with path.open("r+b"):
        assert not isinstance(map_file(path), np.memmap)


@pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="needs leases, which Linux has")
def test_a_file_at_rest_is_mapped_and_free_afterwards(path: Path) -> None:
    data = map_file(path)
    assert isinstance(data, np.memmap)
    del data
    began = time.monotonic()
    os.truncate(path, 0)
    assert time.monotonic() - began < 1


def test_a_file_cut_while_it_is_read_piece_by_piece(path: Path) -> None:
    with FileBytes(path) as data:
        os.truncate(path, 1000)
        assert data[0:1000].size == 1000
        with pytest.raises(TruncatedFileError, match="was cut short while it was read"):
            data[0:2000]
