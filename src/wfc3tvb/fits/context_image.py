"""Number of exposures that cover each pixel of a drizzled image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

#: Exposures that AstroDrizzle needs to reject cosmic rays well: with two, it cannot tell which of them was hit.
ENOUGH = 3


def fraction_of_few(drz: Path) -> float | None:
    """Return the fraction of a drizzled image's area that fewer than three exposures cover; None without a CTX image.

    Parameters
    ----------
    drz : Path
        Drizzled image; bit k of its context image (CTX) says that exposure k contributes to a pixel.
    """
    with fits.open(drz) as hdus:
        if ("CTX", 1) not in hdus or hdus["CTX", 1].data is None:
            return None
        context = np.asarray(hdus["CTX", 1].data)
    planes = context if context.ndim == 3 else context[None]
    counts = np.bitwise_count(planes.astype(np.int32).view(np.uint32)).sum(axis=0)
    covered = counts > 0
    return float(np.mean(counts[covered] < ENOUGH)) if covered.any() else None
