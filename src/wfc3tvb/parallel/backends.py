"""Run a worker over many items: in this process, in others on this machine, or on a Dask cluster, through joblib."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from itertools import count, islice, repeat
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any, TypeVar, cast

with warnings.catch_warnings(action="ignore", category=UserWarning):  # `_has_processes` says it
    from joblib._multiprocessing_helpers import mp  # None where its trial of semaphores failed
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky import process_executor
from joblib.externals.loky.backend import resource_tracker as loky_tracker
from joblib.externals.loky.process_executor import TerminatedWorkerError

from wfc3tvb.errors import BadArgumentError, ServiceUnreachableError, WorkerDiedError
from wfc3tvb.parallel.attempts import Failure, Fetching, Outcome, attempts, stage
from wfc3tvb.parallel.workers import HERE, Workers
from wfc3tvb.system.children import end_with_parent
from wfc3tvb.system.interrupts import InterruptGuard

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger(__name__)

__all__ = ["Failure", "Outcome", "Workers", "opened", "run", "stage", "started"]

Item = TypeVar("Item")
Value = TypeVar("Value")
_FORBIDDEN = os.environ.get("JOBLIB_MULTIPROCESSING", "1") == "0"
#: Longest waits for a Dask scheduler, and for a cluster's first worker [s].
_CLUSTER_TIMEOUT = 10
_WORKER_TIMEOUT = 120
#: Most items in a batch.
_BATCH = 8
#: Interval between checks that a cluster has workers [s].
_LOOK = 5.0


def run(
    items: Iterable[tuple[str, Item]],
    worker: Callable[[Item], Value],
    *,
    workers: Workers = HERE,
    total: int | None = None,
) -> Iterator[Outcome[Value]]:
    """Yield the outcome of `worker` for every item, as they become ready.

    Parameters
    ----------
    items : iterable of (key, item)
        Consumed lazily, a few more than there are workers.
    worker : callable
        Takes an item and returns a value; both are pickled. For a problem with the item it raises `TvbError`, and
        names the step with `stage`. If it is `Fetching`, items are fetched in advance.
    workers : Workers, optional
        Workers to use; by default this process. `opened` keeps a cluster for several calls.
    total : int, optional
        Number of items, if it is known.

    Yields
    ------
    Outcome
        In no particular order.

    Raises
    ------
    WorkerDiedError
        If a worker process was killed.
    BadArgumentError, ServiceUnreachableError
        If Dask is not installed, no scheduler answers at the address, or the cluster has no workers (left).
    """
    with InterruptGuard() as guard:
        for outcome in _outcomes(items, worker, workers, total):
            yield outcome
            guard.check()


def _outcomes(
    items: Iterable[tuple[str, Item]], worker: Callable[[Item], Value], workers: Workers, total: int | None
) -> Iterator[Outcome[Value]]:
    if workers.in_this_process or not _has_processes(workers):
        yield from attempts(worker, items)
        return
    batches = _batched(items, _batch_sizes(worker, total, workers.count))
    with _backend(workers) as options:
        parallel = Parallel(return_as="generator_unordered", batch_size=1, **options)
        try:
            with _interrupts_held_back():
                finished = parallel(delayed(_attempts)(worker, batch) for batch in batches)
            with _quietly_closed(finished):
                for outcomes in finished:
                    yield from outcomes
        except _killed(workers) as error:
            raise WorkerDiedError from error
        except CancelledError as error:
            problem = f"{workers.cluster} does not answer any more, or has lost its workers"
            raise ServiceUnreachableError("Dask", problem, "start workers, and run the command again") from error


@contextmanager
def started(workers: Workers, module: str) -> Iterator[None]:
    """Start the worker processes of `run`, and import `module` in them, while the block does something else.

    If one of them is killed meanwhile, `run` starts new ones.

    Parameters
    ----------
    workers : Workers
        As in `run`; does nothing for this process or a cluster.
    module : str
        Dotted name of a module that the workers will need.
    """
    if workers.in_this_process or workers.cluster is not None or mp is None:
        yield
        return
    with _backend(workers) as options:
        parallel = Parallel(return_as="generator_unordered", batch_size=1, **options)
        with _interrupts_held_back():
            imports = parallel(delayed(_import)(module) for _ in range(workers.jobs))
        try:
            yield
        finally:
            _finish(imports)


def _has_processes(workers: Workers) -> bool:
    """Return whether worker processes can be started; if joblib has found that they cannot, log why.

    They share semaphores, which are files in /dev/shm; some containers have none.
    """
    if mp is not None or not workers.on_this_machine:
        return True
    cause = "JOBLIB_MULTIPROCESSING=0" if _FORBIDDEN else "no semaphores: /dev/shm is missing or cannot be written"
    problem = f"worker processes cannot be started ({cause})"
    if workers.cluster is not None:
        raise BadArgumentError(f"cluster {workers.cluster}: {problem}; leave it out")
    log.warning("%s; one process does the work of %d", problem, workers.jobs)
    return False


def _import(module: str) -> None:
    import_module(module)


def _finish(imports: Iterable[None]) -> None:
    """Consume results that are not needed: joblib warns about unconsumed ones."""
    with suppress(TerminatedWorkerError):
        for _ in imports:
            pass


@contextmanager
def _quietly_closed(finished: Generator[Any, None, None]) -> Iterator[None]:
    """Close joblib's results after the block, which it warns about if some were not used, as after Ctrl-C."""
    try:
        yield
    finally:
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            finished.close()


