"""Curve of an exposure as stored in the table `reads`, with its columns as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.models import Row
from wfc3tvb.score.sky import signal

Float64Array = NDArray[np.float64]


@dataclass(frozen=True)
class StoredCurve:
    """Columns of the rows of `reads` as arrays (NaN for null), and the used reads."""

    rows: Sequence[Row]
    used: NDArray[np.bool_]

    def __getitem__(self, name: str) -> Float64Array:
        """Return a column."""
        return column(self.rows, name)

    @property
    def dt(self) -> Float64Array:
        """Length of the intervals [s]."""
        return self["t_end"] - self["t_start"]

    @property
    def total(self) -> Float64Array:
        """Electrons since the zeroth read."""
        return signal(self.dt, self["rate"])


def column(reads: Sequence[Row], name: str) -> Float64Array:
    """Return a column of rows as floats, NaN for null."""
    return np.array([np.nan if row[name] is None else row[name] for row in reads], float)
