"""Kernels run even if their machine code cannot be cached."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from numba.core.caching import FunctionCache

from wfc3tvb.system import compiled


def one_more(x: np.float32) -> np.float32:
    return np.float32(x + np.float32(1))


def test_no_folder_for_the_code_is_said_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def nowhere(function: object) -> NoReturn:
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(compiled, "_ObjectCodeCache", nowhere)
    monkeypatch.delenv(compiled._TOLD, raising=False)
    compiled._say_that_nothing_is_cached.cache_clear()
    assert compiled.compiled(one_more)(np.float32(2)) == 3
    assert compiled.vectorized(one_more)(np.float32(2)) == 3
    assert len(caplog.messages) == 1
    assert "set NUMBA_CACHE_DIR to a folder that you can write" in caplog.messages[0]
    monkeypatch.delenv(compiled._TOLD)
    compiled._say_that_nothing_is_cached.cache_clear()


def test_no_space_for_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FunctionCache, "save_overload", full)
    assert compiled.compiled(one_more)(np.float32(3)) == 4


def test_a_change_in_another_file_of_the_package_compiles_anew(tmp_path: Path) -> None:
    package = tmp_path / "kernels"
    package.mkdir()
    (package / "__init__.py").touch()
    callee = package / "callee.py"
    callee.write_text(_KERNEL.format(body="x + 1"))
    (package / "caller.py").write_text(_CALLER)
    assert [_run_caller(tmp_path), _run_caller(tmp_path)] == ["3", "3"]
    callee.write_text(_KERNEL.format(body="x * 5"))
    assert _run_caller(tmp_path) == "10"


_KERNEL = """
from wfc3tvb.system.compiled import compiled

@compiled
def inner(x):
    return {body}
"""
_CALLER = """
from kernels.callee import inner
from wfc3tvb.system.compiled import compiled

@compiled
def outer(x):
    return inner(x)

print(outer(2))
"""


def _run_caller(folder: Path) -> str:
    path = os.pathsep.join([str(folder), *sys.path])
    command = [sys.executable, "-m", "kernels.caller"]
    run = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=True)
    return run.stdout.strip()
