"""Parallel runs over many items: in this process, in others on this machine, or on a Dask cluster, through joblib."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from itertools import count, islice, repeat
from typing import TYPE_CHECKING, Any, TypeVar, cast

from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError

from wfc3tvb.errors import BadArgumentError, ServiceUnreachableError, WorkerDiedError
from wfc3tvb.parallel.attempts import Failure, Fetching, Outcome, attempts, stage
from wfc3tvb.parallel.workers import HERE, Workers

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Failure", "Outcome", "Workers", "opened", "run", "stage", "started"]

Item = TypeVar("Item")
Value = TypeVar("Value")
#: Seconds to wait for a Dask scheduler, and for a worker where there is none.
_CLUSTER_TIMEOUT = 10
_WORKER_TIMEOUT = 120
#: Items that a worker gets at a time at most.
_BATCH = 8
#: Seconds between two looks whether the driver still lives, and whether a cluster has workers.
_WATCH, _LOOK = 0.5, 5.0


def run(
    items: Iterable[tuple[str, Item]],
    worker: Callable[[Item], Value],
    *,
    workers: Workers = HERE,
    total: int | None = None,
) -> Iterator[Outcome[Value]]:
    """Yield the outcome of `worker` for every item, as they come in.

    Parameters
    ----------
    items : iterable of (key, item)
        Taken lazily, a few more than there are workers.
    worker : callable
        Takes an item and returns a value; both travel between processes. For what is wrong with the item it
        raises `TvbError`, and names the step with `stage`. If it is `Fetching`, items are fetched ahead.
    workers : Workers, optional
        Where the work is done; by default in this process. `opened` keeps a cluster for several calls.
    total : int, optional
        Number of items, where it is known.

    Yields
    ------
    Outcome
        In no particular order.

    Raises
    ------
    WorkerDiedError
        If a worker process was killed.
    BadArgumentError, ServiceUnreachableError
        If there is no Dask, no scheduler at that address, or no worker there (any more).
    """
    if workers.in_this_process:
        yield from attempts(worker, items)
        return
    batches = _batched(items, _batch_sizes(worker, total, workers.count))
    with _backend(workers) as options:
        parallel = Parallel(return_as="generator_unordered", batch_size=1, **options)
        try:
            with _deaf_to_interrupts():
                finished = parallel(delayed(_attempts)(worker, batch) for batch in batches)
            for outcomes in finished:
                yield from outcomes
        except _killed(workers) as error:
            raise WorkerDiedError from error
        except CancelledError as error:
            problem = f"{workers.cluster} is gone, or has no workers any more"
            raise ServiceUnreachableError("Dask", problem, "start some, and run the command again") from error


@contextmanager
def started(workers: Workers, module: str) -> Iterator[None]:
    """Let the worker processes of `run` start, and import `module`, while the block does something else.

    Parameters
    ----------
    workers : Workers
        As in `run`; in this process, or on a cluster, nothing happens.
    module : str
        Dotted name of what the workers will need.

    Raises
    ------
    WorkerDiedError
        If one of them was killed.
    """
    if workers.in_this_process or workers.cluster is not None:
        yield
        return
    with _backend(workers) as options:
        parallel = Parallel(return_as="generator_unordered", batch_size=1, **options)
        with _deaf_to_interrupts():
            imports = parallel(delayed(_import)(module) for _ in range(workers.jobs))
        try:
            yield
        finally:
            _finish(imports)


def _import(module: str) -> None:
    import_module(module)


def _finish(imports: Iterable[None]) -> None:
    """Take results that nobody needs: joblib complains of those that are left."""
    try:
        for _ in imports:
            pass
    except TerminatedWorkerError as error:
        raise WorkerDiedError from error


def _killed(workers: Workers) -> type[Exception]:
    """Return what joblib raises for a worker that was killed."""
    killed = TerminatedWorkerError
    if workers.cluster is not None:
        from distributed import KilledWorker

        killed = KilledWorker
    return cast("type[Exception]", killed)


def _attempts(worker: Callable[[Item], Value], batch: tuple[tuple[str, Item], ...]) -> list[Outcome[Value]]:
    return list(attempts(worker, batch))


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Let processes that are begun in the block never see Ctrl-C, which a terminal sends to all of them.

    It is the driver's to end its workers: of themselves they would complain at length, or seem to be killed.
    """
    if threading.current_thread() is not threading.main_thread():  # where signals are nobody's
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)


def _end_at_once() -> None:
    """Let this process end at once when it is told to: its interpreter takes seconds to be taken down."""
    atexit.register(os._exit, 0)


