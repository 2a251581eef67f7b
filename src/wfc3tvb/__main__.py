"""The program ``wfc3tvb``, also as ``python -m wfc3tvb``."""

from __future__ import annotations

import gc
import os
import sys

from wfc3tvb.cli import main
from wfc3tvb.system.imports import arrow_without_pandas
from wfc3tvb.system.interrupts import end_when_terminated

#: Commands that need no orderly shutdown: they leave no worker processes and no scratch folders.
_QUICK_EXIT = ("calibrate",)


def run() -> None:
    """Run the program.

    After `calibrate` the process exits without the interpreter's cleanup, which would take a fifth of the time of an
    exposure; all files are closed by then.
    """
    _prepare()
    try:
        main()
    except SystemExit as end:
        if sys.argv[1:2] and sys.argv[1] in _QUICK_EXIT and isinstance(end.code, int):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(end.code)
        raise


def _prepare() -> None:
    """Make the program independent of what it inherits, and quick to start."""
    os.environ["MPLBACKEND"] = "Agg"  # figures are written to files; a notebook's backend may not be installed here
    gc.set_threshold(100_000)  # importing makes many objects, and none of them is garbage
    if sys.argv[1:2] and sys.argv[1] in _QUICK_EXIT:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy would start threads, and there is no algebra
    arrow_without_pandas()
    end_when_terminated()


if __name__ == "__main__":
    run()
