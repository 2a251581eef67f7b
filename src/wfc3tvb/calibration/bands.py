"""State of an exposure during the calibration, and the bands of rows that the steps work on."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import NamedTuple

import numpy as np

from wfc3tvb.calibration.model import (
    Image,
    Imset,
    Planes,
    Quadrants,
    Ramp,
    ReferenceData,
    Switches,
    Window,
    ZerothSignal,
)
from wfc3tvb.calibration.reference_pixels import reference_pixels, resistant_mean

#: Rows of a band: few enough for all reads to stay in the processor's caches, enough for Python not to matter.
BAND = 32


class Work:
    """State of an exposure, or of some of its rows, during the calibration, and the steps' parameters.

    Parameters
    ----------
    ramp : Ramp
        The reads; changed where they are arrays.
    references : ReferenceData
        Reference data that the switches require.
    switches : Switches
        Steps to be done.
    """

    def __init__(self, ramp: Ramp, references: ReferenceData, switches: Switches) -> None:
        self.ramp, self.references, self.switches = ramp, references, switches
        self.y0 = 0
        self.light = references.overscan.window(ramp.shape)
        self.levels = np.zeros(0, np.float32)
        if switches.blevcorr:
            self.levels = np.array([_level(ramp, k, references) for k in range(ramp.n)], np.float32)
        self.first_kept_error = _first_given_error(ramp, self.light)
        ny, nx = self.light.y1 - self.light.y0, self.light.x1 - self.light.x0
        self.image = Image(
            np.zeros((ny, nx), np.float32), np.zeros((ny, nx), np.float32), np.zeros((ny, nx), np.int16),
            np.zeros((ny, nx), np.int16), np.zeros((ny, nx), np.float32),
        )  # fmt: skip
        self.time = ramp.time - ramp.time[0] if switches.zoffcorr else ramp.time.copy()
        self._make_room()

    def _make_room(self) -> None:
        """Make the arrays that the steps hand to each other."""
        self.signal = ZerothSignal(np.zeros(self.ramp.shape, np.float32), np.zeros(self.ramp.shape, np.bool_))
        self.sci0, self.dq0 = np.empty(self.ramp.shape, np.float32), np.empty(self.ramp.shape, np.int16)
        bands = -(-self.ramp.shape[0] // BAND)
        self.n_saturated, self.n_unstable = np.zeros((bands, 2 + self.ramp.n), np.int64), np.zeros(bands, np.int64)
        self.dark: Imset | None = None

    def rows(self, y0: int, y1: int) -> Work:
        """Return the state of rows y0 to y1 (exclusive): copies of the reads, and the image's own rows."""
        part, light = copy(self), self.light
        part.ramp, part.references, part.y0 = self.ramp.rows(y0, y1), self.references.rows(y0, y1), self.y0 + y0
        top = max(min(y1, light.y1) - y0, 0)
        part.light = Window(min(max(light.y0 - y0, 0), y1 - y0, top), top, light.x0, light.x1)
        own = [min(max(y - light.y0, 0), light.y1 - light.y0) for y in (y0, y1)]
        part.image = self.image.rows(*own)
        part._make_room()
        return part

    @property
    def quadrants(self) -> Quadrants:
        """Gain and read noise of the amplifiers, and the point of the frame at which the quadrants meet."""
        a = self.references.amplifiers
        ltv1, ltv2 = self.ramp.ltv
        trimx, trimy = self.references.overscan.trimx[0], self.references.overscan.trimy[0]
        return Quadrants(a.gain, a.readnoise, a.ampy + ltv2 - trimy, a.ampx + ltv1 - trimx)

    @property
    def rates(self) -> bool:
        """True if the reads are rates when the ramp is fitted."""
        return self.ramp.unit.endswith("/S") or self.switches.unitcorr


class Band(NamedTuple):
    """Rows of a frame: all columns, and the light-sensitive part of them."""

    number: int
    full: Window
    light: Window


def bands_of(work: Work) -> Iterable[Band]:
    """Yield the bands of a frame."""
    (ny, nx), light = work.ramp.shape, work.light
    for number, y0 in enumerate(range(0, ny, BAND)):
        y1 = min(y0 + BAND, ny)
        inner = Window(min(max(y0, light.y0), light.y1), max(min(y1, light.y1), light.y0), light.x0, light.x1)
        yield Band(number, Window(y0, y1, 0, nx), inner)


def _level(ramp: Ramp, k: int, references: ReferenceData) -> np.float32:
    """Return the level of a read's reference pixels; only these are converted where the reads are left in the file."""
    if not isinstance(ramp.sci, Planes):
        return resistant_mean(reference_pixels(ramp.sci[k], references.overscan))
    return resistant_mean(ramp.sci.converted(reference_pixels(ramp.sci.stored[k], references.overscan)))


def _first_given_error(ramp: Ramp, light: Window) -> int:
    """Return the first read that has an error array already; from it on errors are kept unchanged."""
    for k in range(ramp.n):
        err = ramp.err.stored[k] if isinstance(ramp.err, Planes) else ramp.err[k]
        if (err.strides != (0, 0) or err.flat[0]) and np.any(err[light.y0 : light.y1, light.x0 : light.x1]):
            return k
    return ramp.n
