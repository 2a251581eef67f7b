"""Read and write FITS files for the engines: read or mapped into memory, pixels left in place (FITS Standard 4.0)."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.errors import BadFileError, NotFitsError, TruncatedFileError
from wfc3tvb.fits.blocks import CHECK_THE_COPY, STORED, FileBytes, data_size, header_size, read_cards, whole_blocks
from wfc3tvb.fits.cards import Cards
from wfc3tvb.fits.unpacked import gunzip, is_gzip
from wfc3tvb.system.disk_errors import disk_error
from wfc3tvb.system.threads import in_threads

#: Size above which a file is a reference, which is replaced but never changed in place; all exposures share it [byte].
_REFERENCE = 64_000_000
#: Planes that calwf3 keeps as 16-bit integers, and the limit of the values that it can read.
_SHORT, _LARGEST = ("DQ", "SAMP"), 2**31
_NOT_READ = "is not a FITS file, or cannot be read"


@dataclass(frozen=True)
class Extension:
    """A header and its data.

    Attributes
    ----------
    path : Path
        The file.
    header : Cards
        The header.
    raw : memoryview
        The data's bytes.
    """

    path: Path
    header: Cards
    raw: memoryview

    @property
    def key(self) -> tuple[str, int]:
        """EXTNAME and EXTVER."""
        return str(self.header.get("EXTNAME", "")).strip().upper(), int(self.header.number("EXTVER", 1))

    @property
    def label(self) -> str:
        """Name in messages: ``SCI,3``, or that it is the primary."""
        return f"{self.key[0]},{self.key[1]}" if self.key[0] else "its primary header"

    @property
    def image(self) -> NDArray[Any] | None:
        """The pixels as stored, big-endian and unscaled; None if NAXIS is 0.

        Raises
        ------
        BadFileError
            If the data are not those of an image, as in random groups or with GCOUNT 0.
        """
        shape = _shape(self.header)
        if not shape:
            return None
        kind = np.dtype(STORED[int(self.header["BITPIX"])])
        if prod(shape) * kind.itemsize > len(self.raw):
            raise BadFileError(self.path, f"has no image of {shape} pixels in {self.label}", CHECK_THE_COPY)
        return np.frombuffer(self.raw, kind, prod(shape)).reshape(shape)

    @property
    def scaling(self) -> tuple[float, float]:
        """BSCALE and BZERO."""
        return float(self.header.number("BSCALE", 1)), float(self.header.number("BZERO", 0))

    @property
    def constant(self) -> float:
        """The value of all pixels if NAXIS is 0 (PIXVALUE)."""
        return float(self.header.number("PIXVALUE", 0))

    @property
    def value(self) -> np.float64 | np.int16:
        """The value of all pixels if NAXIS is 0, as calwf3 reads it: of integers (flags) it keeps the lower 16 bits."""
        value = self.constant
        if self.key[0] not in _SHORT:
            return np.float64(value)
        if abs(value) >= _LARGEST:
            raise BadFileError(self.path, f"has PIXVALUE {value:g} in {self.key[0]},{self.key[1]}", CHECK_THE_COPY)
        return np.int64(value).astype(np.int16)

    @property
    def shape(self) -> tuple[int, ...]:
        """Height and width of the image; empty if NAXIS is 0."""
        return _shape(self.header)

    @property
    def pixels(self) -> NDArray[Any] | None:
        """The pixels, scaled; None if NAXIS is 0."""
        image, (scale, zero) = self.image, self.scaling
        return image if image is None or (scale, zero) == (1, 0) else image * scale + zero


def read_fits(path: Path) -> list[Extension]:
    """Return the extensions of a file, the primary first; one packed by gzip is unpacked in memory.

    Raises
    ------
    NotFitsError
        If it is not a FITS file.
    TruncatedFileError
        If it ends before its data do.
    BadFileError
        If a header makes no sense.
    """
    try:
        if is_gzip(path):
            mapped = memoryview(gunzip(path).data)
        else:
            with path.open("rb") as file:
                # An exposure's file may be cut short meanwhile: touching a map of it would end the process (SIGBUS).
                small = path.stat().st_size < _REFERENCE
                mapped = memoryview(file.read() if small else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        raise disk_error(error) or NotFitsError(path, _NOT_READ, CHECK_THE_COPY) from error
    if bytes(mapped[:9]) != b"SIMPLE  =":
        raise NotFitsError(path, "is not a FITS file", CHECK_THE_COPY)
    return list(_extensions(path, mapped))


def read_header(path: Path) -> Cards:
    """Return the primary header of a file, without reading further.

    Raises
    ------
    BadFileError
        See `read_fits`; of a file that is cut short later nothing is noticed.
    """
    try:
        if is_gzip(path):
            return read_fits(path)[0].header
        with FileBytes(path) as data:
            if bytes(data[:9]) != b"SIMPLE  =":
                raise NotFitsError(path, "is not a FITS file", CHECK_THE_COPY)
            return Cards(read_cards(data, 0, path).decode("latin-1"), path)
    except OSError as error:
        raise disk_error(error) or NotFitsError(path, _NOT_READ, CHECK_THE_COPY) from error


def _extensions(path: Path, mapped: memoryview) -> Iterator[Extension]:
    at = 0
    while at < len(mapped) and bytes(mapped[at : at + 8]) in (b"SIMPLE  ", b"XTENSION"):
        cards = read_cards(mapped, at, path)
        header = Cards(cards.decode("latin-1"), path)
        size = data_size(header, path, f"the header at byte {at}")
        at += header_size(cards)
        if at + size > len(mapped):
            raise TruncatedFileError(path, "ends before its data do", CHECK_THE_COPY)
        yield Extension(path, header, mapped[at : at + size])
        at += whole_blocks(size)


def _shape(header: Cards) -> tuple[int, ...]:
    return tuple(int(header.number(f"NAXIS{i}")) for i in range(int(header.number("NAXIS")), 0, -1))


@dataclass(frozen=True)
class Pixels:
    """Pixels to be written, and the big-endian type to write them in."""

    values: NDArray[Any]
    kind: str

    @property
    def size(self) -> int:
        """Bytes of the data, padding included."""
        return whole_blocks(self.values.size * np.dtype(self.kind).itemsize)

    def stored(self) -> bytes | memoryview:
        """Return the bytes, without the padding."""
        return np.ascontiguousarray(self.values, self.kind).data.cast("B")


Piece = bytes | Pixels


def write_pieces(path: Path, pieces: Sequence[Piece]) -> None:
    """Write headers (their bytes) and pixels one after the other, in threads."""
    sizes = [piece.size if isinstance(piece, Pixels) else len(piece) for piece in pieces]
    places = np.cumsum([0, *sizes]).tolist()
    with path.open("wb") as file:
        file.truncate(places[-1])

        def write(place: int, piece: Piece) -> None:
            write_at(file.fileno(), piece.stored() if isinstance(piece, Pixels) else piece, place)

        in_threads(lambda item: write(*item), zip(places, pieces, strict=False))


def write_at(file: int, data: bytes | memoryview, place: int) -> None:
    """Write bytes at a place of an open file (its descriptor)."""
    left = memoryview(data)
    while left:  # a call may write less than it is given
        written = os.pwrite(file, left, place)
        place, left = place + written, left[written:]
