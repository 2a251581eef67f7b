"""Thumbnails of the exposures of a visit, where their pixels are at hand; where not, a word why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from astropy.io import fits
from matplotlib.image import imsave
from numpy.typing import NDArray

from wfc3tvb.archive.local_folder import FolderArchive
from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.errors import BadFileError, NotFitsError
from wfc3tvb.instrument import BORDER
from wfc3tvb.models import Row
from wfc3tvb.report.repair_figures import before_of

#: Pixels on a side, at most.
SIDE = 128


def read_small(path: Path, side: int = SIDE) -> NDArray[np.float32]:
    """Read an image and take the median of square blocks, so that hot pixels and cosmic rays do not matter.

    Parameters
    ----------
    path : Path
        An FLT, or an IMA: its last read, without the reference pixels.
    side : int, optional
        Pixels on a side, at most.

    Returns
    -------
    ndarray, shape (ny, nx), float32
        In the file's unit.

    Raises
    ------
    NotFitsError
        If it is no such file, or cut short.
    """
    try:
        with fits.open(path, memmap=False, lazy_load_hdus=True) as hdus:
            pixels = hdus["SCI", 1].data
    except (OSError, KeyError, IndexError, TypeError, ValueError) as error:
        raise NotFitsError(path, f"not the WFC3 file expected ({error})", "fetch it again") from error
    if pixels is None or pixels.ndim != 2:
        raise NotFitsError(path, "its first image has no pixels", "fetch it again")
    inner = pixels[BORDER:-BORDER, BORDER:-BORDER] if path.name.partition(".")[0].endswith("_ima") else pixels
    block = max(1, -(-max(inner.shape) // side))
    ny, nx = (n // block for n in inner.shape)
    blocks = inner[: ny * block, : nx * block].reshape(ny, block, nx, block)
    return np.asarray(np.median(blocks, axis=(1, 3)), np.float32)


def as_png(image: NDArray[np.float32]) -> bytes:
    """Return a small picture as PNG, grey, from 3 standard deviations below the sky to 8 above."""
    low, center, high = np.nanpercentile(image, [15.9, 50.0, 84.1]) if np.isfinite(image).any() else (0.0, 0.0, 1.0)
    spread = max((high - low) / 2, 1e-6)
    buffer = BytesIO()
    shown = np.nan_to_num(image, nan=float(center))
    imsave(buffer, shown, cmap="gray", vmin=center - 3 * spread, vmax=center + 8 * spread, format="png", origin="lower")
    return buffer.getvalue()


@dataclass(frozen=True)
class Thumbnail:
    """A small picture of an exposure.

    Attributes
    ----------
    exposure : row of `exposures`
        Whose it is.
    png : bytes or None
        The picture.
    word : str
        What is shown, or why there is nothing to show.
    """

    exposure: Row
    png: bytes | None
    word: str


def thumbnails(exposures: Sequence[Row], products: Sequence[Row], folders: Sequence[Path] = ()) -> Iterator[Thumbnail]:
    """Yield the thumbnail of every exposure.

    Parameters
    ----------
    exposures : rows of `exposures`
        Of a visit.
    products : rows of `reprocessed`
        Of it.
    folders : sequence of Path, optional
        Folders where FLT or IMA files may be.
    """
    for row in exposures:
        found = find_image(row["rootname"], products, folders)
        if found is None:
            yield Thumbnail(row, None, why_not(row))
            continue
        path, word = found
        try:
            yield Thumbnail(row, as_png(read_small(path)), word)
        except BadFileError:
            yield Thumbnail(row, None, f"{path.name} cannot be read")


def find_image(rootname: str, products: Sequence[Row], folders: Sequence[Path] = ()) -> tuple[Path, str] | None:
    """Return the image of an exposure that is at hand, and what it is: the archive's first, then ours."""
    own = next((row for row in products if row["rootname"] == rootname and row["path"]), None)
    if own and before_of(own).is_file():
        return before_of(own), "the archive's image"
    for folder in folders:
        for suffix, word in (("flt", "the archive's image"), ("ima", "the last read")):
            if path := FolderArchive(folder).path(rootname, suffix):
                return path, word
    if own and Path(own["path"]).is_file():
        word = "the image made here" if own["method"] == "perform" else f"repaired by {own['method']}"
        return Path(own["path"]), word
    return None


def surveyed_folders(catalog: Catalog) -> list[Path]:
    """Return the folders that were surveyed and are still there: their files are where the pixels are."""
    rows = catalog.sql("SELECT arguments FROM runs WHERE command = 'survey' ORDER BY started_at DESC").fetchall()
    named = dict.fromkeys(json.loads(text or "{}").get("folder") for (text,) in rows)
    return [Path(folder) for folder in named if folder and Path(folder).is_dir()]


def why_not(row: Row) -> str:
    """Return why there is no picture of an exposure."""
    if row["source"] in ("s3", "mast"):
        return "pixels stayed in the archive"
    return "pixels are not at hand"
