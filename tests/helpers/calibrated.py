"""Simulated visits with their IMA and FLT files, for tests that need no drizzled image (seconds per visit)."""

from __future__ import annotations

from pathlib import Path

from wfc3tvb.engines.calibrate import calibrate
from wfc3tvb.simulate.plan import Preset
from wfc3tvb.simulate.visit import SimulatedVisit, simulate


def calibrated(folder: Path, preset: str | Preset, size: int) -> SimulatedVisit:
    """Simulate visits, and calibrate each exposure as the archive does; nothing is aligned or drizzled."""
    visit = simulate(folder, preset, size=size, products=False)
    raws = [visit.path(name, "raw") for name in visit.rootnames]
    calibrate(raws, engine="native", crcorr="perform", iref=visit.references)
    return visit
