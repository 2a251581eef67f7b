"""Checksums of files, and writing that leaves a whole file or none."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def checksum(path: Path, kind: str = "sha256") -> str:
    """Return the checksum of a file, in hexadecimal.

    Parameters
    ----------
    path : Path
        The file.
    kind : str, optional
        ``sha256``; CRDS publishes ``sha1``, S3 ``md5``.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


@contextmanager
def atomic_write(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it takes the name `path` when the block ends, and is removed if it fails.

    Parameters
    ----------
    path : Path
        The file that is to be; one that is there already stays as it is until then.
    durable : bool, optional
        Wait until the disk has the bytes. For what cannot be made again: without it a power failure shortly after may
        leave an empty file, never the end of the process.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        if durable:
            with part.open("rb+") as file:
                os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what `atomic_write` left in a folder when its process was killed."""
    for part in folder.glob(".*.part"):
        part.unlink()
