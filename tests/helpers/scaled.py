"""Rewrite planes of an exposure as stored numbers with BSCALE and BZERO, their pixels unchanged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits


def store_scaled(path: Path, name: str, scale: float, zero: float) -> None:
    """Store every plane `name` of a file as ``(pixel - zero) / scale``, in the same type."""
    with fits.open(path, mode="update", memmap=False, do_not_scale_image_data=True) as hdus:
        for hdu in hdus:
            if hdu.name == name and hdu.data is not None:
                hdu.data = ((hdu.data.astype(float) - zero) / scale).astype(hdu.data.dtype)
                hdu.header["BSCALE"], hdu.header["BZERO"] = scale, zero
    with fits.open(path) as hdus:
        assert all(np.asarray(hdu.data).dtype.kind in "fiu" for hdu in hdus if hdu.name == name)
