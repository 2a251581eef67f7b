"""Translation of the errors of a folder that cannot be written, and a test of it before a commit."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deltalake.exceptions import CommitFailedError, DeltaError

from wfc3tvb.errors import CatalogError, CatalogNotWritableError

_OS_ERROR = re.compile(r"(?:os error |code: )(\d+)")
_UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def probe(place: Path, n_bytes: int = 0) -> None:
    """Write and remove a small file, to find a full or read-only disk before a commit begins.

    Otherwise the table library would print long messages from another thread.

    Parameters
    ----------
    place : Path
        The folder.
    n_bytes : int, optional
        Largest number of bytes that will be written.

    Raises
    ------
    OSError
        If there is not enough space, or the folder cannot be written.
    """
    if shutil.disk_usage(place).free < n_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with tempfile.TemporaryFile(dir=place) as file:
        file.write(bytes(65536))
        file.flush()


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Convert errors of the system and of the table library in the block to this package's errors.

    Raises
    ------
    CatalogNotWritableError
        If the disk is full or read-only, or the folder belongs to another user.
    CatalogError
        For other errors, except `CommitFailedError` (a conflict with another writer), which is passed on.
    """
    try:
        yield
    except CommitFailedError:
        raise
    except OSError as error:
        number = error.errno or _os_error(error)
        if number is None:
            raise CatalogError(f"{folder}: {first_line(error)}") from error
        raise CatalogNotWritableError(folder, os.strerror(number)) from error
    except DeltaError as error:
        number = _os_error(error)
        if number not in _UNWRITABLE:
            raise CatalogError(f"{folder}: {first_line(error)}") from error
        raise CatalogNotWritableError(folder, os.strerror(number)) from error


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, at most 300 characters."""
    return str(error).strip().split("\n", 1)[0][:300]


def _os_error(error: BaseException) -> int | None:
    """Return the system's error number at the end of a message of the table library."""
    match = _OS_ERROR.search(str(error))
    return int(match[1]) if match else None
