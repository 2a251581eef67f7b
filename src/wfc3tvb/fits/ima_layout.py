"""Find the planes of an intermediate file (``_ima.fits``): their headers and their offsets in the file.

Layout (WFC3 Data Handbook 2.2, checked on files of the archive): five extensions per read, the last read first;
SCI and DQ are planes, SAMP and TIME are constants in PIXVALUE. Parsing a full header takes longer than measuring its
pixels, so only the few keywords needed are read from an extension's header.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from wfc3tvb.errors import BadFileError, MissingKeywordError, NotFitsError, TruncatedFileError, WrongInstrumentError
from wfc3tvb.fits.blocks import CARD, CHECK_THE_COPY, Bytes, header_size, read_cards, whole_blocks
from wfc3tvb.instrument import BORDER

_NUMBERS = ("NAXIS", "NAXIS1", "NAXIS2", "NPIX1", "NPIX2", "BITPIX", "EXTVER", "SAMPTIME", "ROUTTIME", "PIXVALUE",
            "PCOUNT", "GCOUNT", "BSCALE", "BZERO")  # fmt: skip
#: Cards without a keyword and value: half of a header.
_NO_KEYWORDS = ("", "COMMENT", "HISTORY")
_NAMES = ("XTENSION", "EXTNAME", "BUNIT")
_PLANES = ("SCI", "ERR", "DQ", "SAMP", "TIME")
#: Characters allowed in a header (FITS Standard 4.0, section 3.3.1).
_TEXT = bytes(range(32, 127))
#: Reads of the longest sample sequence, the zeroth included, and pixels along a side of the detector.
_MOST_READS, _LARGEST_FRAME = 16, 1024
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[ED][-+]?\d+)?")
#: Keywords without which a stored plane means something else: one that is no number must not pass for absent.
_SCALES = ("BSCALE", "BZERO")


@dataclass(frozen=True)
class PlaneHeader:
    """Header of one plane of one read: its offset, the offset of its data, and the few keywords needed.

    Attributes
    ----------
    start, data : int
        Offset of the header and of the data [byte].
    keywords : mapping
        Numbers and names from the header.
    """

    start: int
    data: int
    keywords: Mapping[str, Any]

    @property
    def stored(self) -> bool:
        """True if the file has the plane's pixels; otherwise all of them are PIXVALUE."""
        return bool(self.keywords["NAXIS"])

    @property
    def scale(self) -> tuple[float, float]:
        """BSCALE and BZERO: a pixel is the stored number times the first plus the second (FITS Standard 4.4.2.5)."""
        return float(self.keywords.get("BSCALE", 1.0)), float(self.keywords.get("BZERO", 0.0))

    @property
    def scaled(self) -> bool:
        """True if the stored numbers are not the pixels; PIXVALUE of a constant plane is never scaled."""
        return self.stored and self.scale != (1.0, 0.0)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the plane, stored or not [pixel]."""
        names = ("NAXIS2", "NAXIS1") if self.stored else ("NPIX2", "NPIX1")
        return int(self.keywords.get(names[0], 0)), int(self.keywords.get(names[1], 0))

    @property
    def end(self) -> int:
        """Offset of the first byte after the data."""
        return self.rows(0, self.shape[0])[1]

    @property
    def next(self) -> int:
        """Offset of the next header; data are padded to whole blocks."""
        return whole_blocks(self.end)

    def rows(self, first: int, last: int) -> tuple[int, int]:
        """Return start and stop of the bytes of the rows ``[first, last)``; equal for a constant plane."""
        size = self.shape[1] * abs(int(self.keywords["BITPIX"])) // 8 if self.stored else 0
        return self.data + first * size, self.data + last * size


def walk(data: Bytes, path: Path) -> tuple[dict[str, Any], list[PlaneHeader]]:
    """Return the keywords of the primary header, and the headers of all planes in the order of the file.

    Raises
    ------
    WrongInstrumentError
        If it is not a WFC3/IR MULTIACCUM exposure.
    TruncatedFileError, BadFileError
        See `plane_header`.
    """
    primary, start = primary_header(data, path)
    check_instrument(primary, path)  # first, since extensions of other files are not planes of reads
    planes = []
    while start < data.size:
        planes.append(plane_header(data, start, path))
        start = planes[-1].next
    return primary, planes


def primary_header(data: Bytes, path: Path) -> tuple[dict[str, Any], int]:
    """Return the keywords of the primary header and the offset after it.

    Raises
    ------
    NotFitsError
        If the file does not begin with a primary header.
    TruncatedFileError
        If the file ends within it.
    """
    if bytes(data[0:6]) != b"SIMPLE":
        raise NotFitsError(path, "not a FITS file", CHECK_THE_COPY)
    cards, end = _header(data, 0, path)
    return all_keywords(cards), end


def plane_header(data: Bytes, start: int, path: Path) -> PlaneHeader:
    """Return the header of the plane that starts at `start`.

    Raises
    ------
    TruncatedFileError
        If the file ends within the header.
    BadFileError
        If it is not the header of an image.
    """
    cards, end = _header(data, start, path)
    found = PlaneHeader(start, end, _few_keywords(cards.decode("latin-1")))
    if not _is_image(found):
        raise BadFileError(path, f"the header at byte {start} is not that of an image", CHECK_THE_COPY)
    return found


def _is_image(found: PlaneHeader) -> bool:
    """Return True unless an extension lacks a size, or bears the name of a plane but is not an image.

    Other kinds pass: FLTs end with a table.
    """
    keywords = found.keywords
    if not {"NAXIS", "BITPIX"} <= set(keywords) or min(found.shape) < 0:
        return False
    structure = tuple(keywords.get(name, usual) for name, usual in (("XTENSION", ""), ("PCOUNT", 0), ("GCOUNT", 1)))
    return keywords.get("EXTNAME") not in _PLANES or (structure == ("IMAGE", 0, 1) and keywords["NAXIS"] in (0, 2))


def all_keywords(header: bytes) -> dict[str, Any]:
    """Return the keywords of a header, strings stripped; cards that cannot be parsed are left out."""
    found: dict[str, Any] = {}
    text = header.decode("latin-1")
    cards = (text[i : i + CARD] for i in range(0, len(text), CARD))
    kept = "".join(card for card in cards if card[:8].rstrip() not in _NO_KEYWORDS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        for card in fits.Header.fromstring(kept).cards:
            try:
                keyword, value = card.keyword, card.value
            except (fits.VerifyError, ValueError):
                continue
            found.setdefault(keyword, value.strip() if isinstance(value, str) else value)
    return found


def _few_keywords(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for start in range(0, len(text), CARD):
        name = text[start : start + 8].rstrip()
        if name in _NUMBERS:
            value = text[start + 10 : start + CARD].partition("/")[0]
            if match := _NUMBER.search(value):
                found[name] = float(match[0].replace("D", "E"))
            elif name in _SCALES:
                found[name] = math.nan
        elif name in _NAMES:
            found[name] = text[start + 10 : start + CARD].partition("'")[2].partition("'")[0].strip()
    return found


def _header(data: Bytes, start: int, path: Path) -> tuple[bytes, int]:
    """Return the cards of the header that starts at `start`, and the offset of its data."""
    cards = read_cards(data, start, path)
    if cards.translate(None, _TEXT):
        raise BadFileError(path, f"the header at byte {start} is not text", CHECK_THE_COPY)
    return cards, start + header_size(cards)


def check_instrument(primary: Mapping[str, Any], path: Path) -> None:
    """Raise `WrongInstrumentError` unless a primary header belongs to a WFC3/IR MULTIACCUM exposure."""
    found = tuple(str(primary.get(k, "")).strip() for k in ("INSTRUME", "DETECTOR", "OBSMODE"))
    if found[:2] != ("WFC3", "IR") or found[2] not in ("MULTIACCUM", ""):
        name = "/".join(part for part in found if part) or "of an unknown instrument"
        raise WrongInstrumentError(path, f"is {name}, not WFC3/IR MULTIACCUM", "give a WFC3/IR _ima.fits file")


def planes_of_reads(
    planes: list[PlaneHeader], primary: Mapping[str, Any], size: int, path: Path
) -> tuple[list[PlaneHeader], list[PlaneHeader]]:
    """Return the SCI and the DQ planes of reads 1..N in time order.

    Parameters
    ----------
    planes : list of PlaneHeader
        The planes of the file; those other than SCI and DQ may be left out.
    primary : mapping
        Keywords of its primary header.
    size : int
        Length of the file [byte].
    path : Path
        Name of the file in messages.

    Raises
    ------
    MissingKeywordError
        If NSAMP is missing.
    TruncatedFileError
        If reads are missing, or the file ends before their data do.
    BadFileError
        If the planes are not those of an exposure's reads.
    """
    nsamp = _number_of_reads(primary, path)
    found = {(p.keywords.get("EXTNAME"), int(p.keywords.get("EXTVER", 1))): p for p in planes}
    n_found = sum(name == "SCI" for name, _ in found)
    if sum(p.keywords.get("EXTNAME") == "SCI" for p in planes) > n_found:
        raise BadFileError(path, "has the same read twice", CHECK_THE_COPY)
    if n_found <= 1 < nsamp and int(primary.get("NEXTEND", 5)) < 5 * nsamp:
        raise BadFileError(path, f"has one image, not {nsamp} reads", "give the _ima.fits file")
    versions = range(nsamp - 1, 0, -1)  # the zeroth read, EXTVER = NSAMP, must exist but is never measured
    missing = [v for v in (*versions, nsamp) if ("SCI", v) not in found or ("DQ", v) not in found]
    if missing:
        raise TruncatedFileError(path, f"has {nsamp - len(missing)} of {nsamp} reads", CHECK_THE_COPY)
    if nsamp < 2:
        raise BadFileError(path, "has only the zeroth read", "give an exposure with at least two reads")
    sci, dq = [found["SCI", v] for v in versions], [found["DQ", v] for v in versions]
    _check_planes(sci, dq, size, path)
    return sci, dq


def _number_of_reads(primary: Mapping[str, Any], path: Path) -> int:
    """Return NSAMP, which counts the zeroth read too."""
    if primary.get("FILETYPE") == "ASN_TABLE":
        raise BadFileError(path, "is an association table", "give the _ima.fits files of its members")
    if "NSAMP" not in primary:
        raise MissingKeywordError(path, "NSAMP")
    nsamp = primary["NSAMP"]
    if not isinstance(nsamp, int) or not 1 <= nsamp <= _MOST_READS:
        raise BadFileError(path, f"NSAMP is {nsamp!r}, not a number of reads from 1 to {_MOST_READS}", CHECK_THE_COPY)
    return nsamp


def _check_planes(sci: list[PlaneHeader], dq: list[PlaneHeader], size: int, path: Path) -> None:
    """Raise an error unless the planes are complete, of one size, and of the types that calwf3 writes."""
    if max(p.end for p in (*sci, *dq)) > size:
        raise TruncatedFileError(path, "the file ends before its data do", CHECK_THE_COPY)
    if len({p.shape for p in (*sci, *dq)}) > 1 or min(sci[0].shape) <= 2 * BORDER:
        raise BadFileError(path, "its reads differ in size or are not IR frames", CHECK_THE_COPY)
    if max(sci[0].shape) > _LARGEST_FRAME:
        raise BadFileError(path, "its reads are larger than the detector", CHECK_THE_COPY)
    if any(p.stored and p.keywords["BITPIX"] != 16 for p in dq):
        raise BadFileError(path, "its DQ planes are not 16-bit integers", CHECK_THE_COPY)
    if any(p.stored and p.keywords["BITPIX"] != -32 for p in sci):
        raise BadFileError(path, "its SCI planes are not calibrated (float32)", "give the _ima.fits file")
    for plane in (p for p in (*sci, *dq) if p.stored):
        scale, zero = plane.scale
        if not math.isfinite(scale * zero) or scale == 0:
            name = f"{plane.keywords['EXTNAME']},{int(plane.keywords.get('EXTVER', 1))}"
            raise BadFileError(path, f"{name} has BSCALE {scale:g} and BZERO {zero:g}", CHECK_THE_COPY)
