"""The native engine's machine code, made ready in a thread of its own while the first exposure's files are read."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

from wfc3tvb.progress import Progress

#: Loading takes less than this, compiling more [s].
_LOADED = 2.0

#: Packages that numba would import and no kernel needs.
_NOT_NEEDED = ("scipy", "cffi")

_lean = Event()
#: What is ready: without the fit of the ramp (False), with it (True).
_ready: set[bool] = set()


def start_lean() -> None:
    """Say that this process is a program of ours, in which numba may do without SciPy and cffi.

    Numba imports both when its first kernel is loaded, a quarter of the time that a program needs to start; no kernel
    here uses them. Not for libraries: numba's ``np.cov`` and ``np.corrcoef`` are gone from the process.
    """
    _lean.set()


@contextmanager
def made_ready(progress: Progress, *, fit: bool) -> Iterator[None]:
    """Make the engine ready, once in a process, while the body runs.

    Parameters
    ----------
    progress : Progress
        Told of the stage "compile" where the machine code is not on disk yet.
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
    if _lean.is_set():
        _import_numba_alone()
    from wfc3tvb.calibration.readiness import make_ready

    def tell(done: int, total: int) -> None:
        if time.monotonic() - began > _LOADED:
            progress("compile", done, total)

    make_ready(tell, fit=fit)


def _import_numba_alone() -> None:
    hidden = [name for name in _NOT_NEEDED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: there is no such package
    try:
        import numba.core.typing.cffi_utils
        import numba.np.arraymath  # noqa: F401
    finally:
        for name in hidden:
            del sys.modules[name]
