"""Estimate the requests and bytes of an exposure from its aperture, before anything of it is fetched."""

from __future__ import annotations

import re

from wfc3tvb.config import BAND_ROWS, MeasureSettings
from wfc3tvb.instrument import BORDER

#: Reads of an exposure of which nothing is known.
MOST_READS = 16
#: Ranges are worth while below this part of a file, and in files above this size (subarrays of 256 are below it).
_WORTH, _SMALL = 0.25, 16_000_000
#: Bytes of headers: of all of an imset, of those between the rows of two reads, and of both files' first blocks.
_IMSET, _BETWEEN, _FIRST = 23_040, 17_280, 83_520
_SUBARRAY = re.compile(r"64|128|256|512")


def ranges_pay(height: int, width: int, n_reads: float, rows: int) -> bool:
    """Say whether `rows` rows of frames with their border are better fetched by ranges than with the whole file."""
    whole = 10 * height * width * n_reads
    return whole >= _SMALL and 6 * rows * width * n_reads <= _WORTH * whole


def frame_size(aperture: str | None) -> int:
    """Return the pixels along a side of an aperture's frames, border included: ``IRSUB256`` has 266, ``IR`` 1024."""
    match = _SUBARRAY.search((aperture or "").replace("1024", ""))
    return int(match[0]) + 2 * BORDER if match else 1024


def cost_of(aperture: str | None, settings: MeasureSettings, n_reads: float = MOST_READS) -> tuple[float, float]:
    """Return the requests and bytes that an exposure takes, its support file included.

    Parameters
    ----------
    aperture : str or None
        As the archive lists it; where None, a full frame.
    settings : MeasureSettings
        How many rows, and whether whole frames are asked for.
    n_reads : float, optional
        Reads, the zeroth included; may be a mean.
    """
    side, rows = frame_size(aperture), settings.rows or BAND_ROWS
    if settings.pstat or not ranges_pay(side, side, n_reads, rows):
        return 3, n_reads * (10 * side**2 + _IMSET) + _FIRST
    return 3 * (n_reads - 1) + 4, (n_reads - 1) * (6 * rows * side + _BETWEEN) + _FIRST
