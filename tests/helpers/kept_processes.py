"""Drizzling processes that a test process keeps: to load their libraries takes two seconds each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import pytest

from wfc3tvb.repair import driver
from wfc3tvb.repair.astrodrizzle import DrizzleProcess, warm_process
from wfc3tvb.simulate import products

_idle: list[DrizzleProcess] = []


class Borrowed:
    """A kept process, in place of a new `DrizzleProcess`."""

    def __enter__(self) -> DrizzleProcess:
        self.process = _idle.pop() if _idle else DrizzleProcess()
        self.process.start()
        return self.process

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _idle.append(self.process)


@contextmanager
def _drizzling(run: Any) -> Iterator[None]:
    """Start the process as a run of `reprocess` does, and leave it running."""
    if run.n_due and run.workers.in_this_process:
        warm_process().start()
    yield


@contextmanager
def kept_processes() -> Iterator[None]:
    """Keep the drizzling processes of repairs and simulated visits until the block ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "DrizzleProcess", Borrowed)
        patch.setattr(driver.Driver, "_drizzling", _drizzling)
        try:
            yield
        finally:
            for process in (*_idle, warm_process()):
                process.stop()
            _idle.clear()
