"""Locks of a catalog's folder: commits share a lock, and a command that rewrites files holds it exclusively.

Two commits to the same rows detect the conflict, and the table library repeats one of them. A commit and a merge of
files do not, and old and new rows would both remain (seen with deltalake 1.x in two surveys of the same exposures).
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

#: File in a catalog's folder that is locked; it is always empty.
LOCK_FILE = ".writers"
#: Seconds between two attempts at the exclusive lock.
_RETRY_SECONDS = 0.05
_BUSY = {errno.EAGAIN, errno.EACCES}
#: Errors of a file system without locks.
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


@contextmanager
def shared_lock(folder: Path) -> Iterator[None]:
    """Hold a lock that other commits can share; wait while another process has the exclusive one."""
    with _lock_file(folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        yield


@contextmanager
def exclusive_lock(folder: Path, *, patience: float = 0.0) -> Iterator[bool]:
    """Prevent other processes from writing during the block; yield False if the lock was not obtained.

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
                log.warning("the catalog's file system does not support locks; files are not merged")
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
    """Open the lock file; the lock is released when it is closed, or the process ends."""
    path = folder / LOCK_FILE
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:  # the file belongs to another user of a shared folder
        file = os.open(path, os.O_RDONLY)
    try:
        yield file
    finally:
        os.close(file)
