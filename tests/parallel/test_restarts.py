"""Work goes on when worker processes are killed."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from wfc3tvb.errors import WorkerDiedError
from wfc3tvb.parallel import restarts
from wfc3tvb.parallel.workers import Workers

ITEMS = [(str(i), i) for i in range(60)]


@dataclass(frozen=True)
class Deadly:
    """Worker that is killed by some items, the first `times` times that it gets them."""

    folder: Path
    deadly: tuple[int, ...]
    times: int

    def __call__(self, item: int) -> int:
        tried = self.folder / str(item)
        n = len(tried.read_bytes()) if tried.exists() else 0
        with tried.open("ab") as file:
            file.write(b"x")
        if item in self.deadly and n < self.times:
            os.kill(os.getpid(), signal.SIGKILL)
        return 10 * item


def test_every_item_is_done_though_workers_are_killed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    worker = Deadly(tmp_path, (3, 20, 59), 1)
    found = list(restarts.run(iter(ITEMS), worker, workers=Workers(2), total=60))
    assert {outcome.key: outcome.value for outcome in found} == {key: 10 * item for key, item in ITEMS}
    assert len(found) == 60
    assert 1 <= len(caplog.records) <= 3
    assert "a worker process was killed" in caplog.text


def test_an_item_that_kills_its_worker_each_time_fails_and_no_other(tmp_path: Path) -> None:
    found = list(restarts.run(ITEMS, Deadly(tmp_path, (7, 30), 99), workers=Workers(2), total=60))
    failed = {outcome.key: outcome.failure for outcome in found if outcome.failure}
    assert len(found) == 60
    assert sorted(failed) == ["30", "7"]
    assert {(f.stage, f.error, f.retryable) for f in failed.values() if f} == {("measure", "WorkerDiedError", True)}
    assert (tmp_path / "7").read_bytes() == b"xx"  # a second time alone


def test_workers_that_are_killed_whatever_they_do_end_it(tmp_path: Path) -> None:
    outcomes = restarts.run(ITEMS, Deadly(tmp_path, tuple(range(60)), 99), workers=Workers(2), total=60)
    with pytest.raises(WorkerDiedError):
        list(outcomes)
