"""Flag the pixels of the bad-pixel table (DQICORR; WFC3 Data Handbook 3.3.1)."""

from __future__ import annotations

from wfc3tvb.calibration.bands import Band, Work
from wfc3tvb.system.compiled import compiled, vectorized


def apply(work: Work, band: Band) -> None:
    """Add the flags of the bad-pixel table to all reads of a band, reference pixels included."""
    if work.references.bad_pixels is not None:
        flag_bad_pixels(work.ramp.dq, work.references.bad_pixels, band.full)


@compiled
def flag_bad_pixels(dq, bad_pixels, window):
    """Add the flags of the bad-pixel table to all reads: ``DQ |= BPIX``.

    Parameters
    ----------
    dq : ndarray, shape (reads, ny, nx), int16
        Flags; changed.
    bad_pixels : ndarray, shape (ny, nx), int16
        Flags of the table.
    window : Window
        Rows and columns to change.
    """
    for k in range(dq.shape[0]):
        for y in range(window.y0, window.y1):
            _add_flags(dq[k, y, window.x0 : window.x1], bad_pixels[y, window.x0 : window.x1])


@vectorized
def _add_flags(dq, flags):
    for x in range(dq.size):
        dq[x] |= flags[x]
