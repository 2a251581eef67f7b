"""Planes of files into arrays of this machine's byte order, several at once: the copies do not hold Python's lock."""

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
