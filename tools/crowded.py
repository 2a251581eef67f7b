"""Survey under bad conditions: the archive fails, workers are killed, a compaction and two readers run beside it.

``python tools/crowded.py [--exposures 2000] [--kill-every 20] [--jobs 2] [--seed N]``. Afterwards the rows have to be
those of an undisturbed survey, the memory of the survey must not have grown, and nothing may have hung. Exit status 1
if something is wrong.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.helpers import small_archive  # noqa: E402 (the tests' helpers lie in ROOT)
from tests.helpers.fakes import rootname  # noqa: E402
from tools.faults import judge  # noqa: E402

from wfc3tvb.loopback import Faults, serve  # noqa: E402

#: Longest time of a compaction, and of the survey in all its runs [s]: what takes longer hangs.
PATIENCE, WHOLE = 300.0, 86_400.0
_COMPACT_EVERY, _LOOK_EVERY = 30.0, 1.0
_READER = """
import sys, time
from wfc3tvb.catalog.catalog import open_catalog
while True:
    with open_catalog(sys.argv[1]) as catalog:
        text = "SELECT count(*), count(DISTINCT rootname) FROM exposures"
        ((n, distinct),) = catalog.sql(text).fetchall()
        ((orphans,),) = catalog.sql("SELECT count(*) FROM reads ANTI JOIN exposures USING (rootname)").fetchall()
    print(n, distinct, orphans, flush=True)
    time.sleep(2)
