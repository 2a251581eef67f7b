"""Map a file into memory where nothing can cut it short meanwhile; otherwise read it.

A process that touches a page beyond the end of a mapped file is killed by SIGBUS, which cannot be caught. On Linux a
lease on the file makes a program that wants to write it wait until the file is unmapped (up to 45 s, fcntl(2)).
"""

from __future__ import annotations

import fcntl
import signal
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def map_file(path: Path) -> NDArray[np.uint8]:
    """Return the bytes of a file: a map of it, or a copy where there is no lease (another owner, a network, macOS).

    Raises
    ------
    OSError, ValueError
        If the file cannot be read, or is empty.
    """
    with path.open("rb", buffering=0) as file:
        return np.memmap(file, np.uint8, "r") if _leased(file.fileno()) else np.fromfile(file, np.uint8)


def _leased(file: int) -> bool:
    """Take a lease that lasts until the file, and every map of it, is closed; return False where there is none."""
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    with suppress(OSError):
        # A writer is announced by a signal; of the usual one, SIGIO, the process would end.
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        return True
    return False
