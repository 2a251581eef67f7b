"""Fit of a ramp from which the measured changes of the sky are subtracted.

The recipe is that of the WFC3 notebook TVB_flattenramp and WFC3 ISR 2016-16: add (mean rate of the whole exposure -
cumulative rate of the read) to each read. The level is unchanged, and the ramp fit with its rejection of cosmic rays
works again.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.errors import RefusedError
from wfc3tvb.repair.methods.base import EngineFiles, Image, RepairMethod, sky_curve
from wfc3tvb.repair.methods.refit import refit
from wfc3tvb.repair.model import Member
from wfc3tvb.schema.methods import METHODS

Float64Array = NDArray[np.float64]
Cube = NDArray[np.float32]


def flattening(times: Float64Array, cumulative: Float64Array) -> Float64Array:
    """Return the electrons to add to each read so that the sky's ramp becomes a straight line to its last read.

    Parameters
    ----------
    times : ndarray, shape (n,)
        Time since the zeroth read of every later read [s].
    cumulative : ndarray, shape (n,)
        Cumulative rate of the sky at each read [electron/s].

    Returns
    -------
    ndarray, shape (n,)
        Electrons to add; 0 for the last read, so that the level of the image is unchanged.
    """
    return np.asarray((cumulative[-1] - cumulative) * times, np.float64)


def flatten(counts: Cube, times: Float64Array, cumulative: Float64Array, gain: float) -> Cube:
    """Return the reads of an exposure with a linear sky.

    Parameters
    ----------
    counts : ndarray, shape (n + 1, ny, nx)
        Signal since the zeroth read in time order, beginning with the zeroth, flat-fielded [DN].
    times, cumulative : ndarray, shape (n,)
        As in `flattening`.
    gain : float
        Gain [electron/DN].
    """
    added = np.concatenate([[0.0], flattening(times, cumulative)]) / gain
    return counts + added.astype(np.float32)[:, None, None]


def _image(made: EngineFiles, member: Member) -> Image:
    """Fit the flattened ramps."""
    if member.lost:
        reads = ", ".join(map(str, member.lost))
        raise RefusedError(member.rootname, f"flatten needs the sky of every read, and {reads} has none; use optimal")
    ramp = made.ramp()
    counts = flatten(ramp.counts, ramp.times[1:], sky_curve(member, ramp.times[1:]), ramp.gain)
    return refit(replace(ramp, counts=counts), made.rejection())


METHOD = RepairMethod(METHODS["flatten"], make_image=_image)
