"""The same stars in two images: found once, measured in both (photutils)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from photutils.aperture import ApertureStats, CircularAnnulus, CircularAperture
from photutils.centroids import centroid_2dg, centroid_sources
from photutils.detection import DAOStarFinder

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
    """Return the median flux of stars, after over before.

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
    ratio = flux_after[keep] / flux_before[keep]
    centre = float(np.median(ratio))
    scatter = 1.4826 * float(np.median(np.abs(ratio - centre)))
    fault = float(np.median(abs(level_fault) * np.pi * RADIUS**2 / flux_before[keep]))
    error = float(np.sqrt((1.2533 * scatter) ** 2 / ratio.size + _FLOOR**2 + fault**2))
    shift = _shift(before, after, positions[0][keep], positions[1][keep])
    return FluxRatio(centre, error, int(ratio.size), shift)


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


def _centroids(image: Image, positions: NDArray[np.float64]) -> Floats:
    x, y = centroid_sources(
        np.nan_to_num(image), positions[:, 0], positions[:, 1], box_size=5, centroid_func=centroid_2dg
    )
    return np.column_stack([x, y])
