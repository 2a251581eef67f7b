"""Lock of a folder, for commands of which only one at a time may write into it."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BUSY = {errno.EAGAIN, errno.EACCES}
#: Errors of a file system without locks, where nothing can keep two commands apart.
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}


@contextmanager
def folder_lock(folder: Path, name: str) -> Iterator[bool]:
    """Hold a lock on a folder, which is created, during the block; yield False if another process has it.

    It ends with the process, however that ends. On a file system without locks it is taken for free.

    Parameters
    ----------
    folder : Path
        The folder.
    name : str
        Name of the file in it that is locked; it stays there, empty.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield _acquired(file)
    finally:
        os.close(file)


def _acquired(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        if error.errno not in _NO_LOCKS:
            raise
    return True
