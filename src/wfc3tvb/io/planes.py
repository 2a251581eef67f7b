"""Planes of files into arrays of this machine's byte order, several at once: the copies do not hold Python's lock."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_THREADS = 2


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
        else:
            self.target[...] = self.stored.astype(np.float32) * np.float32(self.scale) + np.float32(self.zero)


def copy_all(copies: Iterable[Copy]) -> None:
    """Make copies, in threads."""
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(lambda copy: copy(), copies))
