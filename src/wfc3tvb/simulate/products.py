"""The archive's own products of simulated visits: IMA, FLT and DRZ, all with CRCORR=PERFORM."""

from __future__ import annotations

from wfc3tvb.pipeline.calibrate import calibrate
from wfc3tvb.progress import Progress, silent
from wfc3tvb.simulate.visit import SimulatedVisit


def make_products(made: SimulatedVisit, *, engine: str = "auto", progress: Progress = silent) -> None:
    """Calibrate every exposure and drizzle every association beside the raw files."""
    roots = made.rootnames
    for i, root in enumerate(roots):
        calibrate([made.path(root, "raw")], engine=engine, crcorr="perform", overwrite=True, iref=made.references)
        progress("calibrate", i + 1, len(roots))
