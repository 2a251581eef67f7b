"""How fast an association of six full frames is repaired, and ten of them, beside STScI's recipe step by step.

Run with ``python benchmarks/bench_reprocess.py [--toy] [FOLDER [size [associations]]]``: the simulated visit (1.5 GB
at full frame) is kept in FOLDER when given; the batch works on copies of it under other names (200 MB each while it is
under way). The recipe is that of the notebook calwf3_recal_tvb: calwf3 on the association, updatewcs, AstroDrizzle
with its defaults, each a process; it needs ``calwf3.e`` on the PATH. References come from the headers on both sides.
Beside both stands the limit of the bytes: every input read once, every product written once. CPU seconds (user and
system, children included) hold on a busy machine, too.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from astropy.io import fits
from toy import TOY, arguments, plan_of

from wfc3tvb.archive.local_folder import FolderArchive
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.config import Selection
from wfc3tvb.errors import MissingProductError
from wfc3tvb.parallel.workers import Workers
from wfc3tvb.repair.astrodrizzle_process import IREF
from wfc3tvb.repair.reprocess import ReprocessSettings, reprocess
from wfc3tvb.simulate.visit import simulate
from wfc3tvb.survey.survey import survey

ASSOCIATION = "ibohbf040"
FLAGGED = ("ibohbfb9q", "ibohbfbgq", "ibohbfbkq")
STEPS = {
    "updatewcs": "import glob; from stwcs.updatewcs import updatewcs; "
    "updatewcs(sorted(glob.glob('*_flt.fits')), use_db=False)",
    "AstroDrizzle": "import glob; from drizzlepac.astrodrizzle import AstroDrizzle; "
    f"AstroDrizzle(sorted(glob.glob('*_flt.fits')), output='{ASSOCIATION}', mdriztab=True, preserve=False, clean=True)",
}


#: Seconds between two looks at the memory of all processes.
LOOK_EVERY = 0.5


def main() -> None:
    """Print both times, and where ours goes; then the same for a batch."""
    given, size, n = arguments(("", "1024", "10"), ("", "64", "1"))
    plan = plan_of(ASSOCIATION)
    with tempfile.TemporaryDirectory() as scratch:
        kept = Path(given or Path(scratch) / "visit")
        if not (kept / "truth").is_dir():
            simulate(kept, plan, size=int(size))
        os.environ[IREF] = f"{(kept / 'references').absolute()}/"
        print(f"{len(plan.exposures)} exposures of {size} x {size} pixels, 16 reads; {os.cpu_count()} cores")
        recipe = run_recipe(kept, Path(scratch) / "recipe") if shutil.which("calwf3.e") else None
        ways = [("native", "native"), ("native", "astrodrizzle"), ("calwf3", "native")]
        for engine, drizzle in ways[: 1 if TOY else 3 if recipe else 2]:
            run_ours(kept, Path(scratch), (engine, drizzle), recipe)
        for jobs in (1, 2)[: 1 if TOY else None]:
            run_batch(kept, Path(scratch), int(n), jobs, recipe)


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
    total, cpu = 0.0, cpu_seconds()
    for name, command in commands.items():
        began, used = time.monotonic(), cpu_seconds()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        took = time.monotonic() - began
        total += took
        print(f"  recipe: {name:14}{took:7.1f} s ({cpu_seconds() - used:.1f} of CPU)")
    print(f"  recipe: {'all':14}{total:7.1f} s ({cpu_seconds() - cpu:.1f} of CPU)")
    return total


def cpu_seconds() -> float:
    """Return the CPU time of this process and its ended children, user and system [s]."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def limit_of_the_bytes(visit: Path, products: Path, scratch: Path) -> tuple[float, int]:
    """Return the time to read all inputs of the visit once and write all its products once [s], and the bytes."""
    made = [path for path in products.rglob("*.fits") if path.parent.name in ("flt", "drz")]
    used = [*visit.glob("references/*"), *visit.glob("hst/public/*/*/*_[rfd][alr][wtz].fits")]
    began, total = time.monotonic(), 0
    for path in used:
        total += len(path.read_bytes())
    for path in made:
        size = path.stat().st_size
        (scratch / "written").write_bytes(bytes(size))
        total += size
    return time.monotonic() - began, total


def survey_visit(visit: Path, folder: Path) -> list[dict[str, Any]]:
    """Survey the visit into a catalog and return the rows of its exposures, those flagged that the notebook flags."""
    with open_catalog(folder, mode="a") as catalog:
        survey(catalog, Selection(), source=FolderArchive(visit))
        rows = catalog.sql("SELECT * FROM exposures").to_arrow_table().to_pylist()
        rows = [row | {"flagged": row["rootname"] in FLAGGED} for row in rows]
        catalog.replace("exposures", rows)
    return rows


def settings_for(ways: tuple[str, str], outdir: Path, visit: Path, method: str = "omit") -> ReprocessSettings:
    """Return how to repair: engine and way of drizzling, by the recipe's method, references from the headers."""
    engine, drizzle = ways
    return ReprocessSettings(
        method=method, engine=engine, drizzle=drizzle, references="header", source=str(visit), outdir=outdir
    )


