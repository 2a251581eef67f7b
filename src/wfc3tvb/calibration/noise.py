"""The error of a read before any correction (WFC3 Data Handbook 3.3.6; always done)."""

from __future__ import annotations

import math

import numpy as np

from wfc3tvb.calibration.compiled import compiled


@compiled
def poisson_and_read_noise(signal, y, x, amplifiers):
    """Return the error of one pixel: ``sqrt(readnoise**2 + |signal| gain) / gain`` [DN].

    Parameters
    ----------
    signal : float32
        Signal [DN].
    y, x : int
        Where the pixel is.
    amplifiers : tuple of (gain, readnoise, split_y, split_x)
        Gains [electron/DN] and read noises [electron] of the amplifiers A, B, C, D (float32), and the row and column
        at which the quadrants meet: B lower left, C lower right, A upper left, D upper right.
    """
    gain, readnoise, split_y, split_x = amplifiers
    left = x < split_x
    amplifier = (1 if left else 2) if y < split_y else (0 if left else 3)
    g, r = gain[amplifier], readnoise[amplifier]
    variance = np.float64(r * r) + np.float64(abs(signal * g))
    return np.float32(math.sqrt(variance)) / g


@compiled
def initialize_error(sci, err, amplifiers, window):
    """Give a read its error.

    Parameters
    ----------
    sci, err : ndarray, shape (ny, nx), float32
        Signal and error [DN]; `err` is filled.
    amplifiers : tuple
        As `poisson_and_read_noise`.
    window : Window
        Where to work.
    """
    for y in range(window.y0, window.y1):
        for x in range(window.x0, window.x1):
            err[y, x] = poisson_and_read_noise(sci[y, x], y, x, amplifiers)
