"""Fit one pixel: leave out unusable reads, solve for the rate over the other intervals, and take hits out.

With the differences e of the reads (sky subtracted), the interval lengths t and the covariance V (photon noise of each
interval, and read noise, which neighbors share), the rate is t.V^-1.e / t.V^-1.t; V is tridiagonal.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from wfc3tvb.calibration.likelihood.model import HIT, LOST, MOST_HITS, SATURATED
from wfc3tvb.system.compiled import compiled

#: Variance that gives an interval no weight [electron^2].
_INFINITE = 1e30


class Intervals(NamedTuple):
    """Work space of one pixel: the intervals between its usable reads.

    Rows are: difference, length, photons, variance, pivots from the front, pivots from the back, V^-1 e, V^-1 t.
    """

    values: np.ndarray
    ends: np.ndarray
    left_out: np.ndarray


class Solution(NamedTuple):
    """Rate and precision in detected electrons, chi^2, and the interval that looks most like a hit."""

    rate: float
    precision: float
    chi2: float
    suspect: int
    excess: float
    jump2: float


def new_intervals(n: int) -> Intervals:
    """Return the work space for `n` intervals."""
    return Intervals(np.empty((8, n)), np.empty(n, np.int64), np.empty(n, np.bool_))


@compiled
def gather(intervals, exposure, frame, y, x, signal) -> int:
    """Fill the intervals between the usable reads of a pixel and return their number.

    Flags that all reads share come from the pixel itself, or from a lost zeroth read, which is then left out.
    """
    n = exposure.times.size
    common, end = frame.dq[0, y, x], n
    for k in range(n):
        common &= frame.dq[k, y, x]
        if frame.dq[k, y, x] & SATURATED and k < end:
            end = k
    flat, template = frame.flat[y, x], frame.template[y, x]
    count, previous, started = 0, 0.0, not common & (LOST & ~1024)
    difference = photons = length = 0.0
    hit = False
    for k in range(end):
        electrons = frame.rate[k, y, x] * exposure.times[k]
        sky = exposure.sky[k] + exposure.amplitudes[k] * template
        difference -= flat * sky * exposure.lengths[k]
        photons += max((signal + sky) * flat + frame.dark[y, x], 0.0) * exposure.lengths[k]
        length += exposure.lengths[k]
        hit |= exposure.left_out[k]
        hit |= frame.dq[k, y, x] & HIT != 0 and (k == 0 or frame.dq[k - 1, y, x] & HIT == 0)
        if (frame.dq[k, y, x] & ~common & LOST) or not np.isfinite(electrons):
            continue
        if started:
            intervals.values[0, count] = difference + flat * (electrons - previous)
            intervals.values[1, count] = length
            intervals.values[2, count] = photons
            intervals.ends[count], intervals.left_out[count] = k, hit
            count += 1
        previous, started, hit = electrons, True, False
        difference = photons = length = 0.0
    return count


@compiled
def solve(intervals, count, variance, floor2, limits, suspects) -> Solution:
    """Return the rate of a pixel, and the interval that exceeds its limit most.

    Parameters
    ----------
    intervals, count
        From `gather`.
    variance : float
        Variance of a single read [electron^2].
    floor2 : float
        Square of the largest change of rate that does not count as a hit [electron^2/s^2].
    limits : Limits
        Limits of the squared significance of a jump.
    suspects : int
        Bit k: the interval that ends at read k lies beside a strong hit.
    """
    e, t, _, v, front, back, z, u = intervals.values
    for i in range(count):
        v[i] = _INFINITE if intervals.left_out[i] else intervals.values[2, i] + 2 * variance
    front[0], z[0], u[0] = v[0], e[0], t[0]
    for i in range(1, count):
        m = variance / front[i - 1]
        front[i], z[i], u[i] = v[i] - variance * m, e[i] + m * z[i - 1], t[i] + m * u[i - 1]
    last = count - 1
    back[last], z[last], u[last] = v[last], z[last] / front[last], u[last] / front[last]
    for i in range(last - 1, -1, -1):
        back[i] = v[i] - variance * variance / back[i + 1]
        z[i], u[i] = (z[i] + variance * z[i + 1]) / front[i], (u[i] + variance * u[i + 1]) / front[i]
    precision = projected = 0.0
    for i in range(count):
        precision += t[i] * u[i]
        projected += t[i] * z[i]
    rate = projected / precision if precision > 0 else 0.0
    return _judge(intervals, count, rate, precision, floor2, limits, suspects)


@compiled
def _judge(intervals, count, rate, precision, floor2, limits, suspects) -> Solution:
    """Return the solution, with chi^2 and the interval whose jump exceeds its limit most."""
    e, t, _, v, front, back, z, u = intervals.values
    chi2, suspect, excess, jump2 = 0.0, -1, 0.0, 0.0
    for i in range(count):
        if intervals.left_out[i]:
            continue
        rest = z[i] - rate * u[i]
        chi2 += e[i] * rest
        information = 1 / (front[i] + back[i] - v[i]) - u[i] * u[i] / precision
        if information <= 1e-12 / v[i]:  # no other interval constrains the rate here
            continue
        found = rest * rest / (information + floor2 * t[i] * t[i] * information * information)
        limit = limits.neighbor if suspects >> np.uint32(intervals.ends[i] + 1) & np.uint32(1) else limits.hit
        if found / limit > excess:
            suspect, excess, jump2 = i, found / limit, found
    return Solution(rate, precision, chi2, suspect, excess, jump2)


@compiled
def fit_pixel(intervals, exposure, frame, limits, floor2, suspects, signal, y, x, output) -> None:
    """Fit one pixel and fill its place in `output`.

    Parameters
    ----------
    intervals : Intervals
        Work space.
    exposure, frame, limits, output
        See `model`.
    floor2 : float
        Square of the largest change of rate that does not count as a hit [electron^2/s^2].
    suspects : uint32
        Bit k: the interval that ends at read k lies beside a strong hit.
    signal : float
        Rate of the source from which its photon noise is computed [electron/s].
    y, x : int
        The pixel.
    """
    count = gather(intervals, exposure, frame, y, x, signal)
    left = 0
    for i in range(count):
        left += not intervals.left_out[i]
    output.hits[y, x] = output.strong[y, x] = np.uint32(0)
    if left == 0:
        output.source[y, x], output.err[y, x], output.chi2[y, x] = 0.0, 1e5, 0.0
        output.samp[y, x], output.time[y, x] = 0, 0.0
        return
    flat, variance = frame.flat[y, x], frame.variance[y, x]
    found = solve(intervals, count, variance, floor2, limits, suspects)
    for _ in range(MOST_HITS):
        if found.excess <= 1 or left < 2:
            break
        bit = np.uint32(1) << np.uint32(intervals.ends[found.suspect] + 1)
        output.hits[y, x] |= bit
        if found.jump2 > limits.strong:
            output.strong[y, x] |= bit
        intervals.left_out[found.suspect] = True
        left -= 1
        found = solve(intervals, count, variance, floor2, limits, suspects)
    time = 0.0
    for i in range(count):
        if not intervals.left_out[i]:
            time += intervals.values[1, i]
    output.source[y, x], output.err[y, x] = found.rate / flat, 1 / (flat * np.sqrt(found.precision))
    output.chi2[y, x] = found.chi2 / (left - 1) if left > 1 else 0.0
    output.samp[y, x], output.time[y, x] = left + 1, time
