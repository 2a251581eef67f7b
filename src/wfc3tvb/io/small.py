"""Small pictures of exposures: an FLT, or the last read of an IMA, in blocks."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from astropy.io import fits
from matplotlib.image import imsave
from numpy.typing import NDArray

from wfc3tvb.errors import NotFitsError
from wfc3tvb.names import BORDER

#: Pixels on a side, at most.
SIDE = 128


def read_small(path: Path, side: int = SIDE) -> NDArray[np.float32]:
    """Read an image and take the median of square blocks, so that hot pixels and cosmic rays do not matter.

    Parameters
    ----------
    path : Path
        An FLT, or an IMA: its last read, without the reference pixels.
    side : int, optional
        Pixels on a side, at most.

    Returns
    -------
    ndarray, shape (ny, nx), float32
        In the file's unit.

    Raises
    ------
    NotFitsError
        If it is no such file, or cut short.
    """
    try:
        with fits.open(path, memmap=False, lazy_load_hdus=True) as hdus:
            pixels = hdus["SCI", 1].data
    except (OSError, KeyError, IndexError, TypeError, ValueError) as error:
        raise NotFitsError(path, f"not the WFC3 file expected ({error})", "fetch it again") from error
    if pixels is None or pixels.ndim != 2:
        raise NotFitsError(path, "its first image has no pixels", "fetch it again")
    inner = pixels[BORDER:-BORDER, BORDER:-BORDER] if path.name.partition(".")[0].endswith("_ima") else pixels
    block = max(1, -(-max(inner.shape) // side))
    ny, nx = (n // block for n in inner.shape)
    blocks = inner[: ny * block, : nx * block].reshape(ny, block, nx, block)
    return np.asarray(np.median(blocks, axis=(1, 3)), np.float32)


def as_png(image: NDArray[np.float32]) -> bytes:
    """Return a small picture as PNG, grey, from 3 standard deviations below the sky to 8 above."""
    low, center, high = np.nanpercentile(image, [15.9, 50.0, 84.1]) if np.isfinite(image).any() else (0.0, 0.0, 1.0)
    spread = max((high - low) / 2, 1e-6)
    buffer = BytesIO()
    shown = np.nan_to_num(image, nan=float(center))
    imsave(buffer, shown, cmap="gray", vmin=center - 3 * spread, vmax=center + 8 * spread, format="png", origin="lower")
    return buffer.getvalue()
