"""NLINCORR: the detector's nonlinearity and saturation (WFC3 Data Handbook 3.3.7; WFC3 ISR 2008-39, 2014-17)."""

from __future__ import annotations

import numpy as np

from wfc3tvb.calibration.compiled import compiled

_ZEROSIG, _SATURATED = np.int16(2048), np.int16(256)


@compiled
def correct_nonlinearity(sci, dq, coef, node, ref_dq, signal, seen, window):
    """Correct a read: ``SCI = v (1 + c0 + c1 v + c2 v**2 + c3 v**3) - z`` with ``v = SCI + z``, and flag saturation.

    Pixels flagged as saturated stay as they are; those above their saturation level are flagged.

    Parameters
    ----------
    sci, dq : ndarray, shape (ny, nx), float32 and int16
        A read [DN] and its flags; changed.
    coef : ndarray, shape (m, ny, nx), float32
        Coefficients.
    node : ndarray, shape (ny, nx), float32
        Saturation level [DN].
    ref_dq : ndarray, shape (ny, nx), int16
        Flags of the NLINFILE.
    signal, seen : ndarray, shape (ny, nx), float32 and bool
        Signal in the zeroth read [DN] and whether one was seen; zeros for the zeroth read itself and where ZSIGCORR
        was not done.
    window : Window
        Where to work.

    Returns
    -------
    int
        Pixels that are saturated.
    """
    n_saturated = 0
    for y in range(window.y0, window.y1):
        for x in range(window.x0, window.x1):
            flags = dq[y, x] | ref_dq[y, x]
            if seen[y, x]:
                flags |= _ZEROSIG
            v = sci[y, x] + signal[y, x]
            if flags & _SATURATED:
                n_saturated += 1
            elif v <= node[y, x]:
                factor, power = np.float32(1), 1.0
                for i in range(coef.shape[0]):
                    factor = np.float32(np.float64(factor) + np.float64(coef[i, y, x]) * power)
                    power *= np.float64(v)
                sci[y, x] = v * factor - signal[y, x]
            elif v > node[y, x]:
                flags |= _SATURATED
                n_saturated += 1
            dq[y, x] = flags
    return n_saturated


@compiled
def propagate_saturation(dq, following, window):
    """Flag in the following read what is saturated in this one.

    Parameters
    ----------
    dq, following : ndarray, shape (ny, nx), int16
        Flags of a read and of the one after it; the second is changed.
    window : Window
        Where to work.
    """
    for y in range(window.y0, window.y1):
        for x in range(window.x0, window.x1):
            following[y, x] |= dq[y, x] & _SATURATED
