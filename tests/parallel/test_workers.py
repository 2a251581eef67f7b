"""Worker processes go on working, whatever memory they keep."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest

from wfc3tvb.parallel import backends
from wfc3tvb.parallel.workers import Workers

KEPT: list[np.ndarray] = []
#: joblib looks at the memory of a worker when this time has passed since it last did [s].
LOOK = 1.0


def keep(megabytes: int) -> int:
    """Keep memory in use, and return the process."""
    KEPT.append(np.ones(megabytes << 17))
    time.sleep(LOOK + 0.1)
    return os.getpid()


@pytest.mark.slow
@pytest.mark.filterwarnings("error:A worker stopped:UserWarning")
def test_a_worker_that_grows_is_not_replaced() -> None:
    items = [(str(i), megabytes) for i, megabytes in enumerate((1, 1, 400, 400, 1, 1))]
    outcomes = list(backends.run(items, keep, workers=Workers(jobs=2)))
    assert [outcome.failure for outcome in outcomes] == [None] * len(items)
    assert len({outcome.value for outcome in outcomes}) <= 2
