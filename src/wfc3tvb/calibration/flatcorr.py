"""UNITCORR and FLATCORR: counts to rates, rates to electrons (WFC3 Data Handbook 3.3.9, 3.3.11)."""

from __future__ import annotations

import numpy as np

from wfc3tvb.system.compiled import compiled, vectorized


@compiled
def divide_by_time(sci, err, times, window):
    """Make rates of reads: ``SCI /= t; ERR /= t``; 0 where t is 0 (UNITCORR).

    Parameters
    ----------
    sci, err : ndarray, shape (reads, ny, nx), float32
        The reads and their errors [DN]; changed [DN/s].
    times : ndarray, shape (reads,), float32
        Times since the zeroth read [s].
    window : Window
        Where to work.
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
    """Multiply reads and their errors by a number: the zeroth read's rate, and the gain.

    Parameters
    ----------
    sci, err : ndarray, shape (reads, ny, nx), float32
        The reads and their errors; changed.
    factor : float32
        The number.
    window : Window
        Where to work.
    """
    for k in range(sci.shape[0]):
        for y in range(window.y0, window.y1):
            _multiply(sci[k, y, window.x0 : window.x1], err[k, y, window.x0 : window.x1], factor)


@vectorized
def _multiply(sci, err, factor):
    for x in range(sci.size):
        sci[x] *= factor
        err[x] *= factor


@compiled
def divide_by_flat(sci, err, dq, flat, flat_err, flat_dq, window, y_offset, x_offset):
    """Divide by the flat: ``SCI /= F; ERR = sqrt(ERR**2 / F**2 + SCI**2 F_ERR**2 / F**4); DQ |= F_DQ`` (FLATCORR).

    Where the flat is 0, signal and error become 0.

    Parameters
    ----------
    sci, err, dq : ndarray, shape (reads, ny, nx), float32, float32, int16
        Images, their errors, their flags; changed.
    flat, flat_err, flat_dq : ndarray, shape (my, mx), float32, float32, int16
        Flat field.
    window : Window
        Where to work.
    y_offset, x_offset : int
        Pixel of the flat that belongs to pixel (0, 0) of the images.
    """
    x0, x1 = window.x0, window.x1
    for k in range(sci.shape[0]):
        for y in range(window.y0, window.y1):
            own, its = (k, y, slice(x0, x1)), (y + y_offset, slice(x0 + x_offset, x1 + x_offset))
            _divide_by_flat(sci[own], err[own], dq[own], flat[its], flat_err[its], flat_dq[its])


@vectorized
def _divide_by_flat(sci, err, dq, flat, flat_err, flat_dq):
    zero = np.float32(0)
    for x in range(sci.size):
        f, ef, s, e = flat[x], flat_err[x], sci[x], err[x]
        f2 = f * f
        error = np.sqrt((e * e) / f2 + (((s * s) * ef) * ef) / (f2 * f2))
        err[x] = zero if f == 0 else error
        sci[x] = zero if f == 0 else s / f
        dq[x] |= flat_dq[x]
