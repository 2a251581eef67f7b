"""Headers of an intermediate file: all keywords of the primary, and of each plane its offsets and a few keywords.

Parsing a full header takes longer than measuring its pixels, so only the keywords needed are read from an extension.
Programs fill headers with NULs, and people write tabs and accents into them: such characters are read as blanks and
question marks. A number that cannot be read is an error only where it is needed, and the message then names it.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from wfc3tvb.errors import BadFileError, MissingKeywordError, NotFitsError
from wfc3tvb.fits.blocks import CARD, CHECK_THE_COPY, STORED, Bytes, data_size, header_size, read_cards, whole_blocks

_NUMBERS = ("NPIX1", "NPIX2", "BITPIX", "EXTVER", "SAMPTIME", "ROUTTIME", "PIXVALUE", "PCOUNT", "GCOUNT", "BSCALE",
            "BZERO", "BLANK", "ZIMAGE")  # fmt: skip
_NAMES = ("XTENSION", "EXTNAME", "BUNIT")
#: Cards without a keyword and value: half of a header.
_NO_KEYWORDS = ("", "COMMENT", "HISTORY")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[ED][-+]?\d+)?")
#: A card as almost all are, whose value is plain: text without quotes, T or F, a whole or decimal number.
_PLAIN = re.compile(
    r"(?P<name>[A-Z0-9_-]{1,8}) *= +"
    r"(?:'(?P<text>[^']*)'|(?P<flag>[TF])|(?P<whole>[-+]?\d{1,18})|(?P<real>[-+]?\d{1,30}\.\d{0,30}(?:E[-+]?\d{1,3})?))"
    r" *(?:/[^']*)?"
)
#: Keywords of cards of another form, and what is in a card that holds several values.
_SPECIAL, _SEVERAL = ("END", "CONTINUE", "HIERARCH"), ": "
#: The last card.
_END = f"{'END':{CARD}}"
#: Characters of a header as they are read: FITS has printable ASCII only (FITS Standard 4.0, section 3.3.1).
_READABLE = bytes(i if 32 <= i < 127 else ord(" " if i < 32 else "?") for i in range(256))


@dataclass(frozen=True)
class PlaneHeader:
    """Header of one plane of one read: its offset, the offset of its data, and the few keywords needed.

    Attributes
    ----------
    start, data : int
        Offset of the header and of the data [byte].
    keywords : mapping
        Numbers and names from the header; of a number that cannot be read, its text.
    path : Path
        Name of the file in messages.
    """

    start: int
    data: int
    keywords: Mapping[str, Any]
    path: Path = Path("header")

    @property
    def name(self) -> str:
        """EXTNAME, in upper case."""
        return str(self.keywords.get("EXTNAME", "")).upper()

    @property
    def version(self) -> int:
        """EXTVER."""
        return int(self.number("EXTVER", 1))

    @property
    def label(self) -> str:
        """Name in messages: ``SCI,3``, or the place of a header without a name."""
        version = self.keywords.get("EXTVER", 1)
        number = f"{version:g}" if isinstance(version, float) else str(version)
        return f"{self.name},{number}" if self.name else f"the header at byte {self.start}"

    def number(self, keyword: str, default: float | None = None) -> float:
        """Return a number, or the default if the keyword is missing.

        Raises
        ------
        BadFileError
            If it is no finite number, or missing and has no default (`MissingKeywordError`).
        """
        value = self.keywords.get(keyword, default)
        if value is None:
            raise MissingKeywordError(self.path, keyword, f"{self.label} header")
        if isinstance(value, str | bool) or not math.isfinite(value):
            raise BadFileError(self.path, f"{self.label} has {keyword} {value!r}, not a number", CHECK_THE_COPY)
        return float(value)

    @property
    def unit(self) -> str:
        """BUNIT as it is written."""
        return str(self.keywords.get("BUNIT", ""))

    @property
    def stored(self) -> bool:
        """True if the file has the plane's pixels; otherwise all of them are PIXVALUE."""
        return self.number("NAXIS") > 0

    @property
    def tiled(self) -> bool:
        """True if the pixels are compressed in tiles, in a table (FITS Standard 4.0, section 10)."""
        return self.keywords.get("ZIMAGE") is True

    @property
    def dtype(self) -> str:
        """Type of the stored numbers."""
        return STORED[int(self.number("BITPIX"))]

    @property
    def scale(self) -> tuple[float, float]:
        """BSCALE and BZERO: a pixel is the stored number times the first plus the second (FITS Standard 4.4.2.5)."""
        return self.number("BSCALE", 1.0), self.number("BZERO", 0.0)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the plane, stored or not [pixel]."""
        names = ("NAXIS2", "NAXIS1") if self.stored else ("NPIX2", "NPIX1")
        return int(self.number(names[0], 0)), int(self.number(names[1], 0))

    @property
    def end(self) -> int:
        """Offset of the first byte after the data."""
        return self.data + data_size(self.keywords, self.path, self.label)

    @property
    def next(self) -> int:
        """Offset of the next header; data are padded to whole blocks."""
        return whole_blocks(self.end)

    def rows(self, first: int, last: int) -> tuple[int, int]:
        """Return start and stop of the bytes of the rows ``[first, last)``; equal for a constant plane."""
        size = self.shape[1] * abs(int(self.number("BITPIX"))) // 8 if self.stored else 0
        return self.data + first * size, self.data + last * size


def primary_header(data: Bytes, path: Path) -> tuple[dict[str, Any], int]:
    """Return the keywords of the primary header and the offset of the next header.

    Raises
    ------
    NotFitsError
        If the file does not begin with a primary header.
    TruncatedFileError
        If the file ends within it.
    BadFileError
        If it has no size that is possible.
    """
    if bytes(data[0:6]) != b"SIMPLE":
        raise NotFitsError(path, "not a FITS file", CHECK_THE_COPY)
    cards = read_cards(data, 0, path)
    keywords = all_keywords(cards)
    return keywords, header_size(cards) + whole_blocks(data_size(keywords, path, "primary header"))


def is_extension(data: Bytes, start: int) -> bool:
    """Return True if a header starts at `start`; other bytes may follow the last one (FITS Standard 4.0, 3.6)."""
    return bytes(data[start : start + 8]) == b"XTENSION"


def plane_header(data: Bytes, start: int, path: Path) -> PlaneHeader:
    """Return the header of the extension that starts at `start`.

    Raises
    ------
    TruncatedFileError
        If the file ends within the header.
    BadFileError
        If it is not the header of an extension whose size is known, or has the name of a plane and is not an image.
    """
    if not is_extension(data, start):
        raise BadFileError(path, f"has no header at byte {start}", CHECK_THE_COPY)
    cards = read_cards(data, start, path)
    found = PlaneHeader(start, start + header_size(cards), few_keywords(cards), path)
    data_size(found.keywords, path, found.label)
    if found.name in ("SCI", "DQ") and not found.tiled:
        _check_image(found)
    return found


def _check_image(found: PlaneHeader) -> None:
    """Raise `BadFileError` unless the extension of a plane is an image of two axes, or of none."""
    expected = {"XTENSION": "IMAGE", "PCOUNT": 0, "GCOUNT": 1}
    for keyword, usual in expected.items():
        if (value := found.keywords.get(keyword, usual)) != usual:
            text = value if isinstance(value, str) else f"{value:g}"
            raise BadFileError(found.path, f"{found.label} is not an image: {keyword} {text}", CHECK_THE_COPY)
    deeper = [found.number(f"NAXIS{i}") for i in range(3, int(found.number("NAXIS")) + 1)]
    if found.number("NAXIS") == 1 or any(length != 1 for length in deeper):
        raise BadFileError(found.path, f"{found.label} is not a plane: NAXIS {found.number('NAXIS'):g}", CHECK_THE_COPY)


def all_keywords(header: bytes) -> dict[str, Any]:
    """Return the keywords of a header, strings stripped; cards that cannot be parsed are left out.

    Plain cards are read here, in a tenth of the time that astropy takes; it reads the others, and a header in which a
    text goes on in the next card.
    """
    found: dict[str, Any] = {}
    text = header.translate(_READABLE).decode("ascii")
    cards = takewhile(lambda card: card != _END, (text[i : i + CARD] for i in range(0, len(text), CARD)))
    kept = [card for card in cards if card[:8].rstrip() not in _NO_KEYWORDS]
    continued = any(card.startswith("CONTINUE") for card in kept)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        for keyword, value in _by_astropy("".join(kept)) if continued else _card_by_card(kept):
            found.setdefault(keyword, value.strip() if isinstance(value, str) else value)
    return found


def _card_by_card(cards: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield keyword and value of cards that stand alone; those that cannot be parsed are left out."""
    for card in cards:
        match = _PLAIN.fullmatch(card)
        if match is None or card[8:10] != "= " or match["name"] in _SPECIAL or _SEVERAL in (match["text"] or ""):
            yield from _by_astropy(card)
        elif (kind := match.lastgroup) == "text":
            yield match["name"], match["text"]
        elif kind == "flag":
            yield match["name"], match["flag"] == "T"
        else:
            yield match["name"], int(match["whole"]) if kind == "whole" else float(match["real"])


