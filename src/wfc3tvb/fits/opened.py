"""Open files of others with astropy, also those compressed in tiles (FITS Standard 4.0, section 10).

Sizes are checked first, since astropy would hang or fill the memory; its errors become one line.
"""

from __future__ import annotations

import io
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.errors import BadFileError, NotFitsError
from wfc3tvb.fits.blocks import (
    CHECK_THE_COPY,
    LARGEST_FILE,
    Bytes,
    FileBytes,
    data_size,
    header_size,
    read_cards,
    whole_blocks,
)
from wfc3tvb.fits.cards import Cards
from wfc3tvb.fits.unpacked import gunzip, is_gzip
from wfc3tvb.system.disk_errors import disk_error

#: What astropy raises for damaged files: it tests little, and fails wherever a value of a header is used. Errors of
#: its decompression (`CfitsioException`) and of unusable cards (`VerifyError`) are derived from Exception alone.
DAMAGED: tuple[type[Exception], ...] = (
    OSError, EOFError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, AssertionError,
    RuntimeError,
    zlib.error,
)  # fmt: skip
#: First bytes of a FITS file.
_BEGIN = b"SIMPLE  ="
#: Longest side of an image that is compressed in tiles; drizzled ones are longer than the detector's [pixel].
_LONGEST = 100_000


def damaged(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """Return all that astropy raises for damaged files, and other errors."""
    from astropy.io import fits
    from astropy.io.fits.hdu.compressed._compression import CfitsioException

    return (*DAMAGED, fits.VerifyError, CfitsioException, *others)


@contextmanager
def opened(path: Path, what: str) -> Iterator[Any]:
    """Yield a file as astropy's HDUList, in memory, in a block that only reads it.

    Parameters
    ----------
    path : Path
        The file; packed by gzip or not.
    what : str
        What the file should be, for the message.

    Raises
    ------
    NotFitsError
        If it cannot be read, its headers make no sense, or the block fails on what it holds.
    DiskFullError, StorageError
        If the disk fails.
    """
    from astropy.io import fits
    from astropy.utils.exceptions import AstropyWarning

    try:
        contents = _checked(path)
    except BadFileError as error:
        raise NotFitsError(path, error.problem, CHECK_THE_COPY) from error
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        raise disk_error(error) or NotFitsError(path, problem, CHECK_THE_COPY) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            with fits.open(contents, memmap=False) as hdus:
                yield hdus
    except damaged() as error:
        problem = f"not {what} ({one_line(error)})"
        raise disk_error(error) or NotFitsError(path, problem, CHECK_THE_COPY) from error


def primary_header(path: Path, what: str) -> Any:
    """Return the primary header of a file as astropy's, which is all that is read of the file.

    Parameters
    ----------
    path, what
        As in `opened`.

    Raises
    ------
    NotFitsError
        If it is not a FITS file, or ends within the header.
    DiskFullError, StorageError
        If the disk fails.
    """
    from astropy.io import fits

    try:
        if is_gzip(path):
            with opened(path, what) as hdus:
                return hdus[0].header
        with FileBytes(path) as data:
            cards = read_cards(data, 0, path) if bytes(data[0:9]) == _BEGIN else b""
    except NotFitsError:
        raise
    except BadFileError as error:
        raise NotFitsError(path, error.problem, CHECK_THE_COPY) from error
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        raise disk_error(error) or NotFitsError(path, problem, CHECK_THE_COPY) from error
    if not cards:
        raise NotFitsError(path, f"not {what}", CHECK_THE_COPY)
    return fits.Header.fromstring(cards)


def untiled(data: Bytes, path: Path) -> NDArray[np.uint8]:
    """Return a FITS file's primary header, and its SCI and DQ planes as plain images.

    Parameters
    ----------
    data : Bytes
        The file, of which some planes are compressed in tiles.
    path : Path
        Name of the file in messages.

    Raises
    ------
    BadFileError
        If the planes cannot be decompressed.
    """
    from astropy.io import fits  # imported here: it takes a third of a second, and few files are compressed
    from astropy.utils.exceptions import AstropyWarning

    check_sizes(data, path)
    plain = io.BytesIO()
    try:
        with warnings.catch_warnings(), fits.open(io.BytesIO(bytes(data[0 : data.size])), memmap=False) as hdus:
            warnings.simplefilter("ignore", AstropyWarning)
            planes = [hdu for hdu in hdus[1:] if hdu.is_image and hdu.name.upper() in ("SCI", "DQ")]
            if sum(prod(hdu.shape) * abs(hdu.header["BITPIX"]) // 8 for hdu in planes) > LARGEST_FILE:
                raise BadFileError(path, "decompresses to more data than any _ima.fits file has", CHECK_THE_COPY)
            images = [fits.ImageHDU(hdu.data, hdu.header) for hdu in planes]
            made = fits.HDUList([fits.PrimaryHDU(header=hdus[0].header), *images])
            made.writeto(plain, output_verify="silentfix+ignore")
    except damaged(MemoryError) as error:  # the memory for a tile is asked for before its size is checked
        raise BadFileError(path, f"its tiles cannot be decompressed ({one_line(error)})", CHECK_THE_COPY) from error
    return np.frombuffer(plain.getbuffer(), np.uint8)


def one_line(error: Exception) -> str:
    """Return the message of an error of astropy without its line ends and further text."""
    return " ".join(str(error).split())[:100] or type(error).__name__


def _checked(path: Path) -> Path | io.BytesIO:
    """Return what astropy may open; raise `BadFileError` for sizes at which it would hang or fill the memory."""
    if is_gzip(path):
        content = gunzip(path)
        check_sizes(content, path)
        return io.BytesIO(content.data)
    with FileBytes(path) as data:
        check_sizes(data, path)
    return path


def check_sizes(data: Bytes, path: Path) -> None:
    """Check that all headers of a file have sizes that are possible.

    Raises
    ------
    BadFileError
        If one has not; see `wfc3tvb.fits.blocks.data_size`.
    """
    at = 0
    while at < data.size and bytes(data[at : at + 8]) in (b"SIMPLE  ", b"XTENSION"):
        cards = read_cards(data, at, path)
        header = Cards(cards.decode("latin-1"), path)
        size = data_size(header, path, f"the header at byte {at}")
        if header.get("ZIMAGE") is True:
            check_tiles(header)
        at += header_size(cards) + whole_blocks(size)


def check_tiles(header: Cards) -> None:
    """Raise `BadFileError` unless a header of an image compressed in tiles is for a plane.

    Its number of axes and their lengths are used by astropy before they are compared with anything.
    """
    sizes = [header.number(f"ZNAXIS{i}") for i in range(1, 3)]
    if header.number("ZNAXIS") != 2 or not all(0 < size <= _LONGEST and size % 1 == 0 for size in sizes):
        problem = f"has a compressed image of ZNAXIS {header['ZNAXIS']}, {sizes[0]:g} x {sizes[1]:g} pixels"
        raise BadFileError(header.path, problem, CHECK_THE_COPY)
    for i, size in enumerate(sizes, 1):
        if not 0 < header.number(f"ZTILE{i}", 1) <= max(size, 1):
            problem = f"has tiles of ZTILE{i} {header[f'ZTILE{i}']} in an image of {size:g}"
            raise BadFileError(header.path, problem, CHECK_THE_COPY)
