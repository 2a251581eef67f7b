"""Whose turn it is to write: commits go side by side, but not beside a rewriting of the same files.

Two commits that touch the same rows see each other (the table library makes one of them start again). A commit and a
merge of files do not, and rows of both would stay: measured with deltalake 1.x, two surveys of the same exposures.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

#: The file in a catalog's folder that is locked; it stays empty.
LOCK_FILE = ".writers"
#: Seconds between two looks whether everybody else has finished.
_LOOK = 0.05
_BUSY = {errno.EAGAIN, errno.EACCES}
#: What a disk says that knows no locks.
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}


@contextmanager
def beside_others(folder: Path) -> Iterator[None]:
    """Hold off whoever wants to be `alone`, for the block; wait until nobody is."""
    with _opened(folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        yield


@contextmanager
def alone(folder: Path, *, patience: float = 0.0) -> Iterator[bool]:
    """Keep all others from writing in the block; yield False where that cannot be had.

    Parameters
    ----------
    folder : Path
        The catalog's folder.
    patience : float, optional
        Seconds to wait for others to finish.
    """
    with _opened(folder) as file:
        yield _got(file, time.monotonic() + patience)


def _got(file: int, until: float) -> bool:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                log.warning("the catalog's disk knows no locks; files are not merged")
                return False
            if error.errno not in _BUSY:
                raise
            if time.monotonic() > until:
                return False
            time.sleep(_LOOK)
        else:
            return True


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """Open the file that is locked; closing it ends the lock, as the end of a process does."""
    path = folder / LOCK_FILE
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:  # another's file in a folder that is shared
        file = os.open(path, os.O_RDONLY)
    try:
        yield file
    finally:
        os.close(file)
