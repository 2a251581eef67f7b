"""Read the pixels of a plane as count rates or flags, from whatever numbers the file stores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.fits.blocks import Bytes
from wfc3tvb.fits.plane_headers import PlaneHeader

#: Types in which signal and flags are used: those that calwf3 writes, so that its files need no copy.
SIGNAL, FLAGS = ">f4", ">i2"


def plane_pixels(data: Bytes, plane: PlaneHeader, kind: str, band: slice) -> NDArray[Any]:
    """Return a band of rows of a plane.

    Parameters
    ----------
    data : Bytes
        The file.
    plane : PlaneHeader
        The plane's header.
    kind : str
        `SIGNAL` or `FLAGS`.
    band : slice
        The rows.

    Returns
    -------
    ndarray
        A view of the file's bytes where it stores numbers of this type without a scale, else a copy.
    """
    height, width = plane.shape
    first, last, _ = band.indices(height)
    if not plane.stored:
        return _as_kind(np.full((last - first, width), plane.number("PIXVALUE", 0)), kind)
    stored = data[slice(*plane.rows(first, last))].view(plane.dtype).reshape(last - first, width)
    if plane.scale == (1.0, 0.0) and "BLANK" not in plane.keywords:
        return stored if plane.dtype == kind else _as_kind(np.asarray(stored), kind)
    return _as_kind(_physical(np.asarray(stored), plane), kind)


def _physical(stored: NDArray[Any], plane: PlaneHeader) -> NDArray[Any]:
    """Return the pixels of a plane with BSCALE, BZERO or BLANK."""
    scale, zero = plane.scale
    with np.errstate(over="ignore", invalid="ignore"):
        values = stored * np.float64(scale) + zero
    if stored.dtype.kind == "f" or "BLANK" not in plane.keywords:  # floats have NaN for what is undefined
        return np.asarray(values)
    return np.where(stored == plane.number("BLANK"), np.nan, values)


def _as_kind(values: NDArray[Any], kind: str) -> NDArray[Any]:
    """Return values in the type of signal or flags; signal beyond float32 is infinite, flags keep their lower bits."""
    with np.errstate(over="ignore", invalid="ignore"):
        if kind == FLAGS and values.dtype.kind == "f":
            values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).astype(np.int64)
        return values.astype(kind)
