"""Ramps made straight: the sky's changes taken off, or the reads that hold them left out.

Flattening follows the WFC3 notebook TVB_flattenramp and WFC3 ISR 2016-16: each read gets (mean rate of the whole
exposure - cumulative rate of the read), so that the level stays and the ramp fit, with its rejection of cosmic rays,
works again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Cube = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Stitched:
    """A ramp with intervals left out.

    Attributes
    ----------
    reads : ndarray, shape (m,), int64
        Index of the reads kept, the first of them taken for the zeroth.
    removed : tuple of pairs of int
        Gaps in the middle: the last read before it, and the last read of it.
    times : ndarray, shape (m,)
        Time since the new zeroth read, gaps closed [s].
    """

    reads: NDArray[np.int64]
    removed: tuple[tuple[int, int], ...]
    times: Floats


def flattening(times: Floats, cumulative: Floats) -> Floats:
    """Return the electrons to add to each read so that the sky's ramp is a line through its last read.

    Parameters
    ----------
    times : ndarray, shape (n,)
        Time of each read since the zeroth, the zeroth not among them [s].
    cumulative : ndarray, shape (n,)
        Cumulative rate of the sky at each [electron/s].

    Returns
    -------
    ndarray, shape (n,)
        [electron]; 0 for the last read: the level of the image stays.
    """
    return np.asarray((cumulative[-1] - cumulative) * times, np.float64)


def flatten(counts: Cube, times: Floats, cumulative: Floats, gain: float) -> Cube:
    """Return the reads of an exposure with a straight sky.

    Parameters
    ----------
    counts : ndarray, shape (n + 1, ny, nx)
        Signal since the zeroth read, time order, the zeroth first, flat-fielded [DN].
    times, cumulative : ndarray, shape (n,)
        As in `flattening`.
    gain : float
        [electron/DN].
    """
    added = np.concatenate([[0.0], flattening(times, cumulative)]) / gain
    return counts + added.astype(np.float32)[:, None, None]


def stitch(n_reads: int, times: Floats, left_out: tuple[int, ...]) -> Stitched:
    """Return how to leave intervals out of a ramp of `n_reads` reads (the zeroth not counted).

    What an interval collected is taken off all later reads together with its time: at the start or the end that is
    the same as leaving the reads out, and in the middle no jump stays that the fit would take for a cosmic ray.

    Parameters
    ----------
    n_reads : int
        Reads 1..N.
    times : ndarray, shape (n_reads + 1,)
        Time since the zeroth, the zeroth first [s].
    left_out : tuple of int
        Intervals: k is the one that ends at read k.

    Raises
    ------
    ValueError
        If fewer than two intervals stay.
    """
    kept = [k for k in range(1, n_reads + 1) if k not in left_out]
    if len(kept) < 2:
        raise ValueError("fewer than two reads stay")
    dt = np.diff(times)
    reads = np.array([kept[0] - 1, *kept], np.int64)
    new_times = np.concatenate([[0.0], np.cumsum([dt[k - 1] for k in kept])])
    gaps = tuple((before, after - 1) for before, after in zip(kept[:-1], kept[1:], strict=True) if after - 1 != before)
    return Stitched(reads, gaps, new_times)


def left_out_of(counts: Cube, stitched: Stitched) -> Cube:
    """Return the reads that stay, with what the intervals left out collected taken off.

    Parameters
    ----------
    counts : ndarray, shape (n + 1, ny, nx)
        Signal since the zeroth read [DN].
    stitched : Stitched
        From `stitch`.
    """
    kept: Cube = counts[stitched.reads] - counts[stitched.reads[0]]
    for before, last in stitched.removed:
        step = counts[last] - counts[before]
        kept[stitched.reads > last] -= step
    return kept


def recover_saturated(
    rate: Cube, read_rate: Cube, saturated: Bools, times: Floats, cumulative: Floats
) -> tuple[Cube, Bools]:
    """Return last-minus-first rates with pixels that saturate late taken from their last good read.

    Parameters
    ----------
    rate : ndarray, shape (ny, nx)
        Rate of the last read [electron/s].
    read_rate : ndarray, shape (n, ny, nx)
        Cumulative rate of reads 1..n [electron/s].
    saturated : ndarray of bool, shape (n, ny, nx)
        Saturated samples.
    times, cumulative : ndarray, shape (n,)
        As in `flattening`: the sky of the last good read is brought to that of the whole exposure.

    Returns
    -------
    rate : ndarray, shape (ny, nx)
    recovered : ndarray of bool, shape (ny, nx)
    """
    last, recovered = last_good_read(saturated)
    found = np.take_along_axis(read_rate, last[None], 0)[0]
    sky = (cumulative[-1] - cumulative).astype(np.float32)[last]
    return np.where(recovered, found + sky, rate).astype(np.float32), recovered


def last_good_read(saturated: Bools) -> tuple[NDArray[np.int64], Bools]:
    """Return the index of the last read before each pixel saturates, and which pixels saturate after the first.

    Parameters
    ----------
    saturated : ndarray of bool, shape (n, ny, nx)
        Saturated samples of reads 1..n.
    """
    n = len(saturated)
    n_good = np.argmax(np.concatenate([saturated, np.ones((1, *saturated.shape[1:]), bool)]), axis=0)
    return np.clip(n_good - 1, 0, n - 1), (n_good > 0) & (n_good < n)
