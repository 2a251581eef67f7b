"""Image of an exposure from the last good read of every pixel: right star fluxes, whatever a ramp fit does."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.errors import BadFileError
from wfc3tvb.fits.calibrated_reads import IntegrationReads
from wfc3tvb.fits.images import Picture
from wfc3tvb.instrument import DQ
from wfc3tvb.repair.methods.omit import recover_saturated
from wfc3tvb.repair.model import Member
from wfc3tvb.repair.proof.sorting import median_of
from wfc3tvb.system.files import atomic_write

Float32Array = NDArray[np.float32]
Bools = NDArray[np.bool_]

#: A pixel was hit by a cosmic ray if it exceeds that of the fitted images by this many standard deviations and this
#: fraction of its light.
_HIT_SIGMA, _HIT_FRACTION = 5.0, 0.05


@dataclass(frozen=True)
class LastReads:
    """Rate of the last good read of every pixel.

    The sky may vary as it likes: it changes a star and its surroundings alike. Cosmic rays remain.

    Attributes
    ----------
    image : ndarray, shape (ny, nx), float32
        Count rate [electron/s].
    usable : ndarray of bool, shape (ny, nx)
        Pixels with at least one good read.
    saturated : ndarray of bool, shape (ny, nx)
        Pixels that saturate after their first read.
    """

    image: Float32Array
    usable: Bools
    saturated: Bools


def last_reads(reads: IntegrationReads, member: Member) -> LastReads:
    """Return the image of the last good reads of an exposure, from its reads."""
    n = reads.times.size
    kept = np.array([k for k in range(n) if k + 1 not in member.lost])
    rates, dq = (reads.rate, reads.dq) if kept.size == n else (reads.rate[kept], reads.dq[kept])
    saturated = (dq & int(DQ.SATPIXEL)) != 0
    sky = np.array(member.cumulative) if len(member.cumulative) == n else np.zeros(n)
    image, recovered = recover_saturated(rates[-1], rates, saturated, reads.times[kept], sky[kept])
    return LastReads(image, np.isfinite(image) & ~saturated[0], recovered)


def write_last_reads(path: Path, reads: LastReads) -> None:
    """Write the image to a file (npz)."""
    with atomic_write(path) as part, part.open("wb") as file:
        np.savez(file, image=reads.image, usable=reads.usable, saturated=reads.saturated)


def read_last_reads(path: Path) -> LastReads | None:
    """Read the image of `write_last_reads`; None if there is no file.

    Raises
    ------
    BadFileError
        If the file is damaged.
    """
    if not path.exists():
        return None
    content = BytesIO(path.read_bytes())  # zipfile would take a disk that fails for a file that is no archive
    try:
        with np.load(content) as arrays:
            return LastReads(arrays["image"], arrays["usable"], arrays["saturated"])
    except (BadZipFile, ValueError, KeyError, EOFError) as error:
        raise BadFileError(path, "damaged", "delete it and run again") from error


def without_cosmic_rays(reads: LastReads, old: Picture, new: Picture, noise: float) -> Picture:
    """Return the image of the last good reads above its sky, with cosmic rays replaced by the fitted image.

    Parameters
    ----------
    reads : LastReads
        The image.
    old, new : Picture
        The FLT before, whose ramp fit rejected cosmic rays, and the new one. A pixel of the reads is hit if it exceeds
        both of them.
    noise : float
        Noise of a sky pixel in the images, the larger one [electron/s].

    Returns
    -------
    Picture
        Image above the sky [electron/s]; `rejected` are the pixels that were hit, `saturated` those that saturate.
    """
    before = _above_sky(old.image, old.good)
    fitted = np.maximum(before, _above_sky(new.image, new.good))
    image = _above_sky(reads.image, reads.usable & new.good)
    hit = image > fitted + _HIT_SIGMA * noise + _HIT_FRACTION * np.maximum(fitted, 0)
    filled = np.where(hit, before, image)
    return Picture(filled, reads.usable & (new.good | new.saturated), hit, reads.saturated, None, new.header, new.wcs)


def _above_sky(image: Float32Array, good: Bools) -> Float32Array:
    """Return an image above the median of its good pixels; 0 everywhere if there is none."""
    if not np.any(good):
        return np.zeros_like(image)
    return np.asarray(image - median_of(image[good]), np.float32)
