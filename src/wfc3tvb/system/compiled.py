"""Decorators that compile kernels: on the first call, cached on disk, releasing the GIL, without fast-math."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import FunctionCache
from numba.core.compiler import Compiler
from numba.core.runtime.nrt import rtsys

log = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])


#: Environment variable by which worker processes know that the user has been told.
_TOLD = "WFC3TVB_TOLD_OF_CACHE"


class _NoAliasCompiler(Compiler):
    """Numba's compiler with the assumption that arrays do not overlap, without which it uses no vector instructions."""

    def define_pipelines(self) -> Any:
        self.state.flags.noalias = True
        return super().define_pipelines()


class _ObjectCodeCache(FunctionCache):
    """Numba's cache on disk, searched before numba prepares to compile.

    The preparation takes a quarter of a second (it imports SciPy) and is not needed for cached code.
    Numba compares the file of the function alone; here a change to any file of its package makes cached code stale,
    because a kernel contains the code of the kernels that it calls.
    """

    def __init__(self, py_func: Callable[..., Any]) -> None:
        super().__init__(py_func)
        package = Path(py_func.__code__.co_filename).parent
        self._cache_file._source_stamp = self._impl.locator.get_source_stamp(), source_state(_room(package))

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        rtsys.initialize(target_context)  # counts references to arrays
        with self._guard_against_spurious_io_errors():
            found = self._load_overload(sig, target_context)
            if found is not None:
                return found
        return super().load_overload(sig, target_context)

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):  # disk full: this process still has the code, the next one compiles it again
            super().save_overload(sig, data)


def _room(folder: Path) -> Path:
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


def compiled(function: F) -> F:
    """Compile a kernel on its first call; operations keep their order and their rounding.

    Groups of arrays are passed as a NamedTuple, which numba splits into its members.
    """
    return _cached(function)


def vectorized(function: F) -> F:
    """Compile a loop over the elements of arrays so that one instruction works on many pixels.

    The arrays, those in NamedTuples included, must not share memory.
    """
    return _cached(function, pipeline_class=_NoAliasCompiler)


def _cached(function: F, **options: Any) -> F:
    dispatcher = numba.njit(nogil=True, error_model="numpy", fastmath=False, **options)(function)
    try:
        dispatcher._cache = _ObjectCodeCache(function)
    except RuntimeError:  # no writable folder for the cache: every process compiles
        _say_that_nothing_is_cached()
    return cast(F, dispatcher)


@cache
def _say_that_nothing_is_cached() -> None:
    """Say why the program is slow to start; of several worker processes, only the first says it."""
    if _TOLD not in os.environ and multiprocessing.current_process().name in ("MainProcess", "LokyProcess-1"):
        os.environ[_TOLD] = "1"
        log.warning(
            "compiled code cannot be kept, because no folder for it can be written, so every process compiles it again "
            "(up to 40 s); set NUMBA_CACHE_DIR to a folder that you can write"
        )
