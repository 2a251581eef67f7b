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
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from tools.mutation.changes import ROOT, SOURCE, Mutant

#: Options of every run. Hypothesis draws the same cases for every mutant.
OPTIONS = ("-q", "-s", "-p", "no:cacheprovider", "-p", "no:faulthandler", "--hypothesis-seed=0")
#: Kernels in plain Python warn of a division by zero, compiled ones do not.
OF_KERNELS = ("-W", "ignore::RuntimeWarning")
#: Most that the tests of a mutant may take without a change [s of CPU]; slower ones are left out.
_MOST = 60
#: Limit of a mutant [s of CPU]: what its tests take without a change, times the first, plus the second; or the third,
#: where the package is imported, too.
_LIMIT = 3, 5, 40
_MEMORY = 12 << 30
#: Tests that take longer while lines are noted are left out [s of CPU]: in plain Python, and with compiled kernels.
_SLOW_PLAIN, _SLOW = 2, 3


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
        """Return the tests that execute a changed line (at import: those beside them, too), quick files first."""
        path = str(mutant.path)
        if mutant.in_function:
            wanted = {(path, line) for line in mutant.lines}
            names = [name for name, lines in self.lines.items() if lines & wanted]
        else:
            # A test of a number may execute no line of its module, but others beside it do.
            files = {_file(name) for name, lines in self.lines.items() if any(file == path for file, _ in lines)}
            names = [name for name in self.lines if _file(name) in files or not files]
        cost: Counter[str] = Counter()
        for name in names:
            cost[_file(name)] += self.seconds[name]  # type: ignore[assignment]
        names.sort(
            key=lambda name: (cost[_file(name)] / (1 + self.kills[_file(name)]), _file(name), self.seconds[name])
        )
        spent = accumulate(self.seconds[name] for name in names)
        return [name for name, seconds in zip(names, spent, strict=True) if seconds < _MOST]

    def limit(self, mutant: Mutant, names: list[str]) -> int:
        """Return the CPU time after which a mutant counts as one that does not end [s]."""
        return int(_LIMIT[0] * sum(self.seconds[name] for name in names)) + _LIMIT[1 if mutant.in_function else 2]


def is_plain() -> bool:
    """Return whether kernels run in plain Python here."""
    return os.environ["NUMBA_DISABLE_JIT"] == "1"


def options(*, kernels: bool) -> list[str]:
    """Return the options of pytest in this process; tests of compiled kernels run only where these are compiled."""
    marked = "not slow" if kernels and not is_plain() else "not slow and not compiled"
    return [*OPTIONS, "-m", marked, *(OF_KERNELS if is_plain() else ())]


def _file(name: str) -> str:
    return name.partition("::")[0]


class Mapper:
    """Plugin of pytest that notes what tests execute without a change, and sends it off after each of them."""

    def __init__(self, room: str, send: Callable[[Any], None]) -> None:
        import coverage

        place = SOURCE / room
        self._modules, self._send = set(modules_of(room)), send
        self._now, self._contexts = "", set[str]()
        self._coverage = coverage.Coverage(
            data_file=None, config_file=False, include=[str(place if place.is_file() else place / "*")]
        )

    def _switch(self, context: str) -> None:
        self._contexts.add(context)
        self._coverage.switch_context(context)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Generator[None, Any, Any]:
        """Note the lines of a fixture for all tests that use it: it may be set up for the first of them alone."""
        self._switch(_fixture(fixturedef, fixturedef.argname))
        result = yield
        self._switch(self._now)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any, nextitem: Any) -> Generator[None, Any, Any]:
        """Note lines and time of a test; a test that takes too long ends the process."""
        _forget(self._modules)
        self._now, self._contexts = item.nodeid, set()
        self._switch(item.nodeid)
        began = time.process_time()
        signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_VIRTUAL, _SLOW_PLAIN if is_plain() else _SLOW)
        result = yield
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        seconds = time.process_time() - began
        if not item.session.testsfailed:
            self._send((item.nodeid, seconds, {context: self._lines(context) for context in self._contexts}))
        return result

    def _lines(self, context: str) -> set[tuple[str, int]]:
        data = self._coverage.get_data()
        data.set_query_context(context)
        return {(path, line) for path in data.measured_files() for line in data.lines(path) or ()}

    def run(self, session: Any, items: list[Any]) -> None:
        """Run tests until one fails."""
        session.config.pluginmanager.register(self)
        self._coverage.start()
        failed = run_items(session, items)
        if failed:
            self._send(f"{failed} fails without a change")


def mapped(session: Any, room: str) -> TestMap | str:
    """Run all tests without a change, and return what they do, or which of them fails."""
    made, lines, items = TestMap(), dict[str, set[tuple[str, int]]](), list(session.items)
    while items:
        answers = answers_of_a_child(lambda send, items=items: Mapper(room, send).run(session, items))  # type: ignore[misc]
        for answer in answers:
            if isinstance(answer, str):
                return answer
            name, made.seconds[name], found = answer
            for context, of_context in found.items():
                lines.setdefault(context, set()).update(of_context)
        items = items[len(answers) + 1 :]  # one that takes too long is left out
    for item in session.items:
        if item.nodeid in made.seconds:
            used = item._fixtureinfo.name2fixturedefs
            contexts = {_fixture(one, name) for name, all_ in used.items() for one in all_} | {item.nodeid}
            made.lines[item.nodeid] = set().union(*(lines.get(context, set()) for context in contexts))
    return made


def _fixture(definition: Any, name: str) -> str:
    return f"fixture {definition.baseid}::{name}"


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
    answers = answers_of_a_child(lambda send: send(run()), cpu=cpu, wall=wall)
    return answers[0] if answers else None


def answers_of_a_child(
    run: Callable[[Callable[[Any], None]], None], *, cpu: float = 0, wall: float = 36000
) -> list[Any]:
    """Return what a function sends from a copy of this process, until it ends in whatever way."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            os.close(reading)
            _be_bound(cpu)
            with os.fdopen(writing, "wb") as pipe:
                run(lambda answer: (pickle.dump(answer, pipe), pipe.flush())[1])
        finally:  # never go on where the parent does
            sys.stderr.flush()
            os._exit(0)
    os.close(writing)
    answers = []
    with os.fdopen(reading, "rb") as pipe, _alarm(wall, child), suppress(EOFError, pickle.UnpicklingError):
        while True:
            answers.append(pickle.load(pipe))
    os.waitpid(child, 0)
    return answers


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
