"""Ctrl-C is not lost in a library that catches it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from wfc3tvb.system.interrupts import InterruptGuard


@pytest.fixture(autouse=True)
def default_handler() -> Iterator[None]:
    """Set Python's own handler: a shell makes commands that it runs in the background ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_a_swallowed_interrupt_is_raised_again() -> None:
    with InterruptGuard() as guard:
        guard.check()
        with suppress(KeyboardInterrupt):
            press_ctrl_c()
        with pytest.raises(KeyboardInterrupt):
            guard.check()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_inner_guard_remembers_what_the_outer_one_saw() -> None:
    with InterruptGuard():
        with suppress(KeyboardInterrupt):
            press_ctrl_c()
        with InterruptGuard() as inner, pytest.raises(KeyboardInterrupt):
            inner.check()


def test_an_error_that_follows_is_the_interrupt() -> None:
    @InterruptGuard()
    def query(*, interrupted: bool) -> None:
        if interrupted:
            with suppress(KeyboardInterrupt):
                press_ctrl_c()
        raise RuntimeError("Query interrupted")

    with pytest.raises(KeyboardInterrupt):
        query(interrupted=True)
    with pytest.raises(RuntimeError):
        query(interrupted=False)


def test_the_handler_of_a_caller_stays() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    try:
        with InterruptGuard() as guard:
            press_ctrl_c()
            guard.check()
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIGINT]


def test_other_threads_leave_the_handler_alone() -> None:
    found: list[object] = []

    def run() -> None:
        with InterruptGuard() as guard:
            guard.check()
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]
