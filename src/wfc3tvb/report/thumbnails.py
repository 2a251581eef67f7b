"""Thumbnails of the exposures of a visit, where their pixels are at hand; where not, a word why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wfc3tvb.archive.local_folder import LocalSource
from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.errors import BadFileError
from wfc3tvb.exposure import Row
from wfc3tvb.io.small import as_png, read_small
from wfc3tvb.report.repairs import before_of


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
            if path := LocalSource(folder).path(rootname, suffix):
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
