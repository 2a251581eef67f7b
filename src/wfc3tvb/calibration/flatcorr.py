"""Divide by the flat field and convert DN to electrons (FLATCORR; WFC3 Data Handbook 3.3.11)."""

from __future__ import annotations

import numpy as np

from wfc3tvb.calibration.bands import Band, Work
from wfc3tvb.calibration.model import Imset, Window
from wfc3tvb.calibration.rows import row_of
from wfc3tvb.calibration.unitcorr import multiply
from wfc3tvb.system.compiled import compiled, vectorized


def apply(work: Work, band: Band) -> None:
    """Divide a band of the reads, and of the fitted image, by the flat, and multiply by the mean gain."""
    ramp, flat, gain = work.ramp, work.references.flat, work.references.amplifiers.mean_gain
    if flat is None:
        return
    divide_by_flat(Imset(ramp.sci, ramp.err, ramp.dq), flat, band.light, (0, 0))
    multiply(ramp.sci, ramp.err, gain, band.full)
    if work.switches.crcorr:
        image, light = work.image, work.light
        trimmed = Window(band.light.y0 - light.y0, band.light.y1 - light.y0, 0, light.x1 - light.x0)
        fitted = Imset(image.sci[None], image.err[None], image.dq[None])
        divide_by_flat(fitted, flat, trimmed, (light.y0, light.x0))
        multiply(fitted.sci, fitted.err, gain, trimmed)


@compiled
def divide_by_flat(images, flat, window, corner):
    """Divide by the flat: ``SCI /= F; ERR = sqrt(ERR**2 / F**2 + SCI**2 F_ERR**2 / F**4); DQ |= F_DQ``.

    Where the flat is 0, signal and error become 0.

    Parameters
    ----------
    images : Imset, shape (reads, ny, nx)
        Images; changed.
    flat : Flat, shape (my, mx)
        Flat field.
    window : Window
        Rows and columns to change.
    corner : (int, int)
        Row and column of the flat at pixel (0, 0) of the images.
    """
    x0, x1 = window.x0, window.x1
    for k in range(images.sci.shape[0]):
        for y in range(window.y0, window.y1):
            in_image, in_flat = (k, y, slice(x0, x1)), (y + corner[0], slice(x0 + corner[1], x1 + corner[1]))
            _divide_by_flat(row_of(images, in_image), row_of(flat, in_flat))


@vectorized
def _divide_by_flat(image, flat):
    (sci, err, dq), (flat_sci, flat_err, flat_dq), zero = image, flat, np.float32(0)
    for x in range(sci.size):
        f, ef, s, e = flat_sci[x], flat_err[x], sci[x], err[x]
        f2 = f * f
        error = np.sqrt((e * e) / f2 + (((s * s) * ef) * ef) / (f2 * f2))
        err[x] = zero if f == 0 else error
        sci[x] = zero if f == 0 else s / f
        dq[x] |= flat_dq[x]
