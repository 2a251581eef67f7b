"""Try one input after the other at a door, in a process of its own, which a crash or a hang may end."""

from __future__ import annotations

import gzip
import logging
import multiprocessing
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tools.fuzz.doors import DOORS
from tools.fuzz.judge import HANGING, Door, Outcome, interrupted, judge, limits, minimised, name_of

#: Inputs that are kept, for the tests.
KEPT = Path(__file__).resolve().parents[2] / "tests" / "data" / "fuzz"
#: Longest input that is kept, packed [byte], and most for a door.
_LONGEST, _MOST_KEPT = 3000, 25


@dataclass
class Campaign:
    """What was tried at a door.

    Attributes
    ----------
    name, what : str
        The door.
    seed : int
        Inputs are drawn from it.
    n, accepted : int
        Inputs tried, and those that were accepted.
    kinds : Counter of str
        Number of inputs by what they did.
    found : dict
        Number and outcome of the first input of every kind of finding.
    seconds : float
        Time it took [s].
    memory : float
        Most memory of the process [MB].
    """

    name: str
    what: str = ""
    seed: int = 0
    n: int = 0
    accepted: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    found: dict[str, tuple[int, Outcome]] = field(default_factory=dict)
    seconds: float = 0.0
    memory: float = 0.0


def tried(door: Door, numbers: Iterator[int], *, seed: int) -> Iterator[tuple[int, Outcome]]:
    """Yield what the inputs of some numbers do; within `limits`."""
    for number in numbers:
        data = door.input(seed, number)
        with interrupted():
            yield number, judge(door, data)


def run(name: str, *, seed: int, seconds: float, most: int, keep: bool = False) -> Campaign:
    """Try inputs for a time, or up to a number; where the process ends or stops, go on behind that input."""
    total, began = Campaign(name, seed=seed), time.monotonic()
    while total.n < most and (left := seconds - (time.monotonic() - began)) > 0:
        receiver, sender = multiprocessing.Pipe(duplex=False)
        progress = multiprocessing.Value("q", total.n)
        child = multiprocessing.Process(target=_child, args=(sender, progress, total, left, most, keep))
        child.start()
        sender.close()
        result = _watched(child, receiver, progress)
        if result is not None:
            total = result
            break
        total.n = progress.value + 1
        kind = f"the process ended ({child.exitcode}) at an input" if child.exitcode != -9 else "the process hangs"
        total.kinds[kind] += 1
        total.found.setdefault(kind, (progress.value, Outcome(kind, kind, True, 0.0)))
    total.seconds = time.monotonic() - began
    return total


def _watched(child: Any, receiver: Connection, progress: Any) -> Campaign | None:
    """Return what a process sends at its end; None if it ends without, or is killed since it does not go on."""
    known, since = -1, time.monotonic()
    while not receiver.poll(1.0):
        if progress.value != known:
            known, since = progress.value, time.monotonic()
        if not child.is_alive() and not receiver.poll(0):
            return None
        if time.monotonic() - since > 6 * HANGING:
            child.kill()
            child.join()
            return None
    try:
        found: Campaign = receiver.recv()
    except EOFError:
        child.join()
        return None
    child.join()
    return found


def _child(sender: Connection, progress: Any, total: Campaign, seconds: float, most: int, keep: bool) -> None:
    logging.disable(logging.CRITICAL)
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        door = DOORS[total.name](Path(folder))
        for data in door.seeds:
            judge(door, data)  # compiles and imports, which an input must not be blamed for
        with limits():
            for number, outcome in tried(door, iter(range(total.n, most)), seed=total.seed):
                progress.value = number
                _count(total, number, outcome)
                new = total.kinds[outcome.kind] == 1 and len(total.kinds) <= _MOST_KEPT
                if keep and new and not outcome.finding:
                    keep_input(door, door.input(total.seed, number), outcome)
                if time.monotonic() > end:
                    break
        door.close()
    total.what = door.what
    total.memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sender.send(total)


def _count(total: Campaign, number: int, outcome: Outcome) -> None:
    total.n = number + 1
    total.accepted += outcome.name == "accepted"
    if outcome.finding or len(total.kinds) < 10_000:
        total.kinds[outcome.kind] += 1
    if outcome.finding and outcome.kind not in total.found:
        total.found[outcome.kind] = number, outcome
        print(f"{total.name}, seed {total.seed}, input {number}: {outcome.kind}\n{outcome.text}", flush=True)


def keep_input(door: Door, data: bytes, outcome: Outcome) -> None:
    """Add an input to those that are kept, made shorter, unless there is one of its kind or it stays long."""
    with limits(), interrupted():
        data = minimised(door, data, outcome.kind)
    packed = gzip.compress(data, mtime=0)
    if len(packed) <= _LONGEST:
        path = KEPT / door.name / f"{name_of(outcome, data)}.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packed)


def kept(name: str) -> list[tuple[str, bytes]]:
    """Return the inputs that are kept for a door, with the name of what each does."""
    paths = sorted((KEPT / name).glob("*.gz"))
    return [(path.name.rpartition("-")[0].replace("-", " "), gzip.decompress(path.read_bytes())) for path in paths]
