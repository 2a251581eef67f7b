"""Translation of the errors of a folder that cannot be written, and a test of it before a commit."""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deltalake.exceptions import CommitFailedError, DeltaError

from wfc3tvb.errors import CatalogError, CatalogNotWritableError

log = logging.getLogger(__name__)

_STDERR = 2
#: Prefix of temporary folders in a catalog's folder.
TEMPORARY = ".views-"
_OS_ERROR = re.compile(r"(?:os error |code: )(\d+)")
#: Errors of a file system without hard links.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EMLINK}
_UNWRITABLE = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG,
    errno.EIO, errno.EINTR, errno.ESTALE,
}  # fmt: skip


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


def check_links(folder: Path) -> None:
    """Make and remove a hard link, which the table library makes in every commit; some file systems have none.

    Raises
    ------
    CatalogError
        If the folder's file system has no hard links.
    OSError
        If the folder cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=folder) as scratch:
        file = Path(scratch) / "file"
        file.touch()
        try:
            file.with_name("link").hardlink_to(file)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            problem = f"its file system has no hard links ({error.strerror}), which commits need"
            raise CatalogError(f"{folder}: {problem}; choose a folder on another disk") from error


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
        with _without_panics():
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


@contextmanager
def _without_panics() -> Iterator[None]:
    """Keep what the table library prints from stderr where it panics: what it raises says the same in one line.

    Its threads write to the descriptor itself. All else that is written meanwhile, such as progress, appears at the end
    of the block.
    """
    with tempfile.TemporaryFile() as kept:
        before = os.dup(_STDERR)
        os.dup2(kept.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(before, _STDERR)
            os.close(before)
            kept.seek(0)
            _pass_on(kept.read())


def _pass_on(text: bytes) -> None:
    """Write to stderr what was written there meanwhile, and to the log if it is of a panic."""
    if b"panicked at" in text:
        log.info("the table library: %s", text.decode(errors="replace"))
    elif text:
        os.write(_STDERR, text)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, at most 300 characters."""
    return str(error).strip().split("\n", 1)[0][:300]


def _os_error(error: BaseException) -> int | None:
    """Return the system's error number at the end of a message of the table library."""
    match = _OS_ERROR.search(str(error))
    return int(match[1]) if match else None
