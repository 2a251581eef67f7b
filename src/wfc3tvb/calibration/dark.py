"""DARKCORR: dark current (WFC3 Data Handbook 3.3.8)."""

from __future__ import annotations

import numpy as np

from wfc3tvb.calibration.compiled import compiled, lanewise

#: Flags of the dark that keep a pixel out of MEANDARK.
_BAD = np.int16(956)


@compiled
def subtract_dark(sci, err, dq, dark_sci, dark_err, dark_dq, window):
    """Subtract the dark of every read: ``SCI -= D; ERR = sqrt(ERR**2 + D_ERR**2); DQ |= D_DQ``.

    Parameters
    ----------
    sci, err, dq : ndarray, shape (reads, ny, nx), float32, float32, int16
        The reads and their errors [DN], their flags; changed.
    dark_sci, dark_err, dark_dq : ndarray, shape (reads, ny, nx), float32, float32, int16
        Dark that was exposed as long [DN].
    window : Window
        Where to work.
    """
    for k in range(sci.shape[0]):
        for y in range(window.y0, window.y1):
            own = k, y, slice(window.x0, window.x1)
            _subtract(sci[own], err[own], dq[own], dark_sci[own], dark_err[own], dark_dq[own])


@lanewise
def _subtract(sci, err, dq, dark_sci, dark_err, dark_dq):
    for x in range(sci.size):
        e, d = err[x], dark_err[x]
        err[x] = np.sqrt(e * e + d * d)
        sci[x] -= dark_sci[x]
        dq[x] |= dark_dq[x]


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
    for y in range(window.y0, window.y1):
        for x in range(window.x0, window.x1):
            if dark_dq[y, x] & _BAD == 0 and np.isfinite(dark_sci[y, x]):
                total += np.float64(dark_sci[y, x])
                n += 1
    return np.float32(total / n) if n else np.float32(0)
