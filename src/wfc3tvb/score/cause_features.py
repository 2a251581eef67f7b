"""What a curve shows of its cause: the features that `wfc3tvb.score.cause` weighs.

Scattered light changes in step with left minus right, helium with the Sun; persistence decays whatever the Sun does,
in Earth's shadow too, fastest at the start (WFC3 Data Handbook 7.9, 7.10).
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
#: Scattered light: left minus right changes by this much [electron/s] (reprocess_wfc3) and this many errors.
SIDED, SIDED_ERRORS = 0.1, 5.0
#: A side holds a fifth of the pixels, and a difference has two: its error over that of the frame's rate.
_SIDE_NOISE = 1.5
#: Limb angle [deg] within which the bright limb scatters light into the camera.
_LIMB = 40.0
#: The Sun is high above this altitude [deg]: helium shines, in a morning since some minutes.
_HIGH_SUN = 20.0
#: Times within which persistence may decay [s].
_DECAYS = (50.0, 100.0, 200.0, 400.0, 800.0, 1600.0)


@dataclass(frozen=True)
class Features:
    """What the curve shows.

    Attributes
    ----------
    helium_filter : bool
        Whether the filter passes the helium line.
    sidedness, sidedness_err : float
        Left minus right, as part of itself and the excess of the frame's median, over the affected reads: 0 where the
        light is flat, 1 where the left side alone has it; and its error.
    sided : bool
        Whether left minus right stands out of its noise in any affected read.
    unexplained : float
        Part of the excess that scattered light cannot make, given left minus right.
    sunlit : float or None
        Fraction of the affected reads with the Sun above the limb; None without geometry.
    bright_limb : float or None
        Fraction of the affected reads near the bright limb; None without geometry.
    n_affected, n_used : int
        Reads that stand above the minimum, none maybe, and reads there are.
    falling : bool
        Whether the curve falls from the first used read to the last.
    at_edge : bool
        Whether the affected reads reach the start or the end of the exposure.
    with_sun : float
        Rank correlation of the rate with the altitude of the Sun; 0 without geometry.
    off_sun : float
        Part of the variance that no rise with the altitude of the Sun explains; 0 without geometry.
    early : float
        Part of the change from first to last read that is done in the first third of the time.
    apart : float
        Part of the variance, noise taken off, that light in step with left minus right does not explain: 0 where
        scattered light alone can have made the curve, and 1 where it has no part in it.
    off_decay : float
        Part of the variance, noise taken off, that no decay explains (exponential, or as one over the time).
    quiet_sun : float
        Fraction of the reads that do not stand above the minimum with the Sun high; helium would shine in them. 0
        without geometry.
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
    """Return the features of a curve.

    Parameters
    ----------
    name : str
        Filter.
    t : ndarray, shape (n,)
        Middle of the intervals of the used reads [s].
    rate, error, lr_diff : ndarray, shape (n,)
        Their rates, the errors of these, left minus right [electron/s].
    affected : ndarray of bool, shape (n,)
        Reads that stand above the minimum; where there are none, all are looked at.
    sun_alt, limb_angle, bright_limb : ndarray, shape (n,)
        Geometry [deg]; NaN where not known.
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
        early=_early(rate),
        apart=_unexplained(rate, error, lr_diff, side_error=_SIDE_NOISE * error, steepest=_MOST),
        off_decay=min(_unexplained(rate, error, shape) for shape in _decays(t)),
        quiet_sun=float((sun_alt[~reads] > _HIGH_SUN).mean()) if (~reads).any() else 0.0,
        streak=streak,
    )


def _sides(above: Float64Array, side: Float64Array, noise: Float64Array) -> dict[str, Any]:
    """Return the features of left minus right, given how far rate and difference stand above the quiet reads."""
    total = float(np.sqrt((noise**2).sum()))
    # Light that does not change has no excess to compare with: the noise bounds it.
    excess = max(float(above.sum()), 3 * total)
    whole = excess + max(float(side.sum()), 0.0)
    return {
        "sidedness": float(side.sum()) / whole,
        "sidedness_err": total / whole,
        "sided": bool((side > np.maximum(SIDED, SIDED_ERRORS * noise)).any()),
        "unexplained": float(np.maximum(above - _MOST * np.maximum(side, 0), 0).sum()) / excess,
    }


def _falls(rate: Float64Array, error: Float64Array) -> bool:
    """Say whether a curve falls all along: rank correlation with time, and its ends beyond their errors."""
    third = max(1, rate.size // 3)
    drop = rate[:third].mean() - rate[-third:].mean()
    return bool(drop > 3 * error.max() / np.sqrt(third) and _rank_correlation(rate, np.arange(rate.size)) < -0.75)


def _rank_correlation(a: Float64Array, b: NDArray[Any]) -> float:
    """Return the rank correlation of two series; 0 where one is unknown or has two values at most."""
    if a.size < 3 or not np.isfinite(b).all() or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    first, second = (np.argsort(np.argsort(values)) for values in (a, b))
    return float(np.corrcoef(first, second)[0, 1])


def _off_sun(rate: Float64Array, sun_alt: Float64Array) -> float:
    """Return the part of the variance of a curve that is left by the best curve that rises with the Sun."""
    if not np.isfinite(sun_alt).all() or np.ptp(rate) == 0:
        return 0.0
    inturn = rate[np.argsort(sun_alt, kind="stable")]
    return float(np.mean((inturn - _rising(inturn)) ** 2) / np.var(rate))


def _rising(values: Float64Array) -> Float64Array:
    """Return the rising sequence that is nearest to `values` by least squares.

    The max-min formula of isotonic regression (Robertson, Wright & Dykstra 1988, section 1.4): for some ten values it
    takes less time than importing a solver.
    """
    n, total = values.size, np.concatenate([[0.0], np.cumsum(values)])
    first, last = np.arange(n)[:, None], np.arange(n)
    mean = (total[1:] - total[:-1, None]) / np.maximum(last - first + 1, 1)
    lowest = np.minimum.accumulate(np.where(last >= first, mean, np.inf)[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(np.where(last >= first, lowest, -np.inf).max(0))


def _early(rate: Float64Array) -> float:
    """Return the part of the change from the first reads to the last that is done in the first third, 0 to 1."""
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
    """Return the part of the variance of a curve, noise taken off, that a constant and some of a shape leave.

    The shape enters with a factor of 0 to `steepest`; it may have errors itself.
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
    """Return decays within some times."""
    return [shape for tau in _DECAYS for shape in (np.exp(-t / tau), 1 / (1 + t / tau))]
