"""A child process ends with its parent, however the parent ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

#: Starts a child that prints its number and would sleep for long.
PARENT = """
import os, subprocess, sys, time
from wfc3tvb.system.children import environment_of_child
child = (
    "import os, time\\n"
    "from wfc3tvb.system.children import end_with_parent\\n"
    "end_with_parent()\\n"
    "print(os.getpid(), flush=True)\\n"
    "time.sleep(60)"
)
subprocess.Popen([sys.executable, "-c", child], env=os.environ | environment_of_child())
time.sleep(60)
"""


def alive(number: int) -> bool:
    """Return whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_a_child_ends_with_a_parent_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.send_signal(signal.SIGKILL)
        until = time.monotonic() + 10
        while alive(child) and time.monotonic() < until:
            time.sleep(0.05)
    assert not alive(child)
