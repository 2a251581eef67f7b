"""Subtract the dark of every read (DARKCORR; WFC3 Data Handbook 3.3.7)."""

from __future__ import annotations

import numpy as np

from wfc3tvb.calibration.bands import Band, Work
from wfc3tvb.calibration.model import Imset
from wfc3tvb.calibration.rows import row_of
from wfc3tvb.system.compiled import compiled, vectorized

#: Flags of the dark that keep a pixel out of MEANDARK.
_BAD = np.int16(956)


def apply(work: Work, band: Band) -> None:
    """Subtract the dark from a band of every read."""
    ramp, reference = work.ramp, work.references.dark
    if reference is None:
        return
    y0, y1 = work.y0 + band.light.y0, work.y0 + band.light.y1
    work.dark = Imset(*(planes.rows(y0, y1) for planes in (reference.sci, reference.err, reference.dq)))
    subtract_dark(Imset(ramp.sci, ramp.err, ramp.dq), work.dark, band.light)


@compiled
def subtract_dark(reads, dark, window):
    """Subtract the dark of every read: ``SCI -= D; ERR = sqrt(ERR**2 + D_ERR**2); DQ |= D_DQ``.

    Parameters
    ----------
    reads : Imset, shape (reads, ny, nx)
        The reads [DN]; changed.
    dark : Imset, shape (reads, rows of the window, nx)
        Dark that was exposed as long [DN].
    window : Window
        Where to work.
    """
    columns = slice(window.x0, window.x1)
    for k in range(reads.sci.shape[0]):
        for y in range(window.y0, window.y1):
            _subtract(row_of(reads, (k, y, columns)), row_of(dark, (k, y - window.y0, columns)))


@vectorized
def _subtract(read, dark):
    (sci, err, dq), (dark_sci, dark_err, dark_dq) = read, dark
    for x in range(sci.size):
        e, d = err[x], dark_err[x]
        err[x] = np.sqrt(e * e + d * d)
        sci[x] -= dark_sci[x]
        dq[x] |= dark_dq[x]


@compiled
def add_to_means(dark, columns, totals, counts, values):
    """Add rows of the dark to the sums of its good pixels, of which MEANDARK is the mean.

    Parameters
    ----------
    dark : Imset, shape (reads, rows, nx)
        The rows, which follow those added before: calwf3 adds one value after the other.
    columns : (int, int)
        First column to add, and the one after the last.
    totals, counts : ndarray, shape (reads,), float64 and int64
        Sums [DN] and numbers of good pixels; changed.
    values : ndarray, shape (columns,), float64
        Overwritten.
    """
    sci, _, dq = dark
    x0, x1 = columns
    for k in range(sci.shape[0]):
        total = totals[k]
        for y in range(sci.shape[1]):
            counts[k] += _good_values(sci[k, y, x0:x1], dq[k, y, x0:x1], values)
            for x in range(values.size):
                total += values[x]
        totals[k] = total


@vectorized
def _good_values(sci, dq, values):
    """Fill the values of a row's good pixels, 0 for the others; return how many are good."""
    n = 0
    for x in range(sci.size):
        good = (dq[x] & _BAD == 0) & np.isfinite(sci[x])
        values[x] = np.float64(sci[x]) if good else 0.0
        n += 1 if good else 0
    return n
