"""Light that is brighter on the left of the frame than on the right: scattered light, read by read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.curve.scattered_light import lowest_level
from wfc3tvb.score.cause_features import SIDED, SIDED_ERRORS

Float64Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Error of left minus right relative to that of the frame's rate: a fifth of the pixels is on each side.
_SIDE_NOISE = 3.0
#: Difference of reads that have the same level [electron/s].
_SAME = 0.03


@dataclass(frozen=True)
class Sides:
    """Change of left minus right from interval to interval.

    Attributes
    ----------
    change : ndarray, shape (n,)
        Left minus right above its lowest common level [electron/s]; 0 for reads that are not used.
    lit : ndarray of bool, shape (n,)
        Reads with significant scattered light.
    """

    change: Float64Array
    lit: Bools

    @property
    def reads(self) -> tuple[int, ...]:
        """The lit reads, numbered from 1."""
        return tuple(int(k) + 1 for k in np.flatnonzero(self.lit))

    def mean(self, dt: Float64Array, used: Bools) -> float:
        """Return left minus right of the whole exposure's image [electron/s]; 0 if no read is lit."""
        return float((self.change * dt)[used].sum() / dt[used].sum()) if self.lit.any() else 0.0


def find_sides(lr_diff: Float64Array, rate_err: Float64Array, used: Bools) -> Sides:
    """Find the reads with scattered light.

    A difference that is common to the reads comes from the flat field and sources. The lowest level that at least three
    reads share is taken for it, because scattered light only adds on the left, and may last for most of the exposure.

    Parameters
    ----------
    lr_diff : ndarray, shape (n,)
        Left minus right in each interval [electron/s]; NaN where not measured.
    rate_err : ndarray, shape (n,)
        Error of the frame's rate [electron/s].
    used : ndarray of bool, shape (n,)
        Reads of the curve that are used.
    """
    known = used & np.isfinite(lr_diff)
    error = _SIDE_NOISE * np.nan_to_num(rate_err, nan=np.inf)
    if not known.any():
        return Sides(np.zeros(used.size), np.zeros(used.size, bool))
    change = np.where(known, lr_diff - lowest_level(lr_diff[known], error[known], same=_SAME), 0.0)
    return Sides(change, known & (change > np.maximum(SIDED, SIDED_ERRORS * error)))
