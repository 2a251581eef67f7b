"""Work on many items: in this process, in others on this machine, or on a Dask cluster, through joblib.

The only place that catches an error per item: this package's own errors become a `Failure`, anything else is
a bug and stops the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Generic, TypeVar

from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError

from wfc3tvb.errors import BadArgumentError, ServiceUnreachableError, TvbError, WorkerDiedError

Item = TypeVar("Item")
Value = TypeVar("Value")
#: Seconds to wait for a Dask scheduler, and for its first worker.
_CLUSTER_TIMEOUT = 10
_WORKER_TIMEOUT = 120


@dataclass(frozen=True)
class Failure:
    """Why an item has no value: stage, class of the error, its one line, and whether a rerun may succeed."""

    stage: str
    error: str
    message: str
    retryable: bool


@dataclass(frozen=True)
class Outcome(Generic[Value]):
    """What became of one item: a value or a failure."""

    key: str
    value: Value | None = None
    failure: Failure | None = None


def run(
    items: Iterable[tuple[str, Item]],
    worker: Callable[[Item], Value],
    *,
    jobs: int = 1,
    cluster: str | None = None,
) -> Iterator[Outcome[Value]]:
    """Yield the outcome of `worker` for every item, as they come in.

    Parameters
    ----------
    items : iterable of (key, item)
        Taken lazily, a few more than there are workers.
    worker : callable
        Takes an item and returns a value; both travel between processes. For what is wrong with the item it
        raises `TvbError`, and names the step with `stage`.
    jobs : int, optional
        Worker processes; 1 works in this process.
    cluster : str, optional
        ``local:N`` for a Dask cluster of N workers on this machine, or the address of a Dask scheduler.

    Yields
    ------
    Outcome
        In no particular order.

    Raises
    ------
    WorkerDiedError
        If a worker process was killed.
    BadArgumentError, ServiceUnreachableError
        If there is no Dask, or no scheduler at that address.
    """
    with _backend(jobs, cluster) as options:
        parallel = Parallel(return_as="generator_unordered", batch_size=1, **options)
        try:
            yield from parallel(delayed(_attempt)(worker, key, item) for key, item in items)
        except TerminatedWorkerError as error:
            raise WorkerDiedError from error


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Name the step at which an error of this package is raised in the block; the innermost name stays."""
    try:
        yield
    except TvbError as error:
        error.stage = error.stage or name
        raise


def _attempt(worker: Callable[[Item], Value], key: str, item: Item) -> Outcome[Value]:
    try:
        return Outcome(key, value=worker(item))
    except TvbError as error:
        message = " ".join(str(error).split())
        return Outcome(
            key, failure=Failure(error.stage or "", type(error).__name__, message, error.retryable)
        )


@contextmanager
def _backend(jobs: int, cluster: str | None) -> Iterator[dict[str, Any]]:
    """Choose joblib's backend and yield the options of `Parallel` that go with it."""
    if cluster is not None:
        waiting = {"wait_for_workers_timeout": _WORKER_TIMEOUT}
        with _dask_client(cluster), parallel_config(backend="dask", **waiting):
            yield {"n_jobs": -1}
    elif jobs > 1:
        # One thread a worker: the workers together use the machine, and no more than it.
        with parallel_config(backend="loky", inner_max_num_threads=1):
            yield {"n_jobs": jobs, "max_nbytes": None}
    else:
        yield {"n_jobs": 1}


@contextmanager
def _dask_client(cluster: str) -> Iterator[None]:
    if find_spec("distributed") is None:
        raise BadArgumentError("--cluster needs Dask: pip install 'wfc3tvb[cluster]'")
    from distributed import Client, LocalCluster

    if not cluster.startswith("local:"):
        try:
            client = Client(cluster, timeout=_CLUSTER_TIMEOUT)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise ServiceUnreachableError("Dask scheduler", f"no answer from {cluster}") from error
        with client:
            yield
        return
    count = cluster.removeprefix("local:")
    if not count.isdigit() or int(count) < 1:
        raise BadArgumentError(f"--cluster {cluster}: write local:N with N workers, e.g. local:4")
    options = {"threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    local = LocalCluster(n_workers=int(count), **options)  # type: ignore[no-untyped-call]
    with local, Client(local):  # type: ignore[no-untyped-call]
        yield
