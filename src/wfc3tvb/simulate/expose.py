"""Simulate the reads of one exposure: light, charge, counts.

The chain of a read, in order: photons through the flat field, dark current and cosmic rays make charge; the
amplifier's gain makes linear counts; the pixel's nonlinearity and full well make measured ones; the super zero
read, the reset noise of the pixel, an offset common to all pixels and the read noise are added; the converter rounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.simulate.detector import Detector, Image
from wfc3tvb.simulate.sky_models import Sky, scattered_pattern
from wfc3tvb.simulate.timing import zeroth_read_time

Float64Array = NDArray[np.float64]

#: Cosmic rays per second on the full frame (WFC3 Instrument Handbook, section 7.9.2: 11 +- 1.5).
COSMIC_RAYS = 11.0
_FULL_AREA = 1014**2
#: Reset noise of a pixel [electron]; scatter of a read's common offset, and its drift over an exposure [DN].
_RESET_NOISE, _OFFSET_NOISE, _OFFSET_DRIFT = 15.0, 1.5, 8.0
_CONVERTER_MAX = 65535
#: Median charge of a cosmic ray [electron], and the standard deviation of its logarithm.
_RAY_CHARGE, _RAY_SPREAD = 1500.0, 0.65
#: Longest track [pixel], and the chance that a track ends with each pixel.
_RAY_LONGEST, _RAY_END = 6, 0.45
#: Width of a satellite's trail, as the standard deviation of its profile [pixel].
_TRAIL_WIDTH = 1.8


@dataclass(frozen=True)
class Trail:
    """A satellite crossing the field in one read.

    Attributes
    ----------
    read : int
        The interval that ends with this read, 1 to NSAMP - 1.
    electrons : float
        Charge on the crest.
    start, end : tuple of float
        Where it enters and leaves: (x, y) as fractions of the frame's edge.
    """

    read: int
    electrons: float = 2500.0
    start: tuple[float, float] = (0.0, 0.2)
    end: tuple[float, float] = (1.0, 0.75)


@dataclass(frozen=True)
class Reads:
    """Reads of the detector, and the number of cosmic rays.

    Attributes
    ----------
    counts : ndarray, shape (nsamp, raw, raw), uint16
        In time order, the zeroth first [DN].
    cosmic_rays : ndarray, shape (nsamp - 1,), int64
        Events in each interval.
    saturated : int
        Light-sensitive pixels above the saturation level in the last read.
    hit : ndarray of bool, shape (raw, raw)
        Pixels that a cosmic ray hit.
    """

    counts: NDArray[np.uint16]
    cosmic_rays: NDArray[np.int64]
    saturated: int
    hit: NDArray[np.bool_]


@dataclass(frozen=True)
class Light:
    """Light that reaches the detector during an exposure.

    Attributes
    ----------
    sources : ndarray, shape (raw, raw)
        Light of stars and galaxies [electron/s].
    sky : Sky
        Level of each interval.
    filter : str
        Which flat field it passes.
    trail : Trail or None
        A satellite.
    cosmic_rays : float
        Events per second on a full frame's area.
    """

    sources: Image
    sky: Sky
    filter: str
    trail: Trail | None = None
    cosmic_rays: float = COSMIC_RAYS


def expose(detector: Detector, light: Light, times: Float64Array, rng: np.random.Generator) -> Reads:
    """Simulate the reads of an exposure.

    Parameters
    ----------
    detector : Detector
        The pixels.
    light : Light
        Light that falls on the detector.
    times : ndarray, shape (nsamp,)
        Time of every read since the zeroth [s].
    rng : Generator
        Source of all noise.
    """
    shape, nsamp = detector.gain.shape, len(times)
    response, _ = detector.response(light.filter)
    response = np.where(detector.light, response, np.float32(0))
    pattern = scattered_pattern(detector.frame)
    base = detector.zero + _RESET_NOISE / detector.gain * rng.standard_normal(shape, np.float32)
    offsets = _common_offsets(rng, times)
    charge = np.zeros(shape, np.float32)
    counts = np.empty((nsamp, *shape), np.uint16)
    events, hit = np.zeros(nsamp - 1, np.int64), np.zeros(shape, bool)
    for k in range(nsamp):
        interval = max(k - 1, 0)
        duration = zeroth_read_time(times) if k == 0 else times[k] - times[k - 1]
        flux = light.sources + light.sky.uniform[interval] + light.sky.scattered[interval] * pattern
        charge += rng.poisson((flux * response + detector.dark) * np.float32(duration))
        if k:
            before = charge.copy()
            events[k - 1] = add_cosmic_rays(charge, detector, light.cosmic_rays * duration, rng)
            hit |= charge != before
            if light.trail and light.trail.read == k:
                charge += rng.poisson(trail_image(light.trail, shape[0]) * detector.light)
        measured = detector.measured(charge / detector.gain)
        noise = detector.read_noise / detector.gain * rng.standard_normal(shape, np.float32)
        counts[k] = np.clip(np.rint(measured + base + offsets[k] + noise), 0, _CONVERTER_MAX)
    saturated = int(np.count_nonzero((measured > detector.saturation)[detector.frame.inner]))
    return Reads(counts, events, saturated, hit)


def _common_offsets(rng: np.random.Generator, times: Float64Array) -> Float64Array:
    """Return the offset of each read [DN] that all pixels share, reference pixels too: a drift, and noise."""
    drift = _OFFSET_DRIFT * rng.standard_normal() * times / times[-1]
    return np.asarray(drift + _OFFSET_NOISE * rng.standard_normal(len(times)))


def add_cosmic_rays(charge: Image, detector: Detector, expected: float, rng: np.random.Generator) -> int:
    """Add to `charge`, in place, the cosmic rays of one interval, and return their number.

    Each leaves a straight track of one to six pixels, over which its charge is spread.

    Parameters
    ----------
    charge : ndarray, shape (raw, raw)
        Charge of the pixels [electron].
    detector : Detector
        Whose light-sensitive pixels are hit.
    expected : float
        Mean number of events on the area of a full frame.
    rng : Generator
        Source of noise.
    """
    frame_size = detector.frame.light
    n = int(rng.poisson(expected * frame_size**2 / _FULL_AREA))
    y, x = rng.uniform(0, frame_size, (2, n))
    angle = rng.uniform(0, 2 * np.pi, n)
    length = rng.geometric(_RAY_END, n).clip(1, _RAY_LONGEST)
    energy = _RAY_CHARGE * rng.lognormal(0, _RAY_SPREAD, n)
    view = charge[detector.frame.inner]
    for step in range(_RAY_LONGEST):
        on = length > step
        row = (y[on] + step * np.sin(angle[on])).astype(int)
        column = (x[on] + step * np.cos(angle[on])).astype(int)
        inside = (row >= 0) & (row < frame_size) & (column >= 0) & (column < frame_size)
        np.add.at(view, (row[inside], column[inside]), (energy[on] / length[on])[inside].astype(np.float32))
    return n


def trail_image(trail: Trail, size: int) -> Float64Array:
    """Return the mean charge of a satellite's trail on a frame of `size` x `size` pixels [electron]."""
    (x0, y0), (x1, y1) = trail.start, trail.end
    y, x = np.mgrid[:size, :size] / size
    distance = ((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) / np.hypot(x1 - x0, y1 - y0) * size
    return np.asarray(trail.electrons * np.exp(-0.5 * (distance / _TRAIL_WIDTH) ** 2))
