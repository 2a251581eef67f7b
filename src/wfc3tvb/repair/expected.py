"""Sky noise and level that are expected of an exposure after its repair, from photon and read noise alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.curve import noise_model
from wfc3tvb.repair.methods import implementation
from wfc3tvb.repair.model import Member

Float64Array = NDArray[np.float64]


def expected_noise(member: Member) -> float | None:
    """Return the sky noise of an exposure from photons and reads [electron/s]; None where it was not measured."""
    if not member.times or member.sky_mean is None:
        return None
    formula = getattr(noise_model, implementation(member.method).description.noise)
    return float(formula(*kept_curve(member)))


def true_level(member: Member) -> float | None:
    """Return the mean rate of the sky over the reads in the image [electron/s]; None where it was not measured."""
    if not member.times or not implementation(member.method).left_out(member):
        return member.sky_mean
    return float(kept_curve(member)[1][-1])


def kept_curve(member: Member) -> tuple[Float64Array, Float64Array]:
    """Return the sky of the reads that are used in the image.

    Returns
    -------
    times : ndarray, shape (n,)
        Time of each read since the first, without gaps [s].
    sky : ndarray, shape (n,)
        Cumulative rate at each read [electron/s].
    """
    times, sky = np.array(member.times), np.array(member.cumulative)
    left_out = implementation(member.method).left_out(member)
    if not left_out:
        return times, sky
    kept = np.array([k + 1 not in left_out for k in range(len(times))])
    dt, electrons = np.diff(times, prepend=0.0)[kept], np.diff(times * sky, prepend=0.0)[kept]
    new_times = np.cumsum(dt)
    return new_times, np.cumsum(electrons) / new_times
