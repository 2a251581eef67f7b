"""Correct nonlinearity and flag saturation (NLINCORR; WFC3 Data Handbook 3.3.6; WFC3 ISR 2008-39, 2014-17)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.calibration.bands import Band, Work
from wfc3tvb.calibration.model import ZerothSignal
from wfc3tvb.system.compiled import compiled, vectorized

_ZEROSIG, _SATURATED = np.int16(2048), np.int16(256)
_NONE, _ONE = np.int16(0), np.float32(1)


def apply(work: Work, band: Band) -> None:
    """Correct a band of the reads and count saturated pixels."""
    ramp, reference = work.ramp, work.references.linearity
    if reference is not None:
        found, width = work.n_saturated[band.number, 2:], band.light.x1 - band.light.x0
        scratch = Scratch(np.empty(width, np.float32), np.empty(width, np.float64), np.zeros(width, np.float32),
                          np.zeros(width, np.bool_))  # fmt: skip
        correct_nonlinearity(ramp.sci, ramp.dq, reference, work.signal, band, found, scratch)


class Scratch(NamedTuple):
    """Room for a row: the polynomial and the power of the signal, and a signal that is zero and not seen."""

    factor: NDArray[np.float32]
    power: NDArray[np.float64]
    no_signal: NDArray[np.float32]
    not_seen: NDArray[np.bool_]


@compiled
def correct_nonlinearity(sci, dq, reference, signal, band, n_saturated, scratch):
    """Correct all reads: ``SCI = v (1 + c0 + c1 v + c2 v**2 + c3 v**3) - z`` with ``v = SCI + z``; flag saturation.

    Pixels flagged as saturated stay as they are; those above their saturation level are flagged, from that read on.

    Parameters
    ----------
    sci, dq : ndarray, shape (reads, ny, nx), float32 and int16
        The reads [DN] and their flags; changed.
    reference : Linearity
        Coefficients, saturation level, flags.
    signal : ZerothSignal
        Signal z in the zeroth read; not used for the zeroth read itself. Zeros where ZSIGCORR was not done.
    band : Band
        Light-sensitive pixels are corrected; in all pixels saturation is carried to the next read.
    n_saturated : ndarray, shape (reads,), int64
        Filled: pixels that are saturated.
    scratch : Scratch
        Overwritten.
    """
    light, whole = band.light, band.full
    x0, x1 = light.x0, light.x1
    factor, power, no_signal, not_seen = scratch
    for k in range(sci.shape[0]):
        n_saturated[k] = 0
        for y in range(light.y0, light.y1):
            own = k, y, slice(x0, x1)
            z, found = (signal.level[y, x0:x1], signal.seen[y, x0:x1]) if k > 0 else (no_signal, not_seen)
            _begin(factor, power)
            for i in range(reference.coef.shape[0]):
                _add_term(sci[own], z, reference.coef[i, y, x0:x1], factor, power)
            n_saturated[k] += _correct(
                sci[own], dq[own], ZerothSignal(z, found), factor, reference.node[y, x0:x1], reference.dq[y, x0:x1]
            )
        if k + 1 < sci.shape[0]:
            for y in range(whole.y0, whole.y1):
                _carry(dq[k, y, whole.x0 : whole.x1], dq[k + 1, y, whole.x0 : whole.x1])


@vectorized
def _begin(factor, power):
    for x in range(factor.size):
        factor[x], power[x] = _ONE, 1.0


@vectorized
def _add_term(sci, signal, coef, factor, power):
    """Add a term of the polynomial: the sum is kept in single precision, the power of the signal in double."""
    for x in range(sci.size):
        factor[x] = np.float32(np.float64(factor[x]) + np.float64(coef[x]) * power[x])
        power[x] *= np.float64(sci[x] + signal[x])


@vectorized
def _correct(sci, dq, signal, factor, node, ref_dq):
    """Correct a row and return how many of its pixels are saturated."""
    (level, seen), n_saturated = signal, 0
    for x in range(sci.size):
        flags = dq[x] | ref_dq[x] | (_ZEROSIG if seen[x] else _NONE)
        before = flags & _SATURATED != 0
        s, z = sci[x], level[x]
        v = s + z
        above = v > node[x]
        sci[x] = v * factor[x] - z if (v <= node[x]) & (not before) else s
        dq[x] = flags | (_SATURATED if above else _NONE)
        n_saturated += 1 if before | above else 0
    return n_saturated


@vectorized
def _carry(dq, following):
    for x in range(dq.size):
        following[x] |= dq[x] & _SATURATED
