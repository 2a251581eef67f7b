"""FITS headers as 80-character cards; unchanged cards stay byte for byte (FITS Standard 4.0, section 4).

The engine reads and writes 80 headers per exposure, so cards are parsed only when their values are needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from wfc3tvb.errors import BadFileError, MissingKeywordError
from wfc3tvb.fits.blocks import CARD, CHECK_THE_COPY, whole_blocks

#: Width of the value field, and length of the longest text that fits into one card.
_FIELD, _LONGEST = 20, 68
#: Keywords of cards that hold text only.
_COMMENTARY = ("", "COMMENT", "HISTORY")


class Cards(Mapping[str, Any]):
    """A header: keywords and values, with the cards as they are in the file.

    Parameters
    ----------
    text : str
        The cards, without END.
    path : Path, optional
        The file, for error messages.
    """

    def __init__(self, text: str = "", path: Path | str = "header") -> None:
        self.path = path
        self.cards = [text[i : i + CARD] for i in range(0, len(text), CARD)]
        self._places: dict[str, int] | None = None

    def copy(self) -> Cards:
        """Return a copy that can be changed."""
        copied = Cards(path=self.path)
        copied.cards = self.cards.copy()
        return copied

    @property
    def _index(self) -> dict[str, int]:
        if self._places is None:
            self._places = {}
            for i, text in enumerate(self.cards):
                self._places.setdefault(keyword_of(text), i)
        return self._places

    def __getitem__(self, keyword: str) -> Any:
        return value_of(self.cards[self._index[keyword]])

    def needed(self, keyword: str) -> Any:
        """Return a value that must exist.

        Raises
        ------
        MissingKeywordError
            If the keyword is missing.
        """
        if keyword not in self:
            raise MissingKeywordError(self.path, keyword, str(self.get("EXTNAME", "")).strip() or "primary header")
        return self[keyword]

    def number(self, keyword: str, default: float | None = None) -> Any:
        """Return a value that must be a number, or the default if the keyword is missing.

        Raises
        ------
        BadFileError
            If the value is not a number, or the keyword is missing and has no default (`MissingKeywordError`).
        """
        value = self.needed(keyword) if default is None else self.get(keyword, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise BadFileError(self.path, f"{keyword} is {value!r}, not a number", CHECK_THE_COPY)
        return value

    def __contains__(self, keyword: object) -> bool:
        return keyword in self._index

    def __setitem__(self, keyword: str, value: Any) -> None:
        place = self._index.get(keyword)
        if place is None:
            self._index[keyword] = len(self.cards)
            self.cards.append(card(keyword, value))
        else:
            self.cards[place] = card(keyword, value, comment_of(self.cards[place]))

    def update(self, values: Mapping[str, Any]) -> None:
        """Set values as astropy's `Header.update` does: without comment, new keywords before trailing commentary."""
        for keyword, value in values.items():
            place = self._index.get(keyword)
            if place is None:
                last = max((i for i, text in enumerate(self.cards) if keyword_of(text) not in _COMMENTARY), default=-1)
                self.cards.insert(last + 1, card(keyword, value))
                self._places = None
            else:
                self.cards[place] = card(keyword, value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)


def keyword_of(text: str) -> str:
    """Return the keyword of a card."""
    return text[:8].rstrip()


def value_of(text: str) -> Any:
    """Return the value of a card: text, bool, int or float; None if it is empty, and any other text unchanged."""
    if text[8:10] != "= ":
        return text[8:].strip()
    value, _ = _parts(text)
    if value.startswith("'"):
        return value[1:-1].replace("''", "'").rstrip()
    if value in ("T", "F"):
        return value == "T"
    for kind in (int, float):
        try:
            return kind(value.replace("D", "E"))
        except ValueError:
            continue
    return value or None


def comment_of(text: str) -> str:
    """Return the comment of a card."""
    return _parts(text)[1]


def _parts(text: str) -> tuple[str, str]:
    """Return value, quotes included, and comment."""
    rest = text[10:].strip()
    if not rest.startswith("'"):
        value, _, comment = rest.partition("/")
        return value.strip(), comment.strip()
    end = 1
    while (end := rest.find("'", end)) >= 0 and rest[end + 1 : end + 2] == "'":
        end += 2
    end = end if end >= 0 else len(rest)
    return rest[:end].ljust(end) + "'", rest[end + 1 :].partition("/")[2].strip()


def card(keyword: str, value: Any, comment: str = "") -> str:
    """Return a card in fixed format; a text that is too long for one card is continued in others (CONTINUE).

    Parameters
    ----------
    keyword : str
        Up to 8 characters.
    value : bool, int, float, str or None
        None is an undefined value.
    comment : str, optional
        Cut off at the end of the card.
    """
    written = _written(value).encode("ascii", errors="replace").decode()  # FITS allows no other letters
    if len(written) > _LONGEST + 2:
        return _continued(keyword, str(value))
    text = f"{keyword:8}= {written}"
    return (f"{text} / {comment}" if comment else text)[:CARD].ljust(CARD)


def _written(value: Any) -> str:
    if value is None:
        return " " * _FIELD
    if isinstance(value, bool):
        return f"{'T' if value else 'F':>{_FIELD}}"
    if isinstance(value, int):
        return f"{value:>{_FIELD}d}"
    if isinstance(value, float):
        return f"{repr(value).upper():>{_FIELD}}"
    quoted = "'" + f"{str(value).replace(chr(39), 2 * chr(39)):8}" + "'"
    return f"{quoted:{_FIELD}}"


def _continued(keyword: str, value: str) -> str:
    step = _LONGEST - 1
    text = value.replace("'", "''")
    pieces = [text[i : i + step] for i in range(0, len(text), step)]
    first, *rest = [f"'{piece}&'" for piece in pieces[:-1]] + [f"'{pieces[-1]}'"]
    return f"{keyword:8}= {first}".ljust(CARD) + "".join(f"CONTINUE  {piece}".ljust(CARD) for piece in rest)


def history(line: str) -> str:
    """Return a line of HISTORY as cards."""
    step = CARD - 8
    return "".join(f"HISTORY {line[i : i + step]}".ljust(CARD) for i in range(0, max(len(line), 1), step))


def header_bytes(cards: list[str]) -> bytes:
    """Return the bytes of a header, END and padding included."""
    text = "".join(cards) + f"{'END':{CARD}}"
    return text.ljust(whole_blocks(len(text))).encode("latin-1", errors="replace")
