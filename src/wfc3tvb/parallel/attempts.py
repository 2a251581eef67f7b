"""Process items one after the other, fetch the next ones meanwhile, and record the failure of an item.

Only this module catches errors per item: this package's own errors become a `Failure`, and so does any other, as a bug
with its place, so that one file cannot keep a survey from its end.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from traceback import format_exception
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from wfc3tvb.errors import TvbError
from wfc3tvb.system.disk_errors import disk_error

Item = TypeVar("Item")
Value = TypeVar("Value")
_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Failure:
    """Reason why an item has no value.

    Attributes
    ----------
    stage, error, message : str
        Stage, class of the error, and its message.
    retryable : bool
        Whether a rerun may succeed.
    traceback : str
        Traceback of a bug, empty for this package's own errors.
    """

    stage: str
    error: str
    message: str
    retryable: bool
    traceback: str = ""


@dataclass(frozen=True)
class Outcome(Generic[Value]):
    """Result of one item: a value or a failure."""

    key: str
    value: Value | None = None
    failure: Failure | None = None


@runtime_checkable
class Fetching(Protocol):
    """A worker in two steps, the first of which mostly waits, e.g. for the network."""

    @property
    def prefetch(self) -> int:
        """Number of items to fetch while one is processed."""

    def __call__(self, item: Any) -> Any:
        """Do both steps."""

    def fetch(self, item: Any) -> Any:
        """Return the input of `finish`; called in a separate thread."""

    def finish(self, item: Any, fetched: Any) -> Any:
        """Return the value of an item."""


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Set the stage of this package's errors raised in the block, unless an inner block has set it.

    A full disk, and one that does not answer, are turned into such errors.
    """
    try:
        yield
    except TvbError as error:
        error.stage = error.stage or name
        raise
    except OSError as error:
        found = disk_error(error)
        if found is None:
            raise
        found.stage = name
        raise found from error


def attempts(worker: Callable[[Item], Value] | Fetching, items: Iterable[tuple[str, Item]]) -> Iterator[Outcome[Value]]:
    """Yield the outcome of every item in order; items are fetched in advance if the worker is `Fetching`."""
    if isinstance(worker, Fetching) and worker.prefetch > 0:
        yield from _prefetched(worker, items)
    else:
        yield from (_attempt(key, worker, item) for key, item in items)


def _prefetched(worker: Fetching, items: Iterable[tuple[str, Item]]) -> Iterator[Outcome[Any]]:
    rest = iter(items)
    pool = ThreadPoolExecutor(worker.prefetch + 1, thread_name_prefix="prefetch")

    def submitted(n: int) -> Iterator[tuple[str, Item, Any]]:
        return ((key, item, pool.submit(worker.fetch, item)) for key, item in islice(rest, n))

    try:
        waiting = deque(submitted(worker.prefetch + 1))
        while waiting:
            key, item, fetched = waiting.popleft()
            wait([fetched])
            waiting.extend(submitted(1))
            yield _attempt(key, lambda: worker.finish(item, fetched.result()))  # noqa: B023 (called at once)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _attempt(key: str, work: Callable[..., Value], *arguments: Any) -> Outcome[Value]:
    try:
        return Outcome(key, value=work(*arguments))
    except TvbError as error:
        message = " ".join(str(error).split())
        failure = Failure(error.stage or "", type(error).__name__, message, error.retryable)
        return Outcome(key, failure=failure)
    except Exception as error:  # noqa: BLE001 (a bug in one item must not cost the others)
        return Outcome(key, failure=_bug(error))


def _bug(error: Exception) -> Failure:
    """Describe an unforeseen error, with the innermost place in this package; a later version may do better."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _PACKAGE in Path(frame.filename).parents] or list(frames)
    place = f" at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    message = f"bug in wfc3tvb{place}: {text}; please report it"
    return Failure("bug", type(error).__name__, message, retryable=True, traceback="".join(format_exception(error)))
