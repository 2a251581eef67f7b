"""Judge what an input does: it is accepted, or refused with an error of the package, in time and in little memory."""

from __future__ import annotations

import hashlib
import re
import resource
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from wfc3tvb.errors import TvbError

#: Longest time that an input may take, and after which it is interrupted [s].
SECONDS, HANGING = 1.0, 10
#: Memory that an input may take, in addition to what the process has [byte].
MEMORY = 2**30
#: Longest input: reading a longer one may take longer [byte].
_LONGEST = 200_000
#: What is left out of messages to tell kinds of errors.
_PARTICULAR = re.compile(r"'[^']*'|\"[^\"]*\"|[-+]?\d[\d.eE+-]*|\b(?:nan|inf|True|False|None)\b|/\S+")
_SOURCE = f"{Path(__file__).resolve().parents[2]}/"


@dataclass(frozen=True)
class Door:
    """Something that reads bytes of others.

    Attributes
    ----------
    name, what : str
        Its name, and what it reads.
    seeds : tuple of bytes
        Good inputs, which are damaged.
    mutate : callable
        Damages an input.
    open : callable
        Reads an input, and raises an error of the package if it refuses it; may return a text that tells kinds apart.
    one_line : bool
        Whether the message of an error must be one line.
    close : callable
        Undoes what was opened or changed for it.
    """

    name: str
    what: str
    seeds: tuple[bytes, ...]
    mutate: Callable[[bytes, Random], bytes]
    open: Callable[[bytes], Any]
    one_line: bool = True
    close: Callable[[], None] = lambda: None

    def input(self, seed: int, number: int) -> bytes:
        """Return the input of a number, from a seed; each is drawn by itself, so that any can be repeated."""
        rng = Random(f"{seed} {self.name} {number}")
        return self.mutate(rng.choice(self.seeds), rng)[:_LONGEST]


@dataclass(frozen=True)
class Outcome:
    """What an input did.

    Attributes
    ----------
    name : str
        ``accepted``, the class of the error, or of a finding what is wrong.
    kind : str
        The same with the form of the message or the place of the fault: inputs of one kind do the same.
    finding : bool
        Whether it is a fault.
    seconds : float
        Time it took [s].
    text : str
        Message or traceback.
    """

    name: str
    kind: str
    finding: bool
    seconds: float
    text: str = field(default="", compare=False)


class HangingError(BaseException):
    """An input takes too long. Not an Exception, so that nothing handles it."""


def judge(door: Door, data: bytes) -> Outcome:
    """Return what an input does; a slow one is tried twice more, since the machine may have been busy."""
    outcome = _once(door, data)
    for _ in range(2):
        if outcome.seconds > SECONDS and outcome.name != "hangs":
            again = _once(door, data)
            outcome = min(outcome, again, key=lambda one: one.seconds)
    if outcome.seconds > SECONDS and not outcome.finding:
        text = f"{outcome.seconds:.1f} s: {outcome.kind}\n{outcome.text}"
        return Outcome("slow", f"slow: {outcome.kind}", True, outcome.seconds, text)
    return outcome


def _once(door: Door, data: bytes) -> Outcome:
    began = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = door.open(data)
    except TvbError as error:
        text, name = str(error), type(error).__name__
        wrong = "\n" in text and door.one_line
        name = f"{name} of several lines" if wrong else name
        return Outcome(name, f"{name}: {_PARTICULAR.sub('#', text)[:100]}", wrong, time.perf_counter() - began, text)
    except HangingError as error:
        return Outcome("hangs", f"hangs at {_place(error)}", True, time.perf_counter() - began, traceback.format_exc())
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 (a panic of a library in Rust is no Exception)
        name = type(error).__name__
        seconds, text = time.perf_counter() - began, traceback.format_exc()[-4000:]
        return Outcome(name, f"{name} at {_place(error)}", True, seconds, text)
    kind = f"accepted: {answer}" if isinstance(answer, str) else "accepted"
    return Outcome("accepted", kind, False, time.perf_counter() - began)


def _place(error: BaseException) -> str:
    """Return the last line of the package's code in a traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/wfc3tvb/" in frame.filename] or list(frames)
    return f"{own[-1].filename.rpartition('/wfc3tvb/')[2]}:{own[-1].name}" if own else "nowhere"


@contextmanager
def limits() -> Iterator[None]:
    """Limit memory, and interrupt what hangs, within a block; only in a main thread on Linux."""
    data = re.search(r"VmData:\s+(\d+)", Path("/proc/self/status").read_text())
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (int(data[1]) * 1024 + MEMORY if data else before[0], before[1]))
    handler = signal.signal(signal.SIGALRM, _hangs)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _hangs(*_: Any) -> None:
    raise HangingError


@contextmanager
def interrupted() -> Iterator[None]:
    """Interrupt the block if it hangs; within `limits`."""
    signal.setitimer(signal.ITIMER_REAL, HANGING)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def minimised(door: Door, data: bytes, kind: str, *, tries: int = 400) -> bytes:
    """Return a shorter input that does the same."""
    sizes = (2880 * 8, 2880, 80) if data[:6] == b"SIMPLE" else [max(len(data) // n, 1) for n in (2, 4, 8, 32, 100)]
    for size in sizes:
        place = 0
        while place < len(data) and tries > 0:
            shorter = data[:place] + data[place + size :]
            if size == 80:  # a card is blanked, so that the others stay in their blocks
                shorter = data[:place] + b" " * len(data[place : place + size]) + data[place + size :]
            tries -= 1
            if shorter != data and judge(door, shorter).kind == kind:
                data = shorter
                place += size if size == 80 else 0
            else:
                place += size
    return data


def name_of(outcome: Outcome, data: bytes) -> str:
    """Return the name of the file of an input that is kept: its outcome, and a checksum."""
    return f"{outcome.name.replace(' ', '-')}-{hashlib.sha256(data).hexdigest()[:8]}"
