"""What made the background vary: probabilities of helium, scattered light, a trail, persistence, something else.

Each cause predicts a few simple features of a curve (WFC3 Data Handbook 7.10; WFC3 ISR 2014-03, 2016-16):

========== =========================================================================================================
helium      passes F105W and F110W only, is flat over the frame, smooth in time, and needs the Sun above the limb
scattered   any filter, left side brighter by a large part of the excess, close to the bright limb
trail       one or two reads alone stand out, the others are quiet
persistence high at the start and falling, whatever the Sun does; best told in Earth's shadow
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
_PRIOR = {"helium": 0.8, "scattered": 0.12, "trail": 0.02, "persistence": 0.03, "unknown": 0.03}
#: How often it does so in other filters: they pass less than 1 % of the line, hundredths of an electron/s at most.
_OTHER_FILTERS = 0.001
#: Sidedness: mean and scatter of flat light, and of light scattered by the limb. The left 200 columns are up to twice
#: as bright as the rest, so that the median of the frame rises by 0.2 to 1.1 of left minus right. Between, both share.
_FLAT, _SIDED = (0.0, 0.12), (0.65, 0.2)
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
    sunlit : float or None
        Fraction of the affected reads with the Sun above the limb; None without geometry.
    bright_limb : float or None
        Fraction of the affected reads near the bright limb; None without geometry.
    n_affected, n_used : int
        Reads that stand above the minimum, and reads there are.
    falling : bool
        Whether the curve falls from the first used read on and never rises.
    at_edge : bool
        Whether the affected reads reach the start or the end of the exposure.
    """

    helium_filter: bool
    sidedness: float
    sidedness_err: float
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
    floor, side_floor = float(rate[quiet].mean()), float(np.nan_to_num(lr_diff[quiet]).mean())
    excess = max(float((rate[reads] - floor).sum()), 1e-3)
    side = float(np.nan_to_num(lr_diff[reads] - (0.0 if reads.all() else side_floor)).sum())
    whole = excess + max(side, 0.0)
    noise = 3 * float(np.sqrt((error[reads] ** 2).sum()))  # a side holds a fifth of the pixels, a difference two
    known = np.isfinite(sun_alt[reads])
    near = (limb_angle[reads] < _LIMB) & (bright_limb[reads] > 0.5)
    steps = np.diff(rate) / np.maximum(np.hypot(error[1:], error[:-1]), 1e-9)
    return Features(
        helium_filter=name in TVB_FILTERS,
        sidedness=side / whole,
        sidedness_err=noise / whole,
        sunlit=float((sun_alt[reads][known] > 0).mean()) if known.any() else None,
        bright_limb=float(near[known].mean()) if known.any() else None,
        n_affected=int(reads.sum()),
        n_used=rate.size,
        falling=bool(rate.size > 2 and reads[0] and (steps < 2).all() and steps.min() < -2),
        at_edge=bool(reads[0] or reads[-1]),
    )


def probabilities(f: Features) -> dict[str, float]:
    """Return the probability of every cause; they add up to 1."""
    spike = f.n_affected <= _SPIKE and f.n_used >= 3 * _SPIKE and not f.at_edge
    weight = {
        "helium": _PRIOR["helium"] * (1 if f.helium_filter else _OTHER_FILTERS),
        "scattered": _PRIOR["scattered"],
        "trail": _PRIOR["trail"],
        "persistence": _PRIOR["persistence"],
        "unknown": _PRIOR["unknown"],
    }
    flat, sided = _density(f, *_FLAT), _density(f, *_SIDED)
    weight["helium"] *= flat * (0.01 if spike else 1) * _sunlit(f.sunlit, 0.02)
    weight["scattered"] *= sided * (0.2 if spike else 1) * _sunlit(f.bright_limb, 0.1)
    weight["trail"] *= 0.3 * (20 if spike else 0.02)
    weight["persistence"] *= flat * (1 if f.falling else 0.02) * (1 if f.sunlit is None else 2 - 1.5 * f.sunlit)
    weight["unknown"] *= 0.3
    total = sum(weight.values())
    return {name: w / total for name, w in weight.items()}


def kind_of(probability: dict[str, float]) -> str:
    """Return the kind: the likeliest cause; mixed where helium and scattered light share; unknown below one half."""
    if min(probability["helium"], probability["scattered"]) > 0.25:
        return "mixed"
    best = max(CAUSES, key=lambda name: probability[name])
    return best if probability[best] > 0.5 else "unknown"


def _density(f: Features, mean: float, scatter: float) -> float:
    """Return the density of the sidedness under a cause, its measuring error included; never quite zero."""
    width = float(np.hypot(scatter, f.sidedness_err))
    z = (f.sidedness - mean) / width
    return float(np.exp(-0.5 * z * z) / width / np.sqrt(2 * np.pi)) + 1e-3


def _sunlit(fraction: float | None, floor: float) -> float:
    """Return how likely it is that a cause that needs light shows reads of which `fraction` are lit."""
    return 1.0 if fraction is None else floor + (1 - floor) * fraction
