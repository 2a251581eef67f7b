"""Subtract the zeroth read from all reads (ZOFFCORR; WFC3 Data Handbook 3.3.4)."""

from __future__ import annotations

from wfc3tvb.calibration.bands import Band, Work
from wfc3tvb.system.compiled import compiled, vectorized


def keep_zeroth(work: Work, band: Band) -> None:
    """Copy a band of the zeroth read for ZOFFCORR, before ZSIGCORR changes it."""
    rows = slice(band.full.y0, band.full.y1)
    work.sci0[rows], work.dq0[rows] = work.ramp.sci[0, rows], work.ramp.dq[0, rows]


def apply(work: Work, band: Band) -> None:
    """Subtract the copy of the zeroth read from a band of every read, the zeroth included."""
    subtract_zeroth_read(work.ramp.sci, work.ramp.dq, work.sci0, work.dq0, band.full)


@compiled
def subtract_zeroth_read(sci, dq, sci0, dq0, window):
    """Subtract the zeroth read from all reads, and add its flags to theirs: ``SCI -= SCI0; DQ |= DQ0``.

    Parameters
    ----------
    sci, dq : ndarray, shape (reads, ny, nx), float32 and int16
        The reads [DN] and their flags; changed.
    sci0, dq0 : ndarray, shape (ny, nx), float32 and int16
        The zeroth read as it was before ZSIGCORR, its level subtracted.
    window : Window
        Rows and columns to change.
    """
    for k in range(sci.shape[0]):
        for y in range(window.y0, window.y1):
            row = k, y, slice(window.x0, window.x1)
            _subtract_read(sci[row], dq[row], sci0[row[1:]], dq0[row[1:]])


@vectorized
def _subtract_read(sci, dq, sci0, dq0):
    for x in range(sci.size):
        sci[x] -= sci0[x]
        dq[x] |= dq0[x]
