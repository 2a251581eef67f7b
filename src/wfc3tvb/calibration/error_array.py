"""The error of a read before any correction (WFC3 Data Handbook 3.3.5; always done)."""

from __future__ import annotations

import math

import numpy as np

from wfc3tvb.system.compiled import compiled, vectorized


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
    """Give reads their errors.

    Parameters
    ----------
    sci, err : ndarray, shape (reads, ny, nx), float32
        Signal and error [DN]; `err` is filled.
    amplifiers : tuple
        As `poisson_and_read_noise`.
    window : Window
        Where to work.
    """
    gain, readnoise, split_y, split_x = amplifiers
    middle = min(max(split_x, window.x0), window.x1)
    for k in range(sci.shape[0]):
        for y in range(window.y0, window.y1):
            left, right = (1, 2) if y < split_y else (0, 3)
            for a, x0, x1 in ((left, window.x0, middle), (right, middle, window.x1)):
                _errors(sci[k, y, x0:x1], err[k, y, x0:x1], gain[a], readnoise[a])


@vectorized
def _errors(sci, err, gain, readnoise):
    square = np.float64(readnoise * readnoise)
    for x in range(sci.size):
        err[x] = np.float32(math.sqrt(square + np.float64(abs(sci[x] * gain)))) / gain
