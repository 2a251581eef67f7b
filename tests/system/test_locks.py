"""Only one process has the lock of a folder."""

from __future__ import annotations

import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from wfc3tvb.system.locks import folder_lock

TRY = """
import sys
from pathlib import Path
from wfc3tvb.system.locks import folder_lock
with folder_lock(Path(sys.argv[1]), ".lock") as locked:
    print(locked)
"""


def other_process_gets_it(folder: Path) -> bool:
    command = [sys.executable, "-c", TRY, str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == "True"


def test_a_lock_keeps_others_out_until_it_is_released(tmp_path: Path) -> None:
    with folder_lock(tmp_path / "new", ".lock") as locked:
        assert locked
        assert not other_process_gets_it(tmp_path / "new")
    assert other_process_gets_it(tmp_path / "new")


def test_a_file_system_without_locks_is_used_anyway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", none)
    with folder_lock(tmp_path, ".lock") as locked:
        assert locked
