"""Ramps fitted side by side equal ramps fitted one at a time, and nothing is compiled while the engine runs."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import wfc3tvb.calibration
from tests.helpers import golden
from wfc3tvb.calibration.crcorr.fit import fit_ramps
from wfc3tvb.calibration.crcorr.hits import empty_scratch
from wfc3tvb.calibration.crcorr.line import PixelRamp, fit_constants
from wfc3tvb.calibration.crcorr.slope import fit_pixel
from wfc3tvb.calibration.warm_up import load_kernels
from wfc3tvb.engines.calibrate import calibrate

Ramps = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int16], NDArray[np.float32]]


def hard_ramps(n: int, seed: int, n_pixels: int = 600) -> Ramps:
    """Return ramps with up to a dozen hits, spikes, flags of all kinds, and samples without error."""
    rng = np.random.default_rng(seed)
    shape = n, n_pixels
    times = np.concatenate([[0], np.cumsum(rng.uniform(5, 100, n - 1))]).astype(np.float32)
    counts = rng.normal(0, 12, shape) + np.cumsum(rng.exponential(40, shape), axis=0)
    counts += np.cumsum(rng.exponential(400, shape) * (rng.random(shape) < rng.uniform(0, 0.5, n_pixels)), axis=0)
    counts += rng.exponential(500, shape) * (rng.random(shape) < 0.03)
    error = np.sqrt(100 + np.abs(counts)).astype(np.float32)
    dq = np.zeros(shape, np.int16)
    for flag, share in ((1024, 0.03), (512, 0.02), (8192, 0.002)):
        dq |= np.where(rng.random(shape) < share, flag, 0).astype(np.int16)
    dq |= np.where(rng.random(n_pixels) < 0.05, 16, 0).astype(np.int16)
    dq |= np.where(np.arange(n)[:, None] >= rng.integers(1, 3 * n, n_pixels), 256, 0).astype(np.int16)
    error[rng.random(shape) < 0.002] = 0
    return counts.astype(np.float32), error, dq, times


def one_by_one(ramps: Ramps, gain: float, threshold: float, ignore: int) -> tuple[NDArray[np.float32], ...]:
    """Return rate, error, samples and time, each ramp by itself."""
    counts, error, dq, times = ramps
    n, n_pixels = counts.shape
    constants, scratch = fit_constants(times, gain, threshold=threshold, ignore=ignore), empty_scratch(n)
    made = [
        fit_pixel(PixelRamp(counts[:, p].copy(), error[:, p].copy(), dq[:, p].copy()), constants, scratch)
        for p in range(n_pixels)
    ]
    return tuple(np.array(column, np.float32) for column in zip(*made, strict=True))


_CASES = [(2, 4, 256), (3, 4, 256), (5, 3, 0), (11, 6, 1280), (16, 4, 256)]


@pytest.mark.parametrize(("n", "threshold", "ignore"), _CASES)
def test_side_by_side_as_one_by_one(n: int, threshold: float, ignore: int) -> None:
    ramps = hard_ramps(n, seed=n)
    found = fit_ramps(*ramps, gain=2.35, threshold=threshold, ignore=ignore)
    rate, error, samples, time = one_by_one(ramps, 2.35, threshold, ignore)
    np.testing.assert_array_equal(found.rate, rate)
    np.testing.assert_array_equal(found.error, error)
    np.testing.assert_array_equal(found.samples, samples)
    np.testing.assert_array_equal(found.time, time)
    if n == 16:
        assert np.ptp(found.samples) > 8  # the ramps are as different as they should be
        assert np.count_nonzero(found.dq & 32) > 20


def kernels() -> dict[str, int]:
    """Return how many kinds of arguments each kernel of the engine has been compiled for."""
    names = [module.name for module in pkgutil.iter_modules(wfc3tvb.calibration.__path__)]
    modules = [importlib.import_module(f"wfc3tvb.calibration.{name}") for name in names]
    return {
        f"{module.__name__}.{name}": len(kernel.signatures)
        for module in modules
        for name, kernel in vars(module).items()
        if hasattr(kernel, "signatures")
    }


def test_everything_is_ready_before_the_first_exposure(tmp_path: Path) -> None:
    reported: list[tuple[int, int]] = []
    load_kernels(lambda done, total: reported.append((done, total)))
    assert reported[-1] == (12, 12)
    before = kernels()
    golden.unpack(golden.HERE / "iref", tmp_path / "iref")
    golden.unpack(golden.HERE / golden.names()[0], tmp_path)
    calibrate(next(tmp_path.glob("*_raw.fits")), engine="native", iref=tmp_path / "iref")
    assert kernels() == before
