"""Tests of a room: which lines each of them executes, and which of them should notice a change."""

from __future__ import annotations

import functools
import gc
import os
import pickle
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tools.mutation.changes import ROOT, SOURCE, Mutant

#: Options of every run. Hypothesis draws the same cases for every mutant.
OPTIONS = ("-q", "-s", "-p", "no:cacheprovider", "-m", "not slow and not compiled", "--hypothesis-seed=0")
#: Kernels in plain Python warn of a division by zero, compiled ones do not.
OF_KERNELS = ("-W", "ignore::RuntimeWarning")
#: Limit of a mutant [s of CPU]: what its tests take without a change, times the first, plus the second.
_LIMIT = 3, 5
_MEMORY = 12 << 30
#: Tests that take longer while lines are noted are left out [s of CPU]: in plain Python, and with compiled kernels.
_SLOW_PLAIN, _SLOW = 2, 10


@dataclass(frozen=True)
class TestMap:
    """What the tests do without a change.

    Attributes
    ----------
    seconds : dict of str to float
        CPU time of every test, while its lines are noted.
    lines : dict of str to set
        Executed lines of the room, (file, line), by test.
    kills : Counter
        How many mutants the tests of a file have noticed.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, set[tuple[str, int]]] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)

    def of(self, mutant: Mutant) -> list[str]:
        """Return the tests that execute a changed line (at import: any line of its module), quick files first."""
        path = str(mutant.path)
        if mutant.in_function:
            wanted = {(path, line) for line in mutant.lines}
            names = [name for name, lines in self.lines.items() if lines & wanted]
        else:
            names = [name for name, lines in self.lines.items() if any(file == path for file, _ in lines)]
            names = names or list(self.lines)
        cost: Counter[str] = Counter()
        for name in names:
            cost[_file(name)] += self.seconds[name]  # type: ignore[assignment]
        return sorted(
            names, key=lambda name: (cost[_file(name)] / (1 + self.kills[_file(name)]), _file(name), self.seconds[name])
        )

    def limit(self, names: list[str]) -> int:
        """Return the CPU time after which a mutant counts as one that does not end [s]."""
        return int(_LIMIT[0] * sum(self.seconds[name] for name in names)) + _LIMIT[1]


def is_plain() -> bool:
    """Return whether kernels run in plain Python here."""
    return os.environ["NUMBA_DISABLE_JIT"] == "1"


def options() -> list[str]:
    """Return the options of pytest in this process."""
    return [*OPTIONS, *(OF_KERNELS if is_plain() else ())]


def _file(name: str) -> str:
    return name.partition("::")[0]


class Mapper:
    """Plugin of pytest that runs all tests once without a change, and notes what they execute."""

    def __init__(self, room: str) -> None:
        import coverage

        place = SOURCE / room
        self._modules = set(modules_of(room))
        self._now, self._slow = "", set[str]()
        self.made, self._fixtures = TestMap(), dict[str, set[str]]()
        self._coverage = coverage.Coverage(
            data_file=None, config_file=False, include=[str(place if place.is_file() else place / "*")]
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Generator[None, Any, Any]:
        """Note the lines of a fixture for all tests that use it: it may be set up for the first of them alone."""
        self._coverage.switch_context(f"fixture {fixturedef.baseid}::{fixturedef.argname}")
        result = yield
        self._coverage.switch_context(request.node.nodeid if "::" in request.node.nodeid else self._now)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any, nextitem: Any) -> Generator[None, Any, Any]:
        """Note lines and time of a test."""
        self._now = item.nodeid
        _forget(self._modules)
        self._coverage.switch_context(item.nodeid)
        used = item._fixtureinfo.name2fixturedefs
        self._fixtures[item.nodeid] = {f"fixture {one.baseid}::{name}" for name, all_ in used.items() for one in all_}
        began = time.process_time()
        signal.signal(signal.SIGVTALRM, lambda *_: self._leave_out(item))
        signal.setitimer(signal.ITIMER_VIRTUAL, _SLOW_PLAIN if is_plain() else _SLOW)
        result = yield
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        self.made.seconds[item.nodeid] = time.process_time() - began
        return result

    def _leave_out(self, item: Any) -> None:
        self._slow.add(item.nodeid)
        pytest.skip("takes too long")

    def run(self, session: Any) -> TestMap:
        """Run the tests; ends the program if one fails."""
        self._coverage.start()
        failed = run_items(session, session.items)
        self._coverage.stop()
        if failed:
            print(f"{failed} fails without a change", file=sys.stderr, flush=True)
            os._exit(1)
        by_context: dict[str, set[tuple[str, int]]] = {}
        data = self._coverage.get_data()
        for path in data.measured_files():
            for line, contexts in data.contexts_by_lineno(path).items():
                for context in contexts:
                    by_context.setdefault(context, set()).add((path, line))
        for name, fixtures in self._fixtures.items():
            if name in self._slow:
                continue
            self.made.lines[name] = set().union(*(by_context.get(one, set()) for one in {name, *fixtures}))
        return self.made


def _forget(modules: set[str]) -> None:
    """Clear what functions of the room remember: it would hide their lines from all tests but the first."""
    for one in gc.get_objects():
        if isinstance(one, functools._lru_cache_wrapper) and one.__module__ in modules:
            one.cache_clear()


def run_items(session: Any, items: list[Any]) -> str | None:
    """Run tests until one fails; return its name."""
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return str(item.nodeid)
    return None


def in_a_child(run: Callable[[], Any], *, cpu: float = 0, wall: float = 36000) -> Any:
    """Return what a function returns in a copy of this process; None if it takes too long or ends by itself."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            os.close(reading)
            _be_bound(cpu)
            answer = pickle.dumps(run())
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(answer)
        finally:  # never go on where the parent does
            sys.stderr.flush()
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe, _alarm(wall, child):
        answer = pipe.read()
        os.waitpid(child, 0)
    return pickle.loads(answer) if answer else None


def _be_bound(cpu: float) -> None:
    """Limit CPU time and memory of this process."""
    if cpu:
        resource.setrlimit(resource.RLIMIT_CPU, (int(cpu), int(cpu)))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)


@contextmanager
def _alarm(seconds: float, child: int) -> Iterator[None]:
    """End a child that waits for ever."""
    before = signal.signal(signal.SIGALRM, lambda *_: os.killpg(child, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def modules_of(room: str) -> list[str]:
    """Return the names of the modules of a room."""
    place = SOURCE / room
    paths: list[Path] = [place] if place.is_file() else sorted(place.rglob("*.py"))
    return [".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__") for path in paths]
