"""What an intermediate file must say to be believed: filter, start, times, units, and pixels that are numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.errors import BadFileError, MissingKeywordError
from wfc3tvb.io.imaheaders import PlaneHeader
from wfc3tvb.names import IR_FILTERS

#: WFC3 was installed in May 2009; no exposure can be later than the year 2105 [MJD].
_FIRST, _LAST = 54900.0, 90000.0
_UNITS = ("ELECTRONS/S", "ELECTRONS", "COUNTS/S", "COUNTS")


def check_keywords(
    primary: Mapping[str, Any], sci: Sequence[PlaneHeader], times: NDArray[np.float64], path: Path
) -> None:
    """Raise an error unless what an exposure says of filter, start, units and times can be true.

    Parameters
    ----------
    primary : mapping
        Keywords of the primary header.
    sci : sequence of PlaneHeader
        Its SCI planes in time order, the zeroth read left out.
    times : ndarray, shape (n,), float64
        SAMPTIME of each [s].
    path : Path
        What messages call the file.

    Raises
    ------
    MissingKeywordError, BadFileError
        The message names the keyword.
    """
    if primary.get("NAXIS", 0) != 0:
        raise BadFileError(path, "its primary header claims to hold an image", "fetch it again")
    for keyword in ("FILTER", "EXPSTART"):
        if keyword not in primary:
            raise MissingKeywordError(path, keyword)
    if str(primary["FILTER"]).strip().upper() not in (*IR_FILTERS, "BLANK"):  # which is that of darks
        raise BadFileError(path, f"FILTER is {primary['FILTER']!r}, no filter of WFC3/IR", "fetch it again")
    start = primary["EXPSTART"]
    if not isinstance(start, int | float) or not _FIRST < start < _LAST:
        raise BadFileError(path, f"EXPSTART is {start!r}, no date of WFC3", "fetch it again")
    for plane in sci:
        unit = str(plane.keywords.get("BUNIT", ""))
        if unit.upper() not in _UNITS:
            version = int(plane.keywords.get("EXTVER", 1))
            raise BadFileError(path, f"SCI,{version} is in {unit!r}, not in electrons or counts", "fetch it again")
    if not (np.diff(times, prepend=0.0) > 0).all() or not math.isfinite(times[-1]):
        raise BadFileError(path, "SAMPTIME does not increase from read to read", "fetch it again")


def check_pixels(rates: NDArray[Any], path: Path) -> None:
    """Raise `BadFileError` where the middle row of a read (of shape (n, ny, nx)) holds no number at all."""
    middle = rates[:, rates.shape[1] // 2]
    empty = ~np.isfinite(middle).any(axis=1)
    if empty.any():
        n = int(np.argmax(empty)) + 1
        raise BadFileError(path, f"the pixels of read {n} are no numbers (NaN or infinite)", "fetch it again")
