"""Compute the features of a curve from which `wfc3tvb.score.cause` infers the cause.

Scattered light changes in step with left minus right, helium with the Sun; persistence decays independently of the
Sun, in Earth's shadow too, fastest at the start (WFC3 Data Handbook 7.9, 7.10).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.instrument import sees_helium

Float64Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: The left 200 columns are up to twice as bright as the rest under scattered light, so that the median of the frame
#: rises by 0.2 to `_MOST` of left minus right.
_MOST = 1.3
#: Change of left minus right that shows scattered light: in electron/s (reprocess_wfc3), and in its errors.
SIDED, SIDED_ERRORS = 0.1, 5.0
#: Error of left minus right relative to that of the frame's rate: each side has a fifth of the pixels.
_SIDE_NOISE = 1.5
#: Limb angle [deg] within which the bright limb scatters light into the camera.
_LIMB = 40.0
#: Altitude of the Sun above which helium shines [deg]; after orbital sunrise it takes some minutes to appear.
_HIGH_SUN = 20.0
#: Decay times of persistence to try [s].
_DECAYS = (50.0, 100.0, 200.0, 400.0, 800.0, 1600.0)


@dataclass(frozen=True)
class Features:
    """Features of a curve.

    Attributes
    ----------
    helium_filter : bool
        Whether the filter passes the helium line.
    sidedness, sidedness_err : float
        Left minus right over the affected reads, divided by the sum of itself and the excess of the frame's median: 0
        for flat light, 1 for light on the left side only; and its error.
    sided : bool
        Whether left minus right exceeds its noise in any affected read.
    unexplained : float
        Fraction of the excess that scattered light cannot explain, given left minus right.
    sunlit : float or None
        Fraction of the affected reads with the Sun above the limb; None without geometry.
    bright_limb : float or None
        Fraction of the affected reads near the bright limb; None without geometry.
    n_affected, n_used : int
        Number of reads above the minimum, possibly 0, and number of used reads.
    falling : bool
        Whether the curve falls from the first used read to the last.
    at_edge : bool
        Whether the affected reads reach the start or the end of the exposure.
    with_sun : float
        Rank correlation of the rate with the altitude of the Sun; 0 without geometry.
    off_sun : float
        Fraction of the variance that a rise with the altitude of the Sun does not explain; 0 without geometry.
    early : float
        Fraction of the change from first to last read that happens in the first third of the time.
    apart : float
        Fraction of the variance, noise subtracted, that light in step with left minus right does not explain: 0 if
        scattered light alone can explain the curve, 1 if it contributes nothing.
    off_decay : float
        Fraction of the variance, noise subtracted, that no decay explains (exponential, or one over time).
    quiet_sun : float
        Fraction of the unaffected reads taken with the Sun high, when helium would shine; 0 without geometry.
    with_limb : float
        Rank correlation of the rate with the nearness of the sunlit limb; 0 without geometry.
    streak : bool
        Whether a straight streak crosses the frame in a read.
    """

    helium_filter: bool
    sidedness: float
    sidedness_err: float
    sided: bool
    unexplained: float
    sunlit: float | None
    bright_limb: float | None
    n_affected: int
    n_used: int
    falling: bool
    at_edge: bool
    with_sun: float = 0.0
    off_sun: float = 0.0
    early: float = 0.0
    apart: float = 0.0
    off_decay: float = 0.0
    quiet_sun: float = 0.0
    with_limb: float = 0.0
    streak: bool = False


def features(
    name: str | None,
    t: Float64Array,
    rate: Float64Array,
    error: Float64Array,
    lr_diff: Float64Array,
    affected: Bools,
    *,
    sun_alt: Float64Array,
    limb_angle: Float64Array,
    bright_limb: Float64Array,
    streak: bool = False,
) -> Features:
    """Compute the features of a curve.

    Parameters
    ----------
    name : str
        Filter.
    t : ndarray, shape (n,)
        Middle of the intervals of the used reads [s].
    rate, error, lr_diff : ndarray, shape (n,)
        Their rates, the errors of these, left minus right [electron/s].
    affected : ndarray of bool, shape (n,)
        Reads above the minimum; if there are none, all are used.
    sun_alt, limb_angle, bright_limb : ndarray, shape (n,)
        Geometry [deg]; NaN where unknown.
    streak : bool, optional
        Whether a straight streak crosses the frame in a read.
    """
    reads = affected if affected.any() else np.ones(rate.size, bool)
    quiet = ~reads if (~reads).any() else rate <= rate.min()
    above = rate[reads] - float(rate[quiet].mean())
    side = np.nan_to_num(lr_diff[reads]) - (0.0 if reads.all() else float(np.nan_to_num(lr_diff[quiet]).mean()))
    known = np.isfinite(sun_alt[reads])
    near = (limb_angle[reads] < _LIMB) & (bright_limb[reads] > 0.5)
    return Features(
        helium_filter=sees_helium(name),
        **_sides(above, side, _SIDE_NOISE * error[reads]),
        sunlit=float((sun_alt[reads][known] > 0).mean()) if known.any() else None,
        bright_limb=float(near[known].mean()) if known.any() else None,
        n_affected=int(affected.sum()),
        n_used=rate.size,
        falling=bool(reads[0]) and _falls(rate, error),
        at_edge=bool(reads[0] or reads[-1]),
        with_sun=_rank_correlation(rate, sun_alt),
        off_sun=_off_sun(rate, sun_alt),
        with_limb=_rank_correlation(rate, np.where(bright_limb > 0.5, -limb_angle, -180.0)) if known.all() else 0.0,
        early=_early(rate),
        apart=_unexplained(rate, error, lr_diff, side_error=_SIDE_NOISE * error, steepest=_MOST),
        off_decay=min(_unexplained(rate, error, shape) for shape in _decays(t)),
        quiet_sun=float((sun_alt[~reads] > _HIGH_SUN).mean()) if (~reads).any() else 0.0,
        streak=streak,
    )


def _sides(above: Float64Array, side: Float64Array, noise: Float64Array) -> dict[str, Any]:
    """Return the features of left minus right, from the excess of rate and difference over the quiet reads."""
    total = float(np.sqrt((noise**2).sum()))
    # Constant light has no excess to compare with, so the noise sets a lower limit.
    excess = max(float(above.sum()), 3 * total)
    whole = excess + max(float(side.sum()), 0.0)
    return {
        "sidedness": float(side.sum()) / whole,
        "sidedness_err": total / whole,
        "sided": bool((side > np.maximum(SIDED, SIDED_ERRORS * noise)).any()),
        "unexplained": float(np.maximum(above - _MOST * np.maximum(side, 0), 0).sum()) / excess,
    }


def _falls(rate: Float64Array, error: Float64Array) -> bool:
    """Return True if a curve falls throughout: rank correlation with time, and ends that differ significantly."""
    third = max(1, rate.size // 3)
    drop = rate[:third].mean() - rate[-third:].mean()
    return bool(drop > 3 * error.max() / np.sqrt(third) and _rank_correlation(rate, np.arange(rate.size)) < -0.75)


def _rank_correlation(a: Float64Array, b: NDArray[Any]) -> float:
    """Return the rank correlation of two series; 0 if it is undefined or there are fewer than three values."""
    if a.size < 3 or not np.isfinite(b).all() or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    first, second = (np.argsort(np.argsort(values)) for values in (a, b))
    return float(np.corrcoef(first, second)[0, 1])


def _off_sun(rate: Float64Array, sun_alt: Float64Array) -> float:
    """Return the fraction of a curve's variance that remains after the best fit rising with the Sun."""
    if not np.isfinite(sun_alt).all() or np.ptp(rate) == 0:
        return 0.0
    by_altitude = rate[np.argsort(sun_alt, kind="stable")]
    return float(np.mean((by_altitude - _rising(by_altitude)) ** 2) / np.var(rate))


