"""Images of a dataset during its repair, each read once, and the pixels that sources cover in them, found once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.fits.images import Picture, read_flt
from wfc3tvb.repair.proof.sorting import median_of
from wfc3tvb.repair.sky_statistics import source_mask

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Pictures:
    """FLTs that have been read, by their paths; a file must not change between two calls.

    Attributes
    ----------
    images : dict of Path to Picture
        Images read so far.
    levels : dict of Path to float
        Medians of their good pixels [electron/s].
    covered : dict of Path to ndarray of bool
        Pixels of these images that sources cover.
    """

    images: dict[Path, Picture] = field(default_factory=dict)
    levels: dict[Path, np.floating] = field(default_factory=dict)
    covered: dict[Path, Bools] = field(default_factory=dict)

    def flt(self, path: Path) -> Picture:
        """Return an FLT.

        Raises
        ------
        NotFitsError
            If the file is not an FLT, or cut short.
        """
        if path not in self.images:
            self.images[path] = read_flt(path)
        return self.images[path]

    def level(self, path: Path) -> np.floating:
        """Return the median of the good pixels of an FLT [electron/s]; it needs a good pixel."""
        if path not in self.levels:
            picture = self.flt(path)
            self.levels[path] = median_of(picture.image[picture.good])
        return self.levels[path]

    def sources(self, path: Path) -> Bools:
        """Return the pixels of an FLT that sources and cosmic rays cover; it needs a good pixel."""
        if path not in self.covered:
            picture = self.flt(path)
            self.covered[path] = source_mask(picture.image, picture.good, self.level(path))
        return self.covered[path]

    def sources_before(self, path: Path, aligned: Path) -> Bools | None:
        """Return the sources of an FLT if the aligned copy of it has the same good pixels, otherwise None."""
        same = np.array_equal(self.flt(path).good, self.flt(aligned).good)
        return self.sources(path) if same and np.any(self.flt(path).good) else None
