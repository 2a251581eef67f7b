"""Share the reads of an exposure among threads; the kernels that work on their pixels release the GIL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_THREADS = 2

#: BZERO of unsigned 16-bit integers.
_ZERO_OF_UNSIGNED = 32768

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Copy:
    """A plane to be copied: target, stored values (or one value for all pixels), BSCALE and BZERO."""

    target: NDArray[Any]
    stored: Any
    scale: float = 1.0
    zero: float = 0.0

    def __call__(self) -> None:
        """Copy the plane."""
        if np.ndim(self.stored) == 0 or (self.scale, self.zero) == (1, 0):
            self.target[...] = self.stored
        elif self.scale == 1 and self.stored.dtype.kind == "i" and self.zero == _ZERO_OF_UNSIGNED:
            np.add(self.stored, np.float32(self.zero), out=self.target, casting="unsafe")  # exact, and fast
        else:
            self.target[...] = scaled(self.stored, self.scale, self.zero)


def scaled(stored: NDArray[Any], scale: float, zero: float) -> NDArray[np.float32]:
    """Return scaled values: computed in double precision, rounded once, as cfitsio does."""
    return (stored.astype(np.float64) * scale + zero).astype(np.float32)


def copy_all(copies: Iterable[Copy]) -> None:
    """Copy planes in threads."""
    in_threads(lambda copy: copy(), copies)


def in_threads(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Return the results of a function for all items, computed in threads."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(function, items))


#: Pixels of a read above which a second thread gains more than it costs to start it.
_MANY = 300_000


def for_each(work: Callable[[int], T], n: int, *, threads: int, n_pixels: int) -> list[T]:
    """Return the results of `work` for 0 to n - 1, in order.

    Parameters
    ----------
    work : callable
        Takes the index of a read.
    n : int
        Number of reads.
    threads : int
        Most threads to use; each takes an equal share of the reads.
    n_pixels : int
        Pixels of a read. With few, one thread is faster than two.
    """
    if threads < 2 or n_pixels < _MANY:
        return [work(i) for i in range(n)]
    with ThreadPoolExecutor(threads) as pool:
        shares = list(pool.map(lambda k: [work(i) for i in range(k, n, threads)], range(threads)))
    return [shares[i % threads][i // threads] for i in range(n)]
