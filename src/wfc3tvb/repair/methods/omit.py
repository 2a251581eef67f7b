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


def _recovered(made: EngineFiles, member: Member) -> Image:
    """Make an image in which pixels that saturate only in the last reads have the rate of their last good read."""
    ramp = made.ramp()
    times = ramp.times[1:]
    rates = ramp.counts[1:] * (ramp.gain / times).astype(np.float32)[:, None, None]
    saturated = (ramp.dq[1:] & _SATURATED) != 0
    image, error, dq = (np.array(fits.getdata(made.flt, name, 1)) for name in ("SCI", "ERR", "DQ"))
    # Crowded fields have no curve; there the sky of the last good read is taken for that of the exposure.
    sky = sky_curve(member, times) if member.cumulative else np.zeros(times.size)
    image, recovered = recover_saturated(image, rates, saturated, times, sky)
    last, _ = last_good_read(saturated)
    errors = np.take_along_axis(ramp.error[1:], last[None], 0)[0] * (ramp.gain / times).astype(np.float32)[last]
    error[recovered] = errors[recovered]
    dq[recovered] &= ~_SATURATED
    note = f"wfc3tvb: {np.count_nonzero(recovered)} pixels saturated only at the end, from their last good read"
    return Image({"SCI": image, "ERR": error, "DQ": dq}, history=(note,))


METHOD = RepairMethod(METHODS["omit"], recover=_recovered)
