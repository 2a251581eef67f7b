"""How kernels are compiled: on first call, cached on disk, without the interpreter's lock and without fast-math."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numba.core.compiler import Compiler

F = TypeVar("F", bound=Callable[..., Any])


class _Apart(Compiler):
    """Numba's compiler, told that the arrays of a call do not overlap, as it must know to use vector instructions."""

    def define_pipelines(self) -> Any:
        self.state.flags.noalias = True
        return super().define_pipelines()


def compiled(function: F) -> F:
    """Compile a kernel on its first call; operations keep their order and their rounding."""
    made = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=False)(function)
    return cast(F, made)


def lanewise(function: F) -> F:
    """Compile a loop over the elements of rows that do not overlap: many pixels with one instruction."""
    made = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=False, pipeline_class=_Apart)(function)
    return cast(F, made)
