"""Errors of a disk are recognized, whatever library has met them."""

from __future__ import annotations

import errno
from pathlib import Path

import duckdb
import pytest
from deltalake.exceptions import DeltaError

from wfc3tvb.errors import DiskFullError, StorageError
from wfc3tvb.fits.hdus import read_fits, read_header
from wfc3tvb.fits.support_file import read_orbit
from wfc3tvb.system.disk_errors import disk_error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "/a/b"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError("[Errno 28] No space left on device"),
        OSError("Not enough space on disk: requested 12 bytes, available 0"),
        duckdb.IOException('IO Error: Could not write file "/a/b": No space left on device\n\nmore'),
        DeltaError("Generic error: Unable to copy data to file: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_recognized(error: Exception) -> None:
    assert isinstance(disk_error(error), DiskFullError)


@pytest.mark.parametrize(
    ("error", "path", "problem"),
    [
        (OSError(errno.EIO, "Input/output error", "/a/b"), "/a/b", "Input/output error"),
        (OSError(errno.EIO, "Input/output error", b"/a/b"), "/a/b", "Input/output error"),
        (OSError("[Errno 5] Input/output error"), "a file", "Input/output error"),
        (OSError(errno.EINTR, "Interrupted system call"), "a file", "Interrupted system call"),
        (duckdb.IOException('IO Error: Cannot open file "/a/b": Input/output error'), "/a/b", "Input/output error"),
        (DeltaError("Unable to rename file: Input/output error (os error 5)"), "a file", "Input/output error"),
    ],
)
def test_a_failing_disk_is_recognized(error: Exception, path: str, problem: str) -> None:
    found = disk_error(error)
    assert isinstance(found, StorageError)
    assert (found.path, found.problem, found.retryable) == (path, problem, True)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file or directory", "/a/b"),
        OSError("no number"),
        ValueError("Input/output error"),
        duckdb.IOException('IO Error: Cannot open file "/a/b": No such file or directory'),
        duckdb.ParserException("syntax error"),
        DeltaError("Invalid version (os error 2)"),
    ],
)
def test_other_errors_are_left_alone(error: Exception) -> None:
    assert disk_error(error) is None


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file whose first byte cannot be read")
@pytest.mark.parametrize("read", [read_fits, read_header, read_orbit])
def test_a_file_that_the_disk_cannot_read_is_not_taken_for_a_bad_one(read: object) -> None:
    with pytest.raises(StorageError, match=r"/proc/self/mem|a file"):
        read(Path("/proc/self/mem"))  # type: ignore[operator]
