"""Go on in new worker processes after one was killed, e.g. for lack of memory, with what is not done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from typing import Generic, TypeVar

from wfc3tvb.errors import WorkerDiedError
from wfc3tvb.parallel import backends
from wfc3tvb.parallel.attempts import Failure, Outcome
from wfc3tvb.parallel.workers import HERE, Workers

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Value = TypeVar("Value")
#: Number of times in a row that workers of a survey may be killed before any of them has done an item.
DEATHS = 3
_WARNING = "a worker process was killed, perhaps for lack of memory; new ones go on (parameter jobs: fewer need less)"


class _Taken(Iterator[tuple[str, Item]], Generic[Item]):
    """Items, of which one remembers those that were taken and are not done.

    Threads of joblib take them, and one of a call that was cut short may do so during the next call.
    """

    def __init__(self, items: Iterable[tuple[str, Item]]) -> None:
        self._items, self._lock = iter(items), Lock()
        self.undone: dict[str, Item] = {}

    def __next__(self) -> tuple[str, Item]:
        with self._lock:
            key, item = next(self._items)
            self.undone[key] = item
            return key, item


def run(
    items: Iterable[tuple[str, Item]],
    worker: Callable[[Item], Value],
    *,
    workers: Workers = HERE,
    total: int,
    stage: str = "measure",
    deaths: int = DEATHS,
) -> Iterator[Outcome[Value]]:
    """Yield the outcome of `worker` for every item, as `wfc3tvb.parallel.backends.run` does, through killed workers.

    The items that killed workers had are done at the end, one at a time, so that they have all of the memory. One that
    is killed again there fails with `WorkerDiedError`.

    Parameters
    ----------
    items, worker, workers
        As in `wfc3tvb.parallel.backends.run`.
    total : int
        Number of items.
    stage : str, optional
        Stage of the failures of items that are killed again.
    deaths : int, optional
        Number of times in a row that workers are killed before any of them has done an item, after which it is no use.

    Raises
    ------
    WorkerDiedError
        If workers are killed so many times.
    BadArgumentError, ServiceUnreachableError
        As in `wfc3tvb.parallel.backends.run`.
    """
    taken = _Taken(items)
    with backends.opened(workers) as opened:
        yield from _in_parallel(taken, worker, opened, total, deaths)
        for key, item in taken.undone.items():
            yield _alone(key, item, worker, opened, stage)


def _in_parallel(
    taken: _Taken[Item], worker: Callable[[Item], Value], workers: Workers, total: int, deaths: int
) -> Iterator[Outcome[Value]]:
    n_done, died, over = 0, 0, False
    while not over:
        try:
            for outcome in backends.run(taken, worker, workers=workers, total=total - n_done):
                taken.undone.pop(outcome.key, None)
                n_done, died = n_done + 1, 0
                yield outcome
            over = True
        except WorkerDiedError:
            died += 1
            if died == deaths:
                raise
            log.warning("%s", _WARNING)


def _alone(key: str, item: Item, worker: Callable[[Item], Value], workers: Workers, stage: str) -> Outcome[Value]:
    try:
        return next(iter(backends.run([(key, item)], worker, workers=workers)))
    except WorkerDiedError as error:
        return Outcome(key, failure=Failure(stage, type(error).__name__, str(error), error.retryable))
