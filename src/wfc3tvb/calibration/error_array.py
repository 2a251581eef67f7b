"""Give the reads their first error, from read noise and photons (WFC3 Data Handbook 3.3.5; always done)."""

from __future__ import annotations

import math

import numpy as np

from wfc3tvb.calibration.bands import Band, Work
from wfc3tvb.system.compiled import compiled, vectorized


def apply(work: Work, band: Band) -> None:
    """Give a band of the reads its errors; reads from the first that came with errors on keep theirs."""
    new = slice(0, work.first_kept_error)
    initialize_error(work.ramp.sci[new], work.ramp.err[new], work.quadrants, band.light)


@compiled
def poisson_and_read_noise(signal, y, x, quadrants):
    """Return the error of one pixel: ``sqrt(readnoise**2 + |signal| gain) / gain`` [DN].

    Parameters
    ----------
    signal : float32
        Signal [DN].
    y, x : int
        Where the pixel is.
    quadrants : Quadrants
        Gain and read noise of every pixel.
    """
    left = x < quadrants.split_x
    amplifier = (1 if left else 2) if y < quadrants.split_y else (0 if left else 3)
    g, r = quadrants.gain[amplifier], quadrants.readnoise[amplifier]
    variance = np.float64(r * r) + np.float64(abs(signal * g))
    return np.float32(math.sqrt(variance)) / g


@compiled
def initialize_error(sci, err, quadrants, window):
    """Give reads their errors.

    Parameters
    ----------
    sci, err : ndarray, shape (reads, ny, nx), float32
        Signal and error [DN]; `err` is filled.
    quadrants : Quadrants
        Gain and read noise of every pixel.
    window : Window
        Where to work.
    """
    gain, readnoise = quadrants.gain, quadrants.readnoise
    middle = min(max(quadrants.split_x, window.x0), window.x1)
    for k in range(sci.shape[0]):
        for y in range(window.y0, window.y1):
            left, right = (1, 2) if y < quadrants.split_y else (0, 3)
            for a, x0, x1 in ((left, window.x0, middle), (right, middle, window.x1)):
                _errors(sci[k, y, x0:x1], err[k, y, x0:x1], gain[a], readnoise[a])


@vectorized
def _errors(sci, err, gain, readnoise):
    square = np.float64(readnoise * readnoise)
    for x in range(sci.size):
        err[x] = np.float32(math.sqrt(square + np.float64(abs(sci[x] * gain)))) / gain
