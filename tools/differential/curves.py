"""The medians and the curve of an exposure beside STScI's pstat and beside their definition in plain numpy."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tools.differential.exposures import draw

from wfc3tvb.curve.intervals import measure_curve
from wfc3tvb.curve.sky_mask import sky_mask
from wfc3tvb.engines.calibrate import calibrate
from wfc3tvb.fits.ima import read_ima

WHAT_PSTAT = "median of every read, to the last bit"
WHAT_PLAIN = "rate of every interval: clipped median of differences by pixel, within a tenth of its error"
#: As the score's page defines the curve: clipped at 3 standard deviations of the pixels, until nothing changes.
CLIP = 3.0
#: Electrons per count.
COUNT = 2.35
Floats = NDArray[np.float64]


def missing() -> str | None:
    """Return why pstat cannot run."""
    return None if importlib.util.find_spec("wfc3tools") else "wfc3tools is not installed"


def drawn_ima(rng: np.random.Generator, folder: Path) -> tuple[Path, str]:
    """Return the path of a drawn exposure's IMA, and what was drawn."""
    exposure = draw(rng, folder, switches=False)
    (made,) = calibrate(exposure.raw, engine="native", crcorr=str(rng.choice(["perform", "omit"])), iref=exposure.iref)
    return Path(str(made.ima)), exposure.words


def pstat_case(rng: np.random.Generator, folder: Path) -> list[str]:
    """Compare the medians of whole reads."""
    os.environ.setdefault("MPLBACKEND", "agg")
    from wfc3tools import pstat

    path, words = drawn_ima(rng, folder)
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = np.asarray(pstat(str(path), stat="midpt", units="rate", plot=False)[1])[-2::-1]
    ours = np.asarray(read_ima(path, pstat=True).cumulative_median)
    wrong = np.flatnonzero(ours != theirs)
    return [f"read {i + 1}: {ours[i]!r}, not {theirs[i]!r} ({words})" for i in wrong]


def plain_case(rng: np.random.Generator, folder: Path) -> list[str]:
    """Compare the rates of intervals."""
    path, words = drawn_ima(rng, folder)
    cube = read_ima(path)
    skip = sky_mask(cube.rate[-1], cube.dq[0]).skip
    curve = measure_curve(cube, skip)
    signal = cube.rate.astype(float) * np.asarray(cube.t)[:, None, None]
    steps, lengths = np.diff(signal, axis=0, prepend=0.0), np.diff(cube.t, prepend=0.0)
    found = []
    for i, (step, dt) in enumerate(zip(steps, lengths, strict=True)):
        plain = grouped_median(step[skip == 0] / dt, COUNT / dt)
        if not abs(curve.rate[i] - plain) <= 0.1 * curve.rate_err[i]:
            found.append(f"interval {i + 1}: {curve.rate[i]:.5f} +- {curve.rate_err[i]:.5f}, not {plain:.5f} ({words})")
    return found


def grouped_median(values: Floats, width: float) -> float:
    """Return the clipped median of values that stand for intervals of a width, as counts are whole numbers.

    Each value is spread over its interval by 25 evenly placed copies.
    """
    spread = (values[:, None] + width * (np.arange(25) - 12) / 25).ravel()
    kept = spread[np.isfinite(spread)]
    while True:
        low, middle, high = np.quantile(kept, [0.1587, 0.5, 0.8413])
        inside = np.abs(kept - middle) <= CLIP * (high - low) / 2
        if inside.all():
            return float(middle)
        kept = kept[inside]
