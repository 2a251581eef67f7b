"""Mean of an image in a box around every pixel."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.system.compiled import compiled


def box_mean(image: NDArray[np.float32], skip: NDArray[np.uint8], half: int) -> NDArray[np.float32]:
    """Return the mean of an image in a box of ``2 half + 1`` pixels around every pixel, float32, of the same shape.

    Parameters
    ----------
    image : ndarray, shape (ny, nx), float32
        The image; NaN is left out.
    skip : ndarray, shape (ny, nx), uint8
        1 where a pixel is left out.
    half : int
        Half the width of the box; pixels with nothing in theirs become NaN.
    """
    out = np.empty(image.shape, np.float32)
    _box_means(image, skip, half, np.zeros((2, image.shape[1])), out)
    return out


@compiled
def _box_means(image, skip, half, columns, out) -> Any:
    """Fill `out`; `columns` begins as zeros, and becomes the sum and number of the box's rows in every column."""
    n_rows, n_columns = image.shape
    sums, numbers = columns[0], columns[1]
    for y in range(-half, n_rows):
        for row, sign in ((y + half, 1.0), (y - half - 1, -1.0)):
            if 0 <= row < n_rows:
                for x in range(n_columns):
                    value = image[row, x]
                    if skip[row, x] == 0 and value == value:
                        sums[x] += sign * value
                        numbers[x] += sign
        if y < 0:
            continue
        total = number = 0.0
        for x in range(min(half, n_columns)):
            total += sums[x]
            number += numbers[x]
        for x in range(n_columns):
            if x + half < n_columns:
                total += sums[x + half]
                number += numbers[x + half]
            if x - half - 1 >= 0:
                total -= sums[x - half - 1]
                number -= numbers[x - half - 1]
            out[y, x] = total / number if number > 0.5 else np.nan
