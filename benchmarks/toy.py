"""Sizes on the command line; with --toy a benchmark runs in seconds, to see that it works and not how fast it is."""

from __future__ import annotations

import sys
from dataclasses import replace

from wfc3tvb.simulate.plan import Preset
from wfc3tvb.simulate.presets import preset

TOY = "--toy" in sys.argv

#: Exposures of the toy's visit.
FEW = ("ibohbfb9q", "ibohbfbkq")


def arguments(usual: tuple[str, ...], toy: tuple[str, ...]) -> list[str]:
    """Return the arguments of the command line but for --toy, and for those left out the usual ones, or the toy's."""
    given = [text for text in sys.argv[1:] if text != "--toy"]
    return [*given, *(toy if TOY else usual)[len(given) :]]


def plan_of(name: str) -> Preset:
    """Return the plan of a simulated visit; the toy's has two exposures."""
    whole = preset(name)
    if not TOY:
        return whole
    (plan,) = whole.visits
    few = tuple(exposure for exposure in plan.exposures if exposure.rootname in FEW)
    return replace(whole, visits=(replace(plan, exposures=few),))
