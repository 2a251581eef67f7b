"""The native steps of drizzling beside AstroDrizzle: every pixel and keyword of DRZ and FLTs."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from astropy.io import fits

from wfc3tvb.repair.astrodrizzle import DrizzleProcess, DrizzleSettings, drizzle
from wfc3tvb.simulate.result import SimulatedVisit
from wfc3tvb.simulate.visit import simulate

WHAT = "DRZ and FLTs of 1 to 6 exposures: pixels, flags, keywords; kernels, pixfrac, weights, shapes of sources drawn"
#: Keywords that name the time of writing, and the log.
DIFFER = ["DATE", "DRIZPARS"]
KERNELS = ("square", "turbo")


@cache
def visit() -> tuple[SimulatedVisit, TemporaryDirectory[str]]:
    """Return the visit whose exposures are drawn from, and its folder."""
    folder = TemporaryDirectory()
    return simulate(Path(folder.name), "ibohbf040", size=64), folder


def case(rng: np.random.Generator, folder: Path) -> list[str]:
    """Draw exposures, noise and parameters, drizzle twice and compare the files."""
    made, _ = visit()
    flts = sorted(made.folder.glob("hst/public/*/*/*_flt.fits"))
    chosen = sorted(rng.choice(len(flts), int(rng.integers(1, len(flts) + 1)), replace=False))
    weights = rng.uniform(0.5, 30, len(chosen)).tolist() if rng.random() < 0.3 else None
    parameters = drawn_parameters(rng)
    changed = folder / "drawn"
    changed.mkdir()
    paths = [changed_copy(flts[k], changed, rng) for k in chosen]
    with DrizzleProcess() as process:
        for by in ("native", "astrodrizzle"):
            (folder / by).mkdir()
            copies = [Path(shutil.copy(path, folder / by)) for path in paths]
            settings = DrizzleSettings(parameters=parameters, by=by)
            drizzle(process, copies, "ibohbf040", iref=made.references, settings=settings, weights=weights)
    found = []
    for theirs in sorted((folder / "astrodrizzle").glob("*_*.fits")):
        difference = fits.FITSDiff(str(folder / "native" / theirs.name), str(theirs), ignore_keywords=DIFFER)
        if not difference.identical:
            found.append(f"{theirs.name} ({len(chosen)} exposures, weights {weights}, {parameters})")
    return found


def drawn_parameters(rng: np.random.Generator) -> dict[str, Any]:
    """Return parameters that the native steps support."""
    return {
        "final_pixfrac": float(rng.choice([0.7, 0.8, 1.0])),
        "driz_sep_pixfrac": float(rng.choice([0.7, 1.0])),
        "final_kernel": str(rng.choice(KERNELS)),
        "driz_sep_kernel": str(rng.choice(KERNELS)),
        "driz_cr_grow": int(rng.choice([1, 3])),
    }


def changed_copy(flt: Path, folder: Path, rng: np.random.Generator) -> Path:
    """Copy an FLT with its rates scaled, some hits added and some pixels flagged."""
    path = Path(shutil.copy(flt, folder))
    with fits.open(path, mode="update") as hdus:
        sci, dq = hdus["SCI"].data, hdus["DQ"].data
        sci *= np.float32(rng.uniform(0.5, 3))
        hit = rng.random(sci.shape) < 0.01
        sci[hit] += rng.exponential(20, int(hit.sum())).astype(np.float32)
        dq[rng.random(dq.shape) < 0.005] |= np.int16(rng.choice([4, 16, 256, 512]))
    return path
