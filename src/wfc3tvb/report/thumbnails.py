"""Thumbnails of the exposures of a visit whose images are on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.archive.local_folder import FolderArchive
from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.errors import BadFileError, NotFitsError
from wfc3tvb.fits.blocks import CHECK_THE_COPY
from wfc3tvb.fits.opened import opened
from wfc3tvb.instrument import BORDER
from wfc3tvb.models import Row
from wfc3tvb.report.comparison import before_of, grey

#: Largest height and width of a thumbnail [pixel].
SIDE = 128


def read_small(path: Path, side: int = SIDE) -> NDArray[np.float32]:
    """Read an image, reduced by the median of square blocks, which suppresses hot pixels and cosmic rays.

    Parameters
    ----------
    path : Path
        An FLT, or an IMA: its last read, without the reference pixels.
    side : int, optional
        Largest height and width of the result [pixel].

    Returns
    -------
    ndarray, shape (ny, nx), float32
        Image in the file's unit.

    Raises
    ------
    NotFitsError
        If it is not such a file, or truncated.
    """
    with opened(path, "a WFC3 image") as hdus:
        pixels = hdus["SCI", 1].data
    if pixels is None or pixels.ndim != 2:
        raise NotFitsError(path, "its first image has no pixels", CHECK_THE_COPY)
    inner = pixels[BORDER:-BORDER, BORDER:-BORDER] if path.name.partition(".")[0].endswith("_ima") else pixels
    block = max(1, -(-max(inner.shape) // side))
    ny, nx = (n // block for n in inner.shape)
    if not ny * nx:
        raise NotFitsError(path, "its first image has too few pixels", CHECK_THE_COPY)
    blocks = inner[: ny * block, : nx * block].reshape(ny, block, nx, block)
    return np.asarray(np.median(blocks, axis=(1, 3)), np.float32)


def as_png(image: NDArray[np.float32]) -> bytes:
    """Return an image as a grey PNG, from 3 standard deviations below the sky to 8 above."""
    low, center, high = np.nanpercentile(image, [15.9, 50.0, 84.1]) if np.isfinite(image).any() else (0.0, 0.0, 1.0)
    spread = max((high - low) / 2, 1e-6)
    buffer = BytesIO()
    shown = np.nan_to_num(image, nan=float(center))
    grey(shown, (float(center - 3 * spread), float(center + 8 * spread))).save(buffer, format="png")
    return buffer.getvalue()


@dataclass(frozen=True)
class Thumbnail:
    """Thumbnail of an exposure.

    Attributes
    ----------
    exposure : row of `exposures`
        The exposure.
    png : bytes or None
        The picture; None where there is none.
    caption : str
        Kind of image, or the reason why there is none.
    """

    exposure: Row
    png: bytes | None
    caption: str


def thumbnails(exposures: Sequence[Row], products: Sequence[Row], folders: Sequence[Path] = ()) -> Iterator[Thumbnail]:
    """Yield the thumbnail of every exposure.

    Parameters
    ----------
    exposures : rows of `exposures`
        Exposures of a visit.
    products : rows of `reprocessed`
        Products of the visit.
    folders : sequence of Path, optional
        Folders in which FLT or IMA files may be.
    """
    for row in exposures:
        found = find_image(row["rootname"], products, folders)
        if found is None:
            yield Thumbnail(row, None, why_missing(row))
            continue
        path, caption = found
        try:
            yield Thumbnail(row, as_png(read_small(path)), caption)
        except BadFileError:
            yield Thumbnail(row, None, f"{path.name} cannot be read")


def find_image(rootname: str, products: Sequence[Row], folders: Sequence[Path] = ()) -> tuple[Path, str] | None:
    """Return path and kind of an image of an exposure on this machine: the archive's if possible, else a product."""
    product = next((row for row in products if row["rootname"] == rootname and row["path"]), None)
    if product and before_of(product).is_file():
        return before_of(product), "the archive's image"
    for folder in folders:
        for suffix, caption in (("flt", "the archive's image"), ("ima", "the last read")):
            if path := FolderArchive(folder).path(rootname, suffix):
                return path, caption
    if product and Path(product["path"]).is_file():
        caption = "recalibrated" if product["method"] == "perform" else f"repaired by {product['method']}"
        return Path(product["path"]), caption
    return None


def surveyed_folders(catalog: Catalog) -> list[Path]:
    """Return the local folders that were surveyed and still exist, which may contain images."""
    rows = catalog.sql("SELECT arguments FROM runs WHERE command = 'survey' ORDER BY started_at DESC").fetchall()
    named = dict.fromkeys(json.loads(text or "{}").get("folder") for (text,) in rows)
    return [Path(folder) for folder in named if folder and Path(folder).is_dir()]


def why_missing(row: Row) -> str:
    """Return the reason why there is no thumbnail of an exposure."""
    if row["source"] in ("s3", "mast"):
        return "image not downloaded"
    return "no image on this machine"
