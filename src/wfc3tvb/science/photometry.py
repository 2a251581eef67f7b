"""The same stars in two images: found once, measured in both (photutils)."""

from __future__ import annotations

import warnings

import numpy as np
from photutils.aperture import ApertureStats, CircularAnnulus, CircularAperture
from photutils.detection import DAOStarFinder
from photutils.utils.exceptions import NoDetectionsWarning

from wfc3tvb.science.compare import Bools, Floats, FluxRatio, Image

#: Radius of the aperture, and of the ring that gives the sky [pixel].
RADIUS, RING = 3.0, (6.0, 10.0)
#: Width of a star [pixel]: 0.13 to 0.15 arcsec (WFC3 Instrument Handbook, table 7.5), 0.128 arcsec a pixel.
FWHM = 1.2
#: A star is found at this many sigma a pixel, and compared at this signal to noise.
_FOUND, _COMPARED = 15.0, 50.0
#: Fewer stars say nothing.
MIN_STARS = 5
#: Error floor of a flux ratio: interpolation, PSF wings, flat [fraction].
_FLOOR = 0.002


def find_stars(image: Image, good: Bools, noise: float, level: float) -> Floats:
    """Return positions of isolated stars, brightest first.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        An image without cosmic rays [electron/s].
    good : ndarray of bool, shape (ny, nx)
        Pixels that can be used.
    noise, level : float
        Of its sky [electron/s].

    Returns
    -------
    ndarray, shape (n, 2)
        x, y (0-based pixels).
    """
    finder = DAOStarFinder(_FOUND * noise, FWHM, sharpness_range=(0.3, 1.1), roundness_range=(-0.7, 0.7))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoDetectionsWarning)
        found = finder(np.where(good, image - level, 0.0), mask=~good)
    if found is None:
        return np.empty((0, 2))
    order = np.argsort(-np.asarray(found["flux"]))
    positions = np.column_stack([np.asarray(found["x_centroid"]), np.asarray(found["y_centroid"])])[order]
    return _isolated(positions, image.shape)


def _isolated(positions: Floats, shape: tuple[int, ...]) -> Floats:
    """Leave out stars with a neighbour inside their ring, and near the edge."""
    away = np.hypot(*(positions[:, None] - positions[None]).transpose(2, 0, 1))
    np.fill_diagonal(away, np.inf)
    margin = RING[1]
    inside = np.all((positions > margin) & (positions < np.array(shape[::-1]) - 1 - margin), axis=1)
    isolated: Floats = positions[inside & (away.min(axis=1, initial=np.inf) > RING[0])]
    return isolated


def flux_ratio(
    before: Image,
    after: Image,
    usable: tuple[Bools, Bools],
    positions: tuple[Floats, Floats],
    noise: float,
    *,
    level_fault: float = 0.0,
) -> FluxRatio | None:
    """Return the flux of stars, after over before.

    Parameters
    ----------
    before, after : ndarray, shape (ny, nx)
        Images [electron/s]; they need not have the same frame.
    usable : pair of bool ndarrays
        Pixels of each that can be used; a star with another in its aperture is left out.
    positions : pair of ndarrays, shape (n, 2)
        The same stars in each (0-based pixels).
    noise : float
        Noise of a sky pixel in `after` [electron/s].
    level_fault : float, optional
        How far the sky of `before` is from the truth [electron/s]. The pixels of a bright star keep their level where
        those of the sky around it broke, so its flux above the sky is wrong by up to this a pixel: part of the error.

    Returns
    -------
    FluxRatio or None
        None where fewer than 5 stars can be compared.
    """
    flux_before, ok_before = _fluxes(before, usable[0], positions[0])
    flux_after, ok_after = _fluxes(after, usable[1], positions[1])
    snr = flux_after / (noise * np.sqrt(np.pi) * RADIUS)
    with np.errstate(invalid="ignore"):
        keep = ok_before & ok_after & (snr > _COMPARED) & (flux_before > 0)
    if np.count_nonzero(keep) < MIN_STARS:
        return None
    ratio, error = _combined(flux_before[keep], flux_after[keep], snr[keep], level_fault)
    shift = _shift(before, after, positions[0][keep], positions[1][keep])
    return FluxRatio(ratio, error, int(np.count_nonzero(keep)), shift)


def _combined(before: Floats, after: Floats, snr: Floats, level_fault: float) -> tuple[float, float]:
    """Return the mean ratio of fluxes weighted by their errors, without outliers, and its error.

    The fault of the level is common to all stars, so it does not average out; bright stars feel it least.
    """
    ratio, fault = after / before, abs(level_fault) * np.pi * RADIUS**2 / before
    scatter = 1.4826 * np.median(np.abs(ratio - np.median(ratio)))
    inside = np.abs(ratio - np.median(ratio)) <= 5 * np.hypot(scatter, fault) + 1e-9
    ratio, fault, snr = ratio[inside], fault[inside], snr[inside]
    weight = 1.0 / (2 / snr**2 + fault**2 + _FLOOR**2)
    weight /= weight.sum()
    mean = float(weight @ ratio)
    own = np.sqrt(weight**2 @ np.maximum((ratio - mean) ** 2, 2 / snr**2))
    return mean, float(np.sqrt(own**2 + (weight @ fault) ** 2 + _FLOOR**2))


def _fluxes(image: Image, usable: Bools, positions: Floats) -> tuple[Floats, Bools]:
    """Return fluxes above the ring's median [electron/s], and whether every pixel of the aperture is usable."""
    if not len(positions):
        return np.empty(0), np.empty(0, bool)
    inside = np.all((positions >= 0) & (positions < np.array(image.shape[::-1])), axis=1)
    safe = np.where(inside[:, None], positions, 0.0)
    filled = np.where(usable, image, 0.0)
    aperture, ring = CircularAperture(safe, RADIUS), CircularAnnulus(safe, *RING)
    sky = np.atleast_1d(ApertureStats(filled, ring, mask=~usable).median)
    total = np.atleast_1d(ApertureStats(filled, aperture, sum_method="exact").sum)
    bad = np.atleast_1d(ApertureStats((~usable).astype(float), aperture, sum_method="exact").sum)
    flux = total - sky * np.pi * RADIUS**2
    return flux, inside & np.isfinite(flux) & (bad == 0)


def _shift(before: Image, after: Image, at_before: Floats, at_after: Floats) -> float:
    """Return the median distance between where the stars are and where they were expected to move [pixel]."""
    moved = _centroids(after, at_after) - at_after - (_centroids(before, at_before) - at_before)
    return float(np.nanmedian(np.hypot(*moved.T)))


def _centroids(image: Image, positions: Floats) -> Floats:
    """Return the centres of light above the ring's median."""
    filled = np.nan_to_num(image)
    sky = np.atleast_1d(ApertureStats(filled, CircularAnnulus(positions, *RING)).median)
    found = ApertureStats(filled, CircularAperture(positions, RADIUS), local_bkg=sky).centroid
    return np.atleast_2d(np.asarray(found, np.float64))
