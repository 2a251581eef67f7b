"""Errors of a disk, recognized in what Python and libraries raise, and turned into this package's."""

from __future__ import annotations

import errno
import os
import re

from wfc3tvb.errors import DiskFullError, StorageError, TvbError

_FULL = (errno.ENOSPC, errno.EDQUOT)
#: Errors of a disk or a network file system that fails or has gone, or was interrupted.
_FAILING = (errno.EIO, errno.ESTALE, errno.ENXIO, errno.ENODEV, errno.EROFS, errno.EINTR)
#: Their words at the end of a message of DuckDB, which has no number.
_NUMBERS = {os.strerror(number): number for number in (*_FULL, *_FAILING)}
_WORDS = re.compile(f"({'|'.join(map(re.escape, _NUMBERS))})$")
#: Errors of Python that astropy raises again with their text alone.
_ERRNO = re.compile(r"\[Errno (\d+)\]")
#: Its number in a message of the table library, perhaps on a later line.
_OS_ERROR = re.compile(r"\(os error (\d+)\)")
_QUOTED = re.compile(r"[\"'](/[^\"']+)[\"']")


def disk_error(error: BaseException) -> TvbError | None:
    """Return this package's error for one that says that a disk is full or fails, or None.

    Parameters
    ----------
    error : BaseException
        What was raised.

    Returns
    -------
    TvbError or None
        `DiskFullError`, or `StorageError` with the file where it is known.
    """
    line = str(error).partition("\n")[0].rstrip()
    if isinstance(error, OSError):
        number, path = error.errno or _number_in(str(error)), error.filename
    elif type(error).__module__ in ("duckdb", "_duckdb"):
        words, quoted = _WORDS.search(line), _QUOTED.search(line)
        number, path = _NUMBERS[words[1]] if words else None, quoted[1] if quoted else None
    elif type(error).__module__ in ("deltalake.exceptions", "_internal"):
        named = _OS_ERROR.search(str(error))
        number, path = int(named[1]) if named else None, None
    else:
        return None
    if number in _FULL:
        return DiskFullError()
    if number in _FAILING:
        return StorageError(os.fsdecode(path) if isinstance(path, str | bytes) else "a file", os.strerror(number))
    return None


def _number_in(text: str) -> int | None:
    """Return the number of an error of which astropy or the table library has kept only the text."""
    if "Not enough space on disk" in text:
        return errno.ENOSPC
    named = _ERRNO.search(text) or _OS_ERROR.search(text)
    return int(named[1]) if named else None
