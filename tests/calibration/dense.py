"""The likelihood fit by plain matrix algebra, one pixel at a time, with scipy's filters: slow, and another way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from wfc3tvb.calibration.likelihood.model import OptimalSettings

Array = NDArray[Any]


@dataclass(frozen=True)
class Light:
    """Arguments of `fit_ramps_optimal`, all of them given; planes as arrays."""

    rate: Array
    times: Array
    sky: Array
    dq: Array
    read_noise: Array
    dark: Array
    flat: Array
    template: Array
    amplitudes: Array
    left_out: Array

    @property
    def lengths(self) -> Array:
        return np.diff(self.times, prepend=0.0)

    def background(self, y: int, x: int) -> Array:
        return self.sky + self.amplitudes * self.template[y, x]


@dataclass(frozen=True)
class Ramp:
    """Usable intervals of a pixel: electrons without the sky, length, covariance, read at the end; whether left out."""

    electrons: Array
    lengths: Array
    covariance: Array
    ends: list[int]
    left_out: Array


def ramp_of(light: Light, y: int, x: int, signal: float) -> Ramp:
    """Return the intervals between the usable reads; the zeroth is read 0, at time 0 with 0 electrons."""
    flags, n = light.dq[:, y, x].astype(int), light.times.size
    common = int(np.bitwise_and.reduce(flags))
    saturated = np.flatnonzero(flags & 256)
    reads = [] if common & 3 else [0]
    reads += [
        k + 1
        for k in range(saturated[0] if saturated.size else n)
        if not flags[k] & ~common & (1 | 2 | 1024) and np.isfinite(light.rate[k, y, x])
    ]
    times = np.concatenate([[0.0], light.times])
    counts = np.concatenate([[0.0], light.rate[:, y, x].astype(float) * light.times])
    flat, sky = light.flat[y, x], light.background(y, x)
    current = np.maximum((signal + sky) * flat + light.dark[y, x], 0) * light.lengths
    hit = [bool(f & 8192) and not (k and flags[k - 1] & 8192) for k, f in enumerate(flags)]
    pairs = list(zip(reads[:-1], reads[1:], strict=True))
    electrons = [flat * (counts[b] - counts[a] - np.sum((sky * light.lengths)[a:b])) for a, b in pairs]
    differences = np.zeros((len(pairs), n + 1))
    for i, (a, b) in enumerate(pairs):
        differences[i, a], differences[i, b] = -1, 1
    covariance = np.diag([np.sum(current[a:b]) for a, b in pairs]) if pairs else np.zeros((0, 0))
    covariance = covariance + light.read_noise[y, x] ** 2 * differences @ differences.T
    left_out = np.array([any(hit[a:b]) or light.left_out[a:b].any() for a, b in pairs], bool)
    return Ramp(np.array(electrons), np.array([times[b] - times[a] for a, b in pairs]), covariance,
                [b for _, b in pairs], left_out)  # fmt: skip


def pixel(ramp: Ramp, floor2: float, suspects: int, settings: OptimalSettings) -> dict[str, float]:
    """Return rate and precision in detected electrons, chi^2 per degree of freedom, hits, samples and time."""
    out, hits, strong = ramp.left_out.copy(), 0, 0
    if out.all():
        return {"source": 0.0, "err": 1e5, "chi2": 0.0, "hits": 0, "strong": 0, "samp": 0, "time": 0.0}
    for found in range(5):
        kept = np.flatnonzero(~out)
        inverse, t, e = np.linalg.inv(ramp.covariance[np.ix_(kept, kept)]), ramp.lengths[kept], ramp.electrons[kept]
        precision = t @ inverse @ t
        rate = t @ inverse @ e / precision
        rest = inverse @ (e - rate * t)
        chi2 = rest @ (e - rate * t)
        if found == 4 or len(kept) < 2:
            break
        information = np.diag(inverse) - (inverse @ t) ** 2 / precision
        height = rest**2 / (information + floor2 * t**2 * information**2)
        beside = np.array([suspects >> ramp.ends[k] & 1 for k in kept], bool)
        excess = height / np.where(beside, settings.neighbor_threshold, settings.threshold) ** 2
        worst = int(np.argmax(excess))
        if excess[worst] <= 1:
            break
        out[kept[worst]] = True
        hits |= 1 << ramp.ends[kept[worst]]
        strong |= (1 << ramp.ends[kept[worst]]) if height[worst] > settings.strong**2 else 0
    left = len(kept)
    return {"source": rate, "err": 1 / np.sqrt(precision), "chi2": chi2 / (left - 1) if left > 1 else 0.0,
            "hits": hits, "strong": strong, "samp": left + 1, "time": float(np.sum(ramp.lengths[~out]))}  # fmt: skip


def signal_of(source: Array, err: Array | float) -> Array:
    """Return a pixel's own rate if it is 10 errors bright, else the mean of the 3 x 3 around, none of them brighter."""
    mean = ndimage.uniform_filter(np.clip(source, -10 * err, 10 * err).astype(float), 3, mode="nearest")
    return np.where(source > 10 * err, source, np.maximum(mean, 0))


