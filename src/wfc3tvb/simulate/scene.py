"""Simulate stars and galaxies at fixed positions on the sky, and their image on a frame.

Counts rise with magnitude as in a field at high galactic latitude, cut where sources would blur the sky's histogram.
Galaxies have Sersic profiles (Graham and Driver 2005, PASA 22, 118).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.modeling.models import Sersic2D
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2

from wfc3tvb.instrument import find_filter
from wfc3tvb.simulate.frame import Frame
from wfc3tvb.simulate.optics import PIXEL_X, PIXEL_Y, Pointing, star_stamp

Float64Array = NDArray[np.float64]
Image = NDArray[np.float32]

#: AB magnitude that gives one electron/s in a filter without a published zero point.
_ZERO_POINT = 26.0
#: Sources per square arcminute, and half the width of their field [arcsec].
_STARS, _GALAXIES = 12, 26
_HALF_FIELD = 80.0
#: Largest distance from the frame of a source whose light is included [pixel].
_MARGIN = 25


@dataclass(frozen=True)
class Sources:
    """Sources around a target; arrays of shape (n,).

    Attributes
    ----------
    ra, dec : ndarray
        Position [deg].
    mag : ndarray
        AB magnitude, the same in every filter.
    radius : ndarray
        Half-light radius [arcsec]; 0 for a star.
    index : ndarray
        Sersic index.
    axis_ratio, angle : ndarray
        Minor over major axis, and position angle of the major axis [deg].
    """

    ra: Float64Array
    dec: Float64Array
    mag: Float64Array
    radius: Float64Array
    index: Float64Array
    axis_ratio: Float64Array
    angle: Float64Array

    @property
    def is_star(self) -> NDArray[np.bool_]:
        """True for each source that is a star."""
        return np.asarray(self.radius == 0)

    def rate(self, name: str) -> Float64Array:
        """Return the total rate of each source in a filter [electron/s]."""
        known = find_filter(name)
        zero_point = _ZERO_POINT if known is None or known.zero_point is None else known.zero_point
        # To a thousandth, as it was printed at first: a seed gives the same pixels in every version.
        return np.asarray(10 ** (0.4 * (round(zero_point, 3) - self.mag)))


def make_sources(seed: int, target: tuple[float, float]) -> Sources:
    """Return the sources within 80 arcsec, in right ascension and declination, of a target [deg]."""
    rng = np.random.default_rng((seed, 14))
    area = (2 * _HALF_FIELD / 60) ** 2
    n_stars, n_galaxies = int(_STARS * area), int(_GALAXIES * area)
    n = n_stars + n_galaxies
    east, north = rng.uniform(-_HALF_FIELD, _HALF_FIELD, (2, n)) / 3600
    star = np.arange(n) < n_stars
    mag = np.where(star, _magnitudes(rng, n, 18.0, 24.5, 0.10), _magnitudes(rng, n, 19.5, 25.0, 0.30))
    radius = 0.55 * 10 ** (-0.09 * (mag - 20)) * rng.lognormal(0, 0.3, n)
    return Sources(
        ra=target[0] + east / np.cos(np.radians(target[1])),
        dec=target[1] + north,
        mag=mag,
        radius=np.where(star, 0.0, radius),
        index=rng.choice([1.0, 1.0, 1.5, 2.5, 4.0], n),
        axis_ratio=rng.uniform(0.3, 1.0, n),
        angle=rng.uniform(0, 180, n),
    )


def _magnitudes(rng: np.random.Generator, n: int, bright: float, faint: float, slope: float) -> Float64Array:
    """Draw magnitudes whose counts grow as 10^(slope m)."""
    low, high = 10 ** (slope * bright), 10 ** (slope * faint)
    return np.asarray(np.log10(rng.uniform(low, high, n)) / slope)


def place(sources: Sources, pointing: Pointing, frame: Frame) -> tuple[Float64Array, Float64Array]:
    """Return the x and y of the sources on a frame as it is in a file (0-based)."""
    x, y = pointing.wcs(frame).all_world2pix(sources.ra, sources.dec, 0, tolerance=1e-4)
    return x, y


def scene_rate(sources: Sources, pointing: Pointing, frame: Frame, name: str) -> Image:
    """Return the light of the sources on a frame in a filter, shape (raw, raw) [electron/s], before the flat field.

    Reference pixels get light too; the detector is what does not see it.
    """
    x, y = place(sources, pointing, frame)
    rate = sources.rate(name)
    half = frame.raw / 2
    near = np.maximum(np.abs(x - half), np.abs(y - half)) < half + _MARGIN
    image = np.zeros((frame.raw, frame.raw))
    for i in np.flatnonzero(near & ~sources.is_star):
        major = sources.angle[i] - pointing.pa_aperture
        shape = sources.radius[i], sources.index[i], sources.axis_ratio[i], major
        _add(image, galaxy_stamp(*shape, x[i] % 1, y[i] % 1) * rate[i], int(x[i] // 1), int(y[i] // 1))
    image = np.maximum(_blurred(image, star_stamp(name, 0, 0)), 0)
    for i in np.flatnonzero(near & sources.is_star):
        column, row = round(x[i]), round(y[i])
        _add(image, star_stamp(name, y[i] - row, x[i] - column) * rate[i], column, row)
    return np.asarray(image, np.float32)


def _blurred(image: Float64Array, stamp: Float64Array) -> Float64Array:
    """Return an image convolved with a stamp; `scipy.signal`, which has this, takes half a second to import."""
    whole = [a + b - 1 for a, b in zip(image.shape, stamp.shape, strict=True)]
    fast = [next_fast_len(n, True) for n in whole]
    found: Float64Array = irfft2(rfft2(image, fast) * rfft2(stamp, fast), fast)
    first = [(n - size) // 2 for n, size in zip(whole, image.shape, strict=True)]
    return found[first[0] : first[0] + image.shape[0], first[1] : first[1] + image.shape[1]]


def galaxy_stamp(radius: float, index: float, axis_ratio: float, angle: float, dx: float, dy: float) -> Float64Array:
    """Return the light of a Sersic profile on 61 x 61 pixels, sum 1.

    Parameters
    ----------
    radius, index, axis_ratio : float
        Half-light radius along the major axis [arcsec], Sersic index, minor over major axis.
    angle : float
        Of the major axis, from the detector's y axis towards -x (east of north) [deg].
    dx, dy : float
        Offset of the centre from the middle pixel's.
    """
    fine, reach = 3, 30
    step = (np.arange(-reach * fine - 1, reach * fine + 2)) / fine
    x, y = np.meshgrid((step - dx) * PIXEL_X, (step - dy) * PIXEL_Y)
    model = Sersic2D(1.0, radius, index, 0, 0, 1 - axis_ratio, np.radians(angle + 90))
    values = model(x, y)
    side = 2 * reach + 1
    stamp = values.reshape(side, fine, side, fine).sum(axis=(1, 3))
    return np.asarray(stamp / stamp.sum())


def _add(image: Float64Array, stamp: Float64Array, column: int, row: int) -> None:
    """Add a stamp to an image with its middle at (`row`, `column`); what falls outside is lost."""
    reach, size = stamp.shape[0] // 2, image.shape[0]
    y0, y1 = max(row - reach, 0), min(row + reach + 1, size)
    x0, x1 = max(column - reach, 0), min(column + reach + 1, size)
    if y0 < y1 and x0 < x1:
        top, left = y0 - row + reach, x0 - column + reach
        image[y0:y1, x0:x1] += stamp[top : top + y1 - y0, left : left + x1 - x0]
