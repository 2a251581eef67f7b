"""Decorators that compile kernels: on the first call, cached on disk, releasing the GIL, without fast-math.

numba compiles a kernel once; its object code is kept, and later processes call it without importing numba, which takes
longer than the arithmetic of an exposure. A kernel that allocates memory needs numba's runtime and is called through
numba: kernels that must start fast take their scratch arrays as arguments.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable
from functools import cached_property, update_wrapper
from threading import RLock
from typing import Any, TypeVar, cast

import numpy as np

from wfc3tvb.system.object_code import Entry, address_of, entry_of, keep, made_by_one

F = TypeVar("F", bound=Callable[..., Any])
Kinds = tuple[Any, ...]

#: Bits of ``ndarray.flags.num``: both orders of the elements; what else the machine code depends on.
_C_ORDER, _F_ORDER, _ALIGNED_AND_WRITABLE = 0x1, 0x2, 0x500
#: Types of numbers that are passed to kernels; all others, addresses included, are 64-bit integers.
_NUMBERS = {"<f4": ctypes.c_float, "<f8": ctypes.c_double, "<i2": ctypes.c_int16, "<i4": ctypes.c_int32,
            "|b1": ctypes.c_bool, "float": ctypes.c_double, "bool": ctypes.c_bool}  # fmt: skip
#: What machine code made by numba returns: success, or success without a result.
_DONE = (0, -2)
_loading = RLock()


def compiled(function: F) -> F:
    """Compile a kernel on its first call; operations keep their order and their rounding.

    Groups of arrays are passed as a NamedTuple, which numba splits into its members.
    """
    return _kernel(function, overlap=True)


def vectorized(function: F) -> F:
    """Compile a loop over the elements of arrays so that one instruction works on many pixels.

    The arrays, those in NamedTuples included, must not share memory.
    """
    return _kernel(function, overlap=False)


def _kernel(function: F, *, overlap: bool) -> F:
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return function
    return cast(F, Kernel(function, overlap=overlap))


class Kernel:
    """Function that is compiled for the types of its arguments; call it with positional arguments.

    Parameters
    ----------
    function : callable
        The function, in the part of Python that numba compiles.
    overlap : bool
        Whether its arrays may share memory.
    """

    def __init__(self, function: Callable[..., Any], *, overlap: bool) -> None:
        self.function, self.overlap = function, overlap
        self._ready: dict[Kinds, Callable[[list[Any]], Any]] = {}
        self._needs_numba = False
        update_wrapper(self, function)

    @cached_property
    def dispatcher(self) -> Any:
        """The kernel as it is called through numba."""
        from wfc3tvb.system.numba_compiler import dispatcher

        return dispatcher(self.function, overlap=self.overlap)

    @cached_property
    def _linked(self) -> Any:
        """The kernel as numba compiles it into others."""
        from wfc3tvb.system.numba_linking import linked

        return linked(self.function, overlap=self.overlap)

    @property
    def _numba_type_(self) -> Any:
        """Type of the kernel in others that call it, by numba's protocol."""
        return self._linked._numba_type_

    @property
    def signatures(self) -> list[Any]:
        """Types of arguments that the kernel has been loaded or compiled for."""
        return list(self.dispatcher.signatures) if self._needs_numba else list(self._ready)

    def __call__(self, *arguments: Any) -> Any:
        """Call the machine code, loaded or compiled if need be."""
        if not self._needs_numba:
            kinds: list[Any] = []
            values: list[Any] = []
            _take_apart(arguments, kinds, values)
            key = tuple(kinds)
            ready = self._ready.get(key) or self._load(key, arguments)
            if ready is not None:
                return ready(values)
        return self.dispatcher(*arguments)

    def _load(self, key: Kinds, arguments: tuple[Any, ...]) -> Callable[[list[Any]], Any] | None:
        """Return the machine code for these types, None if only numba can call it; a new one is compiled and kept."""
        with _loading:
            entry = entry_of(self.function, key) or self._compile(key, arguments)
            address = address_of(entry) if entry.code else 0
            if not address:
                self._needs_numba = True
                return None
            ready = self._ready[key] = _callable(entry, key, address)
            return ready

    def _compile(self, key: Kinds, arguments: tuple[Any, ...]) -> Entry:
        """Compile the kernel for these types and keep its code, unless another process has just done so."""
        with made_by_one(self.function, key):
            if (entry := entry_of(self.function, key)) is None:
                from wfc3tvb.system.numba_compiler import object_code

                entry = object_code(self.function, arguments, overlap=self.overlap)
                keep(entry, self.function, key)
        return entry


def _take_apart(value: Any, kinds: list[Any], values: list[Any]) -> None:
    """Append the numbers by which numba passes a value to machine code, and the types that it was compiled for.

    An array is passed as owner (two addresses, none here), size, bytes of an element, address, shape, strides.
    """
    if isinstance(value, np.ndarray):
        flags = value.flags.num
        order = "C" if flags & _C_ORDER else "F" if flags & _F_ORDER else "A"
        kinds.append((value.dtype.str, value.ndim, order, flags & _ALIGNED_AND_WRITABLE))
        address = value.__array_interface__["data"][0]
        values += (0, 0, value.size, value.itemsize, address, *value.shape, *value.strides)
    elif isinstance(value, tuple):
        kinds.append((type(value).__name__, len(value)))
        for member in value:
            _take_apart(member, kinds, values)
    elif isinstance(value, np.generic):
        kinds.append("int" if isinstance(value, np.int64) else value.dtype.str)
        values.append(value.item())
    else:
        kinds.append(type(value).__name__)
        values.append(value)


def _callable(entry: Entry, key: Kinds, address: int) -> Callable[[list[Any]], Any]:
    """Return a function that calls machine code with the numbers of `_take_apart`; the GIL is released meanwhile."""
    types: list[Any] = [ctypes.c_void_p, ctypes.c_void_p]
    for kind in key:
        if isinstance(kind, str):
            types.append(_NUMBERS.get(kind, ctypes.c_int64))
        elif len(kind) == 4:
            types += [ctypes.c_int64] * (5 + 2 * kind[1])
    function = ctypes.CFUNCTYPE(ctypes.c_int32, *types)(address)
    result = struct.Struct(f"@{entry.result}")

    def call(values: list[Any]) -> Any:
        returned, error = ctypes.create_string_buffer(max(result.size, 8)), ctypes.c_void_p()
        if function(ctypes.addressof(returned), ctypes.addressof(error), *values) not in _DONE:
            raise RuntimeError(f"the kernel {entry.symbol} failed")
        found = result.unpack_from(returned)
        return found if len(found) > 1 else found[0] if found else None

    return call
