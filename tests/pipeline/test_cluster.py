"""A cluster whose workers are gone is said in one line; Dask itself would wait for ever."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from wfc3tvb.errors import ServiceUnreachableError
from wfc3tvb.pipeline import parallel

CLUSTER = "tcp://127.0.0.1:8786"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_LOOK", 0.02)
    monkeypatch.setattr(parallel, "_WORKER_TIMEOUT", 0.1)


def test_results_go_on_until_the_last_worker_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_has_workers", lambda: False)
    never = threading.Event()

    def finished() -> Iterator[int]:
        yield 1
        yield 2
        never.wait()

    found: list[int] = []
    with pytest.raises(ServiceUnreachableError, match=f"Dask: {CLUSTER} has no workers any more; start some"):
        found.extend(parallel._while_workers_live(finished(), CLUSTER))
    never.set()
    assert found == [1, 2]


def test_slow_workers_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_has_workers", lambda: True)
    later = threading.Event()
    threading.Timer(0.4, later.set).start()

    def finished() -> Iterator[int]:
        later.wait()
        yield 1

    assert list(parallel._while_workers_live(finished(), CLUSTER)) == [1]


def test_what_is_raised_on_the_way_is_raised_here() -> None:
    def finished() -> Iterator[int]:
        yield 1
        raise KeyError("a bug")

    found = parallel._while_workers_live(finished(), CLUSTER)
    assert next(found) == 1
    with pytest.raises(KeyError, match="a bug"):
        next(found)
