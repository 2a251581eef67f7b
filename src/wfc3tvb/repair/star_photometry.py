"""Photometry of the same stars in two images: found once, measured in both (photutils).

Before and after of one exposure are the same pixels, so pixels hit by cosmic rays are left out of both and the star
still counts: after `omit`, nine stars of ten have a hit pixel in their aperture.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from photutils.aperture import ApertureStats, CircularAnnulus, CircularAperture, aperture_photometry
from photutils.detection import DAOStarFinder
from photutils.utils.exceptions import NoDetectionsWarning

from wfc3tvb.repair.acceptance import FluxRatio, StarFlux
from wfc3tvb.repair.sky_statistics import Bools, Floats, Image

#: Radius of the aperture, and of the ring that gives the sky [pixel].
RADIUS, RING = 3.0, (6.0, 10.0)
#: Width of a star [pixel]: 0.13 to 0.15 arcsec (WFC3 Instrument Handbook, table 7.5), 0.128 arcsec a pixel.
FWHM = 1.2
#: Pixels of a star within this radius must all be usable [pixel]: they hold most of its light.
CORE = 1.5
#: A star is found at this many sigma a pixel.
_FOUND = 15.0
#: Signal to noise of the stars compared: the first where at least `ENOUGH` reach it, else the second.
BRIGHT, FAINT = 100.0, 50.0
ENOUGH = 30
#: Fewer stars say nothing.
MIN_STARS = 5
#: Error floor of a flux ratio: interpolation, PSF wings, flat [fraction].
_FLOOR = 0.002
#: Error of a median over that of a mean: sqrt(pi / 2).
_MEDIAN = 1.2533
#: Standard deviation of what is anything between 0 and 1.
_UNIFORM = 0.29
#: Stars whose ratio is this many standard deviations from the others' are left out.
_OUTLIER = 5.0
#: Two images of one field are at most this far apart [pixel]: an archive's image may be aligned to another catalogue.
_SEARCH = 20.0


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


def offset(found: Floats, expected: Floats) -> Floats:
    """Return by how much stars found in an image are off from where they were expected [pixel], shape (2,).

    Parameters
    ----------
    found, expected : ndarray, shape (n, 2), (m, 2)
        x, y; in any order, and not all need be in both. What most pairs agree on counts; zero where fewer than 5 do.
    """
    apart = (found[:, None] - expected[None]).reshape(-1, 2)
    apart = apart[np.hypot(*apart.T) < _SEARCH]
    if len(apart) < MIN_STARS:
        return np.zeros(2)
    near = np.hypot(*(apart[:, None] - apart[None]).transpose(2, 0, 1)) < 1.0
    agreeing = apart[near[np.argmax(near.sum(axis=1))]]
    return np.median(agreeing, axis=0) if len(agreeing) >= MIN_STARS else np.zeros(2)


@dataclass(frozen=True)
class _Aperture:
    """Stars in one image: flux above the ring's median [electron/s], pixels summed, whether they can be compared."""

    flux: Floats
    pixels: Floats
    usable: Bools


