"""Subtract the level of the reference pixels (BLEVCORR; WFC3 Data Handbook 3.3.3).

The levels need whole frames, so they are found before the bands are processed: see `reference_pixels`.
"""

from __future__ import annotations

from wfc3tvb.calibration.bands import Band, Work
from wfc3tvb.system.compiled import compiled, vectorized


def apply(work: Work, band: Band) -> None:
    """Subtract the level of each read from its band, and that of the zeroth read also from the copy of that read."""
    subtract_level(work.ramp.sci, work.levels, band.full)
    subtract_level(work.sci0[None], work.levels[:1], band.full)


@compiled
def subtract_level(sci, levels, window):
    """Subtract the level of the reference pixels from every read: ``SCI -= level``.

    Parameters
    ----------
    sci : ndarray, shape (reads, ny, nx), float32
        The reads [DN]; changed.
    levels : ndarray, shape (reads,), float32
        Their levels [DN].
    window : Window
        Rows and columns to change.
    """
    for k in range(sci.shape[0]):
        for y in range(window.y0, window.y1):
            _subtract(sci[k, y, window.x0 : window.x1], levels[k])


@vectorized
def _subtract(sci, level):
    for x in range(sci.size):
        sci[x] -= level
