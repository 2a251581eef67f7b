"""Fit many pixels side by side with vector instructions, if all of their reads are usable.

A pixel in which an interval looks like a hit, or with unusable reads, is fitted singly by `pixel`.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from wfc3tvb.calibration.likelihood.model import UNUSABLE
from wfc3tvb.calibration.likelihood.pixel import fit_pixel
from wfc3tvb.system.compiled import compiled

#: Pixels in a block, few enough that its work space stays in the cache of a core.
WIDTH = 64


class Block(NamedTuple):
    """Work space of a block: rows of intervals (n, WIDTH) and of pixels (WIDTH,).

    Kernels that allocate memory need numba at run time, whose import takes as long as the fit of a full frame.
    """

    e: np.ndarray
    v: np.ndarray
    front: np.ndarray
    z: np.ndarray
    u: np.ndarray
    precision: np.ndarray
    projected: np.ndarray
    chi2: np.ndarray
    worst: np.ndarray
    back: np.ndarray
    single: np.ndarray


def new_block(n: int) -> Block:
    """Return the work space for ramps of `n` intervals."""
    e, v, front, z, u = np.empty((5, n, WIDTH))
    precision, projected, chi2, worst, back = np.empty((5, WIDTH))
    return Block(e, v, front, z, u, precision, projected, chi2, worst, back, np.empty(WIDTH, np.bool_))


@compiled
def first_rates(exposure, frame, y0, y1, weights, source) -> None:
    """Fill `source` with a first estimate of the rate, with the same weights for all pixels and hits included.

    Parameters
    ----------
    exposure, frame
        See `model`.
    y0, y1 : int
        Rows.
    weights : ndarray, shape (n,)
        Weights of the intervals; their scalar product with the lengths is 1.
    source : ndarray, shape (ny, nx), float32
        Rate without the sky [electron/s].
    """
    n, nx = exposure.times.size, source.shape[1]
    sky = tilt = 0.0
    for k in range(n):
        sky += weights[k] * exposure.sky[k] * exposure.lengths[k]
        tilt += weights[k] * exposure.amplitudes[k] * exposure.lengths[k]
    for y in range(y0, y1):
        for x in range(nx):
            source[y, x] = -sky - tilt * frame.template[y, x]
        for k in range(n):
            weight = weights[k] - (weights[k + 1] if k + 1 < n else 0.0)
            factor = np.float32(weight * exposure.times[k])
            for x in range(nx):
                source[y, x] += factor * frame.rate[k, y, x]
        for x in range(nx):
            if not np.isfinite(source[y, x]):
                source[y, x] = 0.0


@compiled
def fit_rows(block, intervals, exposure, frame, limits, floor2, suspects, signal, again, rows, output) -> None:
    """Fit the pixels of some rows.

    Parameters
    ----------
    block : Block
        Work space; a thread has its own.
    intervals : Intervals
        Likewise.
    exposure, frame, limits, output
        See `model`.
    floor2 : ndarray, shape (ny, nx), float32
        Square of the largest change of rate that does not count as a hit [electron^2/s^2].
    suspects : ndarray, shape (ny, nx), uint32
        Bit k: the interval that ends at read k lies beside a strong hit.
    signal : ndarray, shape (ny, nx), float32
        Rate of the source from which the photon noise is computed [electron/s].
    again : ndarray of bool, shape (ny, nx)
        Pixels to fit; the others are left unchanged.
    rows : (int, int)
        First row, and the row after the last.
    output : Output
        Its planes are filled.
    """
    n, nx = exposure.times.size, signal.shape[1]
    total, single = exposure.times[n - 1], block.single
    for y in range(rows[0], rows[1]):
        for x0 in range(0, nx, WIDTH):
            width = min(WIDTH, nx - x0)
            wanted = 0
            for i in range(width):
                wanted += again[y, x0 + i]
            if wanted == 0:
                continue
            if wanted * 4 > width:
                _flag_single(exposure, frame, suspects, y, x0, width, single)
                _load(block, exposure, frame, signal, y, x0, width)
                _solve(block, exposure, frame, y, x0, width)
                _judge(block, exposure, frame, floor2, y, x0, width)
            else:
                single[:] = True
            for i in range(width):
                x = x0 + i
                if not again[y, x]:
                    continue
                if single[i] or not (block.worst[i] <= limits.hit and np.isfinite(block.projected[i])):
                    fit_pixel(
                        intervals, exposure, frame, limits, floor2[y, x], suspects[y, x], signal[y, x], y, x, output
                    )
                    continue
                output.source[y, x] = block.projected[i] / block.precision[i] / frame.flat[y, x]
                output.err[y, x] = 1 / (frame.flat[y, x] * np.sqrt(block.precision[i]))
                output.chi2[y, x] = block.chi2[i] / (n - 1) if n > 1 else 0.0
                output.hits[y, x] = output.strong[y, x] = np.uint32(0)
                output.samp[y, x], output.time[y, x] = n + 1, total


@compiled
def _flag_single(exposure, frame, suspects, y, x0, width, single) -> None:
    """Flag the pixels to be fitted singly: those with unusable reads or intervals, or beside a strong hit."""
    every = exposure.left_out.any()
    for i in range(width):
        single[i] = every or suspects[y, x0 + i] != 0 or not frame.flat[y, x0 + i] > 0
    for k in range(frame.dq.shape[0]):
        for i in range(width):
            single[i] |= frame.dq[k, y, x0 + i] & UNUSABLE != 0


@compiled
def _load(block, exposure, frame, signal, y, x0, width) -> None:
    """Fill differences and variances of a block, in detected electrons (before the flat)."""
    for k in range(exposure.times.size):
        t, dt, sky, amplitude = exposure.times[k], exposure.lengths[k], exposure.sky[k], exposure.amplitudes[k]
        before = exposure.times[k - 1] if k > 0 else 0.0
        for i in range(width):
            x = x0 + i
            background = sky + amplitude * frame.template[y, x]
            earlier = frame.rate[max(k - 1, 0), y, x] * before
            flat = frame.flat[y, x]
            block.e[k, i] = flat * (frame.rate[k, y, x] * t - earlier - background * dt)
            photons = max((signal[y, x] + background) * flat + frame.dark[y, x], 0.0) * dt
            block.v[k, i] = photons + 2 * frame.variance[y, x]


@compiled
def _solve(block, exposure, frame, y, x0, width) -> None:
    """Solve V z = e and V u = t of every pixel, and sum t.u and t.z."""
    n, t = exposure.times.size, exposure.lengths
    for i in range(width):
        block.front[0, i], block.z[0, i], block.u[0, i] = block.v[0, i], block.e[0, i], t[0]
    for k in range(1, n):
        for i in range(width):
            variance = frame.variance[y, x0 + i]
            m = variance / block.front[k - 1, i]
            block.front[k, i] = block.v[k, i] - variance * m
            block.z[k, i] = block.e[k, i] + m * block.z[k - 1, i]
            block.u[k, i] = t[k] + m * block.u[k - 1, i]
    for i in range(width):
        block.precision[i] = block.projected[i] = 0.0
    for k in range(n - 1, -1, -1):
        after = min(k + 1, n - 1)
        for i in range(width):
            variance = frame.variance[y, x0 + i] if k + 1 < n else 0.0
            inverse = 1 / block.front[k, i]
            block.z[k, i] = (block.z[k, i] + variance * block.z[after, i]) * inverse
            block.u[k, i] = (block.u[k, i] + variance * block.u[after, i]) * inverse
            block.precision[i] += t[k] * block.u[k, i]
            block.projected[i] += t[k] * block.z[k, i]


@compiled
def _judge(block, exposure, frame, floor2, y, x0, width) -> None:
    """Find chi^2 of every pixel, and the square of its most significant jump."""
    n, t = exposure.times.size, exposure.lengths
    for i in range(width):
        block.chi2[i] = block.worst[i] = 0.0
        block.back[i] = block.v[n - 1, i]
    for k in range(n - 1, -1, -1):
        for i in range(width):
            v = block.v[k, i]
            if k + 1 < n:
                variance = frame.variance[y, x0 + i]
                block.back[i] = v - variance * variance / block.back[i]
            u, rate = block.u[k, i], block.projected[i] / block.precision[i]
            rest = block.z[k, i] - rate * u
            block.chi2[i] += block.e[k, i] * rest
            information = max(1 / (block.front[k, i] + block.back[i] - v) - u * u / block.precision[i], 1e-12 / v)
            floor = floor2[y, x0 + i] * t[k] * t[k] * information
            block.worst[i] = max(block.worst[i], rest * rest / (information * (1 + floor)))
