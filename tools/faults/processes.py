"""Run the program in forks of one process that has loaded all of its modules, so that a run takes no second."""

from __future__ import annotations

import atexit
import importlib
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Longest time of a run [s]; what takes longer hangs. The first may have to compile kernels.
PATIENCE, AT_FIRST = 180.0, 1200.0
_DRIZZLE = "wfc3tvb.repair.astrodrizzle_process"
#: Exit status of a run that ended with an exception, and of one that was ended because it hung.
CRASHED, HUNG = 99, 98


@dataclass(frozen=True)
class Ended:
    """How a run ended: exit status and what it wrote."""

    code: int
    out: str
    err: str


def program(*arguments: str) -> None:
    """Run `wfc3tvb` in this process, as the command line does."""
    from wfc3tvb.__main__ import run

    sys.argv = ["wfc3tvb", *arguments]
    if arguments[0] == "reprocess":
        _fork_drizzling()
    run()


def forked(work: Callable[[], None], folder: Path, scratch: Path, patience: float = PATIENCE) -> Ended:
    """Do some work in a fork of this process, in a folder; its output goes through files in another one."""
    out, err = scratch / "stdout", scratch / "stderr"
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        os._exit(_child(work, folder, out, err))
    code = _wait(pid, time.monotonic() + patience)
    with suppress(ProcessLookupError):  # a process that has loaded libraries to drizzle, and was never needed
        os.killpg(pid, signal.SIGKILL)
    return Ended(code, out.read_text(errors="replace"), err.read_text(errors="replace"))


def load(names: list[str]) -> None:
    """Import the modules that a run has needed."""
    for name in names:
        if name.partition(".")[0] not in ("__main__", "__mp_main__"):
            try:
                importlib.import_module(name)
            except (ImportError, AttributeError, KeyError):  # made up by others, as six.moves is
                continue


def _child(work: Callable[[], None], folder: Path, out: Path, err: Path) -> int:
    try:
        for number, path in ((1, out), (2, err)):
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, number)
            os.close(file)
        os.chdir(folder)
        code = _code(work)
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 (nothing may return to the code of the parent)
        traceback.print_exc()
        code = CRASHED
    return code


def _code(work: Callable[[], None]) -> int:
    try:
        work()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _wait(pid: int, end: float) -> int:
    while time.monotonic() < end:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return HUNG


# --- the process that drizzles -------------------------------------------------------------------------------------


class _Drizzling:
    """A fork that drizzles, in place of a process that would load its libraries first (`subprocess.Popen`)."""

    def __init__(self) -> None:
        (read_jobs, write_jobs), (read_answers, write_answers) = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.dup2(read_jobs, 0)
            os.dup2(write_answers, 1)
            os.closerange(3, 256)
            os._exit(_child_drizzles())
        os.close(read_jobs)
        os.close(write_answers)
        self.stdin, self.stdout = os.fdopen(write_jobs, "wb"), os.fdopen(read_answers, "rb")
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""
        if self._code is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if ended else None
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        end = time.monotonic() + (PATIENCE if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(_DRIZZLE, timeout or PATIENCE)
            time.sleep(0.005)
        return code

    def kill(self) -> None:
        """End it."""
        os.kill(self.pid, signal.SIGKILL)


def _child_drizzles() -> int:
    from wfc3tvb.repair import astrodrizzle_process

    sys.stdin = os.fdopen(0)
    try:
        astrodrizzle_process.serve()
    except BaseException:  # noqa: BLE001 (nothing may return to the code of the parent)
        traceback.print_exc()
        sys.stderr.flush()
        return 1
    return 0


def _fork_drizzling() -> None:
    """Let the first process that drizzles be a fork; it is made now, before there are threads."""
    ready: list[Any] = [_Drizzling()]
    real = subprocess.Popen

    class Popen(real):  # type: ignore[type-arg,misc,valid-type]
        def __new__(cls, arguments: Any, *rest: Any, **options: Any) -> Any:
            if ready and _DRIZZLE in arguments:
                return ready.pop()
            return super().__new__(cls)

    subprocess.Popen = Popen  # type: ignore[misc]
