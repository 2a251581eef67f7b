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

from wfc3tvb.errors import NotFitsError, TruncatedFileError
from wfc3tvb.fits.blocks import CHECK_THE_COPY, STORED, data_size, header_size, read_cards, whole_blocks
from wfc3tvb.fits.cards import Cards
from wfc3tvb.fits.unpacked import gunzip, is_gzip
from wfc3tvb.system.threads import in_threads

#: Size above which a file is a reference, which is replaced but never changed in place; all exposures share it [byte].
_REFERENCE = 64_000_000


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
    def image(self) -> NDArray[Any] | None:
        """The pixels as stored, big-endian and unscaled; None if NAXIS is 0."""
        shape = _shape(self.header)
        if not shape:
            return None
        return np.frombuffer(self.raw, STORED[int(self.header["BITPIX"])], prod(shape)).reshape(shape)

    @property
    def scaling(self) -> tuple[float, float]:
        """BSCALE and BZERO."""
        return float(self.header.number("BSCALE", 1)), float(self.header.number("BZERO", 0))

    @property
    def constant(self) -> float:
        """The value of all pixels if NAXIS is 0 (PIXVALUE)."""
        return float(self.header.number("PIXVALUE", 0))

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
        raise NotFitsError(path, "is not a FITS file, or cannot be read", CHECK_THE_COPY) from error
    if bytes(mapped[:9]) != b"SIMPLE  =":
        raise NotFitsError(path, "is not a FITS file", CHECK_THE_COPY)
    return list(_extensions(path, mapped))


def read_header(path: Path) -> Cards:
    """Return the primary header of a file.

    Raises
    ------
    BadFileError
        See `read_fits`.
    """
    return read_fits(path)[0].header


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
            data = memoryview(piece.stored() if isinstance(piece, Pixels) else piece)
            while data:  # a call may write less than it is given
                written = os.pwrite(file.fileno(), data, place)
                place, data = place + written, data[written:]

        in_threads(lambda item: write(*item), zip(places, pieces, strict=False))
