"""Make the archive's products of simulated visits: IMA, FLT and DRZ, every exposure with CRCORR=PERFORM."""

from __future__ import annotations

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wfc3tvb.engines.calibrate import calibrate
from wfc3tvb.progress import Progress, silent
from wfc3tvb.repair.astrodrizzle import DrizzleProcess, drizzle
from wfc3tvb.simulate.result import SimulatedVisit

#: Drizzling processes at a time.
_CHILDREN = 2


def make_products(made: SimulatedVisit, *, engine: str = "auto", progress: Progress = silent) -> None:
    """Calibrate every exposure, align it and drizzle the associations, beside the raw files.

    Parameters
    ----------
    made : SimulatedVisit
        Raw files and references, as `simulate` wrote them.
    engine : str
        ``auto``, ``native`` or ``calwf3``.
    progress : Progress
        Called for each exposure calibrated and each product drizzled.

    Raises
    ------
    CalibrationError, DrizzleError
        If an engine or AstroDrizzle fails.
    """
    roots = made.rootnames
    for i, root in enumerate(roots):
        progress("calibrate", i, len(roots))
        results = calibrate(
            [made.path(root, "raw")], engine=engine, crcorr="perform", overwrite=True, iref=made.references
        )
        for result in results:
            if result.trailer:
                result.trailer.unlink(missing_ok=True)
    progress("calibrate", len(roots), len(roots))
    groups: list[tuple[str | None, tuple[str, ...]]] = [*made.associations.items(), *((None, (r,)) for r in made.lone)]
    progress("drizzle", 0, len(groups))
    with ThreadPoolExecutor(_CHILDREN) as pool:
        for i, _ in enumerate(pool.map(lambda group: _drizzle(made, *group), groups), start=1):
            progress("drizzle", i, len(groups))


def _drizzle(made: SimulatedVisit, association: str | None, members: tuple[str, ...]) -> None:
    """Drizzle the FLTs of an association, or align a single one; the archive's FLTs are aligned."""
    with tempfile.TemporaryDirectory(dir=made.folder, prefix=".drizzle-") as folder:
        work = Path(folder)
        flts = [Path(shutil.copy(made.path(root, "flt"), work)) for root in members]
        with DrizzleProcess() as process:
            drizzled = drizzle(process, flts, association, iref=made.references)
        for root, flt in zip(members, flts, strict=True):
            shutil.move(flt, made.path(root, "flt"))
        if association and drizzled.path:
            shutil.move(drizzled.path, made.path(association, "drz"))
