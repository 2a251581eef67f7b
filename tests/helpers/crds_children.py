"""CRDS children forked from a process that has loaded their libraries, which takes most of their time.

The modules of crds itself, which read the environment, are loaded anew in every child.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wfc3tvb.references import crds
from wfc3tvb.system.children import PARENT

MODULE = "wfc3tvb.references.crds_process"


def load_libraries() -> None:
    """Load what the children need, and forget crds; called in the process that forks them."""
    import crds.bestrefs

    import wfc3tvb.references.crds_process  # noqa: F401

    assert crds.bestrefs
    for name in [name for name in sys.modules if name.split(".")[0] == "crds" or name == MODULE]:
        del sys.modules[name]
    urllib.request._opener = None  # type: ignore[attr-defined]  # made by crds, with the proxies of this environment


def _child(job: str, environment: Mapping[str, str], folder: str, log: str) -> None:
    """Run ``python -m wfc3tvb.references.crds_process job`` in this process."""
    os.environ.clear()
    os.environ |= {**environment, PARENT: str(os.getppid())}
    os.chdir(folder)
    output = os.open(log, os.O_WRONLY | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv = [MODULE, job]
    runpy.run_module(MODULE, run_name="__main__", alter_sys=True)


def _run(
    command: Sequence[str], *, env: Mapping[str, str], cwd: str, timeout: float, **_: Any
) -> subprocess.CompletedProcess[str]:
    """Run a CRDS child as `subprocess.run` does."""
    assert list(command[1:3]) == ["-m", MODULE]
    context = multiprocessing.get_context("forkserver")
    log = f"{cwd}/log"
    child = context.Process(target=_child, args=(command[3], dict(env), cwd, log))
    child.start()
    child.join(timeout)
    if child.is_alive():
        child.kill()
        raise subprocess.TimeoutExpired(command, timeout)
    said = Path(log).read_text(errors="replace")
    return subprocess.CompletedProcess(list(command), child.exitcode or 0, said, "")


@contextmanager
def crds_children() -> Iterator[None]:
    """Fork the children of `wfc3tvb.references.crds` until the block ends."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(["tests.helpers.crds_libraries"])
    like_subprocess = SimpleNamespace(
        run=_run, TimeoutExpired=subprocess.TimeoutExpired, DEVNULL=subprocess.DEVNULL, PIPE=subprocess.PIPE
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crds, "subprocess", like_subprocess)
        yield
