"""Convert counts to rates (UNITCORR; WFC3 Data Handbook 3.3.9)."""

from __future__ import annotations

import numpy as np

from wfc3tvb.calibration.bands import Band, Work
from wfc3tvb.system.compiled import compiled, vectorized


def apply(work: Work, band: Band) -> None:
    """Divide a band of the reads by their times, and the zeroth read by its own exposure time."""
    ramp = work.ramp
    multiply(ramp.sci[:1], ramp.err[:1], np.float32(1.0 / ramp.sampzero), band.light)
    divide_by_time(ramp.sci[1:], ramp.err[1:], work.time[1:], band.light)


@compiled
def divide_by_time(sci, err, times, window):
    """Convert reads to rates: ``SCI /= t; ERR /= t``; 0 if t is 0.

    Parameters
    ----------
    sci, err : ndarray, shape (reads, ny, nx), float32
        The reads and their errors [DN]; changed [DN/s].
    times : ndarray, shape (reads,), float32
        Times since the zeroth read [s].
    window : Window
        Rows and columns to change.
    """
    for k in range(sci.shape[0]):
        for y in range(window.y0, window.y1):
            for plane in (sci, err):
                row = plane[k, y, window.x0 : window.x1]
                if times[k] != 0:
                    _divide(row, times[k])
                else:
                    row[:] = np.float32(0)


@vectorized
def _divide(row, time):
    for x in range(row.size):
        row[x] /= time


@compiled
def multiply(sci, err, factor, window):
    """Multiply reads and their errors by a factor, such as the gain.

    Parameters
    ----------
    sci, err : ndarray, shape (reads, ny, nx), float32
        The reads and their errors; changed.
    factor : float32
        The factor.
    window : Window
        Rows and columns to change.
    """
    for k in range(sci.shape[0]):
        for y in range(window.y0, window.y1):
            _multiply(sci[k, y, window.x0 : window.x1], err[k, y, window.x0 : window.x1], factor)


@vectorized
def _multiply(sci, err, factor):
    for x in range(sci.size):
        sci[x] *= factor
        err[x] *= factor