def flux_ratio(
    before: Image,
    after: Image,
    usable: tuple[Bools, Bools],
    positions: tuple[Floats, Floats],
    noise: float,
    *,
    level_fault: float = 0.0,
    same_pixels: bool = False,
    scales: tuple[float, float] = (1.0, 1.0),
) -> FluxRatio | None:
    """Return the flux of stars, after over before.

    Parameters
    ----------
    before, after : ndarray, shape (ny, nx)
        Images [electron/s]; they need not have the same frame.
    usable : pair of bool ndarrays
        Pixels of each that can be used.
    positions : pair of ndarrays, shape (n, 2)
        The same stars in each (0-based pixels).
    noise : float
        Noise of a sky pixel in `after` [electron/s].
    level_fault : float, optional
        How far the sky of `before` is from the truth [electron/s]. The brighter pixels of a star keep their level where
        those of the sky around it broke, more of them the brighter it is, so each flux may be off by anything from
        nothing to this times the aperture: part of the error, so that a wrong level is not taken for a change of flux.
    same_pixels : bool, optional
        Whether both are images of one exposure: a pixel that is not usable in one is then left out of both, and a star
        counts if its middle is whole. Otherwise the whole aperture must be usable in each.
    scales : pair of float, optional
        Size of a pixel of each image in pixels of the detector; apertures and noise are in those of the detector.

    Returns
    -------
    FluxRatio or None
        None where fewer than 5 stars can be compared.
    """
    if not len(positions[0]):
        return None
    if same_pixels:
        usable = (usable[0] & usable[1],) * 2
    core = CORE if same_pixels else None
    old, new = (_measure(*each, core) for each in zip((before, after), usable, positions, scales, strict=True))
    snr = new.flux / (noise * np.sqrt(np.maximum(new.pixels, 1.0)))
    candidates = old.usable & new.usable & (old.flux > 0) & (snr > FAINT)
    bright = candidates & (snr > BRIGHT)
    min_snr = BRIGHT if np.count_nonzero(bright) >= ENOUGH else FAINT
    keep = bright if min_snr == BRIGHT else candidates
    if np.count_nonzero(keep) < MIN_STARS:
        return None
    ratio, error, inside = _combined(old.flux[keep], new.flux[keep], new.pixels[keep], snr[keep], level_fault)
    left_out = np.pi * RADIUS**2 - new.pixels
    columns = (*positions[1].T, old.flux, new.flux, snr, left_out)
    rows = zip(*(column[keep].round(3).tolist() for column in columns), inside.tolist(), strict=True)
    stars = tuple(StarFlux(*row) for row in rows)
    moved = [
        _centroids(image, at[keep], scale) for image, at, scale in zip((before, after), positions, scales, strict=True)
    ]
    shift = float(np.nanmedian(np.hypot(*(moved[1] - moved[0]).T)))
    return FluxRatio(ratio, error, int(np.count_nonzero(inside)), shift, min_snr, RADIUS, stars)


def _combined(
    before: Floats, after: Floats, pixels: Floats, snr: Floats, level_fault: float
) -> tuple[float, float, Bools]:
    """Return the median ratio of fluxes weighted by their errors, its error, and the stars that are no outliers.

    A median, since a cosmic ray on a star often stays unseen. What the level may do to all stars alike does not average
    out: three errors hold the whole of it.
    """
    ratio, fault = after / before, abs(level_fault) * pixels / before
    spread = 1.4826 * np.median(np.abs(ratio - np.median(ratio)))
    inside = np.abs(ratio - np.median(ratio)) <= _OUTLIER * np.hypot(spread, fault) + 1e-9
    sigma = np.hypot(np.hypot(np.sqrt(2) / snr, _FLOOR), _UNIFORM * fault)[inside]
    weight = sigma**-2.0 / np.sum(sigma**-2.0)
    order = np.argsort(ratio[inside])
    below = np.cumsum(weight[order]) - weight[order] / 2
    median = float(np.interp(0.5, below, ratio[inside][order]))
    own = _MEDIAN * np.sqrt(weight**2 @ np.maximum((ratio[inside] - median) ** 2, sigma**2))
    alike = weight @ fault[inside] / 3
    return median, float(np.sqrt(own**2 + alike**2 + _FLOOR**2)), inside


def _measure(image: Image, usable: Bools, positions: Floats, scale: float, core: float | None) -> _Aperture:
    """Measure stars; with `core` [pixel] only their middle must be whole, else all of the aperture."""
    inside = np.all((positions >= 0) & (positions < np.array(image.shape[::-1])), axis=1)
    safe = np.where(inside[:, None], positions, 0.0)
    filled = np.where(usable, image, 0.0)
    aperture = CircularAperture(safe, RADIUS / scale)
    ring = CircularAnnulus(safe, RING[0] / scale, RING[1] / scale)
    sky = np.atleast_1d(ApertureStats(filled, ring, mask=~usable, sum_method="center").median)
    total, pixels = (aperture_photometry(each, aperture)["aperture_sum"].value for each in (filled, usable * 1.0))
    if core is None:
        bad = aperture.area - pixels
    else:
        middle = CircularAperture(safe, core)
        bad = aperture_photometry(1.0 - usable, middle, method="center")["aperture_sum"].value
    flux = total - sky * pixels
    return _Aperture(flux, pixels * scale**2, inside & np.isfinite(flux) & (bad < 1e-6))


def _centroids(image: Image, positions: Floats, scale: float) -> Floats:
    """Return the centres of light above the ring's median, from where they were expected [pixel of the detector]."""
    filled = np.nan_to_num(image)
    ring = CircularAnnulus(positions, RING[0] / scale, RING[1] / scale)
    sky = np.atleast_1d(ApertureStats(filled, ring).median)
    found = ApertureStats(filled, CircularAperture(positions, RADIUS / scale), local_bkg=sky).centroid
    return (np.atleast_2d(np.asarray(found, np.float64)) - positions) * scale
