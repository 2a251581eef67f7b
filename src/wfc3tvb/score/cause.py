"""Estimate the probable cause of a varying background: helium, scattered light, a trail, persistence, or unknown.

Each cause shows in a few simple features of a curve (WFC3 Data Handbook 7.10; WFC3 ISR 2014-03, 2016-16):

========== =========================================================================================================
helium      F105W and F110W only; flat over the frame, smooth in time, follows the altitude of the Sun
scattered   any filter; left side brighter by a large part of the excess, close to the bright limb
trail       a straight streak in one or two reads; the sky's median hardly changes
persistence high at the start and falling, independent of the Sun
both        helium and scattered light: one side is brighter, by less than the excess
unknown     none of these
========== =========================================================================================================

The probabilities come from a multinomial logistic regression on these features. Its weights are fitted to simulated
exposures of known cause (`wfc3tvb.score.cause_weights`, made by study/causes.py, which reports how often they are
right); the prior, the frequency of each cause among affected exposures of the archive, is an assumption, since nobody
has counted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.score.cause_features import Features
from wfc3tvb.score.cause_weights import WEIGHTS

Float64Array = NDArray[np.float64]

CAUSES = ("helium", "scattered", "trail", "persistence", "unknown")
#: Classes of the regression: the causes alone, and helium with scattered light (``both``).
ALONE_AND_BOTH = ("helium", "scattered", "both", "trail", "persistence", "unknown")
#: Prior probability of each cause for an exposure that varies or is crossed by a streak. Nobody has counted them, so it
#: is wide enough that the curve decides, and where the curve says little the answer is open.
PRIOR = {"helium": 0.35, "scattered": 0.15, "both": 0.1, "trail": 0.05, "persistence": 0.15, "unknown": 0.2}
#: Factor on the prior of helium in other filters: they pass less than 1 % of the line, at most hundredths of an
#: electron/s.
_OTHER_FILTERS = 0.001
#: Factor on the prior of helium in one or two reads among quiet ones.
_SUDDEN = 0.05
#: Most reads in a spike.
_SPIKE = 2
#: Error of the sidedness, and fraction of the variance, at which these features count half.
_VAGUE, _SMALL = 0.2, 0.03


def _is_spike(f: Features) -> bool:
    return 0 < f.n_affected <= _SPIKE and f.n_used >= 3 * _SPIKE and not f.at_edge


def vector(f: Features) -> Float64Array:
    """Return the inputs of the regression, in the order of `cause_weights.FEATURES`; each is about -1 to 1."""
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
            f.with_limb,
            f.with_limb * near,
        ],
        float,
    )


def fixed_offset(f: Features) -> Float64Array:
    """Return the physical constraints to add to the logarithm of the prior of each of `ALONE_AND_BOTH`.

    Only some filters pass helium, and it varies smoothly: it does not come and go within a read.
    """
    hidden = 0.0 if f.helium_filter else float(np.log(_OTHER_FILTERS))
    hidden += float(np.log(_SUDDEN)) if _is_spike(f) else 0.0
    return np.array([hidden if name in ("helium", "both") else 0.0 for name in ALONE_AND_BOTH])


def posterior(f: Features) -> dict[str, float]:
    """Return the probabilities of every single cause, and of helium and scattered light together (``both``)."""
    prior = np.log([PRIOR[name] for name in ALONE_AND_BOTH])
    score = np.array(WEIGHTS) @ vector(f) + prior + fixed_offset(f)
    weight = np.exp(score - score.max())
    return dict(zip(ALONE_AND_BOTH, (weight / weight.sum()).tolist(), strict=True))


def probabilities(found: dict[str, float]) -> dict[str, float]:
    """Return the probability of every cause, from `posterior`; they add up to 1, with ``both`` split in halves."""
    halves = {"helium": found["both"] / 2, "scattered": found["both"] / 2}
    return {name: found[name] + halves.get(name, 0.0) for name in CAUSES}


def kind_of(found: dict[str, float]) -> str:
    """Return the kind, from `posterior`: mixed if helium and scattered light are each more likely than not."""
    if min(found["helium"], found["scattered"]) + found["both"] > 0.5:
        return "mixed"
    best = max(CAUSES, key=lambda name: found[name])
    return best if found[best] > 0.5 else "unknown"
