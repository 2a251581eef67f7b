"""Speed of a measurement beside wfc3tools.pstat: one full-frame IMA of 16 reads, in the file cache, same run.

Run with ``python benchmarks/bench_curve.py [--toy] [repeats [size [n]]]``. pstat computes the medians of the reads
alone; the curve has clipped interval rates with errors, sides, quadrants and newly flagged fractions, from all pixels.
The limit is one pass over the pixels of SCI, 63 MB: their sum, as they lie in the mapped file. Times are the best
of the repeats, which take turns, so that a busy machine slows all alike: CPU time of all threads, and the time
on the clock. In the end n exposures are scored again.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "agg")

import numpy as np
from astropy.io import fits
from toy import arguments
from wfc3tools import pstat

from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.config import MeasureSettings
from wfc3tvb.curve.intervals import measure_curve
from wfc3tvb.curve.sky_mask import sky_mask
from wfc3tvb.fits.ima import read_ima
from wfc3tvb.measurement import measure
from wfc3tvb.models import Measurement
from wfc3tvb.parallel.workers import Workers
from wfc3tvb.schema import TABLES
from wfc3tvb.score.score import score
from wfc3tvb.survey.rescore import rescore

NSAMP = 16
#: Start of the exposures [MJD].
START = 56298.8


def main() -> None:
    """Print the table."""
    repeats, size, n = map(int, arguments(("9", "1024", "1000"), ("1", "64", "4")))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "ibench01q_ima.fits"
        full_frame(path, size)
        measured = measure(path)
        jobs: dict[str, Callable[[], object]] = {
            "wfc3tools.pstat, medians": lambda: pstat(str(path), units="rate", plot=False),
            "the same medians (--pstat)": lambda: read_ima(path, pstat=True),
            "the whole curve": lambda: curve(path),
            "limit: one pass over SCI": lambda: one_pass(path),
            "measure: curve, geometry, score": lambda: measure(path),
            "score alone (rescore)": lambda: score(measured.exposure, measured.reads, MeasureSettings()),
        }
        best = {name: np.array([np.inf, np.inf]) for name in jobs}
        for _ in range(repeats):
            for name, job in jobs.items():
                best[name] = np.minimum(best[name], seconds(job))
        reference = best["wfc3tools.pstat, medians"]
        print(f"{'':34}{'CPU ms':>9}{'clock ms':>10}{'pstat is so many times as long':>34}")
        for name, (cpu, clock) in best.items():
            times = reference / (cpu, clock)
            print(f"{name:34}{1e3 * cpu:9.1f}{1e3 * clock:10.1f}{times[0]:22.2f}{times[1]:12.2f}")
        ours, peer, limit = (1e3 * best[name][0] for name in ("the whole curve", *(list(jobs)[i] for i in (0, 3))))
        print(f"ours / pstat / limit: {ours:.1f} / {peer:.1f} / {limit:.1f} ms of CPU time")
    print(f"100,000 exposures scored again by two processes: {rescored(n):.1f} minutes (from {n:,} in a catalog)")


def seconds(job: Callable[[], object]) -> tuple[float, float]:
    """Return the CPU time of all threads of a job, and the time on the clock [s]."""
    cpu, clock = time.process_time(), time.perf_counter()
    job()
    return time.process_time() - cpu, time.perf_counter() - clock


def one_pass(path: Path) -> int:
    """Return a sum over all pixels of SCI, as whole numbers in the order of their bytes in the file."""
    planes = read_ima(path).rate
    return sum(int(plane.view("<u4").sum(dtype=np.uint32)) for plane in planes)


def rescored(n: int) -> float:
    """Return the minutes that `rescore` takes for 100,000 exposures, from `n` of them, every other one hit."""
    with tempfile.TemporaryDirectory() as scratch, open_catalog(Path(scratch) / "catalog", mode="a") as catalog:
        catalog.record([measurement(k) for k in range(n)])
        catalog.update_views()
        rescore(catalog, workers=Workers(2))  # compiles, and starts the processes
        began = time.perf_counter()
        rescore(catalog, workers=Workers(2))
        return (time.perf_counter() - began) / n * 100_000 / 60


def measurement(k: int) -> Measurement:
    """Return an exposure of 15 reads without its pixels."""
    rng = np.random.default_rng(k)
    t = 100.0 * np.arange(NSAMP)
    rate = 0.5 + (k % 2) * rng.uniform(0.2, 3) / (1 + np.exp(-(t[1:] - rng.uniform(0, 1500)) / 100))
    rate += rng.normal(0, 0.01, rate.size)
    name = f"i{k // 6:05d}{k % 6:02d}q"  # six exposures a visit
    facts = {"rootname": name, "dataset": name, "visit": name[:6], "filter": "F105W", "quality_flags": []}
    facts |= {"expstart": START, "ra": 189.2, "dec": 62.2, "crrejtab_sigma": 4.0}
    facts |= {"run_id": "bench", "measured_at": 6e4}
    reads = [
        TABLES["reads"].empty_row()
        | {"rootname": name, "read": i + 1, "t_start": t[i], "t_end": t[i + 1], "used": i > 0, "rate": float(rate[i])}
        | {"rate_err": 0.003, "lr_diff": 0.0, "lr_ratio": 1.0, "mjd": START, "sun_alt": 30.0, "limb_angle": 50.0}
        | {"bright_limb": True, "in_shadow": False, "n_pixels": 10**6}
        for i in range(rate.size)
    ]
    row = score(TABLES["exposures"].empty_row() | facts, reads, MeasureSettings())
    return Measurement(row, reads)


def curve(path: Path) -> object:
    """Measure a file's curve, without score."""
    cube = read_ima(path)
    return measure_curve(cube, sky_mask(cube.rate[-1], cube.dq[0]).skip)