def _end_with(driver: int) -> None:
    """End this process at once when it is told to, and soon after the one that it works for.

    Without a driver it would wait for work for minutes.
    """
    _end_at_once()

    def watch() -> None:
        while os.getppid() == driver:
            time.sleep(_WATCH)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _batched(items: Iterable[tuple[str, Item]], sizes: Iterator[int]) -> Iterator[tuple[tuple[str, Item], ...]]:
    rest = iter(items)
    while batch := tuple(islice(rest, next(sizes))):
        yield batch


def _batch_sizes(worker: object, total: int | None, workers: int) -> Iterator[int]:
    """Yield how many items a worker gets at a time: one, or several where items are many and light.

    Between two batches a worker that fetches has nothing under way. So the first batches differ in length: while one
    worker waits for first bytes the others use the link. The last ones are short: all workers end together.
    """
    if total is None or not isinstance(worker, Fetching):
        yield from repeat(1)
        return
    shares, least = (2, worker.prefetch + 1) if worker.prefetch else (16, 1)
    left = total
    for k in count():
        size = max(min(left // (shares * workers), _BATCH), least)
        if k < workers:
            size = max(size * (k + 1) // workers, 1)
        left -= size
        yield size


@contextmanager
def _backend(workers: Workers) -> Iterator[dict[str, Any]]:
    """Choose joblib's backend and yield the options of `Parallel` that go with it."""
    if workers.cluster is not None:
        waiting = {"wait_for_workers_timeout": _WORKER_TIMEOUT}
        with _dask_client(workers), parallel_config(backend="dask", **waiting):
            yield {"n_jobs": -1}
    else:
        # One thread a worker: the workers together use the machine, and no more than it.
        ending = {"initializer": _end_with, "initargs": (os.getpid(),)}
        with _quiet_watcher(), parallel_config(backend="loky", inner_max_num_threads=1, **ending):
            yield {"n_jobs": workers.jobs, "max_nbytes": None}


@contextmanager
def _quiet_watcher() -> Iterator[None]:
    """Let joblib's watcher, which starts in the block, clean up behind a killed survey without a warning."""
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, (before, "ignore:resource_tracker:UserWarning")))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before


@contextmanager
def _dask_client(workers: Workers) -> Iterator[None]:
    with opened(workers) as found:
        from distributed import Client

        try:
            client = Client(found.cluster, timeout=_CLUSTER_TIMEOUT)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise ServiceUnreachableError("Dask scheduler", f"no answer from {workers.cluster}") from error
        with client:
            try:
                client.wait_for_workers(1, timeout=_WORKER_TIMEOUT)
            except TimeoutError as error:
                remedy = f"start some: dask worker {found.cluster}"
                raise ServiceUnreachableError("Dask", f"{workers.cluster} has no workers", remedy) from error
            # It tells at length of a scheduler that is gone, which is said here in one line.
            logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
            with _watched(client):
                yield


@contextmanager
def _watched(client: Client) -> Iterator[None]:
    """Give up what a cluster has still to do when it has had no worker for a while; Dask itself would wait for ever."""
    over = threading.Event()

    def watch() -> None:
        seen = time.monotonic()
        while not over.wait(_LOOK):
            if client.scheduler_info()["workers"]:
                seen = time.monotonic()
            elif time.monotonic() - seen > _WORKER_TIMEOUT:
                client.close()  # type: ignore[no-untyped-call]
                return

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()


@contextmanager
def opened(workers: Workers) -> Iterator[Workers]:
    """Yield the workers for the calls of `run` in the block; a cluster ``local:N`` is started, and ended after it.

    Raises
    ------
    BadArgumentError
        If there is no Dask, or ``local:N`` is written otherwise.
    """
    cluster = workers.cluster
    if cluster is not None and find_spec("distributed") is None:
        raise BadArgumentError("--cluster needs Dask: pip install 'wfc3tvb[cluster]'")
    if cluster is None or not cluster.startswith("local:"):
        yield workers
        return
    from distributed import Client, LocalCluster

    count = cluster.removeprefix("local:")
    if not count.isdigit() or int(count) < 1:
        raise BadArgumentError(f"--cluster {cluster}: write local:N with N workers, e.g. local:4")
    # Any free port: the usual one is taken where another survey, or a notebook, has a cluster.
    options = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "host": "127.0.0.1"}
    with _deaf_to_interrupts():
        cluster_here = LocalCluster(n_workers=int(count), **options)  # type: ignore[no-untyped-call]
    with cluster_here as local:
        with Client(local) as client:  # type: ignore[no-untyped-call]
            client.run(_end_at_once)
        yield replace(workers, cluster=str(local.scheduler_address))
