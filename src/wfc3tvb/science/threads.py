"""The reads of an exposure, shared among threads: the kernels that look at their pixels leave Python's lock."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
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
