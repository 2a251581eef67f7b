"""Work where no worker processes can be started: a container without /dev/shm."""

from __future__ import annotations

import operator

import pytest

from wfc3tvb.errors import BadArgumentError
from wfc3tvb.parallel import backends
from wfc3tvb.parallel.workers import Workers

ITEMS = [(str(number), number) for number in range(4)]


@pytest.fixture(autouse=True)
def _no_semaphores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "mp", None)  # as joblib leaves it when its first semaphore fails


def test_one_process_does_the_work_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with backends.started(Workers(jobs=3), "math"):
        found = [outcome.value for outcome in backends.run(ITEMS, operator.neg, workers=Workers(jobs=3))]
    assert found == [0, -1, -2, -3]
    assert len(caplog.messages) == 1
    assert "/dev/shm is missing or cannot be written" in caplog.messages[0]
    assert caplog.messages[0].endswith("one process does the work of 3")


def test_a_cluster_of_this_machine_is_refused() -> None:
    with pytest.raises(BadArgumentError, match=r"cluster local:2: worker processes cannot be started .*/dev/shm"):
        list(backends.run(ITEMS, operator.neg, workers=Workers(cluster="local:2")))
