"""A cluster that has lost its workers is reported in one line; Dask itself would wait forever."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any

import pytest

from wfc3tvb.errors import ServiceUnreachableError
from wfc3tvb.parallel import backends
from wfc3tvb.parallel.workers import Workers


class FakeClient:
    """A Dask client with `workers` that records when it is closed."""

    def __init__(self, *workers: str) -> None:
        self.workers, self.closed = workers, threading.Event()

    def scheduler_info(self) -> dict[str, Any]:
        return {"workers": dict.fromkeys(self.workers)}

    def close(self) -> None:
        self.closed.set()


def test_a_cluster_without_workers_is_given_up_and_one_with_slow_ones_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_LOOK", 0.02)
    monkeypatch.setattr(backends, "_WORKER_TIMEOUT", 0.1)
    slow, left = FakeClient("one"), FakeClient()
    with backends._watched(slow), backends._watched(left):  # type: ignore[arg-type]
        assert left.closed.wait(10)
    assert not slow.closed.is_set()


def test_work_that_is_given_up_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def backend(workers: Workers) -> Iterator[dict[str, Any]]:
        yield {}

    def given_up(**options: Any) -> Any:
        def results(calls: Any) -> Iterator[list[Any]]:
            yield []
            raise CancelledError

        return results

    monkeypatch.setattr(backends, "_backend", backend)
    monkeypatch.setattr(backends, "Parallel", given_up)
    found = backends.run([("a", 1)], str, workers=Workers(cluster="tcp://127.0.0.1:8786"))
    with pytest.raises(
        ServiceUnreachableError, match="Dask: tcp://127.0.0.1:8786 does not answer any more, or has lost its workers"
    ):
        list(found)