def _rising(values: Float64Array) -> Float64Array:
    """Return the non-decreasing sequence nearest to `values` by least squares.

    Uses the max-min formula of isotonic regression (Robertson, Wright & Dykstra 1988, section 1.4): for about ten
    values this takes less time than importing a solver.
    """
    n, total = values.size, np.concatenate([[0.0], np.cumsum(values)])
    first, last = np.arange(n)[:, None], np.arange(n)
    mean = (total[1:] - total[:-1, None]) / np.maximum(last - first + 1, 1)
    lowest = np.minimum.accumulate(np.where(last >= first, mean, np.inf)[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(np.where(last >= first, lowest, -np.inf).max(0))


def _early(rate: Float64Array) -> float:
    """Return the fraction of the change from first to last reads that happens in the first third, 0 to 1."""
    third = max(1, rate.size // 3)
    change = rate[0] - rate[-third:].mean()
    return float(np.clip((rate[0] - rate[third]) / change, 0, 1)) if abs(change) > 1e-9 else 0.0


def _unexplained(
    rate: Float64Array,
    error: Float64Array,
    shape: Float64Array,
    *,
    side_error: Float64Array | float = 0.0,
    steepest: float = np.inf,
) -> float:
    """Return the fraction of a curve's variance, noise subtracted, left by a fit of a constant plus a shape.

    The factor of the shape is limited to 0 to `steepest`; the shape may have errors too.
    """
    r, x = rate - rate.mean(), np.nan_to_num(shape)
    x = x - x.mean()
    variance, square = float(np.mean(r**2)), float(x @ x)
    if variance == 0:
        return 0.0
    factor = float(np.clip(x @ r / square, 0, steepest)) if square > 0 else 0.0
    noise = float(np.mean(error**2) + factor**2 * np.mean(np.square(side_error)))
    return float(np.clip((np.mean((r - factor * x) ** 2) - noise) / variance, 0, 1))


def _decays(t: Float64Array) -> list[Float64Array]:
    """Return decay curves for several decay times."""
    return [shape for tau in _DECAYS for shape in (np.exp(-t / tau), 1 / (1 + t / tau))]
