"""How kernels are compiled: on first call, cached on disk, without the interpreter's lock and without fast-math."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a kernel on its first call; operations keep their order and their rounding."""
    made = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=False)(function)
    return cast(F, made)


class Window(NamedTuple):
    """Rows y0 to y1 and columns x0 to x1 (exclusive) of a frame."""

    y0: int
    y1: int
    x0: int
    x1: int
