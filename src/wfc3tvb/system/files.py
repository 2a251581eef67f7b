"""Checksums of files, and atomic writing."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def checksum(path: Path, kind: str = "sha256") -> str:
    """Return the checksum of a file, in hexadecimal.

    Parameters
    ----------
    path : Path
        The file.
    kind : str, optional
        Algorithm: ``sha256`` by default; CRDS publishes ``sha1``, S3 ``md5``.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


@contextmanager
def atomic_write(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write to; it is renamed to `path` at the end, or removed on an error.

    Parameters
    ----------
    path : Path
        The file to write; an existing one stays untouched until the end.
    durable : bool, optional
        Wait until the bytes are on the disk, for files that cannot be made again. Without it a power failure shortly
        afterwards may leave an empty file; a crash of the process never does.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    done = False
    try:
        yield part
        if durable:
            with part.open("rb+") as file:
                os.fsync(file.fileno())
        part.replace(path)
        done = True
    finally:
        if not done:
            with suppress(OSError):  # the first error is the one to report
                part.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, encoding: str = "utf-8") -> None:
    """Write a text file completely or not at all."""
    with atomic_write(path) as part:
        part.write_text(text, encoding=encoding)


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files that `atomic_write` left in a folder when its process was killed."""
    for part in folder.glob(".*.part"):
        part.unlink()


def remove_tree(folder: Path) -> None:
    """Remove a folder if it exists; a second time what could not be removed, and what still cannot be stays."""
    for _ in range(2):
        if folder.exists():
            shutil.rmtree(folder, ignore_errors=True)


def replace_folder(new: Path, folder: Path) -> None:
    """Give a finished folder its name; what has it stays there until then, and comes back if that fails."""
    old = new.with_suffix(".old")
    if folder.exists():
        remove_tree(old)
        folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    remove_tree(old)


def remove_old(folder: Path, pattern: str, *, hours: float) -> None:
    """Remove files and folders of a pattern that have not changed for some time: leftovers of processes killed.

    Those that cannot be removed, e.g. of another user, stay.
    """
    for path in folder.glob(pattern):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime < 3600 * hours:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
