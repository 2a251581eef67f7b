"""UNITCORR, FLATCORR and PHOTCORR: counts to rates, rates to electrons, what a rate means (Data Handbook 3.3.9-11)."""

from __future__ import annotations

import numpy as np

from wfc3tvb.calibration.compiled import compiled


@compiled
def divide_by_time(sci, err, time, window):
    """Make rates of a read: ``SCI /= t; ERR /= t``; 0 where t is 0 (UNITCORR).

    Parameters
    ----------
    sci, err : ndarray, shape (ny, nx), float32
        A read and its error [DN]; changed [DN/s].
    time : float32
        Time since the zeroth read [s].
    window : Window
        Where to work.
    """
    for y in range(window.y0, window.y1):
        for x in range(window.x0, window.x1):
            sci[y, x] = sci[y, x] / time if time != 0 else np.float32(0)
            err[y, x] = err[y, x] / time if time != 0 else np.float32(0)


@compiled
def multiply(sci, err, factor, window):
    """Multiply a read and its error by a number: the zeroth read's rate, and the gain.

    Parameters
    ----------
    sci, err : ndarray, shape (ny, nx), float32
        A read and its error; changed.
    factor : float32
        The number.
    window : Window
        Where to work.
    """
    for y in range(window.y0, window.y1):
        for x in range(window.x0, window.x1):
            sci[y, x] *= factor
            err[y, x] *= factor


@compiled
def divide_by_flat(sci, err, dq, flat, flat_err, flat_dq, window, y_offset, x_offset):
    """Divide by the flat: ``SCI /= F; ERR = sqrt(ERR**2 / F**2 + SCI**2 F_ERR**2 / F**4); DQ |= F_DQ`` (FLATCORR).

    Where the flat is 0, signal and error become 0.

    Parameters
    ----------
    sci, err, dq : ndarray, shape (ny, nx), float32, float32, int16
        An image, its error, its flags; changed.
    flat, flat_err, flat_dq : ndarray, shape (my, mx), float32, float32, int16
        Flat field.
    window : Window
        Where to work.
    y_offset, x_offset : int
        Pixel of the flat that belongs to pixel (0, 0) of the image.
    """
    for y in range(window.y0, window.y1):
        for x in range(window.x0, window.x1):
            f, ef = flat[y + y_offset, x + x_offset], flat_err[y + y_offset, x + x_offset]
            if f == 0:
                sci[y, x] = err[y, x] = np.float32(0)
            else:
                s, e, f2 = sci[y, x], err[y, x], f * f
                err[y, x] = np.sqrt((e * e) / f2 + (((s * s) * ef) * ef) / (f2 * f2))
                sci[y, x] = s / f
            dq[y, x] |= flat_dq[y + y_offset, x + x_offset]


def photfnu(photflam: float, photplam: float) -> float:
    """Return PHOTFNU [Jy s / electron]: ``3.33564e4 PHOTFLAM PHOTPLAM**2`` (PHOTCORR).

    Parameters
    ----------
    photflam : float
        Inverse sensitivity [erg / cm2 / Angstrom / electron].
    photplam : float
        Pivot wavelength [Angstrom].
    """
    return float(np.float32(3.33564e4 * photflam * photplam * photplam))


def photmode(filter_name: str, expstart: float) -> str:
    """Return PHOTMODE, e.g. ``WFC3 IR F105W MJD#56298.7835``.

    Parameters
    ----------
    filter_name : str
        FILTER.
    expstart : float
        EXPSTART [MJD].
    """
    return f"WFC3 IR {filter_name} MJD#{expstart:.4f}"
