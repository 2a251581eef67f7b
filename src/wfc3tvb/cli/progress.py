"""Progress of commands on stderr: bars in a terminal, and in a log a line from time to time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Protocol

import click

from wfc3tvb.cli.streams import reader_may_leave, say_nothing_more

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars

#: Seconds before anything is drawn of a command without stages, and before the first and the later lines of a log.
_DRAWN_AFTER = 2.0
_FIRST_LINE, _LATER_LINES = 10.0, 60.0


#: Progress that is drawn in the terminal at present.
_drawing: list[_InTerminal] = []


def console_above_bars(*, err: bool = False) -> Console | None:
    """Return the console that prints above the bars; None where there are none, or the output is no terminal."""
    if not _drawing or not (sys.stderr if err else sys.stdout).isatty():
        return None
    return _drawing[-1].console()


class Shown(Protocol):
    """Progress that is shown, with lines that stay."""

    def __call__(self, stage: str, done: int, total: int | None = None, *, failed: int = 0) -> None:
        """Show that `done` of `total` items of `stage` are finished."""

    def line(self, text: str) -> None:
        """Show a line of text that stays, e.g. what became of an item."""


@contextmanager
def progress_bars() -> Iterator[Shown]:
    """Yield the progress of the running command.

    Where stderr is a terminal, it draws a bar per stage; after two silent seconds, one for the command.
    Where it is a log, it writes a line after ten seconds and then one a minute.
    """
    context = click.get_current_context(silent=True)
    command = (context.info_name if context else None) or "wfc3tvb"
    shown = _InTerminal(command) if sys.stderr.isatty() else _InLog(command)
    ended = Event()
    clock = Thread(target=shown.watch, args=(ended,), daemon=True)
    clock.start()
    try:
        yield shown
    finally:
        ended.set()
        clock.join()
        shown.close()


@dataclass
class _Stage:
    """Stage of a command: what is done of it, and since when."""

    name: str
    done: int = 0
    total: int | None = None
    failed: int = 0
    began: float = field(default_factory=time.monotonic)

    def line(self) -> str:
        """Return the line of a log."""
        from wfc3tvb.report.sentences import duration

        seconds = time.monotonic() - self.began
        parts = [f"{self.done} of {self.total}" if self.total else f"{self.done} done" if self.done else "working"]
        parts += [f"{self.failed} failed"] if self.failed else []
        parts += [f"{duration(seconds)} so far"]
        if self.total and 0 < self.done < self.total:
            parts += [f"about {duration(seconds / self.done * (self.total - self.done))} left"]
        return f"{self.name}: {', '.join(parts)}"


class _InLog:
    """Progress as lines of a log: what is done of each stage that is not finished."""

    def __init__(self, command: str, write: Callable[[str], None] | None = None) -> None:
        self.command, self.lock = _Stage(command), Lock()
        self.stages: dict[str, _Stage] = {}
        self.write = write or _write

    def __call__(self, stage: str, done: int, total: int | None = None, *, failed: int = 0) -> None:
        with self.lock:
            shown = self.stages.setdefault(stage, _Stage(stage))
            shown.done, shown.total, shown.failed = done, total, failed

    def line(self, text: str) -> None:
        self.write(text)

    def watch(self, ended: Event, *, first: float = _FIRST_LINE, later: float = _LATER_LINES) -> None:
        """Write a line after `first` seconds and then every `later` seconds, until the command ends."""
        seconds = first
        while not ended.wait(seconds):
            with self.lock:
                unfinished = [stage for stage in self.stages.values() if stage.done != stage.total]
            self.write("; ".join(stage.line() for stage in unfinished or [self.command]))
            seconds = later

    def close(self) -> None:
        """Do nothing: every line is written."""


def _write(text: str) -> None:
    from wfc3tvb.report.sentences import printable

    with reader_may_leave():
        click.echo(printable(text), err=True)


class _InTerminal:
    """Progress as bars, one per stage, which begin with the first report or after two seconds."""

    def __init__(self, command: str) -> None:
        self.command, self.lock = command, Lock()
        self.bars: Bars | None = None
        self.tasks: dict[str, Any] = {}

    def __call__(self, stage: str, done: int, total: int | None = None, *, failed: int = 0) -> None:
        if total == 0:  # nothing is to be done in this stage
            return
        with self.lock:
            bars = self._drawn()
            if stage != self.command and self.command in self.tasks:
                bars.remove_task(self.tasks.pop(self.command))  # it stood for the time before the first stage
            if stage not in self.tasks:
                self.tasks[stage] = bars.add_task(stage, total=total, failed="")
            text = f"[red]{failed} failed" if failed else ""
            bars.update(self.tasks[stage], completed=done, total=total, failed=text)

    def line(self, text: str) -> None:
        from rich.text import Text

        from wfc3tvb.report.sentences import printable

        with self.lock:
            self._drawn().console.print(Text(printable(text)))

    def watch(self, ended: Event) -> None:
        """Draw a bar for the whole command where it is silent for two seconds."""
        if ended.wait(_DRAWN_AFTER):
            return
        with self.lock:
            if not self.tasks:
                self.tasks[self.command] = self._drawn().add_task(self.command, total=None, failed="")

    def close(self) -> None:
        """Draw the bars for the last time; that of a command without stages vanishes."""
        if self.bars is None:
            return
        if list(self.tasks) == [self.command]:
            with suppress(KeyError):
                self.bars.remove_task(self.tasks[self.command])
        self.bars.stop()
        _drawing.remove(self)

    def console(self) -> Console | None:
        """Return the console of the bars; None where none are drawn yet."""
        return self.bars.console if self.bars else None

    def _drawn(self) -> Bars:
        if self.bars is None:
            self.bars = _new_bars()
            self.bars.start()
            _drawing.append(self)
        return self.bars


def _new_bars() -> Bars:
    """Return bars with count, rate, remaining time and failures."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    class OnStderr(Console):
        def on_broken_pipe(self) -> None:
            say_nothing_more()

    columns = TextColumn("{task.description:>10}"), BarColumn(bar_width=24), MofNCompleteColumn(), _rate_column()
    # What this program prints goes through `console_above_bars`, and what others write to stderr through the bars.
    return Progress(
        *columns, TimeRemainingColumn(), TextColumn("{task.fields[failed]}"), console=OnStderr(stderr=True),
        redirect_stdout=False,
    )  # fmt: skip


def _rate_column() -> Any:
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            if not speed:
                return Text("")
            return Text(f"{speed:.1f}/s" if speed >= 1 else f"{60 * speed:.1f}/min")

    return Rate()
