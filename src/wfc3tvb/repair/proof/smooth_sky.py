"""Level, scatter and large-scale shape of the sky in a smoothed image with sources."""

from __future__ import annotations

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from wfc3tvb.repair.proof.sorting import sorted_values

Image = NDArray[np.floating]
Float64Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Largest number of blocks per side in which the level is found, and their smallest width [pixel].
_BLOCKS, _NARROWEST = 8, 12
#: Smallest fraction of good pixels in a block.
_FILLED = 0.2
#: Degrees of the surface, and the smallest number of blocks for each. Scattered light falls exponentially, by a factor
#: of fifty over the frame; a surface of degree 4 follows it to 0.3 % of its brightest part.
_DEGREES = {4: 36, 2: 12}
#: Values are dropped above this many standard deviations.
_CLIP = 2.5
_ITERATIONS = 20


def level_and_scatter(values: Image) -> tuple[float, float]:
    """Return level and scatter of the sky among values that include sources.

    Sources only add light, so the scatter is the distance from the median to the 16th percentile, and values far above
    the median are dropped until none is left.

    Parameters
    ----------
    values : ndarray
        Values of pixels, in any order; not empty.
    """
    kept: Float64Array = sorted_values(values).astype(np.float64)
    level, scatter = 0.0, 0.0
    for _ in range(_ITERATIONS):
        level = float(kept[kept.size // 2])
        scatter = level - float(kept[int(0.1587 * kept.size)])
        n = int(np.searchsorted(kept, level + _CLIP * scatter, "right"))
        if n == kept.size:
            break
        kept = kept[:n]
    return level, scatter


def smooth_background(image: Image, good: Bools) -> Image:
    """Return the large-scale shape of the sky: a polynomial surface through the levels of blocks.

    It is zero if too few blocks have good pixels.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Image, with sources.
    good : ndarray of bool, shape (ny, nx)
        Pixels that can be used.
    """
    where, levels = _block_levels(image, good)
    degree = next((degree for degree, least in _DEGREES.items() if len(levels) >= least), None)
    if degree is None:
        return np.zeros_like(image)
    used = np.add.outer(np.arange(degree + 1), np.arange(degree + 1)) <= degree
    terms = chebyshev.chebvander2d(where[:, 0], where[:, 1], [degree, degree])[:, used.ravel()]
    keep, coefficients = np.ones(len(levels), bool), np.zeros(used.shape)
    for _ in range(_ITERATIONS):
        coefficients[used] = np.linalg.lstsq(terms[keep], levels[keep], rcond=None)[0]
        residual = levels - terms @ coefficients[used]
        # A source that fills a block lifts its level; the surface is that of the others.
        _, scatter = level_and_scatter(residual)
        kept = residual <= np.median(residual[keep]) + _CLIP * max(scatter, 1e-12)
        if np.count_nonzero(kept) < _DEGREES[degree] or np.array_equal(kept, keep):
            break
        keep = kept
    y, x = ((2 * np.arange(n) + 1) / n - 1 for n in image.shape)
    along_x, along_y = chebyshev.chebvander(x, degree), chebyshev.chebvander(y, degree)
    return np.asarray(along_y @ coefficients.T @ along_x.T, image.dtype)


def _block_levels(image: Image, good: Bools) -> tuple[Float64Array, Float64Array]:
    """Return the positions of the blocks (-1 to 1 along x and y), and the level of each."""
    ny, nx = image.shape
    rows, columns = (np.linspace(0, n, int(np.clip(n // _NARROWEST, 1, _BLOCKS)) + 1).astype(int) for n in (ny, nx))
    where, levels = [], []
    for top, bottom in zip(rows[:-1], rows[1:], strict=True):
        for left, right in zip(columns[:-1], columns[1:], strict=True):
            block = image[top:bottom, left:right][good[top:bottom, left:right]]
            if block.size > _FILLED * (bottom - top) * (right - left):
                where.append(((left + right) / nx - 1, (top + bottom) / ny - 1))
                levels.append(level_and_scatter(block)[0])
    return np.array(where, np.float64).reshape(-1, 2), np.array(levels, np.float64)
