"""Bytes, requests and speed of a survey: a loopback archive of full frames, by S3 and by MAST; and local files.

Run with ``python benchmarks/bench_survey.py [--toy] [n_exposures [n_local]]``: so many exposures are served by the
archive, a process of its own on the same cores, and so many more are measured from a folder (200; 14 GB in a temporary
folder). Bytes and requests are those of the archive's own log. Every line ends with what was asked for and the ratio to
it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from frames import make_files
from joblib.externals.loky import get_reusable_executor
from toy import TOY, arguments, plan_of

from wfc3tvb.archive.local_folder import FolderArchive
from wfc3tvb.archive.remote import MastArchive, PublicArchive
from wfc3tvb.archive.source import Archive
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.config import MeasureSettings, Selection, Services
from wfc3tvb.parallel.workers import Workers
from wfc3tvb.simulate.visit import simulate
from wfc3tvb.survey.survey import survey

#: What was asked for: bytes [MB] and requests of an exposure, exposures/s on two cores, part of the link used,
#: two workers against one, and a worker's memory [MB].
MB, REQUESTS, SPEED, LINK, SCALING, MEMORY = 9.0, 56, 8.0, 0.9, 1.8, 500
#: Runs of local files with one worker, and as many with two.
ROUNDS = 1 if TOY else 3
#: Source, rows, jobs, and the latency [s] and rate [byte/s] of the link.
CASES = (
    (PublicArchive, 80, 1, None), (PublicArchive, 80, 2, None), (MastArchive, 80, 1, None), (MastArchive, 80, 2, None),
    (MastArchive, 1014, 2, None), (PublicArchive, 80, 1, (0.3, 4e6)), (PublicArchive, 80, 2, (0.3, 4e6)),
    (MastArchive, 80, 2, (0.3, 4e6)), (PublicArchive, 80, 2, (0.3, 12e6)),
)  # fmt: skip
SERVER = """
import json, sys, threading
from pathlib import Path
from wfc3tvb.loopback import serve
with serve(Path(sys.argv[1]), log=Path(sys.argv[2])) as archive:
    print(json.dumps([archive.mast, archive.s3]), flush=True)
    threading.Event().wait()
