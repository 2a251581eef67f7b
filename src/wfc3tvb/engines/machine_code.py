"""Load or compile the native engine's machine code in a thread, while the first exposure's files are read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from wfc3tvb.progress import Progress

#: Loading cached code takes less than this, compiling it longer [s].
_LOADING_TIME = 2.0

#: Machine code that is loaded: without the ramp fit (False), with it (True).
_loaded: set[bool] = set()


@contextmanager
def loaded_kernels(progress: Progress, *, fit: bool) -> Iterator[None]:
    """Load the engine's machine code, once per process, while the body runs.

    Parameters
    ----------
    progress : Progress
        Called with the stage "compile" if the machine code is not on disk yet.
    fit : bool
        Whether the fit of the ramp will be needed.
    """
    if fit in _loaded or True in _loaded:
        yield
        return
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(_load, progress, fit)
        yield
        loading.result()
    _loaded.add(fit)


def _load(progress: Progress, fit: bool) -> None:
    began = time.monotonic()
    from wfc3tvb.calibration.warm_up import load_kernels

    def report(done: int, total: int) -> None:
        if time.monotonic() - began > _LOADING_TIME:
            progress("compile", done, total)

    load_kernels(report, fit=fit)
