"""Mask the pixels that do not show the sky, by detector flags and by sources in a draft rate image.

The idea (a source mask from the draft rate, used for all reads) is that of jwst's ``clean_flicker_noise``; the flags
follow the WFC3 Data Handbook, table 3.3. Bits 8192 and 32 are not masked: a variable background sets them everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.curve.box_mean import box_mean
from wfc3tvb.instrument import DQ

#: Flags of the first read that disqualify a pixel for the whole exposure.
BAD_PIXEL = DQ.DETECTORPROB | DQ.HOTPIX | DQ.SATPIXEL | DQ.BADFLAT
#: Half-width of the box with which the draft rate is smoothed [pixel].
HALF_BOX = 2
#: Threshold for sources, in standard deviations above the smoothed sky.
_THRESHOLD = 2.5
#: Number of blocks of columns in which the level of the draft is found, and their smallest width [pixel]: scattered
#: light varies along rows.
_BLOCKS, _NARROWEST = 8, 32
#: Number of cells per side for the evenness of the sky.
_CELLS = 6


@dataclass(frozen=True)
class SkyMask:
    """Pixels left out of every read.

    Attributes
    ----------
    skip : ndarray, shape (ny, nx), uint8
        1 where a pixel is left out.
    source_fraction : float
        Fraction of the detector's good pixels that sources cover; 0 if there is no good pixel.
    unevenness : float
        Relative scatter of the level from cell to cell along columns: large if an extended source fills the frame.
        Scattered light varies along rows and does not count.
    level : float
        Level of the draft outside sources [electron/s]; 0 if unknown.
    """

    skip: NDArray[np.uint8]
    source_fraction: float
    unevenness: float
    level: float = 0.0

    @property
    def structure(self) -> float:
        """Scatter of the level from cell to cell along columns [electron/s]."""
        return self.unevenness * abs(self.level)


def sky_mask(draft: NDArray[Any], first_dq: NDArray[Any]) -> SkyMask:
    """Mask bad pixels and sources.

    Parameters
    ----------
    draft : ndarray, shape (ny, nx)
        Rate over the whole exposure: the last read [electron/s]; NaN where nothing is known.
    first_dq : ndarray, shape (ny, nx), int16
        Flags of the first read.
    """
    bad = ((first_dq & int(BAD_PIXEL)) != 0).astype(np.uint8)
    smooth = box_mean(draft.astype(np.float32), bad, HALF_BOX)
    width = draft.shape[1]
    edges = np.linspace(0, width, int(np.clip(width // _NARROWEST, 1, _BLOCKS)) + 1).astype(int)
    step = 3 if width > _NARROWEST * _BLOCKS else 1
    source = np.zeros(draft.shape, bool)
    for start, stop in pairwise(edges):
        block = _without_gradient(smooth[:, start:stop], step)
        level, scatter = _sky_of(block[::step, ::step])
        source[:, start:stop] = ~(block <= level + _THRESHOLD * scatter)
    known = (bad == 0) & np.isfinite(smooth)
    n_good = int(np.count_nonzero(known))
    covered = np.count_nonzero(source & known) / max(n_good, 1)
    skip = (source | (bad != 0)).astype(np.uint8)
    uneven, level = _unevenness(smooth, skip) if n_good else (0.0, 0.0)
    return SkyMask(skip=skip, source_fraction=float(covered), unevenness=uneven, level=level)


def _without_gradient(block: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Return a block of columns without the linear change of its sky from left to right.

    Otherwise its bright side would be masked as a source, and its dark side would widen the scatter, so that the sample
    of sky pixels leaned to one side.
    """
    width = block.shape[1]
    left, right = (_sky_of(half[::step, ::step])[0] for half in (block[:, : width // 2], block[:, width // 2 :]))
    if not np.isfinite(right - left):
        return block
    columns = (np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2)) / np.float32(width / 2)
    return block - np.float32(right - left) * columns


def _unevenness(smooth: NDArray[np.float32], skip: NDArray[np.uint8]) -> tuple[float, float]:
    """Return the relative scatter of cells about the median of their column of cells, noise subtracted, and the level.

    The scatter is 1 and the level 0 where sources cover too many of the cells.
    """
    step = max(1, smooth.shape[1] // 128)
    values = np.where(skip[::step, ::step] == 0, smooth[::step, ::step], np.nan)
    cells = [part for band in np.array_split(values, _CELLS) for part in np.array_split(band, _CELLS, axis=1)]
    kept = [np.sort(cell[np.isfinite(cell)]).astype(float) for cell in cells]
    if sum(cell.size >= 10 for cell in kept) < _CELLS**2 / 2:
        return 1.0, 0.0
    nothing = [np.nan] * 3
    quartiles = np.array([c[[c.size // 4, c.size // 2, 3 * c.size // 4]] if c.size >= 10 else nothing for c in kept])
    median = quartiles[:, 1].reshape(_CELLS, _CELLS)
    box = max(1.0, (2 * HALF_BOX + 1) ** 2 / step**2)  # pixels of the smoothed image that share their noise
    noise = 1.25 * (quartiles[:, 2] - quartiles[:, 0]) / 1.349 / np.sqrt([max(c.size, 1) / box for c in kept])
    columns = [np.median(c[np.isfinite(c)]) if np.isfinite(c).any() else np.nan for c in median.T]
    about = (median - np.array(columns)).ravel()
    scatter = np.subtract(*np.nanpercentile(about, (84, 16))) / 2
    excess = max(scatter**2 - float(np.nanmean(noise**2)), 0.0)
    level = float(np.nanmedian(median))
    return float(np.sqrt(excess) / max(abs(level), 1e-6)), level


def _sky_of(values: NDArray[np.float32]) -> tuple[float, float]:
    """Estimate level and scatter of the sky in an image with sources, iteratively.

    Sources only add light, so the lower half of the sky's distribution is the reliable one: the scatter is the distance
    from the median to the 16th percentile, and pixels far above the median are dropped until none is left.
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
