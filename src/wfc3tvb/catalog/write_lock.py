"""Locks of a catalog's folder: commits share it, whoever rewrites files has it exclusively.

Two commits that touch the same rows notice each other (the table library makes one of them start again). A commit and a
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
#: Seconds between two attempts at the exclusive lock.
_RETRY_SECONDS = 0.05
_BUSY = {errno.EAGAIN, errno.EACCES}
#: Errors of a file system without locks.
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}


@contextmanager
def shared_lock(folder: Path) -> Iterator[None]:
    """Hold a lock that other commits may hold too; wait while somebody has the exclusive one."""
    with _lock_file(folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        yield


@contextmanager
def exclusive_lock(folder: Path, *, patience: float = 0.0) -> Iterator[bool]:
    """Keep all others from writing during the block; yield False if the lock was not obtained.

    Parameters
    ----------
    folder : Path
        The catalog's folder.
    patience : float, optional
        Seconds to wait for other writers to finish.
    """
    with _lock_file(folder) as file:
        yield _acquired(file, time.monotonic() + patience)


def _acquired(file: int, until: float) -> bool:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                log.warning("the catalog's file system has no locks; files are not merged")
                return False
            if error.errno not in _BUSY:
                raise
            if time.monotonic() > until:
                return False
            time.sleep(_RETRY_SECONDS)
        else:
            return True


@contextmanager
def _lock_file(folder: Path) -> Iterator[int]:
    """Open the file that is locked; closing it, or the end of the process, releases the lock."""
    path = folder / LOCK_FILE
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:  # the file belongs to another user of a shared folder
        file = os.open(path, os.O_RDONLY)
    try:
        yield file
    finally:
        os.close(file)
