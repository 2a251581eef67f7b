"""What made the background vary: probabilities of helium, scattered light, a trail, persistence, something else.

Each cause shows in a few simple features of a curve (WFC3 Data Handbook 7.10; WFC3 ISR 2014-03, 2016-16):

========== =========================================================================================================
helium      passes F105W and F110W only, is flat over the frame, smooth in time, and follows the Sun above the limb
scattered   any filter, left side brighter by a large part of the excess, close to the bright limb
trail       a straight streak in one read or two, the sky's median hardly moves
persistence high at the start and falling, whatever the Sun does
both        helium and scattered light: one side is brighter, by less than the excess
unknown     fits nothing better
========== =========================================================================================================

The probabilities are a multinomial logistic regression on these features. Its weights are fitted to labelled simulated
exposures (`wfc3tvb.science.causefit`, made by study/causes.py, which says how often they are right); the prior, how
often each cause makes an affected exposure of the archive, is stated: nobody has counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from wfc3tvb.names import TVB_FILTERS
from wfc3tvb.science.causefit import WEIGHTS

Floats = NDArray[np.float64]

CAUSES = ("helium", "scattered", "trail", "persistence", "unknown")
#: The causes that are told apart: helium and scattered light together are one of their own.
ALONE_AND_BOTH = ("helium", "scattered", "both", "trail", "persistence", "unknown")
#: How often each cause makes an exposure that varies or is crossed, before anything is looked at.
PRIOR = {"helium": 0.7, "scattered": 0.12, "both": 0.1, "trail": 0.02, "persistence": 0.03, "unknown": 0.03}
#: How much rarer helium is in other filters: they pass less than 1 % of the line, hundredths of an electron/s at most.
_OTHER_FILTERS = 0.001
#: How much rarer it is in a lone read or two, the others quiet.
_SUDDEN = 0.05
#: The left 200 columns are up to twice as bright as the rest under scattered light, so that the median of the frame
#: rises by 0.2 to `_MOST` of left minus right.
_MOST = 1.3
#: Left minus right stands out when it changes by this much [electron/s] and this many errors.
_STANDS_OUT, _ERRORS = 0.1, 5.0
#: A side holds a fifth of the pixels, and a difference has two: its error over that of the frame's rate.
_SIDE_NOISE = 1.5
#: Limb angle [deg] within which the bright limb scatters light into the camera.
_LIMB = 40.0
#: A spike spans this many reads at most.
_SPIKE = 2
#: A sidedness with this error counts half.
_VAGUE = 0.2


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
    streak: bool = False


def features(
    name: str | None,
    rate: Floats,
    error: Floats,
    lr_diff: Floats,
    affected: NDArray[np.bool_],
    *,
    sun_alt: Floats,
    limb_angle: Floats,
    bright_limb: Floats,
    streak: bool = False,
) -> Features:
    """Return the features of a curve.

    Parameters
    ----------
    name : str
        Filter.
    rate, error, lr_diff : ndarray, shape (n,)
        Interval rates of the used reads, their errors, left minus right [electron/s].
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
    noise = _SIDE_NOISE * error[reads]
    # Light that does not change has no excess to compare with: the noise bounds it.
    excess = max(float(above.sum()), 3 * float(np.sqrt((noise**2).sum())))
    whole = excess + max(float(side.sum()), 0.0)
    known = np.isfinite(sun_alt[reads])
    near = (limb_angle[reads] < _LIMB) & (bright_limb[reads] > 0.5)
    return Features(
        helium_filter=name in TVB_FILTERS,
        sidedness=float(side.sum()) / whole,
        sidedness_err=float(np.sqrt((noise**2).sum())) / whole,
        sided=bool((side > np.maximum(_STANDS_OUT, _ERRORS * noise)).any()),
        unexplained=float(np.maximum(above - _MOST * np.maximum(side, 0), 0).sum()) / excess,
        sunlit=float((sun_alt[reads][known] > 0).mean()) if known.any() else None,
        bright_limb=float(near[known].mean()) if known.any() else None,
        n_affected=int(affected.sum()),
        n_used=rate.size,
        falling=bool(reads[0]) and _falls(rate, error),
        at_edge=bool(reads[0] or reads[-1]),
        with_sun=_rank_correlation(rate, sun_alt),
        off_sun=_off_sun(rate, sun_alt),
        early=_early(rate),
        streak=streak,
    )


