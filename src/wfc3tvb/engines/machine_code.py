"""Load or compile the native engine's machine code in a thread, while the first exposure's files are read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from wfc3tvb.progress import Progress

#: Loading cached code takes less than this, compiling more [s].
_LOADED = 2.0

#: What is ready: without the fit of the ramp (False), with it (True).
_ready: set[bool] = set()


@contextmanager
def made_ready(progress: Progress, *, fit: bool) -> Iterator[None]:
    """Load the engine's machine code, once in a process, while the body runs.

    Parameters
    ----------
    progress : Progress
        Called with the stage "compile" where the machine code is not on disk yet.
    fit : bool
        Whether the fit of the ramp will be needed.
    """
    if fit in _ready or True in _ready:
        yield
        return
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(_make_ready, progress, fit)
        yield
        loading.result()
    _ready.add(fit)


def _make_ready(progress: Progress, fit: bool) -> None:
    began = time.monotonic()
    from wfc3tvb.calibration.warm_up import make_ready

    def tell(done: int, total: int) -> None:
        if time.monotonic() - began > _LOADED:
            progress("compile", done, total)

    make_ready(tell, fit=fit)