"""
#: The command line, which says in the end how much memory it had at most [kB].
COMMAND = """
import atexit
from pathlib import Path
from wfc3tvb.cli import main
atexit.register(lambda: print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]))
main()
"""


def main() -> None:
    """Print the tables."""
    n, n_local = map(int, arguments(("24", "200"), ("2", "2")))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_files(folder / "archive", n, size=266 if TOY else 1024)
        print(f"{n} full frames of 16 reads, 168.3 MB each, archive and survey on the same {os.cpu_count()} cores")
        head = f"{'source':7}{'rows':>5}{'jobs':>5}{'link':>16}{'requests':>9}{'MB':>7}{'exp/s':>7}{'link used':>10}"
        print(f"{head}   asked: ratio")
        for kind, rows, jobs, link in CASES[-4:-3] if TOY else CASES:
            from_archive(folder, kind, rows, jobs, link)
        print(f"\nlocal files in memory\n{'files':24}{'n':>5}{'one':>8}{'two':>8} exp/s{'worker':>9}   asked: ratio")
        subarray = simulated(folder / "subarray", "demo", 64 if TOY else 256)
        frame = subarray if TOY else simulated(folder / "frame", "ibohbf040", 1024)
        sets = [
            ("256 x 256, stars", folder / "a", {"n": n_local, "like": subarray, "size": 74 if TOY else 266}, None),
            ("1024 x 1024, stars", folder / "b", {"n": n_local // 2, "like": frame}, None),
            ("256 x 256, empty sky", folder / "c", {"n": n_local, "size": 266}, None),
            ("1024 x 1024, 80 rows", folder / "d", {"n": n_local}, 80),
            ("1024 x 1024, empty sky", folder / "e", {"n": n_local // 2}, None),
        ][: 1 if TOY else None]  # fmt: skip
        for name, files, what, rows in sets:
            make_files(files, **what)
            from_folder(name, files, rows)
        head = f"{'files':24}{'n':>5}{'one':>8}{'two':>8}  ratio   driver, one and two"
        print(f"\nas whole commands, from the shell's prompt to the next\n{head}")
        for name, files, what, _ in sets[: 1 if TOY else 2]:
            as_command(name, files, what["n"])


def from_archive(folder: Path, kind: type[MastArchive], rows: int, jobs: int, link: tuple[float, float] | None) -> None:
    """Survey the archive once and print a line; `link` is its latency [s] and rate [byte/s]."""
    with tempfile.TemporaryDirectory() as scratch, archive(folder / "archive", Path(scratch) / "log") as services:
        source = kind(services)
        with warm(Path(scratch) / "catalog", source, rows, jobs) as catalog:
            faults = dict(zip(("latency", "bytes_per_second"), link, strict=True)) if link else {}
            post(services.mast + "/faults", faults)
            lines = len((Path(scratch) / "log").read_text().splitlines())
            n, seconds = timed(catalog, source, rows, jobs)
        log = [json.loads(line) for line in (Path(scratch) / "log").read_text().splitlines()[lines:]]
    files = [entry for entry in log if ".fits" in entry["path"]]
    n_bytes = sum(entry["n_bytes"] for entry in files)
    fetching = max(entry["ended"] for entry in files) - min(entry["began"] for entry in files)
    cost = f"{len(files) / n:9.1f}{n_bytes / n / 1e6:7.2f}{n / seconds:7.2f}"
    if link:
        name, used = f"{link[0] * 1e3:.0f} ms {link[1] / 1e6:.0f} MB/s", n_bytes / fetching / link[1]
        text = f"{used:10.0%}   {LINK:.0%}: {used / LINK:.2f}"
    else:
        name = "loopback"
        text = f"{'':13}{MB:.0f} MB: {n_bytes / n / 1e6 / MB:.2f}, {REQUESTS}: {len(files) / n / REQUESTS:.2f}"
        text += f", {SPEED:.0f}/s: {n / seconds / SPEED:.2f}" if jobs == 2 else ""
    print(f"{source.name:7}{rows:5}{jobs:5}{name:>16}{cost}{text if rows < 1014 else ''}", flush=True)


def from_folder(name: str, folder: Path, rows: int | None) -> None:
    """Survey a folder with one worker and with two, in turn, and print the medians; its files are in memory already."""
    speeds: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as scratch, open_catalog(Path(scratch) / "reading", mode="a") as catalog:
        n, _ = timed(catalog, FolderArchive(folder), rows, 1)
    for jobs in (1, 2) * ROUNDS:
        with tempfile.TemporaryDirectory() as scratch:
            source = FolderArchive(folder)
            with warm(Path(scratch) / "catalog", source, rows, jobs) as catalog:
                n, seconds = timed(catalog, source, rows, jobs)
                peak = largest_worker() if jobs > 1 else 0.0
        speeds[jobs].append(n / seconds)
    one, two = median(speeds[1]), median(speeds[2])
    asked = f"{SCALING} x one: {two / one / SCALING:.2f}, {MEMORY} MB: {peak / MEMORY:.2f}"
    print(f"{name:24}{n:5}{one:8.2f}{two:8.2f}{peak:12.0f} MB   {two / one:.2f} times; {asked}", flush=True)


def simulated(folder: Path, preset: str, size: int) -> Path:
    """Return an exposure with stars, cosmic rays and a changing background: empty sky takes a third of the work."""
    simulate(folder, plan_of(preset), size=size)
    return next(folder.rglob("ibohbfb9q_ima.fits"))


def as_command(name: str, folder: Path, n: int) -> None:
    """Survey a folder by the command line with one worker and with two, in turn, and print the medians."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    peaks: dict[int, float] = {}
    for jobs in (1, 2) * ROUNDS:
        with tempfile.TemporaryDirectory() as scratch:
            where = ["--source", str(folder), "--catalog", f"{scratch}/catalog", "--limit", str(n), "--jobs", str(jobs)]
            began = time.monotonic()
            command = [sys.executable, "-c", COMMAND, "survey", *where]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds[jobs].append(time.monotonic() - began)
            peaks[jobs] = int(done.stdout.split()[-1]) / 1024
    one, two = median(seconds[1]), median(seconds[2])
    memory = f"{peaks[1]:.0f} MB, {peaks[2]:.0f} MB"
    print(f"{name:24}{n:5}{one:6.1f} s{two:6.1f} s   {one / two:.2f}   {memory}", flush=True)


@contextmanager
def warm(folder: Path, source: Archive, rows: int | None, jobs: int) -> Iterator[Catalog]:
    """Yield an empty catalog once workers have started and imported everything; end them behind it."""
    settings = MeasureSettings(rows=rows)
    with open_catalog(folder.with_name("warming"), mode="a") as catalog:
        survey(catalog, Selection(limit=4 * jobs), source=source, settings=settings, workers=Workers(jobs))
    with open_catalog(folder, mode="a") as catalog:
        yield catalog
    if jobs > 1:
        get_reusable_executor().shutdown()


def timed(catalog: Catalog, source: Archive, rows: int | None, jobs: int) -> tuple[int, float]:
    """Survey once, and return the number of exposures and the time it took [s]."""
    began = time.monotonic()
    report = survey(catalog, Selection(), source=source, settings=MeasureSettings(rows=rows), workers=Workers(jobs))
    assert report.n_failed == 0, report.failures[0]
    return report.n_measured, time.monotonic() - began


def largest_worker() -> float:
    """Return the largest resident memory that a worker has had so far [MB]."""
    tasks = Path("/proc/self/task").glob("*/children")
    children = [pid for task in tasks for pid in task.read_text().split()]
    workers = [pid for pid in children if "LokyProcess" in Path(f"/proc/{pid}/cmdline").read_text()]
    states = [Path(f"/proc/{pid}/status").read_text() for pid in workers]
    return max(int(state.split("VmHWM:")[1].split()[0]) for state in states) / 1024


@contextmanager
def archive(folder: Path, log: Path) -> Iterator[Services]:
    """Serve a folder from a process of its own."""
    command = [sys.executable, "-c", SERVER, str(folder), str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        mast, s3 = json.loads(server.stdout.readline())
        try:
            yield Services(mast=mast, s3=s3)
        finally:
            server.terminate()


def post(url: str, body: object) -> None:
    """Send JSON."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()


if __name__ == "__main__":
    main()
