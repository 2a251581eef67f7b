"""Number of exposures that cover each pixel, from the context image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from wfc3tvb.fits.context_image import fraction_of_few


def write(path: Path, context: NDArray[np.int32] | None) -> Path:
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.zeros((10, 10), np.float32), name="SCI")]
    hdus += [] if context is None else [fits.ImageHDU(context, name="CTX")]
    fits.HDUList(hdus).writeto(path)
    return path


def test_a_mosaic_with_a_corner_of_two(tmp_path: Path) -> None:
    """Exposures 1 and 2 cover the frame, 3 all of it but a fifth; a tenth has none."""
    context = np.full((10, 10), 0b111, np.int32)
    context[:, :2] = 0b011
    context[:, 9] = 0
    assert fraction_of_few(write(tmp_path / "x_drz.fits", context)) == pytest.approx(20 / 90)


def test_more_than_32_exposures(tmp_path: Path) -> None:
    """The sign bit is exposure 32, and further exposures have a plane of their own."""
    context = np.zeros((2, 10, 10), np.int32)
    context[0] = np.iinfo(np.int32).min | 1
    context[1, :5] = 1
    assert fraction_of_few(write(tmp_path / "x_drz.fits", context)) == pytest.approx(0.5)


def test_without_a_context_image(tmp_path: Path) -> None:
    assert fraction_of_few(write(tmp_path / "x_drz.fits", None)) is None
