"""Statistics of the sky of a product before and after its repair, and their files for figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.errors import BadFileError
from wfc3tvb.fits.images import Picture, drop_and_scale
from wfc3tvb.repair import sky_statistics
from wfc3tvb.repair.expected import expected_noise
from wfc3tvb.repair.methods import implementation
from wfc3tvb.repair.model import Member
from wfc3tvb.repair.proof.pictures import Pictures
from wfc3tvb.repair.proof.sorting import median_of
from wfc3tvb.repair.sky_statistics import SkyStatistics
from wfc3tvb.system.files import atomic_write

#: Width of the central piece that is stored for figures [pixel].
ZOOM = 200
#: Noise assumed for an exposure that was not measured [electron/s].
_TYPICAL_NOISE = 0.05
#: Fraction of sky pixels that may be outliers in an image without cosmic rays.
_FEW_OUTLIERS = sky_statistics.FEW_OUTLIERS

Image = NDArray[np.float32]
Bools = NDArray[np.bool_]
Float64Array = NDArray[np.float64]


@dataclass(frozen=True)
class Skies:
    """Statistics of the sky pixels of two products.

    Attributes
    ----------
    before : SkyStatistics or None
        Statistics before; in drizzled images the noise is corrected for correlation. None if hardly any sky pixel could
        be used before.
    after : SkyStatistics
        Statistics after, corrected in the same way.
    unstable : pair of float or None
        Fraction of unstable pixels, before and after.
    noise : float
        Noise expected in the new product [electron/s]; a typical one where `measured` is False.
    measured : bool
        Whether it follows from the measured sky.
    """

    before: SkyStatistics | None
    after: SkyStatistics
    unstable: tuple[float | None, float | None]
    noise: float
    measured: bool = True

    @property
    def expected(self) -> float | None:
        """Noise of photons and reads in the new product [electron/s]; None where the sky was not measured."""
        return self.noise if self.measured else None


def exposure_skies(member: Member, files: tuple[Path, Path], proof: Path, pictures: Pictures) -> Skies:
    """Measure the sky of an exposure's FLT and of the one before.

    Parameters
    ----------
    member : Member
        The exposure, with its method.
    files : pair of Path
        The FLT before, and the new one, which need not have been drizzled.
    proof : Path
        File to write for figures.
    pictures : Pictures
        Images of the dataset.
    """
    old, new = (pictures.flt(path) for path in files)
    expected = expected_noise(member)
    noise, rejects = expected or _TYPICAL_NOISE, implementation(member.method).description.rejects_cosmic_rays
    covered = pictures.sources(files[1]) if np.any(new.good) else new.good
    skies = exposure_masks(old, new, covered)
    values = _values((old, new), skies)
    pair = (
        _before(old.image, skies[0], noise, values[0]),
        # Cosmic rays that stay in the image are more than a few outliers.
        statistics(files[1], new.image, skies[1], noise, values[1], most_outliers=_FEW_OUTLIERS if rejects else 1.0),
    )
    write_figures(proof, (old, new), values, noise, member.method)
    return Skies(*pair, (old.unstable, new.unstable), noise, expected is not None)


def exposure_masks(old: Picture, new: Picture, covered: Bools) -> tuple[Bools, Bools]:
    """Return the sky pixels of an exposure before and after.

    The image before cannot show its sources: where the ramp fit broke in many pixels, these look like sources. Sources
    are bright in both images, cosmic rays only in the new one (`omit` keeps them), and broken pixels only in the old.

    Parameters
    ----------
    old, new : Picture
        The images.
    covered : ndarray of bool, shape (ny, nx)
        Pixels of the new image that sources cover.
    """
    good = old.good & new.good
    if np.count_nonzero(good) < sky_statistics.MIN_PIXELS:
        return good, _sky(new, covered)
    both = np.minimum(*(each.image - median_of(each.image[good]) for each in (old, new)))
    return old.good & ~sky_statistics.source_mask(both, good), _sky(new, covered)


def _sky(picture: Picture, covered: Bools | None = None) -> Bools:
    """Return the sky pixels of an image; all good pixels if too few of them are sky."""
    if not np.any(picture.good):
        return picture.good
    if covered is None:
        covered = sky_statistics.source_mask(picture.image, picture.good)
    sky = picture.good & ~covered
    return sky if np.count_nonzero(sky) >= sky_statistics.MIN_PIXELS else picture.good


def drizzled_skies(
    files: tuple[Path, Path], pictures: tuple[Picture, Picture], noise: float | None, proof: Path, *, method: str
) -> Skies:
    """Measure the sky of drizzled images, before and after.

    Sky pixels are those of the new image. Before, those of them are used that had weight: where the ramp fit broke,
    flagged pixels have none.

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
        If the new image has too little sky.
    """
    old, new = pictures
    sky = _sky(new)
    skies = (sky & old.good if old.image.shape == new.image.shape else _sky(old), sky)
    width = noise or _TYPICAL_NOISE / 2
    factors = correlation(old), correlation(new)
    values = _values(pictures, skies)
    before = _before(old.image, skies[0], width * factors[0], values[0])
    after = statistics(files[1], new.image, skies[1], width * factors[1], values[1])
    write_figures(proof, pictures, values, width, method)
    corrected = before and before.corrected(factors[0]), after.corrected(factors[1])
    return Skies(*corrected, (None, None), width, noise is not None)


def correlation(picture: Picture) -> float:
    """Return the noise of a drizzled image's pixel over that of an area as large as a pixel of the detector.

    It includes correlated noise and the size of the pixel, so that images with different pixels can be compared.
    """
    pixfrac, scale = drop_and_scale(picture.header)
    return sky_statistics.correlated_noise(pixfrac, scale) * scale


def statistics(
    path: Path,
    image: Image,
    sky: Bools,
    noise: float,
    values: Float64Array | None = None,
    *,
    most_outliers: float = _FEW_OUTLIERS,
) -> SkyStatistics:
    """Return the statistics of an image's sky, of which the values of the pixels may be known in ascending order.

    Raises
    ------
    BadFileError
        If there is too little sky.
    """
    try:
        return sky_statistics.sky_statistics(image, sky, resolution=noise, most_outliers=most_outliers, ordered=values)
    except ValueError as error:
        raise BadFileError(path, f"cannot be compared: {error}") from error


def _values(pictures: tuple[Picture, Picture], skies: tuple[Bools, Bools]) -> tuple[Float64Array, Float64Array]:
    """Return the values of the sky pixels of both images in ascending order."""
    old, new = (sky_statistics.sky_values(each.image, sky) for each, sky in zip(pictures, skies, strict=True))
    return old, new


def _before(image: Image, sky: Bools, noise: float, values: Float64Array) -> SkyStatistics | None:
    """Return the statistics of the sky before; None if it has too few pixels that can be used, or all are equal."""
    if np.count_nonzero(sky) < sky_statistics.MIN_PIXELS:
        return None
    found = sky_statistics.sky_statistics(image, sky, resolution=noise, ordered=values)
    return found if found.noise else None


def write_figures(
    path: Path,
    pictures: tuple[Picture, Picture],
    values: tuple[Float64Array, Float64Array],
    noise: float,
    method: str,
) -> None:
    """Write histograms and the central 200 x 200 pixels of both images; docs/reprocess.md describes the format.

    Parameters
    ----------
    path : Path
        The file (npz); its folder is created if needed.
    pictures, values : pair
        The images before and after, and the values of their sky pixels in ascending order.
    noise : float
        Noise expected in the new image [electron/s].
    method : str
        Method of the repair.
    """
    arrays: dict[str, Any] = {"method": method, "noise_expected": noise}
    for prefix, picture, ordered in zip(("before", "after"), pictures, values, strict=True):
        kept = sky_statistics.clip_sorted(ordered) if ordered.size else np.zeros(1)
        edges, counts = sky_statistics.histogram(kept, noise)
        arrays |= {f"{prefix}_edges": edges, f"{prefix}_counts": counts, f"{prefix}_zoom": _center(picture.image)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _center(image: Image) -> Image:
    """Return the central piece of an image."""
    rows, columns = (slice(max(n // 2 - ZOOM // 2, 0), n // 2 + ZOOM // 2) for n in image.shape)
    return image[rows, columns]
