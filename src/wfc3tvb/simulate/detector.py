"""Synthetic HgCdTe detector: maps of gain, noise, dark current, response and nonlinearity.

Levels follow the WFC3 Instrument Handbook (sections 5.7, 7.9: gain, read noise, dark, saturation, nonlinearity) and
the real CCDTAB (gains and read noises of the four amplifiers). Nothing is copied from a real reference file: maps are
drawn from a seed. A subarray is cut from the same full detector, so its pixels are those of the full frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from wfc3tvb.instrument import DQ, GAINS, READ_NOISES
from wfc3tvb.simulate.frame import FULL, Frame

Image = NDArray[np.float32]
Flags = NDArray[np.int16]

MEAN_GAIN = sum(GAINS.values()) / 4
#: Measured counts v become linear ones by v (1 + c2 v + c3 v^2 + c4 v^3); c2 varies by pixel, in DN.
NONLINEARITY = (7.5e-7, -4.2e-12, 8.5e-16)
#: Counts above the zeroth read at which a pixel is full, relative to the saturation level of the reference file.
FULL_WELL = 1.06
_DARK_RATE = 0.045
_ZERO_LEVEL, _BORDER_LEVEL = 14450.0, 180.0
_SATURATION = 35900.0


@dataclass(frozen=True)
class Detector:
    """The pixels of a frame; arrays of shape (raw, raw), reference pixels included.

    Attributes
    ----------
    seed : int
        Seed of the maps.
    frame : Frame
        Part of the detector.
    gain, read_noise : ndarray
        Of each pixel's amplifier [electron/DN], [electron]; the noise is that of one read.
    dark : ndarray
        Dark current [electron/s].
    zero : ndarray
        Level of the super zero read [DN].
    saturation : ndarray
        Saturation level [DN above zero].
    curvature : ndarray
        Factor on `NONLINEARITY`, near 1.
    flags : ndarray of int16
        Known bad pixels (`names.DQ`).
    """

    seed: int
    frame: Frame
    gain: Image
    read_noise: Image
    dark: Image
    zero: Image
    saturation: Image
    curvature: Image
    flags: Flags

    @property
    def light(self) -> NDArray[np.bool_]:
        """True where a pixel sees light, False for the reference pixels."""
        mask = np.zeros(self.gain.shape, bool)
        mask[self.frame.inner] = True
        return mask

    def response(self, name: str) -> tuple[Image, Flags]:
        """Return the relative response in a filter, mean 1, and the flags of blobs (a flat field's DQ)."""
        response, blobs = _full_response(self.seed, name)
        return response[self.frame.cut], blobs[self.frame.cut]

    def linear(self, counts: Image) -> Image:
        """Return the linear counts of measured ones [DN above reset], as NLINCORR computes them."""
        c2, c3, c4 = NONLINEARITY
        factor = 1 + self.curvature * counts * (c2 + counts * (c3 + counts * c4))
        return np.asarray(counts * factor, np.float32)

    def measured(self, linear: Image) -> Image:
        """Return the measured counts for linear counts [DN above reset]: the inverse of `linear`, up to full well.

        Newton's method; exact to 0.01 DN.
        """
        c2, c3, c4 = NONLINEARITY
        limit = self.saturation * np.float32(FULL_WELL)
        v = target = np.minimum(linear, self.linear(limit))
        for _ in range(4):
            slope = 1 + self.curvature * v * (2 * c2 + v * (3 * c3 + v * 4 * c4))
            v = v - (self.linear(v) - target) / slope
        return np.asarray(v, np.float32)


def make_detector(seed: int, frame: Frame) -> Detector:
    """Return the detector made from `seed`, cut to `frame` and bordered by reference pixels."""
    full = _full_detector(seed)
    names = set(Detector.__annotations__) - {"seed", "frame"}
    maps = {name: getattr(full, name)[frame.cut].copy() for name in names}
    border = np.ones((frame.raw, frame.raw), bool)
    border[frame.inner] = False
    maps["dark"][border] = 0
    maps["flags"][border] = 0
    # The same level for all: if it varied, calwf3's clipped mean of the reference pixels would jump by several DN.
    maps["zero"][border] = _ZERO_LEVEL + _BORDER_LEVEL
    maps["read_noise"][border] = np.median(maps["read_noise"])
    return Detector(seed=seed, frame=frame, **maps)


def quadrant_map(values: dict[str, float]) -> Image:
    """Return a full frame with the value of each pixel's amplifier: A upper left, B lower left, C, D right."""
    half = FULL // 2
    top = np.repeat([values["A"], values["D"]], half)
    bottom = np.repeat([values["B"], values["C"]], half)
    return np.repeat([bottom, top], half, axis=0).astype(np.float32)


@cache
def _full_detector(seed: int) -> Detector:
    """Return the full detector without reference pixels, which `make_detector` adds."""
    rng = np.random.default_rng((seed, 1))
    shape = (FULL, FULL)
    flags = _bad_pixels(rng)
    dark = _DARK_RATE * rng.lognormal(0, 0.15, shape)
    dark[flags & DQ.HOTPIX > 0] = 0.4 + rng.exponential(2.0, np.count_nonzero(flags & DQ.HOTPIX))
    dark[flags & DQ.WARMPIX > 0] = rng.uniform(0.15, 0.4, np.count_nonzero(flags & DQ.WARMPIX))
    zero = _ZERO_LEVEL + smooth_map(rng, 150) + 25 * rng.standard_normal(shape, np.float32)
    zero[flags & DQ.BADZERO > 0] += 2500
    noise = quadrant_map(READ_NOISES) / np.sqrt(2)
    noise[flags & DQ.UNSTABLE > 0] *= 5
    return Detector(
        seed=seed,
        frame=Frame(FULL),
        gain=quadrant_map(GAINS),
        read_noise=noise.astype(np.float32),
        dark=dark.astype(np.float32),
        zero=zero.astype(np.float32),
        saturation=(_SATURATION + smooth_map(rng, 800) + 300 * rng.standard_normal(shape, np.float32)),
        curvature=(1 + 0.01 * rng.standard_normal(shape, np.float32)),
        flags=flags,
    )


def _bad_pixels(rng: np.random.Generator) -> Flags:
    """Return flags at the rates of the real bad-pixel table: about 1.5 % of the pixels, without blobs."""
    rates = {DQ.DETECTORPROB: 0.004, DQ.BADZERO: 0.002, DQ.HOTPIX: 0.005, DQ.UNSTABLE: 0.003, DQ.WARMPIX: 0.002}
    flags = np.zeros((FULL, FULL), np.int16)
    draw = rng.random((FULL, FULL), np.float32)
    low = 0.0
    for flag, rate in rates.items():
        flags[(draw >= low) & (draw < low + rate)] = flag
        low += rate
    return flags


@cache
def _full_response(seed: int, name: str) -> tuple[Image, Flags]:
    """Return the response in a filter: large-scale structure, pixel-to-pixel scatter, dead pixels, blobs."""
    rng = np.random.default_rng((seed, 2, *name.encode()))
    pixels = np.random.default_rng((seed, 3)).standard_normal((FULL, FULL), np.float32)
    response = (1 + smooth_map(rng, 0.02)) * (1 + 0.008 * pixels)
    flags = _full_detector(seed).flags
    response[flags & DQ.DETECTORPROB > 0] *= 0.2
    blobs = np.zeros((FULL, FULL), np.int16)
    places = np.random.default_rng((seed, 4))
    y, x = np.ogrid[:FULL, :FULL]
    for cy, cx, radius in zip(*places.uniform(20, FULL - 20, (2, 18)), places.uniform(5, 9, 18), strict=True):
        distance = np.hypot(y - cy, x - cx) / radius
        response = response * (1 - 0.12 * np.exp(-(distance**4)))
        blobs[distance < 1] = DQ.BADFLAT
    return (response / response.mean()).astype(np.float32), blobs


def smooth_map(rng: np.random.Generator, amplitude: float) -> Image:
    """Return a smooth full-frame map of mean near 0 and the given standard deviation."""
    coarse = zoom(rng.standard_normal((8, 8)), FULL / 8, order=3)
    return np.asarray(coarse * (amplitude / coarse.std()), np.float32)
