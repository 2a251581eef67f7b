"""DQICORR, ZSIGCORR, the subtractions of BLEVCORR and ZOFFCORR (WFC3 Data Handbook 3.3.1 to 3.3.4)."""

from __future__ import annotations

import numpy as np

from wfc3tvb.calibration.error_array import poisson_and_read_noise
from wfc3tvb.system.compiled import compiled, vectorized

#: A signal is seen in the zeroth read when it stands this many errors above the super zero read.
_SIGNIFICANT = np.float32(4.0)
_ZEROSIG, _SATURATED = np.int16(2048), np.int16(256)


@compiled
def flag_bad_pixels(dq, bad_pixels, window):
    """Add the flags of the bad-pixel table to all reads: ``DQ |= BPIX`` (DQICORR).

    Parameters
    ----------
    dq : ndarray, shape (reads, ny, nx), int16
        Flags; changed.
    bad_pixels : ndarray, shape (ny, nx), int16
        Flags of the table.
    window : Window
        Where to work.
    """
    for k in range(dq.shape[0]):
        for y in range(window.y0, window.y1):
            _add_flags(dq[k, y, window.x0 : window.x1], bad_pixels[y, window.x0 : window.x1])


@vectorized
def _add_flags(dq, flags):
    for x in range(dq.size):
        dq[x] |= flags[x]


@compiled
def estimate_zeroth_signal(sci0, sci1, dq0, dq1, zsci, zerr, node, amplifiers, window, signal, seen):
    """Find the signal that sources left before the zeroth read (ZSIGCORR).

    ``z = SCI0 - ZSCI``; it counts where ``z >= 4 sqrt(noise(z)**2 + ZERR**2)`` and is added to the zeroth read, where
    it stays when ZOFFCORR subtracts that read as it was. A pixel above saturation in the zeroth read is flagged in both
    reads, one above it in the first read in that.

    Parameters
    ----------
    sci0, sci1 : ndarray, shape (ny, nx), float32
        Zeroth and first read, raw [DN]; `sci0` is changed.
    dq0, dq1 : ndarray, shape (ny, nx), int16
        Their flags; changed.
    zsci, zerr, node : ndarray, shape (ny, nx), float32
        Super zero read, its error, saturation level [DN] (NLINFILE).
    amplifiers : tuple
        As `noise.poisson_and_read_noise`.
    window : Window
        Where to work.
    signal, seen : ndarray, shape (ny, nx), float32 and bool
        Filled: the signal [DN], and whether one was seen.

    Returns
    -------
    n0, n1 : int
        Pixels saturated in the zeroth read, and in the first (those of the zeroth included).
    """
    n0 = n1 = 0
    for y in range(window.y0, window.y1):
        for x in range(window.x0, window.x1):
            z = sci0[y, x] - zsci[y, x]
            noise = poisson_and_read_noise(z, y, x, amplifiers)
            total = np.sqrt(noise * noise + zerr[y, x] * zerr[y, x])
            found = z >= _SIGNIFICANT * total
            if found:
                dq0[y, x] |= _ZEROSIG
            else:
                z = np.float32(0)
            if z > node[y, x]:
                dq0[y, x] |= _ZEROSIG | _SATURATED
                dq1[y, x] |= _SATURATED
                found = True
                n0 += 1
                n1 += 1
            elif sci1[y, x] - zsci[y, x] > node[y, x]:
                dq1[y, x] |= _SATURATED
                found = True
                n1 += 1
            sci0[y, x] += z
            signal[y, x] = z
            seen[y, x] = found
    return n0, n1


@compiled
def subtract_level(sci, levels, window):
    """Subtract the level of the reference pixels from every read: ``SCI -= level`` (BLEVCORR).

    Parameters
    ----------
    sci : ndarray, shape (reads, ny, nx), float32
        The reads [DN]; changed.
    levels : ndarray, shape (reads,), float32
        Their levels [DN].
    window : Window
        Where to work.
    """
    for k in range(sci.shape[0]):
        for y in range(window.y0, window.y1):
            _subtract(sci[k, y, window.x0 : window.x1], levels[k])


@vectorized
def _subtract(sci, level):
    for x in range(sci.size):
        sci[x] -= level


@compiled
def subtract_zeroth_read(sci, dq, sci0, dq0, window):
    """Subtract the zeroth read from all, and take over its flags: ``SCI -= SCI0; DQ |= DQ0`` (ZOFFCORR).

    Parameters
    ----------
    sci, dq : ndarray, shape (reads, ny, nx), float32 and int16
        The reads [DN] and their flags; changed.
    sci0, dq0 : ndarray, shape (ny, nx), float32 and int16
        The zeroth read as it was before ZSIGCORR, its level subtracted.
    window : Window
        Where to work.
    """
    for k in range(sci.shape[0]):
        for y in range(window.y0, window.y1):
            own = k, y, slice(window.x0, window.x1)
            _subtract_read(sci[own], dq[own], sci0[own[1:]], dq0[own[1:]])


@vectorized
def _subtract_read(sci, dq, sci0, dq0):
    for x in range(sci.size):
        sci[x] -= sci0[x]
        dq[x] |= dq0[x]
