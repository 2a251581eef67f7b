"""How commands grow with the catalog: CPU time, memory and bytes of query, plan, export and report, as whole processes.

Usage: python benchmarks/bench_growth.py [--toy] [numbers of exposures, default 1000 10000 100000]

Catalogs of drawn numbers (bench_catalog), eight exposures a visit, 15 reads each. The CPU time is that of a command and
all its workers, user and system, so that other work on the machine matters less; memory is that of its largest process.
A report has a page for each visit: it is written for at most 1,000 exposures, and again with nothing changed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from toy import TOY, arguments

#: Most exposures of which a report is written.
REPORTED = 1000


def command(folder: Path, *words: str) -> tuple[float, float]:
    """Run a command on a catalog; return its CPU time [s] and the memory of its largest process [MB]."""
    words = (sys.executable, "-m", "wfc3tvb", *words, "--catalog", str(folder))
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, words, stderr=said)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def size(folder: Path) -> float:
    """Return the size of all files in a folder [MB]."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def grow(n: int) -> None:
    """Print a line for each command on `n` exposures."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        catalog, exported, pages = place / "catalog", place / "exported", place / "report"
        # Built by a process of its own: the memory of this one would count as that of the commands it starts.
        subprocess.run([sys.executable, __file__, "--build", str(catalog), str(n)], check=True)
        print(f"{n:9} {'catalog':26}{'':18}{size(catalog):9.1f}", flush=True)
        line(n, "query worst_visits", command(catalog, "query", "worst_visits"), 0.0)
        line(n, "sql, all reads", command(catalog, "sql", "SELECT count(*), avg(rate) FROM reads"), 0.0)
        line(n, "reprocess, plan", command(catalog, "reprocess"), 0.0)
        line(n, "export", command(catalog, "export", str(exported)), size(exported))
        if n <= REPORTED:
            line(n, "report", command(catalog, "report", str(pages)), size(pages))
            line(n, "report, nothing changed", command(catalog, "report", str(pages)), size(pages))


def line(n: int, name: str, used: tuple[float, float], n_bytes: float) -> None:
    """Print what a command took."""
    print(f"{n:9} {name:26}{used[0]:9.2f}{used[1]:9.0f}{n_bytes:9.1f}", flush=True)


def main() -> None:
    """Print the table."""
    print(f"{'exposures':>9} {'':26}{'CPU s':>9}{'MB':>9}{'files MB':>9}")
    for n in arguments((), ()) or (["80"] if TOY else ["1000", "10000", "100000"]):
        grow(int(n))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--build"]:
        from bench_catalog import build  # imported here: it would make this process large

        build(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
