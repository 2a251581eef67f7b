"""Find the signal that is in the zeroth read already (ZSIGCORR; WFC3 Data Handbook 3.3.2)."""

from __future__ import annotations

import numpy as np

from wfc3tvb.calibration.bands import Band, Work
from wfc3tvb.calibration.error_array import poisson_and_read_noise
from wfc3tvb.system.compiled import compiled

#: A signal is seen in the zeroth read when it stands this many errors above the super zero read.
_SIGNIFICANT = np.float32(4.0)
_ZEROSIG, _SATURATED = np.int16(2048), np.int16(256)


def apply(work: Work, band: Band) -> None:
    """Find the signal of the zeroth read in a band, flag it, and count saturated pixels."""
    ramp, reference = work.ramp, work.references.linearity
    if reference is None or ramp.n < 2:
        return
    work.n_saturated[band.number, :2] = estimate_zeroth_signal(
        ramp.sci, ramp.dq, reference, work.quadrants, band.light, work.signal
    )


@compiled
def estimate_zeroth_signal(sci, dq, reference, quadrants, window, signal):
    """Find the signal that sources left before the zeroth read.

    ``z = SCI0 - ZSCI``; it counts where ``z >= 4 sqrt(noise(z)**2 + ZERR**2)`` and is added to the zeroth read, where
    it stays when ZOFFCORR subtracts that read as it was. A pixel above saturation in the zeroth read is flagged in
    the first two reads, one above it in the first read only in that.

    Parameters
    ----------
    sci : ndarray, shape (reads, ny, nx), float32
        The raw reads [DN]; the zeroth is changed, the first looked at.
    dq : ndarray, shape (reads, ny, nx), int16
        Flags; those of the first two reads are changed.
    reference : Linearity
        Super zero read, its error, saturation level.
    quadrants : Quadrants
        Gain and read noise of every pixel.
    window : Window
        Where to work.
    signal : ZerothSignal
        Filled.

    Returns
    -------
    n0, n1 : int
        Pixels saturated in the zeroth read, and in the first (those of the zeroth included).
    """
    zsci, zerr, node = reference.zsci, reference.zerr, reference.node
    sci0, sci1, dq0, dq1 = sci[0], sci[1], dq[0], dq[1]
    level, seen = signal
    n0 = n1 = 0
    for y in range(window.y0, window.y1):
        for x in range(window.x0, window.x1):
            z = sci0[y, x] - zsci[y, x]
            noise = poisson_and_read_noise(z, y, x, quadrants)
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
            level[y, x] = z
            seen[y, x] = found | (dq0[y, x] & _ZEROSIG != 0)  # flags of the input are carried to the reads, too
    return n0, n1
