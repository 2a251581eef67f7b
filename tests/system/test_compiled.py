"""Kernels: the same results through their kept object code, through numba, and as plain Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple, NoReturn

import numba
import numpy as np
import pytest
from numba.core.caching import FunctionCache

from wfc3tvb.system import compiled, numba_compiler, numba_linking, object_code


class Pair(NamedTuple):
    values: np.ndarray
    flags: np.ndarray


@compiled.vectorized
def halve(row: Any) -> None:
    for x in range(row.size):
        row[x] *= np.float32(0.5)


def weigh(pair: Any, window: Any, factor: Any, offset: Any) -> Any:
    """Change the values of a window; return two numbers."""
    values, flags = pair
    n, total = 0, 0.0
    for y in range(window[0], window[1]):
        halve(values[y, 1:])
        for x in range(values.shape[1]):
            if flags[y, x] != 0:
                values[y, x] = values[y, x] * factor + offset
                n += 1
            total += values[y, x]
    return n, total


def one_more(x: Any) -> Any:
    return np.float32(x + np.float32(1))


def summed_twice(values: Any) -> Any:
    doubled = np.empty(values.size)
    for i in range(values.size):
        doubled[i] = 2 * values[i]
    return doubled.sum()


@pytest.fixture
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Keep object code in a folder of the test's own."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    object_code.folder_for.cache_clear()
    yield tmp_path / "cache"
    object_code.folder_for.cache_clear()


def arguments() -> tuple[Pair, tuple[int, int], np.float32, float]:
    values = np.random.default_rng(3).normal(0, 1e3, (5, 7)).astype(np.float32)
    return Pair(values, (values > 0).astype(np.int16)), (1, 4), np.float32(1.7), 0.3


@pytest.mark.usefixtures("_own_cache")
def test_object_code_gives_what_numba_and_python_give() -> None:
    kernel, results, pairs = compiled.compiled(weigh), [], []
    assert isinstance(kernel, compiled.Kernel)
    for call in (kernel, kernel, kernel.dispatcher):
        pair, *others = arguments()
        results.append(call(pair, *others))
        pairs.append(pair)
    assert not kernel._needs_numba
    assert results[0] == results[1] == results[2]
    assert results[0][0] == np.count_nonzero(arguments()[0].flags[1:4])
    expected = arguments()[0].values
    expected[1:4, 1:] *= np.float32(0.5)
    given = (arguments()[0].flags != 0) & (np.arange(5)[:, None] % 4 > 0)
    expected[given] = (expected[given] * np.float32(1.7)).astype(float) + 0.3
    for pair in pairs:
        np.testing.assert_array_equal(pair.values, expected)


@pytest.mark.usefixtures("_own_cache")
def test_a_kernel_in_another_is_not_made_for_python() -> None:
    """Of `halve`, which `weigh` calls, there is neither a wrapper nor machine code of its own."""
    inner = compiled.vectorized(halve.function)
    kernel = compiled.compiled(FunctionType(weigh.__code__, {**globals(), "halve": inner}))
    pair, *others = arguments()
    kernel(pair, *others)
    (made,) = inner._linked.overloads.values()
    assert numba.__version__.startswith(numba_linking._RELEASE)  # of another release, all is made
    assert not [name for name in made.library.get_llvm_str().splitlines() if "cpython" in name]
    assert made.library.get_pointer_to_function(made.fndesc.llvm_func_name) == 0
    row = np.arange(5, dtype=np.float32)
    inner(row)  # now for Python, too
    np.testing.assert_array_equal(row, np.arange(5) / 2)


def test_another_release_of_numba_makes_the_same(_own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for release in (numba_linking._RELEASE, "another"):
        monkeypatch.setattr(numba_linking, "_RELEASE", release)
        inner = compiled.vectorized(halve.function)
        kernel = compiled.compiled(FunctionType(weigh.__code__, {**globals(), "halve": inner}))
        pair, *others = arguments()
        results.append((kernel(pair, *others), pair.values.tobytes()))
        for path in _own_cache.glob("*.code"):
            path.unlink()
    assert results[0] == results[1]


@pytest.mark.usefixtures("_own_cache")
def test_types_of_numbers_and_orders_of_arrays_are_told_apart() -> None:
    kernel = compiled.compiled(one_more)
    assert [kernel(2), kernel(2.5), kernel(np.float32(0.1)), kernel(True), kernel(np.int16(-3))] == [
        3, 3.5, np.float32(1.1), 2, -2,
    ]  # fmt: skip
    assert len(kernel.signatures) == 5
    kernel = compiled.compiled(weigh)
    pair, *others = arguments()
    turned = Pair(np.asfortranarray(pair.values), pair.flags)
    assert kernel(turned, *others) == kernel(pair, *others)
    np.testing.assert_array_equal(turned.values, pair.values)


@pytest.mark.usefixtures("_own_cache")
def test_a_kernel_that_allocates_is_called_through_numba() -> None:
    kernel = compiled.compiled(summed_twice)
    assert [kernel(np.arange(4.0)), kernel(np.arange(5.0))] == [12, 20]
    assert kernel._needs_numba
    assert len(kernel.signatures) == 1


def test_damaged_object_code_is_made_again(_own_cache: Path) -> None:
    for damage in (b"", b"no json\n\x7fELF", b"[1, 2]\n", json.dumps(["x", "y", "", []]).encode() + b"\n\x7fELF"):
        assert compiled.compiled(one_more)(4) == 5
        (path,) = _own_cache.glob("*one_more*.code")
        whole = path.read_bytes()
        path.write_bytes(damage)
        assert compiled.compiled(one_more)(4) == 5
        assert path.read_bytes()[:70] == whole[:70]


def test_object_code_that_calls_an_unknown_function_is_made_again(_own_cache: Path) -> None:
    kernel = compiled.compiled(one_more)
    kernel(4)
    key = next(iter(kernel._ready))
    entry = object_code.entry_of(one_more, key)
    assert entry is not None
    object_code.keep(entry._replace(needs=("no_such_function",)), one_more, key)
    assert object_code.entry_of(one_more, key) is None


def test_no_folder_for_the_code_is_said_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def nowhere(function: object) -> NoReturn:
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(numba_compiler, "_NumbaCache", nowhere)
    monkeypatch.setattr(object_code, "folder_for", lambda source: None)
    monkeypatch.delenv(numba_compiler._TOLD, raising=False)
    numba_compiler._say_that_nothing_is_cached.cache_clear()
    assert compiled.compiled(one_more)(np.float32(2)) == 3
    assert compiled.vectorized(one_more)(np.float32(2)) == 3
    assert len(caplog.messages) == 1
    assert "set NUMBA_CACHE_DIR to a folder that you can write" in caplog.messages[0]
    monkeypatch.delenv(numba_compiler._TOLD)
    numba_compiler._say_that_nothing_is_cached.cache_clear()


@pytest.mark.usefixtures("_own_cache")
def test_no_space_for_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FunctionCache, "save_overload", full)
    monkeypatch.setattr(Path, "write_bytes", full)
    assert compiled.compiled(one_more)(np.float32(3)) == 4
    assert compiled.compiled(summed_twice)(np.ones(3)) == 6


def test_the_first_folder_that_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    choose = object_code.folder_for.__wrapped__
    assert choose(tmp_path) == tmp_path / "__pycache__"
    (tmp_path / "file").touch()
    assert choose(tmp_path / "file") == tmp_path / "home" / "wfc3tvb"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert choose(tmp_path / "file") is None


def test_later_processes_do_without_numba_until_a_file_of_the_package_changes(tmp_path: Path) -> None:
    package = tmp_path / "kernels"
    package.mkdir()
    (package / "__init__.py").touch()
    callee = package / "callee.py"
    callee.write_text(_KERNEL.format(body="x + 1"))
    (package / "caller.py").write_text(_CALLER)
    assert [_run_caller(tmp_path), _run_caller(tmp_path)] == ["3 True", "3 False"]
    # Workers of joblib and Dask have one thread each; the code is the same, and kept once.
    assert [_run_caller(tmp_path, NUMBA_NUM_THREADS="1"), _run_caller(tmp_path)] == ["3 False", "3 False"]
    assert [_run_caller(tmp_path, NUMBA_OPT="1"), _run_caller(tmp_path)] == ["3 True", "3 False"]
    callee.write_text(_KERNEL.format(body="x * 50"))  # of another size: Python looks at whole seconds
    assert _run_caller(tmp_path) == "100 True"


def test_processes_that_begin_together_compile_once(tmp_path: Path) -> None:
    package = tmp_path / "kernels"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "callee.py").write_text(_KERNEL.format(body="x + 1"))
    (package / "caller.py").write_text(_CALLER.replace("print(outer(2)", "wait()\nprint(outer(2)").replace(
        "@compiled", _START + "\n@compiled"
    ))  # fmt: skip
    running = [_start_caller(tmp_path) for _ in range(3)]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    (tmp_path / "go").touch()
    said = [process.communicate(timeout=60)[0].strip() for process in running]
    assert sorted(said) == ["3 False", "3 False", "3 True"]
    assert list(package.rglob("*.lock")) == []


_START = """
def wait():
    import pathlib, time
    print("ready", flush=True)
    while not pathlib.Path("go").exists():
        time.sleep(0.001)
"""
_KERNEL = """
from wfc3tvb.system.compiled import compiled

@compiled
def inner(x):
    return {body}
"""
_CALLER = """
import sys
from kernels.callee import inner
from wfc3tvb.system.compiled import compiled

@compiled
def outer(x):
    return inner(x)

print(outer(2), "numba" in sys.modules)
"""


def _run_caller(folder: Path, **settings: str) -> str:
    path = os.pathsep.join([str(folder), *sys.path])
    command = [sys.executable, "-m", "kernels.caller"]
    environment = os.environ | {"PYTHONPATH": path} | settings
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return run.stdout.strip()


def _start_caller(folder: Path) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(folder), *sys.path])
    command = [sys.executable, "-m", "kernels.caller"]
    return subprocess.Popen(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE, text=True
    )
