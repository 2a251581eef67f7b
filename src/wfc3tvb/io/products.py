"""Pixels of calibrated products, for pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from wfc3tvb.errors import NotFitsError

#: DQ bits that do not make a sky pixel bad: small blemishes and the flags of the ramp fit are part of the picture.
_KEPT = 32 | 64 | 512 | 8192


def read_image(path: Path) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the image of an FLT or a drizzled product, and which pixels are good.

    Parameters
    ----------
    path : Path
        A file with SCI and DQ (FLT) or SCI and WHT (DRZ).

    Returns
    -------
    image : ndarray, shape (ny, nx)
        As in the file [electron/s].
    good : ndarray of bool, shape (ny, nx)
        Pixels with a value and without a flag that makes it bad.

    Raises
    ------
    NotFitsError
        If it is no such file.
    """
    try:
        with fits.open(path, memmap=False) as hdus:
            image = np.asarray(hdus["SCI", 1].data, np.float32)
            names = {hdu.name for hdu in hdus}
            good = hdus["WHT", 1].data > 0 if "WHT" in names else (hdus["DQ", 1].data & ~_KEPT) == 0
    except (OSError, KeyError) as error:
        raise NotFitsError(path, "no FLT or DRZ file that can be read") from error
    return image, np.asarray(good) & np.isfinite(image)
