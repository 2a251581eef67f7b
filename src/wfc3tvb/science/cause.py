"""What made the background vary: probabilities of helium, scattered light, a trail, persistence, something else.

Each cause predicts a few simple features of a curve (WFC3 Data Handbook 7.10; WFC3 ISR 2014-03, 2016-16):

========== =========================================================================================================
helium      passes F105W and F110W only, is flat over the frame, smooth in time, and needs the Sun above the limb
scattered   any filter, left side brighter by a large part of the excess, close to the bright limb
trail       one or two reads alone stand out, the others are quiet
persistence high at the start and falling, whatever the Sun does; told from helium in Earth's shadow only
both        helium and scattered light: one side is brighter, by less than the excess
unknown     fits nothing better
========== =========================================================================================================

The probabilities multiply prior and likelihoods of these features, taken as independent. The numbers below are stated,
not fitted: no labelled set exists; a set of labels would refine them here, in one place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.names import TVB_FILTERS

Floats = NDArray[np.float64]

CAUSES = ("helium", "scattered", "trail", "persistence", "unknown")
#: How often each cause makes an affected exposure, before anything is looked at; helium: by filter.
_PRIOR = {"helium": 0.7, "scattered": 0.12, "both": 0.1, "trail": 0.02, "persistence": 0.03, "unknown": 0.03}
#: How often helium does so in other filters: they pass less than 1 % of the line, hundredths of an electron/s at most.
_OTHER_FILTERS = 0.001
#: Sidedness: mean and scatter of flat light, and of light scattered by the limb. The left 200 columns are up to twice
#: as bright as the rest, so that the median of the frame rises by 0.2 to `_MOST` of left minus right.
_FLAT, _SIDED, _MOST = (0.0, 0.12), (0.65, 0.2), 1.3
#: Part of the excess that scattered light alone leaves unexplained: scale of its exponential distribution.
_UNEXPLAINED = 0.15
#: Left minus right stands out when it changes by this much [electron/s] and this many errors.
_STANDS_OUT, _ERRORS = 0.1, 5.0
#: A side holds a fifth of the pixels, and a difference has two: its error over that of the frame's rate.
_SIDE_NOISE = 1.5
#: Limb angle [deg] within which the bright limb scatters light into the camera.
_LIMB = 40.0
#: A trail or a spike spans this many reads at most.
_SPIKE = 2


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
        Reads that stand above the minimum, and reads there are.
    falling : bool
        Whether the curve falls from the first used read to the last.
    at_edge : bool
        Whether the affected reads reach the start or the end of the exposure.
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
        n_affected=int(reads.sum()),
        n_used=rate.size,
        falling=bool(reads[0]) and _falls(rate, error),
        at_edge=bool(reads[0] or reads[-1]),
    )


def _falls(rate: Floats, error: Floats) -> bool:
    """Say whether a curve falls all along: rank correlation with time, and its ends beyond their errors."""
    third = max(1, rate.size // 3)
    drop = rate[:third].mean() - rate[-third:].mean()
    ranks = np.argsort(np.argsort(rate))
    return bool(drop > 3 * error.max() / np.sqrt(third) and np.corrcoef(ranks, np.arange(rate.size))[0, 1] < -0.75)


def posterior(f: Features) -> dict[str, float]:
    """Return the probability of every cause alone, and of helium and scattered light together (``both``)."""
    spike = f.n_affected <= _SPIKE and f.n_used >= 3 * _SPIKE and not f.at_edge
    helium = _PRIOR["helium"] * (1 if f.helium_filter else _OTHER_FILTERS)
    both = _PRIOR["both"] * (1 if f.helium_filter else _OTHER_FILTERS)
    flat, sided = _density(f, *_FLAT), _density(f, *_SIDED)
    alone = float(np.exp(-f.unexplained / _UNEXPLAINED)) / _UNEXPLAINED
    lit, near = _sunlit(f.sunlit, 0.02), _sunlit(f.bright_limb, 0.1)
    weight = {
        "helium": helium * flat * lit * (0.02 if f.sided else 1) * (0.01 if spike else 1),
        "scattered": _PRIOR["scattered"] * sided * near * alone * (1 if f.sided else 0.02) * (0.2 if spike else 1),
        "both": both * lit * near * (1 if f.sided else 0.02) * (0.01 if spike else 1),
        "trail": _PRIOR["trail"] * 0.3 * (20 if spike else 0.02),
        "persistence": _PRIOR["persistence"] * flat * (1 if f.falling else 0.02) * (2 - 1.5 * (f.sunlit or 0)),
        "unknown": _PRIOR["unknown"] * 0.3,
    }
    total = sum(weight.values())
    return {name: w / total for name, w in weight.items()}


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


def _density(f: Features, mean: float, scatter: float) -> float:
    """Return the density of the sidedness under a cause, its measuring error included; never quite zero."""
    width = float(np.hypot(scatter, f.sidedness_err))
    z = (f.sidedness - mean) / width
    return float(np.exp(-0.5 * z * z) / width / np.sqrt(2 * np.pi)) + 1e-3


def _sunlit(fraction: float | None, floor: float) -> float:
    """Return how likely it is that a cause that needs light shows reads of which `fraction` are lit."""
    return 1.0 if fraction is None else floor + (1 - floor) * fraction