def full_frame(path: Path, size: int) -> None:
    """Write a full frame of noise about a rising sky."""
    rng = np.random.default_rng(1)
    t = 100.0 * np.arange(NSAMP)
    total = rng.normal(0, 14.6, (size, size)).astype(np.float32)
    rates = [np.zeros_like(total)]
    for k in range(1, NSAMP):
        sky = 50.0 if k < 8 else 150.0
        total = total + rng.normal(sky, sky**0.5, total.shape).astype(np.float32)
        rates.append((total + rng.normal(0, 14.6, total.shape).astype(np.float32)) / np.float32(t[k]))
    facts = {"INSTRUME": "WFC3", "DETECTOR": "IR", "OBSMODE": "MULTIACCUM", "ROOTNAME": "ibench01q", "FILTER": "F105W"}
    facts |= {"EXPSTART": START, "EXPEND": START + t[-1] / 86400, "EXPTIME": t[-1], "SAMP_SEQ": "SPARS100"}
    facts |= {"NSAMP": NSAMP, "NEXTEND": 5 * NSAMP, "CRCORR": "COMPLETE", "FLATCORR": "COMPLETE"}
    primary = fits.PrimaryHDU(header=fits.Header(facts))
    hdus: list[fits.PrimaryHDU | fits.ImageHDU] = [primary]
    for version in range(1, NSAMP + 1):
        k = NSAMP - version
        head = fits.Header({"SAMPTIME": t[k], "ROUTTIME": START + t[k] / 86400, "BUNIT": "ELECTRONS/S"})
        hdus += [fits.ImageHDU(rates[k], head, "SCI", ver=version), fits.ImageHDU(0 * total, name="ERR", ver=version)]
        hdus.append(fits.ImageHDU(np.zeros(total.shape, np.int16), name="DQ", ver=version))
        for name in ("SAMP", "TIME"):
            constant = fits.Header({"NPIX1": size, "NPIX2": size, "PIXVALUE": float(k)})
            hdus.append(fits.ImageHDU(header=constant, name=name, ver=version))
    fits.HDUList(hdus).writeto(path)


if __name__ == "__main__":
    main()
