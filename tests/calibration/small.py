"""A small ramp whose answer is computed by hand, and one step of the calibration run over it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.calibration.bands import Work, bands_of
from wfc3tvb.calibration.model import Amplifiers, Calibrated, Imset, Overscan, Ramp, ReferenceData, Switches
from wfc3tvb.calibration.run import calibrate_bands
from wfc3tvb.calibration.steps import STEPS

Float32Array = NDArray[np.float32]

#: Reads, rows and columns of the frame: five reference pixels on every side.
N, NY, NX = 4, 18, 16
LIGHT = slice(5, NY - 5), slice(5, NX - 5)
OVERSCAN = Overscan((5, 5), (5, 5), (1, 4), (NX - 3, NX))
#: Gains and read noises of the amplifiers A, B, C, D; the quadrants meet off the middle of the frame.
GAIN = np.array([2.5, 2.25, 2.375, 2.4], np.float32)
READ_NOISE = np.array([20, 19, 21, 18], np.float32)
AMPLIFIERS = Amplifiers(GAIN, READ_NOISE, ampx=7, ampy=11)
SAMPTIME = np.array([0.0, 2.5, 102.5, 202.5])

_NAMES = (
    "dqicorr", "keep_zeroth", "zsigcorr", "blevcorr", "zoffcorr", "error_array", "nlincorr", "darkcorr", "unitcorr",
    "crcorr", "flatcorr",
)  # fmt: skip
_STEPS = dict(zip(_NAMES, (step for _, step in STEPS), strict=True))


def images(seed: int, low: float, high: float, n: int = N) -> Float32Array:
    """Return frames of random numbers, shape (n, NY, NX)."""
    return np.random.default_rng(seed).uniform(low, high, (n, NY, NX)).astype(np.float32)


def plane(value: float) -> Float32Array:
    """Return a frame of one value."""
    return np.full((NY, NX), value, np.float32)


def no_flags(*shape: int) -> NDArray[np.int16]:
    """Return flags that are all zero, by default of all reads."""
    return np.zeros(shape or (N, NY, NX), np.int16)


def ramp(sci: Float32Array | None = None, **given: Any) -> Ramp:
    """Return a ramp: flat at 0 without errors and flags, where nothing else is given."""
    cube = np.zeros((N, NY, NX), np.float32) if sci is None else sci.copy()
    times = SAMPTIME[: len(cube)]
    made: dict[str, Any] = {
        "err": np.zeros_like(cube), "dq": no_flags(*cube.shape), "time": times.astype(np.float32), "samptime": times,
    }  # fmt: skip
    made |= {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in given.items()}
    return Ramp(cube, **made)


def work_of(ramp: Ramp, switches: Switches | None = None, **references: Any) -> Work:
    """Return a ramp laid out for the steps, with these references."""
    data = ReferenceData(**({"amplifiers": AMPLIFIERS, "overscan": OVERSCAN} | references))
    return Work(ramp, data, switches or Switches())


def run(work: Work, *names: str) -> Work:
    """Run steps over all bands, one after the other."""
    for name in names:
        for band in bands_of(work):
            _STEPS[name](work, band)
    return work


def calibrated(work: Work, *, threads: int = 1) -> tuple[Calibrated, Imset]:
    """Return the result of the steps that the switches ask for, and the reads as they are stored."""
    made = Imset(*(np.full(work.ramp.sci.shape, -1, kind) for kind in (np.float32, np.float32, np.int16)))

    def store(y0: int, reads: Imset) -> None:
        for planes, rows in zip(made, reads, strict=True):
            planes[:, y0 : y0 + rows.shape[1]] = rows

    return calibrate_bands(work, store=store, threads=threads), made


def outside(cube: NDArray[Any]) -> NDArray[Any]:
    """Return the reference pixels of every read, in one row."""
    border = np.ones(cube.shape[-2:], bool)
    border[LIGHT] = False
    return cube[..., border]


def amplifier_of(y: int, x: int) -> int:
    """Return the amplifier (0 for A to 3 for D) that reads a pixel of the frame: B, C below, A, D above.

    AMPX and AMPY count in the whole frame, reference pixels included, where LTV is the border (5).
    """
    if y < AMPLIFIERS.ampy:
        return 1 if x < AMPLIFIERS.ampx else 2
    return 0 if x < AMPLIFIERS.ampx else 3
