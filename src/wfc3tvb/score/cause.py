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
exposures (`wfc3tvb.score.cause_weights`, made by study/causes.py, which says how often they are right); the prior, how
often each cause makes an affected exposure of the archive, is stated: nobody has counted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.score.cause_features import Features
from wfc3tvb.score.cause_weights import WEIGHTS

Float64Array = NDArray[np.float64]

CAUSES = ("helium", "scattered", "trail", "persistence", "unknown")
#: The causes that are told apart: helium and scattered light together are one of their own.
ALONE_AND_BOTH = ("helium", "scattered", "both", "trail", "persistence", "unknown")
#: How often each cause makes an exposure that varies or is crossed, before anything is looked at.
PRIOR = {"helium": 0.7, "scattered": 0.12, "both": 0.1, "trail": 0.02, "persistence": 0.03, "unknown": 0.03}
#: How much rarer helium is in other filters: they pass less than 1 % of the line, hundredths of an electron/s at most.
_OTHER_FILTERS = 0.001
#: How much rarer it is in a lone read or two, the others quiet.
_SUDDEN = 0.05
#: A spike spans this many reads at most.
_SPIKE = 2
#: A sidedness with this error counts half, and so does a part of the variance of this size.
_VAGUE, _SMALL = 0.2, 0.03


def _is_spike(f: Features) -> bool:
    return 0 < f.n_affected <= _SPIKE and f.n_used >= 3 * _SPIKE and not f.at_edge


def vector(f: Features) -> Float64Array:
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
            f.sided * f.apart / (f.apart + _SMALL),
            f.off_decay,
            f.falling * f.off_decay,
            f.quiet_sun,
            f.falling * f.quiet_sun,
            f.streak,
            f.streak * f.n_affected / f.n_used,
            f.at_edge,
        ],
        float,
    )


def fixed_offset(f: Features) -> Float64Array:
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
