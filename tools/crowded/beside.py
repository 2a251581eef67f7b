"""What goes on beside a survey: workers are killed, a compaction and two readers run; memory and times are noted."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

#: Longest time of a compaction, and of a look of a reader at the catalog [s]: what takes longer hangs.
PATIENCE = 300.0
_WEIGH_EVERY, _TELL_EVERY = 1.0, 60.0
_READER = """
import json, sys, time
from wfc3tvb.catalog.catalog import open_catalog
while True:
    began = time.monotonic()
    with open_catalog(sys.argv[1]) as catalog:
        opened = time.monotonic()
        text = "SELECT count(*), count(DISTINCT rootname) FROM exposures"
        ((n, distinct),) = catalog.sql(text).fetchall()
        ((orphans,),) = catalog.sql("SELECT count(*) FROM reads ANTI JOIN exposures USING (rootname)").fetchall()
    seconds = opened - began, time.monotonic() - opened
    print(json.dumps([n, distinct, orphans, *seconds]), flush=True)
    time.sleep(float(sys.argv[2]))
"""


@dataclass(frozen=True)
class Took:
    """Time that something took beside a survey [s], at a number of exposures in the catalog."""

    n: int
    what: str
    seconds: float


@dataclass(frozen=True)
class Pauses:
    """Time between two workers that are killed, two compactions, and two looks of a reader [s]."""

    kill: float
    compact: float
    look: float


@dataclass
class Crowd:
    """What goes on beside a survey, and what it has seen.

    Attributes
    ----------
    catalog : Path
        The catalog.
    every : Pauses
        Time between two workers that are killed, two compactions, and two looks of a reader.
    n : int
        Number of exposures in the catalog, as the readers saw it last.
    memory : list of pairs
        Time since the begin [s], and memory of the survey's main process [MB].
    peaks : dict
        Largest memory of each kind of process [MB].
    """

    catalog: Path
    every: Pauses
    rng: random.Random
    survey: subprocess.Popen[str] | None = None
    n: int = 0
    memory: list[tuple[float, float]] = field(default_factory=list)
    peaks: dict[str, float] = field(default_factory=dict)
    took: list[Took] = field(default_factory=list)
    n_killed: int = 0
    wrong: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    began: float = field(default_factory=time.monotonic)
    _others: dict[str, list[int]] = field(default_factory=dict)

    @property
    def n_compacted(self) -> int:
        """Number of compactions that ended well."""
        return sum(each.what == "compact" for each in self.took)

    @contextmanager
    def around(self) -> Iterator[None]:
        """Keep everything going beside the survey."""
        command = [sys.executable, "-c", _READER, self.catalog, str(self.every.look)]
        readers = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
        ]
        self._others["readers"] = [reader.pid for reader in readers]
        work = (self._kill, self._compact, self._weigh, self._tell, *(lambda r=r: self._check(r) for r in readers))
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
        while not self.over.wait(self.every.kill):
            if workers := _workers(self.survey):
                os.kill(self.rng.choice(workers), signal.SIGKILL)
                self.n_killed += 1

    def _compact(self) -> None:
        while not self.over.wait(self.every.compact):
            command = [sys.executable, "-m", "wfc3tvb", "compact", "--grace-hours", "1", "--catalog", self.catalog]
            began = time.monotonic()
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
                self._others["compactions"] = [process.pid]
                try:
                    _, err = process.communicate(timeout=PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()
                    err = f"hangs: {PATIENCE:g} s"
            if process.returncode:
                self.wrong.append(f"compact: exit status {process.returncode}: {err[-300:]}")
            else:
                self.took.append(Took(self.n, "compact", time.monotonic() - began))

    def _weigh(self) -> None:
        while not self.over.wait(_WEIGH_EVERY):
            if (size := _memory(self.survey.pid if self.survey else 0, "VmRSS")) is not None:
                self.memory.append((time.monotonic() - self.began, size))
            kinds = {"survey": [self.survey.pid] if self.survey else [], "workers": _workers(self.survey)}
            for kind, pids in (kinds | self._others).items():
                for pid in pids:
                    self.peaks[kind] = max(self.peaks.get(kind, 0.0), _memory(pid, "VmHWM") or 0.0)

    def _tell(self) -> None:
        """Print a line from time to time, so that one sees whether the survey goes on."""
        while not self.over.wait(_TELL_EVERY):
            size = self.memory[-1][1] if self.memory else 0.0
            seconds, said = time.monotonic() - self.began, f"{len(self.wrong)} wrong, {size:.0f} MB"
            print(f"  after {seconds:5.0f} s: {self.n} exposures, {self.n_killed} workers killed, "
                  f"{self.n_compacted} compactions, {said}", flush=True)  # fmt: skip

    def _check(self, reader: subprocess.Popen[str]) -> None:
        """Read what a reader prints: exposures never become fewer, none is there twice, no read is without one."""
        assert reader.stdout is not None and reader.stderr is not None
        before = 0
        for line in reader.stdout:
            n, distinct, orphans, opening, asking = json.loads(line)
            if n < before or n != distinct or orphans:
                self.wrong.append(f"reader: {n} exposures ({distinct} names) after {before}, {orphans} reads without")
            before = self.n = n
            self.took += [Took(n, "open", opening), Took(n, "query", asking)]
            if opening + asking > PATIENCE:
                self.wrong.append(f"reader: {opening + asking:.0f} s for a look at {n} exposures")
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


def _memory(pid: int, kind: str) -> float | None:
    """Return the memory that a process has (VmRSS), or the most that it had (VmHWM) [MB]; None if it has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    lines = [line.split() for line in text.splitlines() if line.startswith(kind)]
    return int(lines[0][1]) / 1024 if lines else None


def grown(memory: list[tuple[float, float]]) -> float:
    """Return the growth of the largest memory from the second to the last third of the time [MB]."""
    thirds = [memory[len(memory) * k // 3 : len(memory) * (k + 1) // 3] for k in range(3)]
    return max(size for _, size in thirds[2]) - max(size for _, size in thirds[1])


def by_size(took: list[Took], parts: int = 5) -> Iterator[tuple[str, int, list[float]]]:
    """Yield, for every part of the growth of a catalog, what took time, its most exposures, and the times [s]."""
    largest = max((each.n for each in took), default=0)
    for part in range(1, parts + 1):
        low, high = largest * (part - 1) / parts, largest * part / parts
        for what in dict.fromkeys(each.what for each in took):
            times = [
                each.seconds for each in took if each.what == what and (low < each.n <= high or part == 1 > each.n)
            ]
            if times:
                yield what, round(high), times
