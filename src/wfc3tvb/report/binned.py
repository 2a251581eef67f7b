"""Medians and percentiles of points in bins, which show a trend where single points hide one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Fewest points in a bin.
FEWEST = 8
#: Percentiles of a band that holds two thirds of the points: one standard deviation of a normal distribution.
LOW, HIGH = 15.87, 84.13


@dataclass(frozen=True)
class Bins:
    """Statistics of the points in bins.

    Attributes
    ----------
    x : ndarray, shape (n,)
        Median of x in each bin with at least `FEWEST` points.
    median, low, high : ndarray, shape (n,)
        Median of y, and its percentiles `LOW` and `HIGH`.
    count : ndarray of int, shape (n,)
        Number of points.
    """

    x: Floats
    median: Floats
    low: Floats
    high: Floats
    count: NDArray[np.int64]


def binned(x: Floats, y: Floats, n_bins: int = 14) -> Bins:
    """Divide the range of `x` into bins of one width, and return the statistics of `y` in each.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Points, finite.
    n_bins : int, optional
        Number of bins over the range of x.
    """
    first, last = (float(x.min()), float(x.max())) if x.size else (0.0, 1.0)
    edges = np.linspace(first, last, n_bins + 1)
    place = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, n_bins - 1)
    parts = [place == number for number in range(n_bins)]
    parts = [part for part in parts if part.sum() >= FEWEST]
    shares = np.array([np.percentile(y[part], (50.0, LOW, HIGH)) for part in parts]).reshape(-1, 3)
    middle = np.array([np.median(x[part]) for part in parts])
    count = np.array([part.sum() for part in parts], np.int64)
    return Bins(middle, shares[:, 0], shares[:, 1], shares[:, 2], count)


def thinned(n: int, most: int) -> NDArray[np.int64]:
    """Return at most `most` of the numbers below `n`, drawn at random and the same every time, in order."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(1083).choice(n, most, replace=False))
