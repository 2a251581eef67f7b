"""Compile kernels with numba: called where their object code is not kept yet, or can only be called through numba."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import compiler, types
from numba.core.caching import FunctionCache
from numba.core.runtime.nrt import rtsys

from wfc3tvb.system.numba_linking import plain
from wfc3tvb.system.object_code import Entry, callable_without_numba, room_of, source_state

log = logging.getLogger(__name__)

#: Environment variable by which worker processes know that the user has been told.
_TOLD = "WFC3TVB_TOLD_OF_CACHE"
#: Types of results as in `struct`.
_RESULTS = {types.int64: "q", types.float64: "d", types.float32: "f", types.none: ""}


class _NumbaCache(FunctionCache):
    """Numba's cache on disk, searched before numba prepares to compile.

    The preparation takes a quarter of a second (it imports SciPy) and is not needed for cached code.
    Numba compares the file of the function alone; here a change to any file of its package makes cached code stale,
    because a kernel contains the code of the kernels that it calls.
    """

    def __init__(self, py_func: Callable[..., Any]) -> None:
        super().__init__(py_func)
        package = Path(py_func.__code__.co_filename).parent
        self._cache_file._source_stamp = self._impl.locator.get_source_stamp(), source_state(room_of(package))

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


def dispatcher(function: Callable[..., Any], *, overlap: bool) -> Any:
    """Return a function as numba compiles and calls it.

    Parameters
    ----------
    function : callable
        The function.
    overlap : bool
        Whether its arrays may share memory.
    """
    made = plain(function, overlap=overlap)
    try:
        made._cache = _NumbaCache(function)
    except RuntimeError:  # no writable folder for the cache: every process compiles
        _say_that_nothing_is_cached()
    return made


def object_code(function: Callable[..., Any], arguments: tuple[Any, ...], *, overlap: bool) -> Entry:
    """Compile a function for arguments of these types; the code is empty if it can only be called through numba."""
    made = dispatcher(function, overlap=overlap)
    target = made.targetdescr
    flags: Any = compiler.Flags()
    target.options.parse_as_flags(flags, made.targetoptions)
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    found = compiler.compile_extra(
        target.typing_context, target.target_context, function, tuple(map(numba.typeof, arguments)), None, flags, {},
        pipeline_class=made._compiler.pipeline_class,
    )  # fmt: skip
    result = _result(found.signature.return_type)
    declared = [item.name for item in found.library._final_module.functions if item.is_declaration]
    needs = tuple(name for name in declared if not name.startswith("llvm."))
    if result is None or not all(map(callable_without_numba, needs)):
        return Entry("", "", (), b"")
    return Entry(found.fndesc.mangled_name, result, needs, found.library._get_compiled_object())


def _result(kind: Any) -> str | None:
    """Return the types of a kernel's results as in `struct`; None for types that are none of these."""
    codes = [_RESULTS.get(member) for member in getattr(kind, "types", (kind,))]
    return None if None in codes else "".join(map(str, codes))


@cache
def _say_that_nothing_is_cached() -> None:
    """Say why the program is slow to start; of several worker processes, only the first says it."""
    if _TOLD not in os.environ and multiprocessing.current_process().name in ("MainProcess", "LokyProcess-1"):
        os.environ[_TOLD] = "1"
        log.warning(
            "compiled code cannot be kept, because no folder for it can be written, so every process compiles it again "
            "(up to 20 s); set NUMBA_CACHE_DIR to a folder that you can write"
        )
