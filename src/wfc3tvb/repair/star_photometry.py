"""Photometry of the same stars in two images (photutils).

The images of an exposure before and after its repair have the same pixels, so that pixels hit by cosmic rays can be
left out of both and the star still be used. After `omit`, nine stars out of ten have such a pixel in their aperture.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from wfc3tvb.repair.acceptance import FluxRatio, StarFlux
from wfc3tvb.repair.sky_statistics import Bools, Float64Array, Image
from wfc3tvb.system.imports import without_list_of_packages

with without_list_of_packages():
    from photutils.aperture import ApertureStats, CircularAnnulus, CircularAperture
    from photutils.detection import DAOStarFinder
    from photutils.utils.exceptions import NoDetectionsWarning

#: Radius of the aperture, and radii of the ring for the sky [pixel].
RADIUS, RING = 3.0, (6.0, 10.0)
#: Width of a star [pixel]: 0.13 to 0.15 arcsec (WFC3 Instrument Handbook, table 7.5), at 0.128 arcsec per pixel.
FWHM = 1.2
#: Radius within which all pixels of a star must be usable, because they have most of its light [pixel].
CORE = 1.5
#: Detection threshold of stars [sigma per pixel].
_THRESHOLD = 15.0
#: Smallest signal to noise of a star: the first value if at least `ENOUGH` stars reach it, else the second.
BRIGHT, FAINT = 100.0, 50.0
ENOUGH = 30
#: Smallest number of stars for a result.
MIN_STARS = 5
#: Error floor of a flux ratio: interpolation, PSF wings, flat [fraction].
_FLOOR = 0.002
#: Error of a median over that of a mean: sqrt(pi / 2).
_MEDIAN = 1.2533
#: Standard deviation of a uniform distribution from 0 to 1.
_UNIFORM = 0.29
#: Deviation of a ratio from the median above which a star is left out [standard deviations].
_OUTLIER = 5.0
#: Largest offset between two images of a field [pixel]; the archive's may be aligned to another catalogue.
_SEARCH = 20.0


def find_stars(image: Image, good: Bools, noise: float, level: float) -> Float64Array:
    """Find isolated stars, and return their positions, the brightest first.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        An image without cosmic rays [electron/s].
    good : ndarray of bool, shape (ny, nx)
        Pixels that can be used.
    noise, level : float
        Noise and level of its sky [electron/s].

    Returns
    -------
    ndarray, shape (n, 2)
        x, y (0-based pixels).
    """
    finder = DAOStarFinder(_THRESHOLD * noise, FWHM, sharpness_range=(0.3, 1.1), roundness_range=(-0.7, 0.7))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoDetectionsWarning)
        found = finder(np.where(good, image - level, 0.0), mask=~good)
    if found is None:
        return np.empty((0, 2))
    order = np.argsort(-np.asarray(found["flux"]))
    positions = np.column_stack([np.asarray(found["x_centroid"]), np.asarray(found["y_centroid"])])[order]
    return _isolated(positions, image.shape)


def _isolated(positions: Float64Array, shape: tuple[int, ...]) -> Float64Array:
    """Leave out stars with a neighbour inside their ring, and near the edge."""
    away = np.hypot(*(positions[:, None] - positions[None]).transpose(2, 0, 1))
    np.fill_diagonal(away, np.inf)
    margin = RING[1]
    inside = np.all((positions > margin) & (positions < np.array(shape[::-1]) - 1 - margin), axis=1)
    isolated: Float64Array = positions[inside & (away.min(axis=1, initial=np.inf) > RING[0])]
    return isolated


def offset(found: Float64Array, expected: Float64Array) -> Float64Array:
    """Return the offset of the stars found in an image from their expected positions [pixel], shape (2,).

    Parameters
    ----------
    found, expected : ndarray, shape (n, 2), (m, 2)
        x, y, in any order; stars may be missing in either. The result is the offset on which most pairs agree, or zero
        where fewer than 5 agree.
    """
    apart = (found[:, None] - expected[None]).reshape(-1, 2)
    apart = apart[np.hypot(*apart.T) < _SEARCH]
    if len(apart) < MIN_STARS:
        return np.zeros(2)
    near = np.hypot(*(apart[:, None] - apart[None]).transpose(2, 0, 1)) < 1.0
    agreeing = apart[near[np.argmax(near.sum(axis=1))]]
    return np.median(agreeing, axis=0) if len(agreeing) >= MIN_STARS else np.zeros(2)


@dataclass(frozen=True)
class Apertures:
    """Stars measured in an image; arrays of shape (n,).

    Attributes
    ----------
    flux : ndarray
        Flux above the median of the ring [electron/s].
    pixels : ndarray
        Pixels in the sum, in pixels of the detector.
    usable : ndarray of bool
        Whether all the pixels that are needed can be used.
    """

    flux: Float64Array
    pixels: Float64Array
    usable: Bools


def flux_ratio(
    before: Image,
    after: Image,
    usable: tuple[Bools, Bools],
    positions: tuple[Float64Array, Float64Array],
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
        Images [electron/s]; their frames may differ.
    usable : pair of bool ndarrays
        Usable pixels of each image.
    positions : pair of ndarrays, shape (n, 2)
        Positions of the same stars in each image (0-based pixels).
    noise : float
        Noise of a sky pixel in `after` [electron/s].
    level_fault : float, optional
        Error of the sky level of `before` [electron/s]. Bright pixels of a star keep their level where pixels of the
        sky around it broke, the more of them the brighter the star, so that its flux has an error between zero and this
        times the aperture. It is included in the error of the ratio.
    same_pixels : bool, optional
        Whether both are images of the same exposure: then a pixel that is not usable in one is left out of both, and a
        star needs only its core. Otherwise the whole aperture must be usable in each.
    scales : pair of float, optional
        Size of a pixel of each image in pixels of the detector, which are the units of apertures and noise.

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
    old, new = (
        measure_stars(image, good, at, scale=scale, core=core)
        for image, good, at, scale in zip((before, after), usable, positions, scales, strict=True)
    )
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


def ratio_to_right(
    right: Apertures, found: Apertures, positions: Float64Array, noise: float, *, floor: float, few: bool = False
) -> FluxRatio | None:
    """Return the flux of stars over what it should be.

    Parameters
    ----------
    right, found : Apertures
        The stars as they should be, and as they are.
    positions : ndarray, shape (n, 2)
        Their positions in the new image, for the record.
    noise : float
        Noise of a sky pixel in the new image [electron/s].
    floor : float
        Systematic error of a ratio.
    few : bool, optional
        Whether a single star is enough, as for bright ones; their scatter is then no measure of the error.

    Returns
    -------
    FluxRatio or None
        None where there are too few stars.
    """
    snr = right.flux / (noise * np.sqrt(np.maximum(right.pixels, 1.0)))
    keep = right.usable & found.usable & (snr > FAINT)
    if np.count_nonzero(keep) < (1 if few else MIN_STARS):
        return None
    ratios = found.flux[keep] / right.flux[keep]
    ratio = float(np.median(ratios))
    spread = 0.0 if few else 1.4826 * float(np.median(np.abs(ratios - ratio)))
    error = float(np.hypot(_MEDIAN * spread / np.sqrt(ratios.size), floor))
    columns = (*positions.T, right.flux, found.flux, snr, np.pi * RADIUS**2 - found.pixels)
    rows = zip(*(column[keep].round(3).tolist() for column in columns), [True] * ratios.size, strict=True)
    stars = tuple(StarFlux(*row) for row in rows)
    return FluxRatio(ratio, error, ratios.size, 0.0, FAINT, RADIUS, stars)


def _combined(
    before: Float64Array, after: Float64Array, pixels: Float64Array, snr: Float64Array, level_fault: float
) -> tuple[float, float, Bools]:
    """Return the median ratio of fluxes weighted by their errors, its error, and the stars that are not outliers.

    The median is used because a cosmic ray on a star is often undetected. The error of the level, which affects all
    stars in the same way, does not average out; a third of it is added, so that three errors include all of it.
    """
    ratio, fault = after / before, abs(level_fault) * pixels / before
    spread = 1.4826 * np.median(np.abs(ratio - np.median(ratio)))
    inside = np.abs(ratio - np.median(ratio)) <= _OUTLIER * np.hypot(spread, fault) + 1e-9
    sigma = np.hypot(np.hypot(np.sqrt(2) / snr, _FLOOR), _UNIFORM * fault)[inside]
    weight = sigma**-2.0 / np.sum(sigma**-2.0)
    order = np.argsort(ratio[inside])
    below = np.cumsum(weight[order]) - weight[order] / 2
    median = float(np.interp(0.5, below, ratio[inside][order]))
    statistical = _MEDIAN * np.sqrt(weight**2 @ np.maximum((ratio[inside] - median) ** 2, sigma**2))
    common = weight @ fault[inside] / 3
    return median, float(np.sqrt(statistical**2 + common**2 + _FLOOR**2)), inside


def measure_stars(
    image: Image,
    usable: Bools,
    positions: Float64Array,
    *,
    scale: float = 1.0,
    core: float | None = None,
    radius: float | None = None,
) -> Apertures:
    """Measure the flux of stars.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Image [electron/s].
    usable : ndarray of bool, shape (ny, nx)
        Usable pixels; others are left out of the sums.
    positions : ndarray, shape (n, 2)
        x, y (0-based pixels).
    scale : float, optional
        Size of a pixel in pixels of the detector.
    core : float, optional
        Radius within which all pixels must be usable [pixel]; by default that of the aperture.
    radius : float, optional
        Radius of the aperture [pixel of the detector]; 3 by default.
    """
    inside = np.all((positions >= 0) & (positions < np.array(image.shape[::-1])), axis=1)
    safe = np.where(inside[:, None], positions, 0.0)
    ring = RING[0] / scale, RING[1] / scale
    filled, unusable = np.where(usable, image, 0.0), ~usable
    key, size = (np.asarray(safe, np.float64).tobytes(), image.shape), (radius or RADIUS) / scale
    discs = _pieces(*key, (size,), "exact")
    sky = np.array([_median(filled[at][inner & usable[at]]) for at, _, inner in _pieces(*key, ring, "center")])
    total, pixels = (np.array([_sum(plane, piece) for piece in discs]) for plane in (filled, usable))
    bad = np.pi * size**2 - pixels
    if core is not None:
        bad = np.array([_sum(unusable, piece) for piece in _pieces(*key, (core,), "center")])
    flux = total - sky * pixels
    return Apertures(flux, pixels * scale**2, inside & np.isfinite(flux) & (bad < 1e-6))


#: Piece of an image that an aperture covers: its rows and columns, their weights, and where these are not zero.
Piece = tuple[tuple[slice, slice], Float64Array, Bools]


@lru_cache(maxsize=12)
def _pieces(places: bytes, shape: tuple[int, int], radii: tuple[float, ...], method: str) -> tuple[Piece, ...]:
    """Return what discs (one radius) or rings (two) cover of an image, one at each position in it.

    Positions are given as the bytes of their array. The same ones are measured in several images, so that the pieces of
    the last positions are kept.
    """
    at = np.frombuffer(places).reshape(-1, 2)
    apertures = CircularAperture(at, *radii) if len(radii) == 1 else CircularAnnulus(at, *radii)
    pieces = []
    for mask in apertures.to_mask(method=method):
        whole, part = mask.get_overlap_slices(shape)
        weights = np.asarray(mask.data[part], np.float64)
        pieces.append((whole, weights, weights > 0))
    return tuple(pieces)


def _sum(image: Image | Bools, piece: Piece) -> float:
    """Return the sum of the pixels in an aperture, as photutils adds them."""
    where, weights, inner = piece
    return float((image[where] * weights)[inner].sum())


def _median(values: Image) -> float:
    """Return a median; NaN where there are no values."""
    return float(np.median(values.astype(np.float64))) if values.size else float("nan")


def _centroids(image: Image, positions: Float64Array, scale: float) -> Float64Array:
    """Return the offsets of the stars' centroids from the given positions [pixel of the detector]."""
    filled = np.nan_to_num(image)
    ring = CircularAnnulus(positions, RING[0] / scale, RING[1] / scale)
    sky = np.atleast_1d(ApertureStats(filled, ring).median)
    found = ApertureStats(filled, CircularAperture(positions, RADIUS / scale), local_bkg=sky).centroid
    return (np.atleast_2d(np.asarray(found, np.float64)) - positions) * scale
