"""State of an exposure during the calibration, and the bands of rows that the steps work on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from wfc3tvb.calibration.model import (
    Float32Array,
    Image,
    Quadrants,
    Ramp,
    ReferenceData,
    Switches,
    Window,
    ZerothSignal,
)
from wfc3tvb.calibration.reference_pixels import reference_pixels, resistant_mean

#: Rows of a band, few enough that all reads of a band fit into the processor's cache.
_BAND = 8


class Work:
    """State of an exposure during the calibration: the arrays that all bands share, and the steps' parameters.

    Parameters
    ----------
    ramp : Ramp
        The reads; changed.
    references : ReferenceData
        Reference data that the switches require.
    switches : Switches
        Steps to be done.
    """

    def __init__(self, ramp: Ramp, references: ReferenceData, switches: Switches) -> None:
        self.ramp, self.references, self.switches = ramp, references, switches
        self.light = references.overscan.window(ramp.shape)
        self.signal = ZerothSignal(np.zeros(ramp.shape, np.float32), np.zeros(ramp.shape, np.bool_))
        self.sci0, self.dq0 = np.empty(ramp.shape, np.float32), np.empty(ramp.shape, np.int16)
        self.levels = np.zeros(0, np.float32)
        if switches.blevcorr:
            self.levels = np.array([_level(read, references) for read in ramp.sci], np.float32)
        self.first_kept_error = _first_given_error(ramp, self.light)
        ny, nx = self.light.y1 - self.light.y0, self.light.x1 - self.light.x0
        self.image = Image(
            np.zeros((ny, nx), np.float32), np.zeros((ny, nx), np.float32), np.zeros((ny, nx), np.int16),
            np.zeros((ny, nx), np.int16), np.zeros((ny, nx), np.float32),
        )  # fmt: skip
        self.n_saturated = np.zeros((-(-ramp.shape[0] // _BAND), 2 + ramp.n), np.int64)
        self.n_unstable = np.zeros(self.n_saturated.shape[0], np.int64)
        self.time = ramp.time - ramp.time[0] if switches.zoffcorr else ramp.time.copy()

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
    for number, y0 in enumerate(range(0, ny, _BAND)):
        y1 = min(y0 + _BAND, ny)
        inner = Window(min(max(y0, light.y0), light.y1), max(min(y1, light.y1), light.y0), light.x0, light.x1)
        yield Band(number, Window(y0, y1, 0, nx), inner)


def _level(read: Float32Array, references: ReferenceData) -> np.float32:
    return resistant_mean(reference_pixels(read, references.overscan))


def _first_given_error(ramp: Ramp, light: Window) -> int:
    """Return the first read that has an error array already; from it on errors are kept unchanged."""
    for k, err in enumerate(ramp.err):
        if np.any(err[light.y0 : light.y1, light.x0 : light.x1]):
            return k
    return ramp.n
