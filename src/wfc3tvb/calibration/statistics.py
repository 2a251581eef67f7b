"""Compute the statistics of good pixels for the headers, such as NGOODPIX (WFC3 Data Handbook 3.3.12)."""

from __future__ import annotations

import numpy as np

from wfc3tvb.calibration.model import Flags, Float32Array
from wfc3tvb.system.compiled import compiled


@compiled
def _statistics(sci, err, dq, bad, window):
    n = 0
    total = np.zeros(3)
    low = np.full(3, np.float32(0))
    high = np.full(3, np.float32(0))
    for y in range(window.y0, window.y1):
        for x in range(window.x0, window.x1):
            e = err[y, x]
            if dq[y, x] & bad != 0 or e <= 0:
                continue
            s = np.float64(sci[y, x])
            values = (s, np.float64(e), s / np.float64(e))
            for i in range(3):
                total[i] += values[i]
                v = np.float32(values[i])
                if n == 0 or v < low[i]:
                    low[i] = v
                if n == 0 or v > high[i]:
                    high[i] = v
            n += 1
    return n, total, low, high


def good_pixels(
    sci: Float32Array, err: Float32Array, dq: Flags, bad: int, window: tuple[int, int, int, int]
) -> dict[str, dict[str, float]]:
    """Return the statistics keywords of the good pixels of an image.

    A pixel is good if it has no flag of `bad` and a positive error. As in calwf3's products, SNRMEAN, SNRMIN and
    SNRMAX of SCI describe the error, and GOODMEAN, GOODMIN and GOODMAX of ERR the signal over the error.

    Parameters
    ----------
    sci, err, dq : ndarray, shape (ny, nx), float32, float32, int16
        An image, its error, its flags.
    bad : int
        SDQFLAGS.
    window : Window
        Rows and columns to use.

    Returns
    -------
    dict
        ``"SCI"`` and ``"ERR"``: keyword to value; only NGOODPIX if there is no good pixel.
    """
    n, total, low, high = _statistics(sci, err, dq, np.uint16(bad & 0xFFFF).astype(np.int16), window)
    if n == 0:
        return {"SCI": {"NGOODPIX": 0}, "ERR": {"NGOODPIX": 0}}
    mean = (total / n).astype(np.float32)

    def keywords(prefix: str, i: int) -> dict[str, float]:
        return {f"{prefix}MIN": float(low[i]), f"{prefix}MAX": float(high[i]), f"{prefix}MEAN": float(mean[i])}

    return {
        "SCI": {"NGOODPIX": n} | keywords("GOOD", 0) | keywords("SNR", 1),
        "ERR": {"NGOODPIX": n} | keywords("GOOD", 2),
    }
