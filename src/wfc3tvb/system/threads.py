"""Share the reads of an exposure among threads; the kernels that work on their pixels release the GIL."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition
from typing import TypeVar

_THREADS = 2
#: Threads of which each still gains: more wait for each other, for memory or for the disk.
_MOST = 4

T = TypeVar("T")
R = TypeVar("R")


def usable_threads() -> int:
    """Return the number of threads that are of use on this machine, where the user gives none."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_MOST, cores)


class Turns:
    """Lets threads end their pieces of work in the order of the pieces' numbers, 0 the first.

    Each number must be begun, in any thread, before the next one is.
    """

    def __init__(self) -> None:
        self._next, self._changed = 0, Condition()

    @contextmanager
    def last(self, number: int, action: Callable[[], object]) -> Iterator[None]:
        """Run the body at once, then an action when it is this number's turn; not the action if the body fails."""
        done = False
        try:
            yield
            done = True
        finally:
            with self._changed:
                self._changed.wait_for(lambda: self._next == number)
            try:
                if done:
                    action()
            finally:
                with self._changed:
                    self._next += 1
                    self._changed.notify_all()


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
