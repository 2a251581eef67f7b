"""Which pixels show the sky: detector flags and a source mask from a draft rate image.

The idea (a scene mask from the draft rate, kept for all reads) is that of jwst's ``clean_flicker_noise``; the flags
follow the WFC3 Data Handbook, table 3.3. Bits 8192 and 32 are not masked: a variable background sets them everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.names import DQ
from wfc3tvb.science.kernels import box_mean

#: Flags of the first read that disqualify a pixel for the whole exposure.
BAD_PIXEL = DQ.DETECTORPROB | DQ.HOTPIX | DQ.SATPIXEL | DQ.BADFLAT
#: Half the width of the box that the draft rate is smoothed with [pixel].
_HALF_BOX = 2
#: A source stands this many standard deviations above the smoothed sky.
_THRESHOLD = 2.5
#: Width of the column blocks in which the sky level of the draft is found: scattered light varies along rows.
_BLOCK = 128


@dataclass(frozen=True)
class SkyMask:
    """Pixels left out of every read.

    Attributes
    ----------
    skip : ndarray, shape (ny, nx), uint8
        1 where a pixel is left out.
    source_fraction : float
        Fraction of the detector's good pixels that sources cover.
    """

    skip: NDArray[np.uint8]
    source_fraction: float


def sky_mask(draft: NDArray[Any], first_dq: NDArray[Any]) -> SkyMask:
    """Mask bad pixels and sources.

    Parameters
    ----------
    draft : ndarray, shape (ny, nx)
        Rate over the whole exposure: the last read [electron/s].
    first_dq : ndarray, shape (ny, nx), int16
        Flags of the first read.
    """
    bad = ((first_dq & int(BAD_PIXEL)) != 0).astype(np.uint8)
    smooth = box_mean(draft.astype(np.float32), bad, _HALF_BOX)
    edges = np.linspace(0, draft.shape[1], max(1, round(draft.shape[1] / _BLOCK)) + 1).astype(int)
    source = np.zeros(draft.shape, bool)
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        block = smooth[:, start:stop]
        level, scatter = _sky_of(block[::3, ::3])
        source[:, start:stop] = ~(block <= level + _THRESHOLD * scatter)
    n_good = int(np.count_nonzero(bad == 0))
    covered = np.count_nonzero(source & (bad == 0)) / n_good if n_good else 1.0
    return SkyMask(skip=(source | (bad != 0)).astype(np.uint8), source_fraction=float(covered))


def _sky_of(values: NDArray[np.float32]) -> tuple[float, float]:
    """Return level and scatter of the sky in an image with sources: both from the lower half, iterated.

    Sources only add light, so the lower half of the sky's distribution is the one to trust: the scatter is the
    distance from the median to the 16th percentile, and what stands high above the median goes, until nothing does.
    """
    kept = np.sort(values[np.isfinite(values)].astype(float))
    if kept.size == 0:
        return float("nan"), float("nan")
    for _ in range(20):
        low, level = kept[int(0.1587 * kept.size)], kept[kept.size // 2]
        n = int(np.searchsorted(kept, level + 2.5 * (level - low), "right"))
        if n == kept.size:
            break
        kept = kept[:n]
    return float(level), float(level - low)
