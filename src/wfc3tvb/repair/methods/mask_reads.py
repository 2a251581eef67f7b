"""Fit of a ramp without its affected reads, also in pixels with permanent flags.

The signal of an affected interval is subtracted from all later reads, together with its time. At the start or the end
this is the same as leaving out the reads; in the middle it leaves no jump that the fit would take for a cosmic ray.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.errors import RefusedError
from wfc3tvb.fits.calibrated_reads import UnfittedRamp
from wfc3tvb.repair.methods.base import EngineFiles, Image, RepairMethod
from wfc3tvb.repair.methods.refit import refit
from wfc3tvb.repair.model import Member
from wfc3tvb.schema.methods import METHODS

Float64Array = NDArray[np.float64]
Cube = NDArray[np.float32]


@dataclass(frozen=True)
class Stitched:
    """Times and reads of a ramp without some intervals.

    Attributes
    ----------
    reads : ndarray, shape (m,), int64
        Index of the reads kept; the first of them becomes the zeroth.
    removed : tuple of pairs of int
        Gaps in the middle: the last read before the gap, and the last read in it.
    times : ndarray, shape (m,)
        Time since the new zeroth read, without gaps [s].
    """

    reads: NDArray[np.int64]
    removed: tuple[tuple[int, int], ...]
    times: Float64Array


def stitch(n_reads: int, times: Float64Array, left_out: tuple[int, ...]) -> Stitched:
    """Determine reads and times of a ramp without some intervals.

    Parameters
    ----------
    n_reads : int
        Number of reads, without the zeroth.
    times : ndarray, shape (n_reads + 1,)
        Time since the zeroth read, beginning with the zeroth [s].
    left_out : tuple of int
        Intervals to leave out, numbered by the read at their end.

    Raises
    ------
    ValueError
        If fewer than two intervals remain.
    """
    kept = [k for k in range(1, n_reads + 1) if k not in left_out]
    if len(kept) < 2:
        raise ValueError("fewer than two reads remain")
    dt = np.diff(times)
    reads = np.array([kept[0] - 1, *kept], np.int64)
    new_times = np.concatenate([[0.0], np.cumsum([dt[k - 1] for k in kept])])
    gaps = tuple((before, after - 1) for before, after in zip(kept[:-1], kept[1:], strict=True) if after - 1 != before)
    return Stitched(reads, gaps, new_times)


def left_out_of(counts: Cube, stitched: Stitched) -> Cube:
    """Return the reads that are kept, with the signal of the other intervals subtracted.

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


def _image(made: EngineFiles, member: Member) -> Image:
    """Fit the ramps without the affected reads; EXPTIME becomes the remaining time."""
    ramp = without_reads(made.ramp(), member)
    return refit(ramp, made.rejection(), EXPTIME=float(ramp.times[-1]))


def without_reads(ramp: UnfittedRamp, member: Member) -> UnfittedRamp:
    """Return ramps without the affected reads of an exposure.

    Raises
    ------
    RefusedError
        If no read is affected, or fewer than two reads remain.
    """
    if not member.affected:
        raise RefusedError(member.rootname, "mask_reads has no affected reads to leave out; use omit")
    try:
        stitched = stitch(len(ramp.times) - 1, ramp.times, member.affected)
    except ValueError as error:
        raise RefusedError(member.rootname, f"mask_reads leaves out too much: {error}; use omit") from error
    reads = stitched.reads
    counts = left_out_of(ramp.counts, stitched)
    return UnfittedRamp(counts, ramp.error[reads], ramp.dq[reads], stitched.times, ramp.gain)


def _affected(member: Member) -> tuple[int, ...]:
    return member.affected


METHOD = RepairMethod(METHODS["mask_reads"], make_image=_image, left_out=_affected)
