"""The program ``wfc3tvb``, also as ``python -m wfc3tvb``."""

from __future__ import annotations

import os
import sys

from wfc3tvb.cli import main

#: Commands that leave nothing to an orderly shutdown: no worker processes, no scratch folders.
_LEAVES_NOTHING = ("calibrate",)


def run() -> None:
    """Run the program.

    After `calibrate` the interpreter is not taken down piece by piece, which would take a fifth of the time of an
    exposure: its files are closed, and the system takes back the memory.
    """
    try:
        main()
    except SystemExit as end:
        if sys.argv[1:2] and sys.argv[1] in _LEAVES_NOTHING and isinstance(end.code, int):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(end.code)
        raise


if __name__ == "__main__":
    run()
