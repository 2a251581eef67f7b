"""The reads of an exposure, shared among threads: the kernels that look at their pixels leave Python's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_THREADS = 2

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Copy:
    """A plane to be copied: where to, the stored values (or the one that all pixels have), their BSCALE and BZERO."""

    target: NDArray[Any]
    stored: Any
    scale: float = 1.0
    zero: float = 0.0

    def __call__(self) -> None:
        """Copy it."""
        if np.ndim(self.stored) == 0 or (self.scale, self.zero) == (1, 0):
            self.target[...] = self.stored
        elif self.scale == 1:
            np.add(self.stored, np.float32(self.zero), out=self.target, casting="unsafe")
        else:
            self.target[...] = self.stored.astype(np.float32) * np.float32(self.scale) + np.float32(self.zero)


def copy_all(copies: Iterable[Copy]) -> None:
    """Make copies, in threads."""
    in_threads(lambda copy: copy(), copies)


def in_threads(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Return what a function returns for each item, worked on in threads."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(function, items))


#: Pixels of a read from which on a second thread gains more than it costs to wake it.
_MANY = 300_000


def for_each(work: Callable[[int], T], n: int, *, threads: int, n_pixels: int) -> list[T]:
    """Return what `work` makes of 0 to n - 1, in order.

    Parameters
    ----------
    work : callable
        Takes the number of a read.
    n : int
        Number of reads.
    threads : int
        Threads at most; each takes its share at once.
    n_pixels : int
        Pixels of a read. With few, one thread is faster than two.
    """
    if threads < 2 or n_pixels < _MANY:
        return [work(i) for i in range(n)]
    with ThreadPoolExecutor(threads) as pool:
        shares = list(pool.map(lambda k: [work(i) for i in range(k, n, threads)], range(threads)))
    return [shares[i % threads][i // threads] for i in range(n)]
