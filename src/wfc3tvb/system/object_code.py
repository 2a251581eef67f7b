"""Object code of kernels: kept in a file for each, and loaded with LLVM (llvmlite) alone, without numba.

A file is used only by the interpreter, CPU, numba (version and settings), llvmlite and source files that it was made
with.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from wfc3tvb.system.files import atomic_write

#: Function of numba's runtime that frees the memory of an array. Code that allocates nothing never calls it, since no
#: array that it is given has an owner; should it be called all the same, the process ends instead of going on wrongly.
FREE_MEMORY = "NRT_MemInfo_call_dtor"
#: Longest wait for another process to compile a kernel, and interval between two looks [s].
_LONGEST_WAIT, _LOOK = 60.0, 0.05


class Entry(NamedTuple):
    """Object code of a kernel for one set of argument types.

    Attributes
    ----------
    symbol : str
        Its name in the code.
    result : str
        Types of its results, as in `struct`.
    needs : tuple of str
        Functions that it calls, of the C and mathematical libraries.
    code : bytes
        The object file; empty if the kernel can only be called through numba.
    """

    symbol: str
    result: str
    needs: tuple[str, ...]
    code: bytes


def entry_of(function: Callable[..., Any], key: tuple[Any, ...]) -> Entry | None:
    """Return the object code that was kept for a function and the types of its arguments, if there is any."""
    path = _path(function, key)
    if path is None:
        return None
    try:
        head, _, code = path.read_bytes().partition(b"\n")
        made_with, symbol, result, needs = json.loads(head)
    except (OSError, ValueError):
        return None
    if made_with != _made_with(function) or not all(map(_available, needs)):
        return None
    return Entry(symbol, result, tuple(needs), code)


def keep(entry: Entry, function: Callable[..., Any], key: tuple[Any, ...]) -> None:
    """Keep object code for later processes, where a folder can be written."""
    path = _path(function, key)
    if path is None:
        return
    head = json.dumps([_made_with(function), entry.symbol, entry.result, entry.needs]).encode()
    with suppress(OSError), atomic_write(path) as part:  # disk full: the next process compiles again
        part.write_bytes(head + b"\n" + entry.code)


@contextmanager
def made_by_one(function: Callable[..., Any], key: tuple[Any, ...]) -> Iterator[None]:
    """Let other processes wait in the block of the same function and types until this one has left it.

    Workers begin at the same time, and would all compile the same kernels.
    """
    path, lock = _path(function, key), None
    if path is not None:
        with suppress(OSError):  # the folder is read-only, or its file system has no locks
            lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o666)
            _wait_for(lock)
    try:
        yield
    finally:
        if path is not None and lock is not None:
            path.with_suffix(".lock").unlink(missing_ok=True)
            os.close(lock)


def _wait_for(file: int) -> None:
    """Lock a file; another process that holds it for very long may be on a machine that is gone, and is ignored."""
    end = time.monotonic() + _LONGEST_WAIT
    while time.monotonic() < end:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOOK)
        else:
            return


def callable_without_numba(name: str) -> bool:
    """Return True if machine code that calls this function can be loaded without numba."""
    return name == FREE_MEMORY or (not name.startswith(("Py", "_Py")) and _available(name))


def _available(name: str) -> bool:
    return name == FREE_MEMORY or hasattr(ctypes.CDLL(None), name)


def address_of(entry: Entry) -> int:
    """Return the address of a kernel, after loading its object code."""
    import llvmlite.binding as llvm

    engine = _engine()
    engine.add_object_file(llvm.ObjectFileRef.from_data(entry.code))
    engine.finalize_object()
    return int(engine.get_function_address(entry.symbol))


@cache
def _engine() -> Any:
    """Return LLVM's loader, which also holds the code that it has loaded."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    if llvm.address_of_symbol(FREE_MEMORY) is None:
        llvm.add_symbol(FREE_MEMORY, ctypes.cast(ctypes.CDLL(None).abort, ctypes.c_void_p).value)
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)


def _path(function: Callable[..., Any], key: tuple[Any, ...]) -> Path | None:
    """Return the file for a function, the types of its arguments, and this CPU; None if no folder can be written."""
    folder = folder_for(Path(function.__code__.co_filename).parent)
    if folder is None:
        return None
    kind = hashlib.sha256(repr((key, _processor(), _settings())).encode()).hexdigest()[:16]
    return folder / f"{function.__module__}.{function.__qualname__}-{kind}.code"


@cache
def folder_for(source: Path) -> Path | None:
    """Return the folder for what is made once from a folder of code, as object code is; None if none can be written.

    Parameters
    ----------
    source : Path
        Folder of the code, e.g. of kernels.

    Returns
    -------
    Path or None
        The first that can be written of ``NUMBA_CACHE_DIR``, Python's own cache beside the code, and the user's.
    """
    given, home = os.environ.get("NUMBA_CACHE_DIR"), os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    places = [Path(given)] if given else [source / "__pycache__", Path(home).expanduser() / "wfc3tvb"]
    for place in places:
        with suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            if os.access(place, os.W_OK):
                return place
    return None


@cache
def _processor() -> tuple[str, str]:
    """Return name and features of the CPU."""
    import llvmlite.binding as llvm

    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def _made_with(function: Callable[..., Any]) -> str:
    """Return what object code depends on besides CPU and argument types, as a checksum."""
    sources = source_state(room_of(Path(function.__code__.co_filename).parent))
    return hashlib.sha256(repr((sources, _versions())).encode()).hexdigest()


@cache
def _versions() -> tuple[Any, ...]:
    """Return the versions of Python, numba and llvmlite."""
    import llvmlite

    numba = importlib.util.find_spec("numba")
    version = Path(str(numba.origin)).with_name("_version.py").read_bytes() if numba else b""
    return sys.version, llvmlite.__version__, version


def _settings() -> tuple[tuple[str, str], ...]:
    """Return numba's settings that machine code depends on.

    joblib and Dask set the number of threads in their workers: with it, workers and drivers would compile in turn.
    """
    without = ("CACHE", "THREAD")
    names = sorted(name for name in os.environ if name.startswith("NUMBA_") and not any(w in name for w in without))
    return tuple((name, os.environ[name]) for name in names)


def room_of(folder: Path) -> Path:
    """Return the package directly below the top-level one that a folder belongs to, or the folder itself."""
    while (folder.parent / "__init__.py").exists() and (folder.parent.parent / "__init__.py").exists():
        folder = folder.parent
    return folder


@cache
def source_state(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return path, time of the last change [ns] and size [bytes] of the Python files below a folder, in order."""
    files = (Path(root, name) for root, _, names in os.walk(folder) for name in names if name.endswith(".py"))
    states = ((path.relative_to(folder).as_posix(), path.stat()) for path in files)
    return tuple(sorted((name, state.st_mtime_ns, state.st_size) for name, state in states))
