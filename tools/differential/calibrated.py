"""The native engine beside STScI's calwf3: every pixel, flag, keyword and HISTORY line of IMA and FLT."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from tests.helpers.golden import differences
from tools.differential.exposures import draw

from wfc3tvb.engines.calibrate import calibrate

WHAT = "IMA and FLT: pixels, errors, flags, keywords, HISTORY; CRCORR done or left out, other steps sometimes off"


def missing() -> str | None:
    """Return why it cannot run."""
    return None if shutil.which("calwf3.e") else "calwf3.e is not on the PATH"


def case(rng: np.random.Generator, folder: Path) -> list[str]:
    """Draw an exposure, calibrate it twice and compare the products."""
    exposure, crcorr = draw(rng, folder), str(rng.choice(["perform", "omit"]))
    made = {}
    for engine in ("native", "calwf3"):
        (made[engine],) = calibrate(
            exposure.raw, engine=engine, crcorr=crcorr, iref=exposure.iref, outdir=folder / engine
        )
    ours, theirs = made["native"], made["calwf3"]
    found = differences(ours.flt, theirs.flt) + differences(Path(str(ours.ima)), Path(str(theirs.ima)))
    return [f"{text} ({exposure.words}, CRCORR {crcorr})" for text in found]