def _by_astropy(text: str) -> Iterator[tuple[str, Any]]:
    """Yield keyword and value of cards; those that cannot be parsed are left out."""
    for card in fits.Header.fromstring(text).cards:
        try:
            keyword, value = card.keyword, card.value
        except (fits.VerifyError, ValueError):
            continue
        yield keyword, value


def few_keywords(header: bytes) -> dict[str, Any]:
    """Return the keywords of an extension's header that are needed: numbers (their text if they are none), names."""
    found: dict[str, Any] = {}
    text = header.translate(_READABLE).decode("ascii")
    for start in range(0, len(text), CARD):
        name = text[start : start + 8].rstrip()
        if name in _NUMBERS or name in _NAMES or name.startswith("NAXIS"):
            value = _value(text[start + 10 : start + CARD].strip(), is_text=name in _NAMES)
            if value != "" or name in _NAMES:
                found.setdefault(name, value)
    return found


def _value(written: str, *, is_text: bool) -> float | bool | str:
    """Return the value of a card: text in quotes, number, T as true, else what is written; comments are left out."""
    if written.startswith("'"):
        return written[1:].partition("'")[0].strip()
    value = written.partition("/")[0].strip().upper()
    if not is_text and _NUMBER.fullmatch(value):
        return float(value.replace("D", "E"))
    return True if value == "T" else value
