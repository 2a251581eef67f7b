"""How fast a full frame of 16 reads is calibrated, beside STScI's calwf3.

Run with ``python benchmarks/bench_calibrate.py [--toy] [FOLDER [size [rounds]]]``: the simulated visit is kept in
FOLDER when given. Each round runs both programs as processes, one after the other, and writes IMA and FLT; medians are
printed. Two exposures are taken: one whose background rises so that 95 % of the pixels have a hit, and one whose does
not.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from astropy.io import fits
from toy import TOY, arguments

import wfc3tvb
from wfc3tvb.engines.calibrate import calibrate
from wfc3tvb.simulate.visit import simulate

EXPOSURES, IREF = {"ibohbfb9q": "severe rise", "ibohbfb7q": "steady"}, "iref"


def main() -> None:
    """Print ours, the peer's, and the ratio."""
    given, size, rounds = arguments(("", "1024", "5"), ("", "64", "1"))
    with tempfile.TemporaryDirectory() as scratch:
        kept = Path(given or Path(scratch) / "visit")
        if not (kept / "truth").is_dir():
            simulate(kept, "ibohbf040", size=int(size), products=False)
        os.environ[IREF] = f"{(kept / 'references').absolute()}/"
        print(f"{size} x {size} pixels, 16 reads; {os.cpu_count()} cores; median of {rounds}")
        for rootname, kind in list(EXPOSURES.items())[: 1 if TOY else None]:
            raw = next(kept.glob(f"hst/public/*/*/{rootname}_raw.fits"))
            for mode in ("PERFORM", "OMIT"):
                print(f"{rootname} ({kind}), CRCORR {mode}")
                compare(raw, mode, Path(scratch), int(rounds))
        fit_by_likelihood(next(kept.glob("hst/public/*/*/ibohbfbkq_raw.fits")), Path(scratch), int(rounds))
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"largest process: {memory:.0f} MB")


def compare(raw: Path, mode: str, scratch: Path, rounds: int) -> None:
    """Print the times of one setting of CRCORR."""
    own = scratch / raw.name
    shutil.copy(raw, own)
    fits.setval(own, "CRCORR", value=mode)
    program = [sys.executable, "-m", "wfc3tvb", "calibrate", str(own), "--engine", "native"]
    there = shutil.which("calwf3.e") is not None
    clear(scratch)
    run(program, compiled=True)  # fills the caches of Python and numba
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(timed(lambda: run(program), before=lambda: clear(scratch)))
        if there:
            theirs.append(timed(lambda: run(["calwf3.e", own.name], scratch), before=lambda: clear(scratch)))
    later = [timed(lambda: calibrate(own, engine="native"), lambda: clear(scratch)) for _ in range(rounds + 1)]
    print(f"    wfc3tvb {median(ours):.2f} s; later exposures of a process {median(later[1:]):.2f} s")
    if there:
        peer = median(theirs)
        print(f"    calwf3 {peer:.2f} s: {peer / median(ours):.1f} times, later {peer / median(later[1:]):.1f} times")
    else:
        print("    calwf3.e is not on the PATH: no comparison")


def fit_by_likelihood(raw: Path, scratch: Path, rounds: int) -> None:
    """Print the time of the likelihood fit on one core, which comes on top of the calibration with CRCORR OMIT.

    The limit is the time to read its input, the rates and flags of all reads, from memory once.
    """
    own = scratch / raw.name
    shutil.copy(raw, own)
    (made,) = calibrate(own, engine="native", crcorr="omit", overwrite=True)
    with fits.open(made.ima) as hdus:
        versions = range(15, 0, -1)
        inner = slice(5, -5)
        rate = np.stack([hdus["SCI", v].data[inner, inner].astype(np.float32) for v in versions])
        dq = np.stack([hdus["DQ", v].data[inner, inner].astype(np.int16) for v in versions])
        times = np.array([hdus["SCI", v].header["SAMPTIME"] for v in versions])
    measured = wfc3tvb.measure(made.ima)
    sky = np.array([row["rate"] for row in measured.reads])
    wfc3tvb.fit_ramps_optimal(rate, times, sky, dq=dq)
    fit, once = [], []
    for _ in range(max(rounds, 2)):
        fit.append(timed(lambda: wfc3tvb.fit_ramps_optimal(rate, times, sky, dq=dq)))
        once.append(timed(lambda: (np.add.reduce(rate, axis=None), np.add.reduce(dq, axis=None))))
    print(f"likelihood fit of {raw.name[:9]}, one core: {median(fit):.3f} s; input read once {median(once):.5f} s")


def timed(action: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    """Return how long an action takes [s]."""
    before()
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def run(command: list[str], folder: Path | None = None, *, compiled: bool = False) -> None:
    """Run a program, which must succeed; if `compiled`, it may keep its byte code whatever the environment says."""
    kept = {name: value for name, value in os.environ.items() if not (compiled and name == "PYTHONDONTWRITEBYTECODE")}
    subprocess.run(command, cwd=folder, env=kept, check=True, capture_output=True)


def clear(folder: Path) -> None:
    """Remove products, which calwf3 does not replace."""
    for path in folder.glob("*_???.fits"):
        if not path.name.endswith("_raw.fits"):
            path.unlink()


if __name__ == "__main__":
    main()
