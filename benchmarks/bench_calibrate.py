"""How fast a full frame of 16 reads is calibrated, beside STScI's calwf3 and beside the limit of the bytes.

Run with ``python benchmarks/bench_calibrate.py [--toy] [FOLDER [size [rounds]]]``: the simulated visit is kept in
FOLDER when given. Each round runs both programs as processes, one after the other, and writes IMA and FLT; medians are
printed, of wall time and of CPU time (user and system), which depends less on what else the machine does. Two exposures
are taken: one whose background rises so that 95 % of the pixels have a hit, and one whose does not. The limit is the
time to read the bytes of the RAW and the reference files once, from memory, and to write those of the products.
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
from toy import TOY, arguments, plan_of

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
            simulate(kept, plan_of("ibohbf040"), size=int(size), products=False)
        os.environ[IREF] = f"{(kept / 'references').absolute()}/"
        print(f"{size} x {size} pixels, 16 reads; {os.cpu_count()} cores; median of {rounds}; wall time (CPU time)")
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
    references = [path for path in Path(os.environ[IREF]).iterdir() if path.suffix == ".fits"]
    products = [path for path in scratch.glob(f"{raw.name[:9]}_???.fits") if path != own]
    size = sum(path.stat().st_size for path in products)
    ours, theirs, limit, later = [], [], [], []
    calibrate(own, engine="native", overwrite=True)
    for _ in range(rounds):
        ours.append(costs(lambda: run(program), before=lambda: clear(scratch)))
        limit.append(costs(lambda: move_bytes([own, *references], size, scratch / "bytes")))
        later.append(costs(lambda: calibrate(own, engine="native"), before=lambda: clear(scratch)))
        if there:
            theirs.append(costs(lambda: run(["calwf3.e", own.name], scratch), before=lambda: clear(scratch)))
    print(f"    wfc3tvb {said(ours)}; later exposures of a process {said(later)}; limit of the bytes {said(limit)}")
    if there:
        first, others = (ratios(theirs, own_costs) for own_costs in (ours, later))
        print(f"    calwf3 {said(theirs)}: {first} times, later {others} times")
    else:
        print("    calwf3.e is not on the PATH: no comparison")


def move_bytes(files: list[Path], size: int, target: Path) -> None:
    """Read every byte of some files, and write as many bytes as there are in the products."""
    for path in files:
        np.add.reduce(np.memmap(path, np.uint64, "r"))
    block = bytes(1 << 20)
    with target.open("wb", buffering=0) as file:
        for _ in range(size >> 20):
            file.write(block)


Cost = tuple[float, float]


def costs(action: Callable[[], object], before: Callable[[], object] = lambda: None) -> Cost:
    """Return wall time and CPU time of an action, child processes included [s]."""
    before()
    began, cpu = time.perf_counter(), cpu_time()
    action()
    return time.perf_counter() - began, cpu_time() - cpu


def cpu_time() -> float:
    """Return the CPU time of this process and of its children that have ended, user and system [s]."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def said(measured: list[Cost]) -> str:
    """Return the medians as text."""
    wall, cpu = (median(values) for values in zip(*measured, strict=True))
    return f"{wall:.2f} s ({cpu:.2f})"


def ratios(theirs: list[Cost], ours: list[Cost]) -> str:
    """Return the median ratios of paired rounds as text."""
    wall, cpu = (median(a[i] / b[i] for a, b in zip(theirs, ours, strict=True)) for i in (0, 1))
    return f"{wall:.1f} ({cpu:.1f})"


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
