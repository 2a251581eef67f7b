"""A tiny generator of exposures with known truth: sky, sources, Poisson and read noise, noise shared by a read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from wfc3tvb.models import ReadCube

#: Read noise of a single read [electron] (20-22 of a correlated double sample; Instrument Handbook 5.7).
READ_NOISE = 14.6
#: Noise that a read of a full frame takes from its reference pixels [electron].
COMMON = 0.18
STEP200 = (2.932, 5.865, 8.797, 11.729, 24.23, 49.23, 99.231, *(199.231 + 200 * k for k in range(8)))
SPARS100 = (2.932, *(2.932 + 100 * k for k in range(1, 15)))


def sources(size: int, n_stars: int, n_galaxies: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return stars (Moffat, beta 2.5, FWHM 1.2 pixel) and galaxies (exponential), N(>f) as 1/f above 0.5 electron/s."""
    y, x = np.mgrid[:size, :size]
    image = np.zeros((size, size))
    for k in range(n_stars + n_galaxies):
        r2 = (x - rng.uniform(0, size)) ** 2 + (y - rng.uniform(0, size)) ** 2
        flux = np.minimum(0.5 * (1 + rng.pareto(1.0)), 1e4)
        if k < n_stars:
            image += flux * 0.33 * (1 + r2 / 1.06) ** -2.5
        else:
            scale = rng.uniform(1.5, 5)
            image += flux * np.exp(-np.sqrt(r2) / scale) / (2 * np.pi * scale**2)
    return image


def star_field(
    size: int, per_frame: float, rng: np.random.Generator, *, faintest: float = 0.5, slope: float = 1.0
) -> NDArray[np.float64]:
    """Return stars as dense as `per_frame` on a full frame, N(>f) as f^-slope above the faintest [electron/s]."""
    over, half, n = 3, 40, int(per_frame * size**2 / 1014**2)
    flux = np.minimum(faintest * (1 + rng.pareto(slope, n)), 1e4)
    fine = np.zeros((size * over, size * over))
    np.add.at(fine, tuple(rng.integers(0, size * over, (2, n))), flux)
    x = np.arange(-half * over, half * over + 1) / over
    psf = (1 + (x[:, None] ** 2 + x**2) / 1.06) ** -2.5
    image = np.maximum(fftconvolve(fine, psf / psf.sum(), mode="same"), 0)
    return image.reshape(size, over, size, over).sum((1, 3))


def make_cube(
    sky: Any,
    t: Any = SPARS100,
    *,
    size: int = 256,
    seed: int = 1,
    scene: Any = 0.0,
    gradient: Any = 0.0,
    header: dict[str, Any] | None = None,
) -> ReadCube:
    """Return a cube of an exposure.

    Parameters
    ----------
    sky : ndarray, shape (n,)
        Rate in each interval [electron/s].
    t : ndarray, shape (n,)
        Times of the reads [s].
    scene : ndarray, shape (size, size)
        Sources [electron/s].
    gradient : ndarray, shape (n,)
        Extra rate of the left 40 % of the columns in each interval [electron/s].
    """
    rng, t = np.random.default_rng(seed), np.asarray(t, float)
    dt, sky = np.diff(t, prepend=0), np.broadcast_to(np.asarray(sky, float), t.shape)
    side = np.zeros(size)
    side[: int(0.4 * size)] = 1
    gradient = np.broadcast_to(np.asarray(gradient, float), t.shape)
    common = COMMON * np.sqrt(1014 / size)
    zeroth = rng.normal(0, READ_NOISE, (size, size)) + rng.normal(0, common)
    total, planes = np.zeros((size, size)), []
    for i in range(t.size):
        total = total + rng.poisson((sky[i] + scene + gradient[i] * side) * dt[i], (size, size))
        read = total + rng.normal(0, READ_NOISE, (size, size)) + rng.normal(0, common) - zeroth
        planes.append((read / t[i]).astype(np.float32))
    facts = {"ROOTNAME": "isimu0x1q", "FILTER": "F105W", "SAMP_SEQ": "SPARS100", "NSAMP": t.size + 1, "SUBARRAY": False}
    return ReadCube(
        rootname="isimu0x1q",
        header=facts | (header or {}),
        t=t,
        mjd=56298.8 + t / 86400,
        rate=np.array(planes),
        dq=np.zeros((t.size, size, size), np.int16),
        rows=np.arange(size),
        shape=(size, size),
        raw_shape=(size + 10, size + 10),
    )
