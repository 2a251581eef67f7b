"""Unpack files in memory (gzip), and tell the other ways of packing."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.errors import BadFileError, NotFitsError, TruncatedFileError
from wfc3tvb.fits.blocks import CHECK_THE_COPY, LARGEST_FILE

_GZIP = b"\x1f\x8b"
#: First bytes of files that other programs compressed, and the program that unpacks them.
_OTHERS = {b"BZh": "bunzip2", b"\xfd7zXZ": "unxz", b"PK\x03\x04": "unzip", b"\x1f\x9d": "uncompress"}


def is_gzip(path: Path) -> bool:
    """Return True if a file begins as one of gzip does.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def unpacker(first: bytes) -> str | None:
    """Return the program that unpacks a file with these first bytes, if it is compressed, but not by gzip."""
    return next((program for magic, program in _OTHERS.items() if first.startswith(magic)), None)


def gunzip(path: Path, size: int = LARGEST_FILE) -> NDArray[np.uint8]:
    """Return the contents of a gzip file.

    Parameters
    ----------
    path : Path
        The file.
    size : int, optional
        Longest contents that are accepted [byte].

    Raises
    ------
    NotFitsError, TruncatedFileError, BadFileError
        If the file is no gzip file, cut short, or unpacks to more.
    """
    try:
        with gzip.open(path, "rb") as file:
            content = file.read(size + 1)
    except EOFError as error:
        raise TruncatedFileError(path, "the gzip file is cut short", CHECK_THE_COPY) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise NotFitsError(path, "cannot be unpacked: the gzip file is damaged", CHECK_THE_COPY) from error
    if len(content) > size:
        raise BadFileError(path, "unpacks to more data than any file of an exposure has", CHECK_THE_COPY)
    return np.frombuffer(content, np.uint8)
