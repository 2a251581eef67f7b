"""Statistics of the sky of a product before and after its repair, and their files for figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.errors import BadFileError
from wfc3tvb.fits.images import Picture, drop_and_scale, read_flt
from wfc3tvb.repair import sky_statistics
from wfc3tvb.repair.expected import expected_noise
from wfc3tvb.repair.model import Member
from wfc3tvb.repair.sky_statistics import SkyStatistics

#: Width of the central piece that is stored for figures [pixel].
ZOOM = 200
#: Noise assumed for an exposure that was not measured [electron/s].
_TYPICAL_NOISE = 0.05


@dataclass(frozen=True)
class Skies:
    """Statistics of the sky pixels of two products.

    Attributes
    ----------
    before, after : SkyStatistics
        Statistics before and after; in drizzled images the noise is corrected for correlation.
    unstable : pair of float or None
        Fraction of unstable pixels, before and after.
    noise : float
        Noise expected in the new product [electron/s].
    """

    before: SkyStatistics
    after: SkyStatistics
    unstable: tuple[float | None, float | None]
    noise: float


def exposure_skies(member: Member, before: Path, after: Path, proof: Path) -> Skies:
    """Measure the sky of an exposure's FLT and of the one before.

    Parameters
    ----------
    member : Member
        The exposure, with its method.
    before, after : Path
        The files; `after` need not have been drizzled.
    proof : Path
        File to write for figures.
    """
    old, new = read_flt(before), read_flt(after)
    noise = expected_noise(member) or _TYPICAL_NOISE
    good = old.good & new.good
    # Each image has its own mask: under a cosmic ray that `omit` keeps, the other image has noisy but valid sky.
    skies = (good & ~sky_statistics.source_mask(old.image, good), good & ~sky_statistics.source_mask(new.image, good))
    each = zip((before, after), (old, new), skies, strict=True)
    pair = [statistics(path, picture, sky, noise) for path, picture, sky in each]
    write_figures(proof, (old, new), skies, noise, member.method)
    return Skies(pair[0], pair[1], (old.unstable, new.unstable), noise)


def drizzled_skies(
    files: tuple[Path, Path], pictures: tuple[Picture, Picture], noise: float | None, proof: Path, *, method: str
) -> Skies:
    """Measure the sky of drizzled images, before and after.

    Parameters
    ----------
    files, pictures : pair
        The files, and their images.
    noise : float or None
        Noise expected in the new image [electron/s].
    proof : Path
        File to write for figures.
    method : str
        Method of the repair.

    Raises
    ------
    BadFileError
        If an image has too little sky.
    """
    old, new = pictures
    same = old.image.shape == new.image.shape
    good_old, good_new = (old.good & new.good,) * 2 if same else (old.good, new.good)
    mask = sky_statistics.source_mask(new.image, good_new)
    skies = (good_old & ~(mask if same else sky_statistics.source_mask(old.image, good_old)), good_new & ~mask)
    width = noise or _TYPICAL_NOISE / 2
    before, after = (
        statistics(path, each, sky, width * correlation(each)).corrected(correlation(each))
        for path, each, sky in zip(files, pictures, skies, strict=True)
    )
    write_figures(proof, pictures, skies, width, method)
    return Skies(before, after, (None, None), width)


def correlation(picture: Picture) -> float:
    """Return the noise of a drizzled image's pixel over that of an area as large as a pixel of the detector.

    It includes correlated noise and the size of the pixel, so that images with different pixels can be compared.
    """
    pixfrac, scale = drop_and_scale(picture.header)
    return sky_statistics.correlated_noise(pixfrac, scale) * scale


def statistics(path: Path, picture: Picture, sky: NDArray[np.bool_], noise: float) -> SkyStatistics:
    """Return the statistics of a picture's sky.

    Raises
    ------
    BadFileError
        If there is too little sky.
    """
    try:
        return sky_statistics.sky_statistics(picture.image, sky, resolution=noise)
    except ValueError as error:
        raise BadFileError(path, f"cannot be compared: {error}") from error


def write_figures(
    path: Path,
    pictures: tuple[Picture, Picture],
    skies: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    noise: float,
    method: str,
) -> None:
    """Write histograms and the central 200 x 200 pixels of both images; docs/reprocess.md describes the format.

    Parameters
    ----------
    path : Path
        The file (npz); its folder is created if needed.
    pictures, skies : pair
        The images before and after, and their sky pixels.
    noise : float
        Noise expected in the new image [electron/s].
    method : str
        Method of the repair.
    """
    arrays: dict[str, Any] = {"method": method, "noise_expected": noise}
    for prefix, picture, sky in zip(("before", "after"), pictures, skies, strict=True):
        edges, counts = sky_statistics.histogram(sky_statistics.clip(picture.image[sky]), noise)
        arrays |= {f"{prefix}_edges": edges, f"{prefix}_counts": counts, f"{prefix}_zoom": _center(picture.image)}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)


def _center(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the central piece of an image."""
    rows, columns = (slice(max(n // 2 - ZOOM // 2, 0), n // 2 + ZOOM // 2) for n in image.shape)
    return image[rows, columns]