def run_ours(visit: Path, scratch: Path, ways: tuple[str, str], recipe: float | None) -> None:
    """Repair the visit by the recipe's method and by the recommended ones, and print the times."""
    for method in ("omit", "auto")[: 1 if TOY else None]:
        name = "-".join((*ways, method))
        survey_visit(visit, scratch / f"catalog-{name}")
        used = cpu_seconds()
        with open_catalog(scratch / f"catalog-{name}", mode="a") as catalog, watched() as memory:
            settings = settings_for(ways, scratch / name, visit, method)
            report = reprocess(catalog, ids=[ASSOCIATION], settings=settings)
        used = cpu_seconds() - used
        than = f", {recipe / report.seconds:.1f} times as fast as the recipe" if recipe and method == "omit" else ""
        print(
            f"  calibrated by {ways[0]}, drizzled by {ways[1]}, --method {method}: {report.seconds:.1f} s "
            f"({stages(scratch / name)}), {used:.1f} of CPU, up to {memory.peak:.0f} MB{than}"
        )
        limit, size = limit_of_the_bytes(visit, scratch / name, scratch)
        print(f"    limit of the bytes: {limit:.3f} s for {size / 1e6:.0f} MB read and written once")
        shutil.rmtree(scratch / name)


def stages(outdir: Path) -> str:
    """Return where the time of an association went, on average."""
    found = [json.loads(path.read_text()) for path in outdir.glob("*/times.json")]
    return ", ".join(f"{name} {sum(each[name] for each in found) / len(found):.1f}" for name in found[0])


# --- a batch -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Copies:
    """Associations ``ib00f0040``, ``ib01f0040``, ...: the files of one visit under other names."""

    visit: Path

    def download(self, rootname: str, suffix: str, folder: Path) -> Path:
        """Copy a file of the visit and write the name that it has here into its header."""
        found = FolderArchive(self.visit).path(f"{ASSOCIATION[:4]}{rootname[4:]}", suffix)
        if found is None:
            raise MissingProductError(str(self.visit), f"there is no {rootname}_{suffix}.fits", "simulate it anew")
        path = folder / f"{rootname}_{suffix}.fits"
        shutil.copyfile(found, path)
        fits.setval(path, "ROOTNAME", value=rootname.upper())
        return path


def copy_rows(rows: Sequence[dict[str, Any]], i: int) -> list[dict[str, Any]]:
    """Return rows of a table for the i-th copy of the visit."""
    names = ("rootname", "dataset", "asn_id", "visit")
    return [row | {name: f"ib{i:02d}{row[name][4:]}" for name in names if row.get(name)} for row in rows]


def run_batch(visit: Path, scratch: Path, n: int, jobs: int, recipe: float | None) -> None:
    """Repair copies of the visit with so many workers, and print what goes through in an hour."""
    folder, outdir = scratch / f"catalog-{jobs}", scratch / f"batch-{jobs}"
    exposures = survey_visit(visit, folder)
    with open_catalog(folder, mode="a") as catalog:
        reads = catalog.sql("SELECT * FROM reads").to_arrow_table().to_pylist()
        for table, rows in (("exposures", exposures), ("reads", reads)):
            catalog.append(table, [row for i in range(n) for row in copy_rows(rows, i)])
        catalog.replace("datasets", [], keys=[ASSOCIATION])
        ids = [f"ib{i:02d}{ASSOCIATION[4:]}" for i in range(n)]
        with watched() as family:
            report = reprocess(
                catalog,
                ids=ids,
                settings=settings_for(("native", "auto"), outdir, visit),
                workers=Workers(jobs),
                products=Copies(visit),
            )
    per_hour = 3600 * report.n_repaired / report.seconds
    than = f", {recipe * n / report.seconds:.1f} times the recipe's {3600 / recipe:.0f}" if recipe else ""
    print(
        f"  {report.n_repaired} of {n} associations with --jobs {jobs}: {report.seconds:.0f} s, "
        f"{per_hour:.0f} an hour{than}; each {stages(outdir)} s, {family.cpu / n:.1f} of CPU; "
        f"all processes up to {family.peak:.0f} MB"
    )
    shutil.rmtree(outdir)


@dataclass
class Family:
    """Largest memory that this process and all its children took together [Mbyte], and their CPU time.

    Workers that end without cleanup are in no account of this process, so that the time of each is looked at while it
    runs: what it used after the last look is missing.
    """

    peak: float = 0.0
    seconds: dict[int, float] = field(default_factory=dict)

    @property
    def cpu(self) -> float:
        """CPU time of all processes, user and system [s]."""
        return sum(self.seconds.values())


@contextmanager
def watched() -> Iterator[Family]:
    """Look at memory and CPU time of this process and all below it while a block runs."""
    family, done, began = Family(), threading.Event(), time.process_time()

    def look() -> None:
        while not done.wait(LOOK_EVERY):
            sizes, seconds = family_of(os.getpid())
            family.peak = max(family.peak, sum(sizes.values()))
            family.seconds |= seconds

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield family
    finally:
        done.set()
        thread.join()
        family.seconds[os.getpid()] = time.process_time() - began


def family_of(root: int) -> tuple[dict[int, float], dict[int, float]]:
    """Return memory [Mbyte], shared pages counted once, and CPU time [s] of a process and all below it (Linux)."""
    parents, sizes, seconds = {}, {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, StopIteration, ValueError):
            pid = int(folder.name)
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            parents[pid] = int(fields[1])
            seconds[pid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            lines = (folder / "smaps_rollup").read_text().splitlines()
            sizes[pid] = int(next(line for line in lines if line.startswith("Pss:")).split()[1]) / 1024
    family = {root}
    while new := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= new
    return tuple({pid: each[pid] for pid in family if pid in each} for each in (sizes, seconds))


if __name__ == "__main__":
    main()
