"""Compute the statistics of good pixels for the headers, such as NGOODPIX (WFC3 Data Handbook 3.3.12).

calwf3 adds one pixel after the other, so rows are added in their order; what is done for each pixel alone is done for
a row at a time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.calibration.model import Float32Array, Imset, Window
from wfc3tvb.system.compiled import compiled, vectorized

_NAN = np.float32(np.nan)


class Totals(NamedTuple):
    """Good pixels of images, summed up to some row: signal, error, signal over error.

    Attributes
    ----------
    n : ndarray, shape (images,), int64
        Number of good pixels.
    total : ndarray, shape (images, 3), float64
        Their sums.
    low, high : ndarray, shape (images, 3), float32
        Their least and largest values.
    """

    n: NDArray[np.int64]
    total: NDArray[np.float64]
    low: Float32Array
    high: Float32Array


class Row(NamedTuple):
    """Room for a row: the three values of each pixel, 0 (rounded: NaN) where it is not good, and whether it is."""

    values: NDArray[np.float64]
    rounded: Float32Array
    good: NDArray[np.bool_]


def no_totals(n: int) -> Totals:
    """Return the totals of n images before the first row."""
    return Totals(np.zeros(n, np.int64), np.zeros((n, 3)), np.zeros((n, 3), np.float32), np.zeros((n, 3), np.float32))


def add_rows(images: Imset, bad: int, window: Window, totals: Totals) -> None:
    """Add rows of images to the totals, which must have all the rows above.

    Parameters
    ----------
    images : Imset, shape (images, ny, nx)
        Images, their errors, their flags.
    bad : int
        SDQFLAGS: a pixel is good if it has none of these flags, and a positive error.
    window : Window
        Rows and columns to add.
    totals : Totals
        Changed.
    """
    width = max(window.x1 - window.x0, 0)
    row = Row(np.empty((3, width)), np.empty((3, width), np.float32), np.empty(width, np.bool_))
    _add(images, np.uint16(bad & 0xFFFF).astype(np.int16), window, totals, row)


@compiled
def _add(images, bad, window, totals, row):
    n, total, low, high = totals
    for k in range(images.sci.shape[0]):
        for y in range(window.y0, window.y1):
            own = k, y, slice(window.x0, window.x1)
            found = _take_row(images.sci[own], images.err[own], images.dq[own], bad, row)
            if found == 0:
                continue
            if n[k] == 0:
                first = 0
                while not row.good[first]:
                    first += 1
                for i in range(3):
                    low[k, i] = high[k, i] = row.rounded[i, first]
            n[k] += found
            _add_row(row, total[k], low[k], high[k])


@vectorized
def _take_row(sci, err, dq, bad, row):
    """Fill the values of a row's pixels; return how many are good."""
    (values, rounded, goods), n = row, 0
    signal, error, ratio = values
    signal32, error32, ratio32 = rounded
    for x in range(sci.size):
        good = (dq[x] & bad == 0) & (not err[x] <= 0)
        s, e = np.float64(sci[x]), np.float64(err[x])
        r = s / e
        goods[x] = good
        signal[x], error[x], ratio[x] = s if good else 0.0, e if good else 0.0, r if good else 0.0
        signal32[x], error32[x] = sci[x] if good else _NAN, err[x] if good else _NAN
        ratio32[x] = np.float32(r) if good else _NAN
        n += 1 if good else 0
    return n


@compiled
def _add_row(row, total, low, high):
    (signal, error, ratio), (signal32, error32, ratio32) = row.values, row.rounded
    s, e, r = (total[0], low[0], high[0]), (total[1], low[1], high[1]), (total[2], low[2], high[2])
    for x in range(signal.size):
        s = _extended(s, signal[x], signal32[x])
        e = _extended(e, error[x], error32[x])
        r = _extended(r, ratio[x], ratio32[x])
    total[0], low[0], high[0] = s
    total[1], low[1], high[1] = e
    total[2], low[2], high[2] = r


@compiled
def _extended(state, value, rounded):
    """Return sum, least and largest value with one more; NaN changes neither the least nor the largest."""
    total, low, high = state
    return total + value, rounded if rounded < low else low, rounded if rounded > high else high


def keywords(totals: Totals, k: int) -> dict[str, dict[str, Any]]:
    """Return the statistics keywords of an image.

    As in calwf3's products, SNRMEAN, SNRMIN and SNRMAX of SCI describe the error, and GOODMEAN, GOODMIN and GOODMAX of
    ERR the signal over the error.

    Parameters
    ----------
    totals : Totals
        Of all rows.
    k : int
        Number of the image.

    Returns
    -------
    dict
        ``"SCI"`` and ``"ERR"``: keyword to value; only NGOODPIX if there is no good pixel.
    """
    n, low, high = int(totals.n[k]), totals.low[k], totals.high[k]
    if n == 0:
        return {"SCI": {"NGOODPIX": 0}, "ERR": {"NGOODPIX": 0}}
    mean = (totals.total[k] / n).astype(np.float32)

    def of(prefix: str, i: int) -> dict[str, float]:
        return {f"{prefix}MIN": float(low[i]), f"{prefix}MAX": float(high[i]), f"{prefix}MEAN": float(mean[i])}

    return {"SCI": {"NGOODPIX": n} | of("GOOD", 0) | of("SNR", 1), "ERR": {"NGOODPIX": n} | of("GOOD", 2)}
