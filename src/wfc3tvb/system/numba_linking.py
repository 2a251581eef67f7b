"""Compile kernels that others call only as far as those need it, in half the time.

Of every function that a kernel calls, numba also makes a wrapper for Python and machine code of its own. The kernel has
neither in it: it is made from the functions' intermediate code, of which LLVM makes machine code once, for the whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba.core import compiler
from numba.core.codegen import JITCodeLibrary

#: Release of numba that lets its code libraries be replaced in this way; another one compiles as it is used to.
_RELEASE = "0.68."

#: What numba is told of every kernel: the rules of floating-point arithmetic are kept.
_OPTIONS: Any = {"nogil": True, "error_model": "numpy", "fastmath": False}


class _NoAliasCompiler(compiler.Compiler):
    """Numba's compiler with the assumption that arrays do not overlap, without which it uses no vector instructions."""

    def define_pipelines(self) -> Any:
        """Return numba's steps, after the assumption is noted."""
        self.state.flags.noalias = True
        return super().define_pipelines()


class _Environments:
    """Stands for the code generator where numba tells it a function's objects of Python; kernels have none."""

    def set_env(self, name: str, environment: Any) -> None:
        """Ignore them."""


class _LinkedLibrary(JITCodeLibrary):
    """Code of one function, which is not loaded but goes into that of others."""

    @property
    def codegen(self) -> Any:
        """What numba tells of the function's objects of Python."""
        return _Environments()

    def get_pointer_to_function(self, name: str) -> int:
        """Return 0: there is no machine code."""
        return 0

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


class _LinkedCompiler(compiler.Compiler):
    """Numba's compiler for a function that only others call."""

    def define_pipelines(self) -> Any:
        """Return numba's steps, which put the code into our library."""
        self.state.library = _LinkedLibrary(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
        return super().define_pipelines()


class _LinkedNoAliasCompiler(_LinkedCompiler, _NoAliasCompiler):
    """The same for arrays that do not overlap."""


def plain(function: Callable[..., Any], *, overlap: bool) -> Any:
    """Return a function for numba to compile as it is used to, for Python and for others; parameters as in `linked`."""
    return numba.njit(**_OPTIONS, pipeline_class=compiler.Compiler if overlap else _NoAliasCompiler)(function)


def linked(function: Callable[..., Any], *, overlap: bool) -> Any:
    """Return a function for numba to compile into others; it cannot be called from Python.

    Parameters
    ----------
    function : callable
        The function.
    overlap : bool
        Whether its arrays may share memory.
    """
    if not numba.__version__.startswith(_RELEASE):
        return plain(function, overlap=overlap)
    pipeline = _LinkedCompiler if overlap else _LinkedNoAliasCompiler
    without: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(**_OPTIONS, **without, pipeline_class=pipeline)(function)
