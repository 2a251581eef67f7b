"""Keep Ctrl-C from getting lost in a library that catches it, and end on SIGTERM in the same way."""

from __future__ import annotations

import signal
import threading
from contextlib import ContextDecorator
from types import FrameType, TracebackType

#: Whether SIGTERM or SIGHUP has arrived.
_terminated = threading.Event()


def end_when_terminated() -> None:
    """End this process on SIGTERM and SIGHUP as on Ctrl-C: scratch folders are removed, child processes ended.

    A process whose parent ignores them (nohup) goes on ignoring them. Ctrl-C itself may be ignored, as a shell's script
    does for programs in the background.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _terminate)


def _terminate(number: int, frame: FrameType | None) -> None:
    _terminated.set()
    signal.default_int_handler(number, frame)


class InterruptGuard(ContextDecorator):
    """Block of code, or function, that Ctrl-C ends even if a library catches the KeyboardInterrupt.

    Python raises KeyboardInterrupt wherever the main thread happens to be. In a callback from compiled code, as
    deltalake and pyarrow make them, it is swallowed, and DuckDB turns it into an error of its own. So the guard
    remembers Ctrl-C: `check` raises it again, and an error that leaves the block afterwards becomes KeyboardInterrupt.
    Outside the main thread, and where a caller has set a handler, the guard does nothing; inner guards use the outer
    one's memory.
    """

    def __init__(self) -> None:
        self.pressed = threading.Event()
        self._installed = False

    def __enter__(self) -> InterruptGuard:
        if threading.current_thread() is not threading.main_thread():
            return self
        handler = signal.getsignal(signal.SIGINT)
        outer = getattr(handler, "__self__", None)
        if isinstance(outer, InterruptGuard):
            self.pressed = outer.pressed
        elif handler is signal.default_int_handler:
            self.pressed.clear()
            signal.signal(signal.SIGINT, self._remember)
            self._installed = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._installed = False
        if isinstance(error, Exception) and (self.pressed.is_set() or _terminated.is_set()):
            raise KeyboardInterrupt from error

    def check(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was pressed in the block."""
        if self.pressed.is_set() or _terminated.is_set():
            raise KeyboardInterrupt

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.pressed.set()
        signal.default_int_handler(number, frame)
