"""Checksums of files."""

from __future__ import annotations

import hashlib
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
