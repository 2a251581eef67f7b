"""Ramps from photons and reads alone: Poisson counts, Gaussian reads, nothing of the package's own detector model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

#: Noise of a single read [electron], dark rate [electron/s].
READ_NOISE, DARK = 14.6, 0.048
Float64Array = NDArray[np.float64]

#: Sky of every interval [electron/s] from its middle, as part of the exposure.
SKIES: dict[str, Callable[[Float64Array], Float64Array]] = {
    "rise": lambda x: 0.5 + 2.5 * np.clip((x - 0.4) / 0.6, 0, 1),
    "fall": lambda x: 0.5 + 2.5 * np.clip((0.6 - x) / 0.6, 0, 1),
    "U": lambda x: 0.5 + 2.0 * (2 * x - 1) ** 2,
    "step": lambda x: np.where(x > 0.5, 1.5, 0.5),
    "constant": lambda x: np.full_like(x, 0.7),
}


def sky_of(shape: str, times: Float64Array) -> Float64Array:
    """Return the sky of every interval [electron/s]."""
    middles = (times + np.concatenate([[0.0], times[:-1]])) / 2 / times[-1]
    return SKIES[shape](middles)


def expose(
    times: Float64Array,
    sky: Float64Array,
    source: Float64Array,
    rng: np.random.Generator,
    *,
    saturation: float = np.inf,
) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Return cumulative rates [electron/s], dark subtracted, and flags (256 where saturated) of reads 1 to n.

    Parameters
    ----------
    times, sky : ndarray, shape (n,)
        Time of each read since the zeroth [s], rate of the sky in the interval that ends there [electron/s].
    source : ndarray, shape (n, ny, nx) or (ny, nx)
        Rate of the source in each interval [electron/s].
    rng : numpy.random.Generator
        For the noise.
    saturation : float, optional
        Electrons at which a pixel stays.
    """
    lengths = np.diff(times, prepend=0.0)
    source = np.broadcast_to(source, (len(times), *source.shape[-2:]))
    photons = np.cumsum([rng.poisson((s + b + DARK) * dt) for s, b, dt in zip(source, sky, lengths, strict=True)], 0)
    full = photons >= saturation
    reads = rng.normal(0, READ_NOISE, (len(times) + 1, *source.shape[1:]))
    counts = np.minimum(photons, saturation) + reads[1:] - reads[0] - DARK * times[:, None, None]
    return (counts / times[:, None, None]).astype(np.float32), np.where(full, 256, 0).astype(np.int16)


def limit(times: Float64Array, sky: Float64Array, source: float) -> float:
    """Return the Cramer-Rao limit of a constant source's rate [electron/s], by a plain matrix inverse.

    The information in Gaussian differences of reads, each pair of neighbors sharing a read.
    """
    lengths, n = np.diff(times, prepend=0.0), len(times)
    to_differences = np.eye(n, n + 1, 1) - np.eye(n, n + 1)
    covariance = np.diag((source + sky + DARK) * lengths) + READ_NOISE**2 * to_differences @ to_differences.T
    return float(1 / np.sqrt(lengths @ np.linalg.inv(covariance) @ lengths))