def _killed(workers: Workers) -> type[Exception]:
    """Return the exception that joblib raises for a killed worker."""
    killed = TerminatedWorkerError
    if workers.cluster is not None:
        from distributed import KilledWorker

        killed = KilledWorker
    return cast("type[Exception]", killed)


def _attempts(worker: Callable[[Item], Value], batch: tuple[tuple[str, Item], ...]) -> list[Outcome[Value]]:
    return list(attempts(worker, batch))


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Keep Ctrl-C from processes that are started in the block; this process gets it when the block ends.

    A terminal sends it to all of them, and the driver ends its workers: interrupted by themselves, they would print
    tracebacks, or seem to have been killed. A blocked signal waits, whereas an ignored one would be lost.
    """
    for tracker in (resource_tracker, loky_tracker):
        tracker.ensure_running()  # where a tracker starts, it lets the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited by what the block starts
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_at_once() -> None:
    """Make this process skip the interpreter's cleanup when it ends, which takes seconds."""
    atexit.register(os._exit, 0)


def _begin_worker(driver: int) -> None:
    """Make this process keep on working, end without cleanup, and soon after its driver ends.

    joblib replaces a worker that has grown by 300 Mbyte since its first item, which takes seconds: a full frame is
    larger than that, and what is not in use is kept for the next one. Without its driver a worker would wait for work
    for minutes.
    """
    process_executor._USE_PSUTIL = False
    _end_at_once()
    end_with_parent(driver)


def _batched(items: Iterable[tuple[str, Item]], sizes: Iterator[int]) -> Iterator[tuple[tuple[str, Item], ...]]:
    rest = iter(items)
    while batch := tuple(islice(rest, next(sizes))):
        yield batch


def _batch_sizes(worker: object, total: int | None, workers: int) -> Iterator[int]:
    """Yield the sizes of the batches: one item, or several if items are many and small.

    Between two batches a worker that fetches has no request in flight. So the first batches differ in length, and while
    one worker waits for its first bytes the others use the link. The last ones are short, so that all workers end at
    about the same time.
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
        # One thread per worker: together the workers use all cores, and no more.
        ending = {"initializer": _begin_worker, "initargs": (os.getpid(),)}
        with _quiet_watcher(), parallel_config(backend="loky", inner_max_num_threads=1, **ending):
            yield {"n_jobs": workers.jobs, "max_nbytes": None}


@contextmanager
def _quiet_watcher() -> Iterator[None]:
    """Silence the warnings of joblib's resource tracker, which starts in the block and cleans up after a killed run."""
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
                remedy = f"start workers: dask worker {found.cluster}"
                raise ServiceUnreachableError("Dask", f"{workers.cluster} has no workers", remedy) from error
            # The client logs a lost scheduler at length; `run` reports it in one line.
            logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
            with _watched(client):
                yield


@contextmanager
def _watched(client: Client) -> Iterator[None]:
    """Close the client when the cluster has had no worker for a while; Dask itself would wait forever."""
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
    """Yield the workers for the calls of `run` in the block; a cluster ``local:N`` is started and closed around it.

    Raises
    ------
    BadArgumentError
        If Dask is not installed, or N in ``local:N`` is not a number of workers.
    """
    cluster = workers.cluster
    if cluster is not None and find_spec("distributed") is None:
        raise BadArgumentError("a cluster needs Dask: pip install 'wfc3tvb[cluster]'")
    if cluster is None or not cluster.startswith("local:"):
        yield workers
        return
    from distributed import Client, LocalCluster

    count = cluster.removeprefix("local:")
    if not count.isdigit() or int(count) < 1:
        raise BadArgumentError(f"cluster {cluster}: give local:N with a number of workers, e.g. local:4")
    _has_processes(workers)
    # Any free port: the default one may be in use by the cluster of another survey or notebook.
    options = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "host": "127.0.0.1"}
    with _interrupts_held_back():
        cluster_here = LocalCluster(n_workers=int(count), **options)  # type: ignore[no-untyped-call]
    with cluster_here as local:
        with Client(local) as client:  # type: ignore[no-untyped-call]
            client.run(_end_at_once)
        yield replace(workers, cluster=str(local.scheduler_address))
