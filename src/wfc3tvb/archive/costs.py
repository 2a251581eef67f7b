"""Estimate requests and bytes of an exposure from its aperture, before any of it is fetched."""

from __future__ import annotations

import re

from wfc3tvb.config import BAND_ROWS, FAST_ROWS, MeasureSettings
from wfc3tvb.instrument import BORDER

#: Reads assumed for an exposure whose number of reads is unknown.
MOST_READS = 16
#: Ranges are used if they are less than this fraction of a file, and the file is larger than this [byte]; subarrays
#: of 256 are smaller.
_WORTH, _SMALL = 0.25, 16_000_000
#: Bytes of headers: all of an imset, those between the rows of two reads, and the first blocks of both files.
_IMSET, _BETWEEN, _FIRST = 23_040, 17_280, 83_520
_SUBARRAY = re.compile(r"64|128|256|512")


def ranges_pay(height: int, width: int, n_reads: float, rows: int) -> bool:
    """Return True if fetching `rows` rows of frames (border included) by ranges beats fetching the whole file."""
    whole = 10 * height * width * n_reads
    return whole >= _SMALL and 6 * rows * width * n_reads <= _WORTH * whole


def band_by_ranges(settings: MeasureSettings) -> tuple[int, bool]:
    """Return how many rows are fetched of a frame that is read by ranges, and whether they are the lowest ones."""
    if settings.rows is None and settings.fast:
        return FAST_ROWS, True
    return settings.rows or BAND_ROWS, False


def frame_size(aperture: str | None) -> int:
    """Return the width of an aperture's frames, border included [pixel]: ``IRSUB256`` has 266, ``IR`` 1024."""
    match = _SUBARRAY.search((aperture or "").replace("1024", ""))
    return int(match[0]) + 2 * BORDER if match else 1024


def cost_of(aperture: str | None, settings: MeasureSettings, n_reads: float = MOST_READS) -> tuple[float, float]:
    """Return the requests and bytes needed for an exposure, its support file included.

    Parameters
    ----------
    aperture : str or None
        As the archive lists it; None stands for a full frame.
    settings : MeasureSettings
        Number of rows, or whole frames.
    n_reads : float, optional
        Reads, the zeroth included; may be a mean.
    """
    side, (rows, lowest) = frame_size(aperture), band_by_ranges(settings)
    if settings.pstat or not ranges_pay(side, side, n_reads, rows):
        return 3, n_reads * (10 * side**2 + _IMSET) + _FIRST
    if lowest:  # one request for headers, reference rows and SCI rows, one for DQ rows
        return 2 * (n_reads - 1) + 4, (n_reads - 1) * ((6 * rows + 4 * BORDER) * side + _BETWEEN) + _FIRST
    return 3 * (n_reads - 1) + 4, (n_reads - 1) * (6 * rows * side + _BETWEEN) + _FIRST