def floor_of(signal: Array, settings: OptimalSettings) -> Array:
    """Return the square of the change of rate that nonlinearity and drift may make."""
    dy, dx = (ndimage.correlate1d(signal, [-0.5, 0, 0.5], axis=axis, mode="nearest") for axis in (0, 1))
    return (settings.signal_floor * signal) ** 2 + settings.drift**2 * (dy**2 + dx**2)


def blank(light: Light) -> tuple[Array, float]:
    """Return the weights of the intervals of a blank pixel, and its noise."""
    n, lengths = light.times.size, light.lengths
    to_differences = np.eye(n, n + 1, 1) - np.eye(n, n + 1)
    covariance = np.median(light.read_noise**2) * to_differences @ to_differences.T
    covariance += np.diag(np.maximum(light.sky + np.median(light.dark), 0) * lengths)
    kept = np.flatnonzero(~light.left_out)
    inverse = np.zeros((n, n))
    inverse[np.ix_(kept, kept)] = np.linalg.inv(covariance[np.ix_(kept, kept)])
    information = lengths @ inverse @ lengths
    return inverse @ lengths / information, float(1 / np.sqrt(information))


def first(light: Light, weights: Array) -> Array:
    """Return a first rate of every pixel, 0 where a read is not finite."""
    counts = light.rate.astype(float) * light.times[:, None, None]
    sky = light.sky[:, None, None] + light.amplitudes[:, None, None] * light.template
    found = np.tensordot(weights, np.diff(counts, axis=0, prepend=0.0) - sky * light.lengths[:, None, None], 1)
    return np.where(np.isfinite(found), found, 0)


def dense_fit(light: Light, settings: OptimalSettings) -> dict[str, Array]:
    """Return the planes of the fit."""
    shape, names = light.rate.shape[1:], ("source", "err", "chi2", "hits", "strong", "samp", "time")
    planes: dict[str, Array] = {name: np.zeros(shape) for name in names}

    def fit(signal: Array, suspects: Array, which: Array) -> None:
        floor2 = floor_of(signal, settings)
        for y, x in np.argwhere(which):
            made = pixel(ramp_of(light, y, x, signal[y, x]), floor2[y, x], int(suspects[y, x]), settings)
            scale = {"source": 1 / light.flat[y, x], "err": 1 / light.flat[y, x] if made["samp"] else 1.0}
            for name, value in made.items():
                planes[name][y, x] = value * scale.get(name, 1)

    weights, noise = blank(light)
    signal = signal_of(first(light, weights), noise)
    fit(signal, np.zeros(shape, int), np.ones(shape, bool))
    better, strong = signal_of(planes["source"], planes["err"]), planes["strong"].astype(int)
    suspects = np.zeros(shape, int)
    for y, x in np.ndindex(*shape):
        suspects[y, x] = np.bitwise_or.reduce(strong[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2], axis=None)
    least = light.sky.min() + light.dark + 2 * light.read_noise**2 / light.lengths.max()
    changed = np.abs(better - signal) > 0.01 * (np.maximum(signal, 0) + np.maximum(least, 0))
    fit(better, suspects, changed | (suspects != 0))
    level = np.sum(light.sky * light.lengths) / light.times[-1]
    planes["sci"] = np.where(planes["samp"] > 0, planes["source"] + level, 0)
    return planes
