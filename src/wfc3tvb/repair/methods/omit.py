"""Last read minus zeroth read, from the engine with CRCORR=OMIT (STScI's notebook calwf3_recal_tvb).

Suitable for any field. Cosmic rays remain in the FLT, and can be rejected with the other exposures of the association.
Pixels that saturate only in the last reads get the rate of their last good read: the recipe alone gives stars that
saturate the rate of their saturated read, which in simulations loses 9 to 74 % of their flux.
"""

from __future__ import annotations

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from wfc3tvb.instrument import DQ
from wfc3tvb.repair.methods.base import EngineFiles, Image, RepairMethod, sky_curve
from wfc3tvb.repair.model import Member
from wfc3tvb.schema.methods import METHODS

Float64Array = NDArray[np.float64]
Cube = NDArray[np.float32]
Bools = NDArray[np.bool_]
#: Index of the last good read of some pixels, their rows and columns.
Late = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
#: Flag that the engine leaves in the FLT for a pixel that saturated.
_SATURATED = int(DQ.SATPIXEL)


def recover_saturated(
    rate: Cube, read_rate: Cube, saturated: Bools, times: Float64Array, cumulative: Float64Array
) -> tuple[Cube, Bools]:
    """Return last-minus-first rates in which pixels that saturate late have the rate of their last good read.

    Parameters
    ----------
    rate : ndarray, shape (ny, nx)
        Rate of the last read [electron/s].
    read_rate : ndarray, shape (n, ny, nx)
        Cumulative rate of reads 1..n [electron/s].
    saturated : ndarray of bool, shape (n, ny, nx)
        Saturated samples.
    times, cumulative : ndarray, shape (n,)
        As in `flatten.flattening`; the sky of the last good read is adjusted to that of the whole exposure.

    Returns
    -------
    rate : ndarray, shape (ny, nx)
    recovered : ndarray of bool, shape (ny, nx)
    """
    late = saturating_late(saturated)
    recovered = np.zeros(rate.shape, bool)
    recovered[late[1:]] = True
    return _with_last_good(rate, late, read_rate[late], cumulative), recovered


def saturating_late(saturated: Bools) -> Late:
    """Return the pixels that saturate after the first read, with the index of their last good one.

    Parameters
    ----------
    saturated : ndarray of bool, shape (n, ny, nx)
        Saturated samples of reads 1..n.

    Returns
    -------
    last, y, x : ndarray of int
        Index of the read, row and column of each pixel.
    """
    y, x = np.nonzero(saturated.any(axis=0))
    n_good = np.argmax(saturated[:, y, x], axis=0)
    late = n_good > 0
    return n_good[late] - 1, y[late], x[late]


def _with_last_good(rate: Cube, late: Late, found: Cube, cumulative: Float64Array) -> Cube:
    """Return an image with the rates of the last good reads of some pixels, and the sky of the whole exposure."""
    image = np.array(rate, np.float32)
    image[late[1:]] = found + (cumulative[-1] - cumulative).astype(np.float32)[late[0]]
    return image


def _recovered(made: EngineFiles, member: Member) -> Image:
    """Make an image in which pixels that saturate only in the last reads have the rate of their last good read."""
    reads = made.calibrated
    times, gain = reads.times[1:], reads.gain
    late = saturating_late((reads.dq[1:] & _SATURATED) != 0)
    last, pixels = late[0], late[1:]
    # Converted to counts and back, as the other methods have them: the last bit of a rate depends on it.
    to_counts, to_rate = ((each.astype(np.float32))[last] for each in (times / gain, gain / times))
    rates, errors = (cube[1:][late] * to_counts * to_rate for cube in (reads.rate, reads.error))
    image, error, dq = (np.array(fits.getdata(made.flt, name, 1)) for name in ("SCI", "ERR", "DQ"))
    # Crowded fields have no curve; there the sky of the last good read is taken for that of the exposure.
    sky = sky_curve(member, times) if member.cumulative else np.zeros(times.size)
    image = _with_last_good(image, late, rates, sky)
    error[pixels] = errors
    dq[pixels] &= ~_SATURATED
    note = f"wfc3tvb: {last.size} pixels saturated only at the end, from their last good read"
    return Image({"SCI": image, "ERR": error, "DQ": dq}, history=(note,))


METHOD = RepairMethod(METHODS["omit"], recover=_recovered)
