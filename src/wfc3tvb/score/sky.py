"""Summarize the sky of a curve: level, ratios, the published factor-of-2 rule, the jump statistic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Start of the reads used in the published rule [s]; earlier ones are too noisy.
FACTOR2_START = 24.0
#: Read noise [electron] and dark rate [electron/s] of the jump statistic: round numbers, part of its definition, near
#: those of the Instrument Handbook 5.7.
JUMP_READ_NOISE, JUMP_DARK = 20.0, 0.05
#: Smallest excess over the minimum of an affected read [electron/s]; it must also exceed three errors.
AFFECTED = 0.1


@dataclass(frozen=True)
class Sky:
    """Level and variability of the sky over an exposure [electron/s].

    Attributes
    ----------
    mean : float
        Mean over the exposure, sum of r_i dt_i / T.
    minimum, maximum, last : float
        Minimum, maximum and last of the interval rates of used reads.
    ratio_cumulative, ratio_interval : float or None
        Largest over smallest rate; None if the smallest is not positive.
    factor2 : bool or None
        Result of the published rule.
    excess_variable : float
        Mean excess of the interval rates over their minimum.
    affected : tuple of int
        Reads (1..N) above the minimum.
    position : str or None
        Their position in the exposure.
    """

    mean: float
    minimum: float
    maximum: float
    last: float
    ratio_cumulative: float | None
    ratio_interval: float | None
    factor2: bool | None
    excess_variable: float
    affected: tuple[int, ...]
    position: str | None


def used_reads(
    dt: Float64Array, rate: Float64Array, rate_err: Float64Array, *, min_interval: float, max_rate_err: float
) -> Bools:
    """Select the used reads: not the first, with a long enough interval and a small enough error.

    Parameters
    ----------
    dt, rate, rate_err : ndarray, shape (n,)
        Length of each read's interval [s], its rate and the error of that [electron/s]; NaN without a rate.
    min_interval : float
        Shortest interval used [s].
    max_rate_err : float
        Largest error used [electron/s].
    """
    with np.errstate(invalid="ignore"):
        used = np.isfinite(rate) & (dt >= min_interval) & (rate_err <= max_rate_err)
    used[:1] = False
    return used


def signal(dt: Float64Array, rate: Float64Array) -> Float64Array:
    """Return electrons since the zeroth read, S_i = sum over j <= i of r_j dt_j; NaN for a read without a rate.

    Intervals begin at the last read with a rate, so a gap does not break the sum.
    """
    good = np.isfinite(rate)
    total = np.cumsum(np.where(good, rate * dt, 0.0))
    return np.where(good, total, np.nan)


def measure_sky(
    t_start: Float64Array,
    t_end: Float64Array,
    rate: Float64Array,
    error: Float64Array,
    used: Bools,
    *,
    noise: Float64Array | None = None,
) -> Sky:
    """Summarize a curve.

    Parameters
    ----------
    t_start, t_end, rate : ndarray, shape (n,)
        Intervals [s] and their rates [electron/s], one per read 1..N.
    error : ndarray, shape (n,)
        Error of the rates, including the systematic error.
    used : ndarray of bool, shape (n,)
        Reads to trust; at least one.
    noise : ndarray, shape (n,), optional
        Error of the rates without the systematic error; 0 if not given. The lowest of many noisy rates lies below the
        sky, so the excess is measured from the mean of all rates that agree with the minimum within their noise.
    """
    dt, r = t_end - t_start, rate[used]
    total = signal(dt, rate)
    good = np.isfinite(total)
    minimum = float(r.min())
    late = good & (t_end >= min(FACTOR2_START, t_end[good][-1] / 2))
    cumulative = _ratio(total[late] / t_end[late])
    with np.errstate(invalid="ignore"):
        affected = used & (rate - minimum > np.maximum(3 * error, AFFECTED))
    return Sky(
        mean=float(total[good][-1] / t_end[good][-1]),
        minimum=minimum,
        maximum=float(r.max()),
        last=float(r[-1]),
        ratio_cumulative=cumulative,
        ratio_interval=_ratio(r),
        factor2=None if cumulative is None else cumulative > 2,
        excess_variable=float(np.average(r, weights=dt[used])) - _floor(r, None if noise is None else noise[used]),
        affected=tuple(int(i) + 1 for i in np.flatnonzero(affected)),
        position=affected_position(affected[used]),
    )


def _floor(rate: Float64Array, noise: Float64Array | None) -> float:
    """Return the lowest level of a curve: the weighted mean of the rates within two errors of the minimum."""
    if noise is None or not (noise > 0).all():
        return float(rate.min())
    lowest = int(np.argmin(rate))
    near = rate - rate[lowest] <= 2 * np.hypot(noise, noise[lowest])
    return float(np.average(rate[near], weights=noise[near] ** -2))


def affected_position(affected: Bools) -> str | None:
    """Return the position of the affected among the used reads: start, middle, end, both (ends), all; None if none."""
    if not affected.any():
        return None
    if affected.sum() >= affected.size - 1:
        return "all"
    first, last = bool(affected[0]), bool(affected[-1])
    if first and last:
        return "both"
    return "start" if first else "end" if last else "middle"


def jump_statistic(t: Float64Array, total: Float64Array) -> tuple[float, int]:
    """Return the jump statistic D and the read (1..N) at which it is reached.

    It mirrors calwf3's search for cosmic rays (hstcal cridcalc.c, RejCRs) on the noise-free median ramp: a line is
    fitted to all reads with equal weight, d_i = (S_i - fit_i) / sqrt(RN^2 + S_i + 0.05 t_i), and D is the largest
    ``|d_i - d_{i-1}|``; calwf3 rejects a read above 4 (CRREJTAB).

    Parameters
    ----------
    t, total : ndarray, shape (n,)
        Times [s] and signal [electron] of the reads 1..N; reads with NaN are left out, at least two must remain.
    """
    good = np.flatnonzero(np.isfinite(total))
    x, y = t[good], total[good]
    dx = x - x.mean()
    fit = y.mean() + (dx @ y) / (dx @ dx) * dx
    d = (y - fit) / np.sqrt(JUMP_READ_NOISE**2 + np.maximum(y, 0) + JUMP_DARK * x)
    jumps = np.abs(np.diff(d))
    k = int(np.argmax(jumps))
    return float(jumps[k]), int(good[k + 1]) + 1


def jump_statistic_error(
    t_start: Float64Array,
    t_end: Float64Array,
    rate: Float64Array,
    error: Float64Array,
    systematic: float,
    rng: np.random.Generator,
    *,
    draws: int = 200,
) -> float:
    """Return the standard deviation of D under random errors of the curve.

    Parameters
    ----------
    t_start, t_end, rate, error : ndarray, shape (n,)
        Intervals [s], their rates and errors [electron/s]. The errors come from reads, which two neighboring intervals
        share with opposite signs, so they change the signal at each read and do not accumulate.
    systematic : float
        Independent error of every rate [electron/s].
    rng : numpy.random.Generator
        Generator for the errors.
    draws : int, optional
        Number of curves to draw.
    """
    good = np.isfinite(rate) & np.isfinite(error)
    x, dt, r, e = t_end[good], (t_end - t_start)[good], rate[good], error[good]
    shape, noise = (draws, x.size), e * dt / np.sqrt(2)
    zeroth = noise[0] * rng.standard_normal((draws, 1))
    y = (
        noise * rng.standard_normal(shape)
        - zeroth
        + np.cumsum((r + systematic * rng.standard_normal(shape)) * dt, axis=1)
    )
    dx = x - x.mean()
    fit = y.mean(1, keepdims=True) + (y @ dx)[:, None] / (dx @ dx) * dx
    d = (y - fit) / np.sqrt(JUMP_READ_NOISE**2 + np.maximum(y, 0) + JUMP_DARK * x)
    return float(np.abs(np.diff(d)).max(1).std())


def _ratio(values: Float64Array) -> float | None:
    """Return largest over smallest; None if the smallest is not positive."""
    return float(values.max() / values.min()) if values.size and values.min() > 0 else None
