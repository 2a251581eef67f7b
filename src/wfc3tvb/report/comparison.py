"""Comparison of two images of a repair, before and after: each minus its own sky, at one stretch, and histograms."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image as Picture
from PIL.Image import fromarray as picture_of

from wfc3tvb.errors import BadFileError
from wfc3tvb.fits.images import read_drz, read_flt
from wfc3tvb.models import Row

log = logging.getLogger(__name__)

Image = NDArray[np.floating[Any]]
#: Largest height and width of an image in a page, and of its magnified centre [pixel].
SIDE, CENTER = 340, 170
#: Stretch, in units of the scatter of the image before: shows its noise, and sources in both.
_BELOW, _ABOVE = 3.0, 6.0
#: Range of a histogram, in the same unit, and its number of bins.
_RANGE, _BINS = 5.0, 100
#: Grey levels of a picture: fewer than 256 make the file of a noisy image a third smaller, and are not seen.
_LEVELS = 64
#: One of so many pixels is used for levels and scatters of a full frame.
_EVERY = 7


@dataclass(frozen=True)
class Pane:
    """Image to show: its title, pixels [electron/s] and mask of good pixels."""

    title: str
    image: Image
    good: NDArray[np.bool_] | None = None

    def sky(self) -> Image:
        """Return the good, finite pixels."""
        keep = np.isfinite(self.image) if self.good is None else self.good & np.isfinite(self.image)
        return self.image[keep]

    def minus(self, level: float) -> Pane:
        """Return the image with a level subtracted [electron/s]."""
        return replace(self, image=self.image - level)


@dataclass(frozen=True)
class Comparison:
    """Images of a product before and after its repair, each minus its own sky.

    Attributes
    ----------
    row : row of `reprocessed`
        The product.
    before, after : Pane
        Images minus their sky [electron/s].
    levels : (float, float)
        The sky that was subtracted, the median of the good pixels before and after [electron/s].
    scatter : float
        Half of the range that holds 68 % of the good pixels before the repair, or after it where that is larger
        [electron/s].
    """

    row: Row
    before: Pane
    after: Pane
    levels: tuple[float, float]
    scatter: float

    @property
    def name(self) -> str:
        """Rootname of an exposure, or the dataset of a drizzled image."""
        return str(self.row["rootname"] or self.row["dataset"])

    @property
    def limits(self) -> tuple[float, float]:
        """Values drawn black and white, the same in both images [electron/s above the sky]."""
        return stretch(self.scatter)

    def histograms(self) -> tuple[Image, Image, Image]:
        """Return the edges of the bins [electron/s above the sky], and the percentage of the pixels in each bin.

        Returns
        -------
        edges : ndarray, shape (n + 1,)
            Edges.
        before, after : ndarray, shape (n,)
            Percentages.
        """
        edges = np.linspace(-_RANGE * self.scatter, _RANGE * self.scatter, _BINS + 1)
        skies = (pane.sky() for pane in (self.before, self.after))
        before, after = (100 * np.histogram(sky, edges)[0] / max(sky.size, 1) for sky in skies)
        return edges, before, after


def compare(row: Row, before: Pane, after: Pane) -> Comparison:
    """Subtract from two images their own sky, and choose one stretch for both.

    Parameters
    ----------
    row : row of `reprocessed`
        The product.
    before, after : Pane
        Images before and after [electron/s].
    """
    (first, first_scatter), (second, second_scatter) = (level_and_scatter(pane.sky()) for pane in (before, after))
    scatter = max(first_scatter, second_scatter, 1e-5)
    return Comparison(row, before.minus(first), after.minus(second), (first, second), scatter)


def stretch(scatter: float) -> tuple[float, float]:
    """Return the values drawn black and white for a scatter of the sky."""
    return -_BELOW * scatter, _ABOVE * scatter


def level_and_scatter(sky: Image) -> tuple[float, float]:
    """Return the median of an image, and half of the range around it that holds 68 % of the pixels."""
    if not sky.size:
        return 0.0, 0.0
    low, level, high = np.percentile(sky[::_EVERY] if sky.size > 100 * _EVERY else sky, (15.87, 50.0, 84.13))
    return float(level), float(high - low) / 2


def comparisons(products: Sequence[Row]) -> Iterator[Comparison]:
    """Yield the comparisons of repaired products whose files exist and can be read, the drizzled images first.

    Parameters
    ----------
    products : rows of `reprocessed`
        Products of a visit; recalibrated ones are left out.
    """
    repaired = [row for row in products if row["method"] != "perform"]
    for row in sorted(repaired, key=lambda row: row["kind"] != "drz"):
        for _, (before, after) in read_pairs([row]):
            yield compare(row, before, after)


def read_pairs(products: Sequence[Row]) -> Iterator[tuple[str, tuple[Pane, Pane]]]:
    """Yield product_id and the images before and after, for products whose files exist and can be read."""
    for row in products:
        if not row["path"] or not Path(row["path"]).is_file() or not before_of(row).is_file():
            continue
        name = row["rootname"] or row["dataset"]
        try:
            before = _pane(f"{name} archive", before_of(row), row["kind"])
            yield row["product_id"], (before, _pane(f"{name} {row['method']}", Path(row["path"]), row["kind"]))
        except BadFileError as error:
            log.warning("left out of the figures: %s", error)


def before_of(row: Row) -> Path:
    """Return the path of the archive's product with which a row of `reprocessed` was compared."""
    path = Path(row["path"])
    return path.parent.parent / "orig" / path.name


def _pane(title: str, path: Path, kind: str) -> Pane:
    picture = read_drz(path) if kind == "drz" else read_flt(path)
    return Pane(title, picture.image, picture.good)


def central_square(image: Image, size: int) -> Image:
    """Return the central square of an image."""
    y, x = (max(0, (n - size) // 2) for n in image.shape)
    return image[y : y + size, x : x + size]


def reduced(image: Image, side: int = SIDE) -> Image:
    """Return the means of square blocks of an image; pixels without a value count as zero, the sky.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Image minus its sky.
    side : int, optional
        Largest height and width of the result [pixel].
    """
    block = max(1, -(-max(image.shape) // side))
    ny, nx = (n // block for n in image.shape)
    blocks = np.nan_to_num(image[: ny * block, : nx * block], posinf=0.0, neginf=0.0)
    return np.asarray(blocks.reshape(ny, block, nx, block).mean(axis=(1, 3)))


def grey(image: Image, limits: tuple[float, float]) -> Picture:
    """Return an image as a grey picture, its first row at the bottom."""
    low, high = limits
    levels = np.clip(np.nan_to_num(image, nan=0.0, posinf=high, neginf=low) - low, 0, high - low) / (high - low)
    steps = np.round(levels * (_LEVELS - 1)) * (255 / (_LEVELS - 1))
    return picture_of(np.ascontiguousarray(steps[::-1]).astype(np.uint8))
