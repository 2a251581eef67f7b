"""Keywords of a header: plain cards are read as astropy reads them, and all others by it."""

from __future__ import annotations

import random
import warnings

import pytest
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from wfc3tvb.fits import plane_headers
from wfc3tvb.fits.plane_headers import all_keywords

#: What values of cards are made of, so that they are plain, odd, or no values at all.
PIECES = ["'", "''", "/", " ", "= ", "=", ":", ": ", "T", "F", "12", "-0", "+07", "1.5", "1.", "E5", "D3", ".5", "abc",
          "'abc'", "(1,2)", "&", "x.y: 1", "\\0", "NaN", "1_000", "e3"]  # fmt: skip
NAMES = ["A", "KEYWORD8", "CONTINUE", "HIERARCH", "COMMENT", "a", "A B", "DP1", "A.B", "", "EXTEND", "END"]


def cards(*texts: str) -> bytes:
    return "".join(f"{text:80}" for text in texts).encode()


def by_astropy(header: bytes) -> dict[str, object]:
    """Return the keywords as astropy reads them, cards without a keyword left out."""
    each = [header[i : i + 80] for i in range(0, len(header), 80)]
    header = b"".join(card for card in each if card[:8].rstrip() not in (b"", b"COMMENT", b"HISTORY"))
    found: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        for card in fits.Header.fromstring(header).cards:
            try:
                found.setdefault(card.keyword, card.value)
            except (fits.VerifyError, ValueError):
                continue
    return {name: value.strip() if isinstance(value, str) else value for name, value in found.items()}


def test_plain_cards_are_read_without_astropy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plane_headers, "fits", None)
    header = cards("SIMPLE  =                    T / standard", "NSAMP   =                   16", "CCDGAIN =   2.5E+00",
                   "TARGNAME= ' GSD-Z7   '         / name", "TIME-OBS= '12:00:00'", "OFFSET  = -0.125 / [d]",
                   "SUBARRAY=                    F", "FGSLOCK = ''", "NSAMP   = 3", "COMMENT = 5")  # fmt: skip
    found = all_keywords(header)
    assert found == {"SIMPLE": True, "NSAMP": 16, "CCDGAIN": 2.5, "TARGNAME": "GSD-Z7", "TIME-OBS": "12:00:00",
                     "OFFSET": -0.125, "SUBARRAY": False, "FGSLOCK": ""}  # fmt: skip
    assert [type(found[name]) for name in ("SIMPLE", "NSAMP", "CCDGAIN")] == [bool, int, float]


def test_other_cards_are_read_by_astropy() -> None:
    header = cards("PI      = 'O''Neill'", "DP1     = 'AXIS.1: 2'", "BIG     = 1.5D3", "LONG    = 'abc&'",
                   "CONTINUE  'def'", "EMPTY   =", "BAD     = 'abc")  # fmt: skip
    found = all_keywords(header)
    assert isinstance(found.pop("EMPTY"), fits.card.Undefined)
    assert found == {"PI": "O'Neill", "DP1.AXIS.1": 2.0, "BIG": 1500.0, "LONG": "abcdef"}


def test_nothing_is_read_behind_the_last_card() -> None:
    assert all_keywords(cards("NSAMP   = 16", "END", "NSAMP2  = 3", "CONTINUE  'abc'")) == {"NSAMP": 16}


def test_odd_cards_have_the_values_that_astropy_gives_them() -> None:
    rng = random.Random(5)
    n_values = 0
    for _ in range(3000):
        texts = []
        for _ in range(rng.randint(1, 6)):
            body = " " * rng.choice([0, 0, 1, 19]) + "".join(rng.choice(PIECES) for _ in range(rng.randint(0, 6)))
            texts.append(f"{rng.choice(NAMES):8}{rng.choice(['= '] * 8 + ['=', '  ', ' ='])}{body}"[:80])
        if rng.random() < 0.2:
            texts.insert(rng.randint(0, len(texts)), "END")
        found, expected = all_keywords(cards(*texts)), by_astropy(cards(*texts))
        assert list(map(repr, found.items())) == list(map(repr, expected.items())), texts
        n_values += len(found)
    assert n_values > 3000