def _falls(rate: Floats, error: Floats) -> bool:
    """Say whether a curve falls all along: rank correlation with time, and its ends beyond their errors."""
    third = max(1, rate.size // 3)
    drop = rate[:third].mean() - rate[-third:].mean()
    return bool(drop > 3 * error.max() / np.sqrt(third) and _rank_correlation(rate, np.arange(rate.size)) < -0.75)


def _rank_correlation(a: Floats, b: NDArray[Any]) -> float:
    """Return the rank correlation of two series; 0 where one is unknown or has two values at most."""
    if a.size < 3 or not np.isfinite(b).all() or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    first, second = (np.argsort(np.argsort(values)) for values in (a, b))
    return float(np.corrcoef(first, second)[0, 1])


def _off_sun(rate: Floats, sun_alt: Floats) -> float:
    """Return the part of the variance of a curve that is left by the best curve that rises with the Sun."""
    if not np.isfinite(sun_alt).all() or np.ptp(rate) == 0:
        return 0.0
    inturn = rate[np.argsort(sun_alt, kind="stable")]
    return float(np.mean((inturn - isotonic_regression(inturn).x) ** 2) / np.var(rate))


def _early(rate: Floats) -> float:
    """Return the part of the change from the first reads to the last that is done in the first third, 0 to 1."""
    third = max(1, rate.size // 3)
    change = rate[0] - rate[-third:].mean()
    return float(np.clip((rate[0] - rate[third]) / change, 0, 1)) if abs(change) > 1e-9 else 0.0


def _is_spike(f: Features) -> bool:
    return 0 < f.n_affected <= _SPIKE and f.n_used >= 3 * _SPIKE and not f.at_edge


def vector(f: Features) -> Floats:
    """Return the numbers that the regression weighs, in the order of `causefit.FEATURES`; about -1 to 1 each."""
    side = float(np.clip(f.sidedness, -0.5, 1.5)) / (1 + (f.sidedness_err / _VAGUE) ** 2)
    lit = 0.0 if f.sunlit is None else 2 * f.sunlit - 1
    near = 0.0 if f.bright_limb is None else 2 * f.bright_limb - 1
    spike = _is_spike(f)
    return np.array(
        [
            1.0,
            f.helium_filter,
            side,
            side**2,
            f.sided,
            min(f.unexplained, 1.0),
            f.sided * min(f.unexplained, 1.0),
            lit,
            f.helium_filter * lit,
            near,
            f.sided * near,
            f.with_sun,
            f.off_sun,
            f.helium_filter * f.off_sun,
            f.falling,
            f.falling * lit,
            f.falling * f.early,
            f.falling * f.with_sun,
            spike,
            f.streak,
            f.streak * f.n_affected / f.n_used,
            f.at_edge,
        ],
        float,
    )


def fixed_offset(f: Features) -> Floats:
    """Return what physics adds to the logarithm of the prior of each of `ALONE_AND_BOTH`, without any fit.

    Helium passes some filters only, and is smooth: it does not come and go within a read.
    """
    hidden = 0.0 if f.helium_filter else float(np.log(_OTHER_FILTERS))
    hidden += float(np.log(_SUDDEN)) if _is_spike(f) else 0.0
    return np.array([hidden if name in ("helium", "both") else 0.0 for name in ALONE_AND_BOTH])


def posterior(f: Features) -> dict[str, float]:
    """Return the probability of every cause alone, and of helium and scattered light together (``both``)."""
    prior = np.log([PRIOR[name] for name in ALONE_AND_BOTH])
    score = np.array(WEIGHTS) @ vector(f) + prior + fixed_offset(f)
    weight = np.exp(score - score.max())
    return dict(zip(ALONE_AND_BOTH, (weight / weight.sum()).tolist(), strict=True))


def probabilities(found: dict[str, float]) -> dict[str, float]:
    """Return the probability of every cause, from `posterior`; they add up to 1, what two share is halved."""
    halves = {"helium": found["both"] / 2, "scattered": found["both"] / 2}
    return {name: found[name] + halves.get(name, 0.0) for name in CAUSES}


def kind_of(found: dict[str, float]) -> str:
    """Return the kind, from `posterior`: mixed where helium and scattered light are each likelier than not."""
    if min(found["helium"], found["scattered"]) + found["both"] > 0.5:
        return "mixed"
    best = max(CAUSES, key=lambda name: found[name])
    return best if found[best] > 0.5 else "unknown"
