"""How fast an association of six full frames is repaired, beside STScI's recipe step by step.

Run with ``python benchmarks/bench_reprocess.py [FOLDER [size]]``: the simulated visit (1.5 GB at full frame) is kept in
FOLDER when given. The recipe is that of the notebook calwf3_recal_tvb: calwf3 on the association, updatewcs,
AstroDrizzle with its defaults, each a process; it needs ``calwf3.e`` on the PATH. References come from the headers on
both sides.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from astropy.io import fits

from wfc3tvb.config import Selection
from wfc3tvb.io.catalog import Catalog
from wfc3tvb.io.local import LocalSource
from wfc3tvb.pipeline.repair_run import IREF
from wfc3tvb.pipeline.reprocess import ReprocessSettings, reprocess
from wfc3tvb.pipeline.survey import survey
from wfc3tvb.simulate.visit import simulate

ASSOCIATION = "ibohbf040"
FLAGGED = ("ibohbfb9q", "ibohbfbgq", "ibohbfbkq")
STEPS = {
    "updatewcs": "import glob; from stwcs.updatewcs import updatewcs; "
    "updatewcs(sorted(glob.glob('*_flt.fits')), use_db=False)",
    "AstroDrizzle": "import glob; from drizzlepac.astrodrizzle import AstroDrizzle; "
    f"AstroDrizzle(sorted(glob.glob('*_flt.fits')), output='{ASSOCIATION}', mdriztab=True, preserve=False, clean=True)",
}


def main() -> None:
    """Print both times, and where ours goes."""
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 1024
    with tempfile.TemporaryDirectory() as scratch:
        kept = Path(sys.argv[1] if len(sys.argv) > 1 else Path(scratch) / "visit")
        if not (kept / "truth").is_dir():
            simulate(kept, ASSOCIATION, size=size)
        os.environ[IREF] = f"{(kept / 'references').absolute()}/"
        print(f"six exposures of {size} x {size} pixels, 16 reads; {os.cpu_count()} cores")
        recipe = run_recipe(kept, Path(scratch) / "recipe") if shutil.which("calwf3.e") else None
        for engine in ("native", "calwf3")[: 2 if recipe else 1]:
            run_ours(kept, Path(scratch), engine, recipe)


def run_recipe(visit: Path, folder: Path) -> float:
    """Return the time of the recipe [s]."""
    folder.mkdir()
    for path in sorted(visit.glob("hst/public/*/*/*_raw.fits")):
        shutil.copy(path, folder)
        if path.name[:9] in FLAGGED:
            fits.setval(folder / path.name, "CRCORR", value="OMIT")
    shutil.copy(next(visit.glob(f"hst/public/*/{ASSOCIATION}/*_asn.fits")), folder)
    commands = {"calwf3": ["calwf3.e", f"{ASSOCIATION}_asn.fits"]}
    commands |= {name: [sys.executable, "-c", code] for name, code in STEPS.items()}
    total = 0.0
    for name, command in commands.items():
        began = time.monotonic()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        took = time.monotonic() - began
        total += took
        print(f"  recipe: {name:14}{took:7.1f} s")
    print(f"  recipe: {'all':14}{total:7.1f} s")
    return total


def run_ours(visit: Path, scratch: Path, engine: str, recipe: float | None) -> None:
    """Repair the visit and print the time, beside the recipe's."""
    with Catalog.create(scratch / f"catalog-{engine}") as catalog:
        survey(catalog, Selection(), source=LocalSource(visit))
        rows = catalog.sql("SELECT * FROM exposures").to_arrow_table().to_pylist()
        catalog.replace("exposures", [row | {"flagged": row["rootname"] in FLAGGED} for row in rows])
        settings = ReprocessSettings(
            method="omit", engine=engine, references="header", source=str(visit), outdir=scratch / engine
        )
        report = reprocess(catalog, ids=[ASSOCIATION], settings=settings)
    times = {row["kind"]: 0.0 for row in report.products}
    for row in report.products:
        times[row["kind"]] += row["wall_s"]
    than = f", {recipe / report.seconds:.1f} times as fast as the recipe" if recipe else ""
    peak = max(row["peak_rss_mb"] for row in report.products)
    print(
        f"  {engine:8}{report.seconds:6.1f} s (exposures and their proof {times['flt']:.1f}, "
        f"drizzled {times['drz']:.1f}), up to {peak:.0f} MB{than}"
    )


if __name__ == "__main__":
    main()
