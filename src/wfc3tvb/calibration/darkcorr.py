"""Subtract the dark of every read (DARKCORR; WFC3 Data Handbook 3.3.7)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np

from wfc3tvb.calibration.bands import Band, Work
from wfc3tvb.calibration.model import Dark, Imset
from wfc3tvb.calibration.rows import row_of
from wfc3tvb.system.compiled import compiled, vectorized

#: Flags of the dark that keep a pixel out of MEANDARK.
_BAD = np.int16(956)
_THREADS = 2


def apply(work: Work, band: Band) -> None:
    """Subtract the dark from a band of every read."""
    ramp, reference = work.ramp, work.references.dark
    if reference is None:
        return
    y0, y1 = band.light.y0, band.light.y1
    for k in range(ramp.n):
        dark = Imset(*(planes.rows(k, y0, y1) for planes in (reference.sci, reference.err, reference.dq)))
        subtract_dark(Imset(ramp.sci[k], ramp.err[k], ramp.dq[k]), dark, band.light)


@compiled
def subtract_dark(read, dark, window):
    """Subtract the dark of a read: ``SCI -= D; ERR = sqrt(ERR**2 + D_ERR**2); DQ |= D_DQ``.

    Parameters
    ----------
    read : Imset, shape (ny, nx)
        The read [DN]; changed.
    dark : Imset, shape (rows of the window, nx)
        Dark that was exposed as long [DN].
    window : Window
        Where to work.
    """
    columns = slice(window.x0, window.x1)
    for y in range(window.y0, window.y1):
        _subtract(row_of(read, (y, columns)), row_of(dark, (y - window.y0, columns)))


@vectorized
def _subtract(read, dark):
    (sci, err, dq), (dark_sci, dark_err, dark_dq) = read, dark
    for x in range(sci.size):
        e, d = err[x], dark_err[x]
        err[x] = np.sqrt(e * e + d * d)
        sci[x] -= dark_sci[x]
        dq[x] |= dark_dq[x]


@lru_cache(maxsize=1)
def means(dark: Dark) -> tuple[float, ...]:
    """Return the mean of the dark of every read [DN]; it is kept for the next exposure of a batch."""
    with ThreadPoolExecutor(_THREADS) as pool:
        numbers = range(len(dark.sci.stored))
        return tuple(pool.map(lambda k: float(mean_dark(dark.sci[k], dark.dq[k], dark.light)), numbers))


@compiled
def mean_dark(dark_sci, dark_dq, window):
    """Return the mean of the dark's good pixels [DN]: the keyword MEANDARK; 0 where there are none.

    Parameters
    ----------
    dark_sci, dark_dq : ndarray, shape (ny, nx), float32 and int16
        Dark of one read.
    window : Window
        Where to average.
    """
    total, n = 0.0, 0
    values = np.empty(window.x1 - window.x0, np.float64)
    for y in range(window.y0, window.y1):
        n += _good_values(dark_sci[y, window.x0 : window.x1], dark_dq[y, window.x0 : window.x1], values)
        for x in range(values.size):  # one after the other, as calwf3 adds them
            total += values[x]
    return np.float32(total / n) if n else np.float32(0)


@vectorized
def _good_values(sci, dq, values):
    """Fill the values of a row's good pixels, 0 for the others; return how many are good."""
    n = 0
    for x in range(sci.size):
        good = (dq[x] & _BAD == 0) & np.isfinite(sci[x])
        values[x] = np.float64(sci[x]) if good else 0.0
        n += 1 if good else 0
    return n
