"""Find the pixels of a read that were lost in the telemetry, by their flags or their values, and leave them out.

Lost packets are replaced by a fill value. Flags say so (1 SOFTERR, 2 DATALOST; WFC3 Data Handbook, table 3.3), and
calwf3 leaves such samples out of its fit, but the read keeps what the calibration made of them. Without flags their
values tell: many neighbors in a row alike, which noise does not allow; charge that vanishes, since between the zeroth
read and the last it only accumulates; or noise many times that of a read. A read of which most is lost is left out
altogether, since its reference pixels, and with them the level of all others, are lost too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.curve.kernels import flagged_fraction
from wfc3tvb.curve.sky_mask import BAD_PIXEL
from wfc3tvb.instrument import DQ, READ_NOISE
from wfc3tvb.models import ReadCube

Float32Array = NDArray[np.float32]
Bools = NDArray[np.bool_]

#: Flags of pixels that were lost in one read.
LOST = DQ.SOFTERR | DQ.DATALOST
#: Fraction of a read from which on all of it is left out.
_MOST = 0.5
#: Number of neighbors in a row with the same value, and the fewest in narrow frames.
_RUN, _SHORTEST = 32, 8
#: Charge whose loss is impossible in a pixel, 50 times the noise of the difference of two reads, and fraction of the
#: frame from which on it is looked at, since unstable pixels are fewer [electron].
_VANISHED, _MANY = 1000.0, 0.01
#: Charge whose loss is impossible in many pixels, and how many these are [electron]; the read is left out.
_LOST_CHARGE, _SPOILED = 200.0, 0.1
#: Level of the reference pixels from which on that of the read is wrong [DN or electron]: a third of what they have, in
#: DN, if half of all are lost.
_WRONG = 5000.0
#: Noise of a read relative to that expected, from which on (or below whose inverse) it holds no light; fewest reads
#: that tell what to expect.
_NOISY, _FEWEST = 6.0, 5
#: Highest sky of a read, relative to the median of all.
_BRIGHTEST = 20.0
#: Samples per side of the frame in which the values are looked at first.
_SAMPLED = 64


def without_lost_pixels(cube: ReadCube) -> ReadCube:
    """Return an exposure's reads with NaN for lost pixels, and for all of a read of which half or more is lost.

    Parameters
    ----------
    cube : ReadCube
        The reads.

    Returns
    -------
    ReadCube
        The same one if nothing is lost.
    """
    sampled = tuple(slice(None, None, max(1, size // _SAMPLED)) for size in cube.rate.shape[1:])
    few = replace(cube, rate=cube.rate[:, *sampled], dq=cube.dq[:, *sampled])
    flagged = [flagged_fraction(plane, int(LOST), _nothing(cube)) > 0 for plane in cube.dq]
    alike = [_rows_alike(plane) for plane in cube.rate]
    vanished = np.logical_or(*_vanished(few, _VANISHED)).mean((1, 2)).max() >= _MANY
    if not (any(flagged) or any(rows.size for rows in alike) or vanished or _bad_reads(cube, few)):
        return cube
    rate = cube.rate.astype(np.float32)
    rate[(cube.dq & int(LOST)) != 0] = np.nan
    for plane, rows in zip(rate, alike, strict=True):
        plane[rows] = np.where(_runs(plane[rows]), np.float32(np.nan), plane[rows])
    if vanished:
        rate[np.logical_or(*_vanished(replace(cube, rate=rate), _VANISHED))] = np.nan
    rate[np.isnan(rate).mean((1, 2)) >= _MOST] = np.nan
    rest = replace(cube, rate=rate)
    rate[_bad_reads(rest, replace(few, rate=rate[:, *sampled]))] = np.nan
    return rest


def draft_of(cube: ReadCube) -> NDArray[np.float32]:
    """Return the rate over the whole exposure: the last read with pixels, its gaps filled from the reads before.

    Parameters
    ----------
    cube : ReadCube
        The reads, lost pixels NaN.
    """
    usable = [plane for plane in cube.rate[::-1] if np.isfinite(plane[::5, ::3]).any()]
    if not usable:
        return np.asarray(cube.rate[-1])
    draft: NDArray[np.float32] = usable[0]
    for earlier in usable[1:]:
        gaps = ~np.isfinite(draft)
        if not np.isfinite(earlier[gaps]).any():
            break
        both = ~gaps & np.isfinite(earlier)
        change = np.median((draft - earlier)[both]) if both.any() else np.float32(0)
        draft = np.where(gaps, earlier + change, draft).astype(np.float32)
    return draft


def _nothing(cube: ReadCube) -> NDArray[np.uint8]:
    return np.zeros(cube.rate.shape[1:], np.uint8)


def _run(width: int) -> int:
    """Return the number of neighbors alike that noise does not allow in a row of a frame."""
    return max(min(_RUN, width), _SHORTEST)


def _rows_alike(plane: NDArray[Any]) -> NDArray[np.int64]:
    """Return the rows of a plane that may hold a run of pixels alike, from every few neighbors."""
    width = plane.shape[1]
    if width < _SHORTEST:
        return np.empty(0, np.int64)
    words = plane.view(plane.dtype.str.replace("f", "u"))
    step = _run(width) // 4
    same = words[:, 1::step] == words[:, :-1:step]
    return np.flatnonzero((same[:, 1:] & same[:, :-1]).any(1))


def _runs(rows: Float32Array) -> Bools:
    """Mark the pixels that belong to a run of pixels alike in their row."""
    n = _run(rows.shape[1])
    words = rows.view(np.uint32)
    count = np.cumsum(np.pad(words[:, 1:] == words[:, :-1], ((0, 0), (1, 0))), axis=1)
    starts = count[:, n - 1 :] - count[:, : rows.shape[1] - n + 1] == n - 1
    inside = np.cumsum(np.pad(starts, ((0, 0), (n, n - 1))), axis=1)
    return np.asarray(inside[:, n:] - inside[:, :-n] > 0)


def _vanished(cube: ReadCube, limit: float) -> tuple[Bools, Bools]:
    """Mark the pixels of reads that hold less charge than reads before, and those that hold more than reads after.

    A pixel with less charge than in the last read, but about that of the one before, had too much in the last read.
    Saturated pixels, which are not corrected for nonlinearity, may fall by less than half.

    Parameters
    ----------
    cube : ReadCube
        The reads; NaN is left out.
    limit : float
        Loss that counts [electron].

    Returns
    -------
    low, high : ndarray of bool, shape (n, ny, nx)
        Pixels with too little and with too much charge.
    """
    low, high = np.zeros(cube.rate.shape, bool), np.zeros(cube.rate.shape, bool)
    bad = (cube.dq[0] & int(BAD_PIXEL & ~DQ.SATPIXEL)) != 0
    with np.errstate(invalid="ignore", over="ignore"):
        charges = np.where(bad, np.nan, cube.rate * cube.t[:, None, None].astype(np.float32))
        last, before, read = _zeroth(charges), np.full(bad.shape, np.inf), np.zeros((1, *bad.shape), np.int64)
        for i, charge in enumerate(charges):
            saturated = (cube.dq[i] & int(DQ.SATPIXEL)) != 0
            less = charge < last - np.where(saturated, np.maximum(last / 2, limit), limit)
            returned = less & (np.abs(charge - before) < np.abs(last - before))
            np.put_along_axis(high, read, returned | np.take_along_axis(high, read, 0)[0], 0)
            low[i] = less & ~returned
            kept = np.isfinite(charge) & ~low[i]
            before = np.where(kept & ~returned, last, before)
            last, read[0] = np.where(kept, charge, last), np.where(kept, i, read[0])
    return low, high


def _zeroth(charges: Float32Array) -> Float32Array:
    """Return the charge in the zeroth read: 0, or that of the first where the second agrees with it and not with 0.

    What was lost in the zeroth read shifts all others alike, and their differences are right.
    """
    first, second = charges[0], charges[min(1, len(charges) - 1)]
    return np.where(np.abs(second - first) < np.abs(second), np.minimum(first, 0), np.float32(0))


def _bad_reads(cube: ReadCube, few: ReadCube) -> list[int]:
    """Return the reads that hold no light, or a wrong level."""
    level = np.zeros(cube.t.size) if cube.reference_level is None else cube.reference_level
    return sorted({*_spoiled_reads(few), *_noisy_reads(cube), *np.flatnonzero(np.abs(level) > _WRONG).tolist()})


def _spoiled_reads(few: ReadCube) -> list[int]:
    """Return the reads in which so many pixels have impossible charges that the level of all others is wrong, too."""
    low, high = _vanished(few, _VANISHED)
    rest = replace(few, rate=np.where(low | high, np.float32(np.nan), few.rate))
    less, more = _vanished(rest, _LOST_CHARGE)
    raised = high & ((few.dq & int(DQ.SATPIXEL)) == 0)  # a high fill value saturates, and leaves the others as they are
    spoiled = (raised.mean((1, 2)) >= _SPOILED) | ((less | more).mean((1, 2)) >= _SPOILED)
    return np.flatnonzero(spoiled).tolist()


def _noisy_reads(cube: ReadCube) -> list[int]:
    """Return the reads that hold no light: their noise, from pixel to pixel, is not that of a read.

    The difference from the read before is too noisy, or not noisy at all, and that from the read after as well.
    """
    (ny, nx), n = cube.rate.shape[1:], cube.t.size
    rows, step = slice(None, None, max(1, ny // _SAMPLED)), max(2, nx // _SAMPLED)
    with np.errstate(invalid="ignore", over="ignore"):
        sampled = (cube.rate[:, rows, k::step][..., : nx // step].reshape(n, -1) for k in (0, 1))
        first, second = (rate.astype(float) * cube.t[:, None] for rate in sampled)
        pairs = first - second
    usable = np.flatnonzero(np.isfinite(pairs).any(1))
    if usable.size < _FEWEST or not (np.diff(cube.t[usable], prepend=0) > 0).all():
        return []
    dt = np.diff(cube.t[usable], prepend=0)
    width = np.array([_width(difference) for difference in np.diff(pairs[usable], axis=0, prepend=0)])
    level = np.diff([np.nanmedian(first[i]) for i in usable], prepend=0)
    light = np.clip(level, 0, _BRIGHTEST * max(float(np.median(level / dt)), 0.0) * dt)
    noise = np.sqrt(READ_NOISE**2 + light)
    structure = float(np.nanmedian(np.sqrt(np.maximum(width**2 - noise**2, 0)) / dt))
    ratio = width / np.hypot(noise, structure * dt)
    odd = (ratio > _NOISY) | (ratio < 1 / _NOISY)
    return [int(i) for i in usable[odd & np.append(odd[1:], True)]]


def _width(difference: NDArray[np.float64]) -> float:
    """Return the noise of a pixel from the differences of pairs of pixels, in two reads; NaN if there are none."""
    known = difference[np.isfinite(difference)]
    if not known.size:
        return float("nan")
    low, high = np.percentile(known, (15.87, 84.13))
    return float((high - low) / np.sqrt(8))
