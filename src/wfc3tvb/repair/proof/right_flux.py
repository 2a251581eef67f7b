"""Comparison of star fluxes with what is right: those of the last good reads, stars that saturate included."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy import ndimage

from wfc3tvb.fits.images import Picture, drop_and_scale
from wfc3tvb.repair.acceptance import FluxRatio
from wfc3tvb.repair.star_photometry import CORE, Apertures, flux_ratio, measure_stars, ratio_to_right

Float64Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Systematic error of the flux of a star that saturates, from the nonlinearity left at the top of the ramp; of any star
#: in a drizzled image over that in its exposures, from the drops that spread its light.
_SATURATED_FLOOR, _DRIZZLED_FLOOR = 0.01, 0.015
#: Growth of saturated pixels to join those of one star [pixel], and smallest part of a star's light outside its core;
#: a saturated pixel without such light is a hot one.
_GROWTH, _OUTSIDE = 2, 0.1


def of_reads(right: Picture, new: Picture, places: Float64Array, noise: float) -> FluxRatio | None:
    """Return the flux of stars in a new FLT over that in its last good reads.

    Parameters
    ----------
    right : Picture
        The image of `last_reads.without_cosmic_rays`.
    new : Picture
        The FLT.
    places : ndarray, shape (n, 2)
        Positions of stars (0-based pixels).
    noise : float
        Noise of a sky pixel [electron/s].
    """
    usable = right.good & ~right.rejected, new.good & ~new.rejected
    return flux_ratio(right.image, new.image, usable, (places, places), noise, same_pixels=True)


def of_saturated(right: Picture, new: Picture, noise: float) -> FluxRatio | None:
    """Return the flux of the stars that saturate in an exposure, over that in its last good reads.

    Saturated pixels count as they are in the new FLT, flagged or not.
    """
    places = saturated_stars(right)
    if not len(places):
        return None
    filled = np.nan_to_num(new.image)
    true, found = (measure_stars(image, right.good, places, core=CORE) for image in (right.image, filled))
    return ratio_to_right(true, found, places, noise, floor=_SATURATED_FLOOR, few=True)


def saturated_stars(right: Picture) -> Float64Array:
    """Return the positions of the stars that saturate during an exposure, shape (n, 2)."""
    labels, n = ndimage.label(ndimage.binary_dilation(right.saturated, iterations=_GROWTH))
    if not n:
        return np.empty((0, 2))
    light = np.where(right.good, np.maximum(right.image, 0), 0) + np.float32(1e-6)
    found = np.array(ndimage.center_of_mass(light, labels, np.arange(1, n + 1)))[:, ::-1]
    core, whole = (measure_stars(right.image, right.good, found, core=CORE, radius=r).flux for r in (CORE, None))
    return found[core < (1 - _OUTSIDE) * whole]


def of_drizzled(
    rights: Sequence[Picture],
    pictures: tuple[Picture, Picture],
    stars: Float64Array,
    noise: float,
    *,
    away: Float64Array,
    saturated: bool = False,
) -> FluxRatio | None:
    """Return the flux of stars in a drizzled image over that in the last good reads of its exposures.

    AstroDrizzle takes the cores of some bright stars for cosmic rays, whatever the ramp fit did. Where the flux before
    is nearer than that of the reads, it counts as right, so that the loss is that of the repair.

    Parameters
    ----------
    rights : sequence of Picture
        The exposures: images of `last_reads.without_cosmic_rays`.
    pictures : pair of Picture
        The drizzled images before and after.
    stars : ndarray, shape (n, 2)
        Right ascension and declination [deg].
    noise : float
        Noise of a sky pixel in the new image [electron/s].
    away : ndarray, shape (2,)
        Offset of the image before [pixel].
    saturated : bool, optional
        Whether these stars saturate: then pixels without weight count as they are.
    """
    if not len(stars) or not rights:
        return None
    old, new = pictures
    shifts = away, np.zeros(2)
    before, found = (
        _in_image(each, places_of(each.wcs, stars) + shift, as_it_is=saturated)
        for each, shift in zip(pictures, shifts, strict=True)
    )
    right = _mean([_in_drizzled(each, new.wcs, stars) for each in rights])
    nearer = before.usable & (np.abs(found.flux - before.flux) < np.abs(found.flux - right.flux))
    right = Apertures(np.where(nearer, before.flux, right.flux), right.pixels, right.usable)
    return ratio_to_right(right, found, places_of(new.wcs, stars), noise, floor=_DRIZZLED_FLOOR, few=saturated)


def _in_image(picture: Picture, places: Float64Array, *, as_it_is: bool) -> Apertures:
    """Measure stars in a drizzled image, with pixels without weight as they are or not at all."""
    scale = drop_and_scale(picture.header)[1]
    if as_it_is:
        return measure_stars(np.nan_to_num(picture.image), np.ones(picture.good.shape, bool), places, scale=scale)
    return measure_stars(picture.image, picture.good, places, scale=scale)


def _in_drizzled(right: Picture, wcs: WCS, stars: Float64Array) -> Apertures:
    """Return the fluxes of stars in an exposure as they should be in a drizzled image.

    Drizzling conserves surface brightness, so the flux changes with the area of the pixels.
    """
    places = places_of(right.wcs, stars)
    found = measure_stars(right.image, right.good, places)
    area = _pixel_area(right.wcs, places) / _pixel_area(wcs, places_of(wcs, stars))
    return Apertures(found.flux * area, found.pixels, found.usable)


def _mean(each: Sequence[Apertures]) -> Apertures:
    """Return the mean flux of the exposures in which a star can be used."""
    usable = np.array([one.usable for one in each])
    number = np.maximum(usable.sum(axis=0), 1)
    flux = np.sum([np.where(one.usable, one.flux, 0.0) for one in each], axis=0) / number
    pixels = np.max([one.pixels for one in each], axis=0)
    return Apertures(flux, pixels, np.asarray(usable.any(axis=0)))


def places_of(wcs: WCS, world: Float64Array) -> Float64Array:
    """Return the pixel coordinates of sky positions."""
    if not len(world):
        return np.empty((0, 2))
    return np.column_stack(wcs.all_world2pix(*world.T, 0, quiet=True))


def world_of(wcs: WCS, places: Float64Array) -> Float64Array:
    """Return the sky positions of pixel coordinates."""
    return np.column_stack(wcs.all_pix2world(*places.T, 0)) if len(places) else np.empty((0, 2))


def _pixel_area(wcs: WCS, places: Float64Array) -> Float64Array:
    """Return the area of pixels on the sky [deg^2]."""
    steps = (np.array([0.5, 0.0]), np.array([0.0, 0.5]))
    x, y = (world_of(wcs, places + step) - world_of(wcs, places - step) for step in steps)
    stretch = np.cos(np.radians(world_of(wcs, places)[:, 1]))
    return np.asarray(np.abs(x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0]) * stretch)