"""


class SomeFail(Faults):
    """Faults of which a share of all requests has one.

    Attributes
    ----------
    share : float
        Probability that a request is answered with 503.
    """

    share = 0.05
    rng = random.Random(0)

    def take(self, name: str) -> bool:
        """Return True for a share of the requests."""
        return name.endswith("_503") and self.rng.random() < self.share


@dataclass
class Crowd:
    """What goes on beside a survey, and what it has seen.

    Attributes
    ----------
    catalog : Path
        The catalog.
    kill_every : float
        Time between two workers that are killed [s].
    """

    catalog: Path
    kill_every: float
    rng: random.Random
    survey: subprocess.Popen[str] | None = None
    memory: list[tuple[float, float]] = field(default_factory=list)
    n_killed: int = 0
    n_compacted: int = 0
    wrong: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    began: float = field(default_factory=time.monotonic)

    @contextmanager
    def around(self) -> Iterator[None]:
        """Keep everything going beside the survey."""
        readers = [subprocess.Popen([sys.executable, "-c", _READER, self.catalog], stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True) for _ in range(2)]  # fmt: skip
        work = (self._kill, self._compact, self._weigh, *(lambda r=r: self._check(r) for r in readers))
        threads = [threading.Thread(target=each) for each in work]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.over.set()
            for reader in readers:
                reader.send_signal(signal.SIGKILL)
            for thread in threads:
                thread.join()

    def _kill(self) -> None:
        while not self.over.wait(self.kill_every):
            if workers := _workers(self.survey):
                os.kill(self.rng.choice(workers), signal.SIGKILL)
                self.n_killed += 1

    def _compact(self) -> None:
        while not self.over.wait(_COMPACT_EVERY):
            command = [sys.executable, "-m", "wfc3tvb", "compact", "--grace-hours", "1", "--catalog", self.catalog]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
            self.n_compacted += done.returncode == 0
            if done.returncode:
                self.wrong.append(f"compact: exit status {done.returncode}: {done.stderr[-300:]}")

    def _weigh(self) -> None:
        while not self.over.wait(_LOOK_EVERY):
            if (size := _resident(self.survey)) is not None:
                self.memory.append((time.monotonic() - self.began, size))

    def _check(self, reader: subprocess.Popen[str]) -> None:
        """Read what a reader prints: exposures never become fewer, none is there twice, no read is without one."""
        assert reader.stdout is not None and reader.stderr is not None
        before = 0
        for line in reader.stdout:
            n, distinct, orphans = map(int, line.split())
            if n < before or n != distinct or orphans:
                self.wrong.append(f"reader: {n} exposures ({distinct} names) after {before}, {orphans} reads without")
            before = n
        if reader.wait() != -signal.SIGKILL:
            self.wrong.append(f"reader: {reader.stderr.read()[-300:]}")


def _workers(process: subprocess.Popen[str] | None) -> list[int]:
    """Return the worker processes of a survey."""
    if process is None:
        return []
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        return [int(pid) for pid in children if "LokyProcess" in Path(f"/proc/{pid}/cmdline").read_text()]
    except OSError:
        return []


def _resident(process: subprocess.Popen[str] | None) -> float | None:
    """Return the memory of a process [MB]."""
    try:
        text = Path(f"/proc/{process.pid}/status").read_text() if process else ""
    except OSError:
        return None
    lines = [line.split() for line in text.splitlines() if line.startswith("VmRSS")]
    return int(lines[0][1]) / 1024 if lines else None


def make_archive(folder: Path, n: int) -> None:
    """Make `n` exposures of 16 x 16 pixels and three reads, each a dataset of its own."""
    for i in range(n):
        root = rootname(i)
        header = small_archive.primary_header(root, None, 55800.0 + i * 0.01, 3, 16)
        small_archive.write(folder, root, "ima", small_archive.ima(header, 16, 3, sky=0.5 + i % 100 / 100))
        orbit = small_archive.ORBIT | {"ROOTNAME": root}
        small_archive.write(folder, root, "spt", small_archive.fits.HDUList(small_archive.primary(orbit)))


def survey(catalog: Path, jobs: int, environment: Mapping[str, str], crowd: Crowd | None = None) -> int:
    """Survey everything, again after each run that ends before its time, and return the number of runs."""
    command = [sys.executable, "-m", "wfc3tvb", "survey", "--source", "s3", "--all", "--filters", "all", "--jobs",
               str(jobs), "--catalog", str(catalog)]  # fmt: skip
    end = time.monotonic() + WHOLE
    for n in count(1):
        process = subprocess.Popen(
            command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        if crowd is not None:
            crowd.survey = process
        try:
            _, err = process.communicate(timeout=max(end - time.monotonic(), 0))
        finally:
            process.terminate()  # if it hangs, or this program is interrupted
        if process.returncode == 0:
            return n
        if process.returncode != 1 or "Traceback" in err:
            raise RuntimeError(f"survey: exit status {process.returncode}: {err[-500:]}")
    raise AssertionError("unreachable")


def grown(memory: list[tuple[float, float]]) -> float:
    """Return the growth of the largest memory from the second to the last third of the time [MB]."""
    thirds = [memory[len(memory) * k // 3 : len(memory) * (k + 1) // 3] for k in range(3)]
    return max(size for _, size in thirds[2]) - max(size for _, size in thirds[1])


def main() -> int:
    """Run both surveys, and print what was seen."""
    parser = argparse.ArgumentParser(prog="python tools/crowded.py")
    parser.add_argument("--exposures", type=int, default=2000)
    parser.add_argument("--kill-every", type=float, default=20.0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="wfc3tvb-crowded-") as name:
        return run(Path(name), given)


def run(place: Path, given: argparse.Namespace) -> int:
    """Run both surveys in a folder, and return the exit status."""
    make_archive(place / "archive", given.exposures)
    SomeFail.rng = random.Random(given.seed)
    undisturbed, crowded = place / "undisturbed", place / "crowded"
    began = time.monotonic()
    with serve(place / "archive") as archive:
        survey(undisturbed / "catalog", given.jobs, archive.environment())
    alone = time.monotonic() - began
    crowd = Crowd(crowded / "catalog", given.kill_every, random.Random(given.seed))
    faults = SomeFail()
    crowded.mkdir()
    with serve(place / "archive", faults=faults) as archive:
        create = f"import wfc3tvb; wfc3tvb.open_catalog({str(crowd.catalog)!r}, mode='a')"
        subprocess.run([sys.executable, "-c", create], check=True)  # for the readers
        with crowd.around():
            n_runs = survey(crowd.catalog, given.jobs, archive.environment(), crowd)
        n_refused = sum(entry.status == 503 for entry in archive.log.entries)
        n_requests = len(archive.log.entries)
    wrong = crowd.wrong + judge.failing_checks(crowded)
    before, after = judge.rows(undisturbed), judge.rows(crowded)
    wrong += [f"other rows of {table}" for table, value in before.items() if after[table] != value]
    growth = grown(crowd.memory)
    print(f"{given.exposures} exposures: {alone:.0f} s undisturbed, {time.monotonic() - crowd.began:.0f} s crowded")
    print(f"{n_runs} runs, {crowd.n_killed} workers killed, {n_refused} of {n_requests} requests refused, "
          f"{crowd.n_compacted} compactions")  # fmt: skip
    for seconds, size in crowd.memory[:: max(len(crowd.memory) // 10, 1)]:
        print(f"  after {seconds:5.0f} s the survey takes {size:6.0f} MB")
    print(f"growth of its largest memory from the second to the last third: {growth:+.0f} MB")
    print("\n".join(wrong) or "the same rows, nothing wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
