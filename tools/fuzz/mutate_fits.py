"""Damage FITS files with their structure in mind: cards, headers and blocks rather than bytes alone."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

BLOCK, CARD = 2880, 80
#: Values that headers of damaged and foreign files have, and those at which numbers change their kind.
VALUES = (
    b"-5", b"-1", b"0", b"1", b"2", b"3", b"7", b"8", b"16", b"-32", b"-64", b"64", b"999", b"1000", b"32767", b"65536",
    b"2147483648", b"99999999999999999999", b"9" * 60, b"1.5", b"-0.0", b"1E400", b"-1E99", b"1.5D3", b"NaN", b"INF",
    b"T", b"F", b"''", b"'text'", b"'IMAGE   '", b"'BINTABLE'", b"'1PE(99)'", b"'0A'", b"'9999999999A'", b"'D'", b"'K'",
    b"'unclosed", b"'quo''te'", b"", b"(1, 2)", b"1 2", b"0x10", b"1_000", b"+", b"\xe9\xff", b"\0\0\0", b"/ none",
)  # fmt: skip
KEYWORDS = (
    b"SIMPLE", b"XTENSION", b"BITPIX", b"NAXIS", b"NAXIS1", b"NAXIS2", b"NAXIS3", b"PCOUNT", b"GCOUNT", b"GROUPS",
    b"TFIELDS", b"TFORM1", b"TTYPE1", b"TSCAL1", b"TZERO1", b"TDIM1", b"THEAP", b"BSCALE", b"BZERO", b"BLANK",
    b"EXTNAME",
    b"EXTVER", b"BUNIT", b"NSAMP", b"PIXVALUE", b"NPIX1", b"ZIMAGE", b"CONTINUE", b"HIERARCH", b"COMMENT", b"END", b"",
    b"naxis",
)  # fmt: skip


def mutate(data: bytes, rng: Random) -> bytes:
    """Return a file with one to six kinds of damage."""
    made = bytearray(data)
    for _ in range(min(1 + int(rng.expovariate(0.9)), 6)):
        rng.choices(_DAMAGES, _WEIGHTS)[0](made, rng)
    return bytes(made)


def _cards(made: bytearray) -> list[int]:
    """Return the offsets of the cards of all headers, as far as they can be told."""
    found, at = [], 0
    while at < len(made):
        if made[at : at + 8] in (b"SIMPLE  ", b"XTENSION"):
            end = at
            while end < len(made) and made[end : end + 8] != b"END     ":
                found.append(end)
                end += CARD
            at = -(-(end + CARD) // BLOCK) * BLOCK
        else:
            at += BLOCK
    return found or [0]


def _value(made: bytearray, rng: Random) -> None:
    card = rng.choice(_cards(made))
    if rng.random() < 0.2:  # the value of another card
        other = rng.choice(_cards(made))
        made[card + 10 : card + CARD] = made[other + 10 : other + CARD]
    else:
        value = rng.choice(VALUES) if rng.random() < 0.8 else str(rng.randint(-70000, 70000)).encode()
        made[card + 8 : card + CARD] = b"= " + (value.ljust(70) if value[:1] == b"'" else value.rjust(20).ljust(70))


def _digit(made: bytearray, rng: Random) -> None:
    card = rng.choice(_cards(made))
    digits = [i for i in range(card + 10, min(card + CARD, len(made))) if 48 <= made[i] < 58]
    if digits:
        made[rng.choice(digits)] = 48 + rng.randrange(10)


def _keyword(made: bytearray, rng: Random) -> None:
    card, other = rng.choice(_cards(made)), rng.choice(_cards(made))
    new = rng.choice(KEYWORDS).ljust(8) if rng.random() < 0.5 else made[other : other + 8]
    made[card : card + 8] = new


def _drop_card(made: bytearray, rng: Random) -> None:
    card = rng.choice(_cards(made))
    made[card : card + CARD] = b" " * CARD


def _copy_card(made: bytearray, rng: Random) -> None:
    card, other = rng.choice(_cards(made)), rng.choice(_cards(made))
    made[card : card + CARD] = made[other : other + CARD]


def _new_length(made: bytearray, rng: Random) -> None:
    """Make a card longer or shorter, and shift all that follow."""
    card = rng.choice(_cards(made)) + rng.randrange(CARD)
    made[card : card + rng.randrange(3)] = b" " * rng.randrange(3)


def _block(made: bytearray, rng: Random) -> None:
    n = max(len(made) // BLOCK, 1)
    a, b = (BLOCK * rng.randrange(n) for _ in range(2))
    match rng.randrange(3):
        case 0:
            del made[a : a + BLOCK]
        case 1:
            made[a:a] = made[b : b + BLOCK]
        case _:
            made[a : a + BLOCK], made[b : b + BLOCK] = made[b : b + BLOCK], made[a : a + BLOCK]


def _bytes(made: bytearray, rng: Random) -> None:
    for _ in range(rng.choice((1, 2, 8, 50))):
        if made:
            made[rng.randrange(len(made))] = rng.randrange(256)


def _header_bytes(made: bytearray, rng: Random) -> None:
    card = rng.choice(_cards(made))
    for _ in range(rng.choice((1, 2, 5))):
        place = card + rng.randrange(CARD)
        if place < len(made):
            made[place] = rng.choice((rng.randrange(32, 127), rng.randrange(256), 0, 32))


def _truncate(made: bytearray, rng: Random) -> None:
    place = rng.randrange(len(made) + 1)
    del made[place - place % rng.choice((1, CARD, BLOCK)) :]


def _extend(made: bytearray, rng: Random) -> None:
    made += rng.choice((b"\0", b" ", b"END", b"XTENSION", rng.randbytes(100))) * rng.choice((1, 100, BLOCK))


Damage = Callable[[bytearray, Random], None]
_CHOSEN: tuple[tuple[Damage, float], ...] = (
    (_value, 6), (_digit, 3), (_keyword, 2), (_drop_card, 2), (_copy_card, 1), (_new_length, 0.5), (_block, 1),
    (_bytes, 1),
    (_header_bytes, 2), (_truncate, 0.5), (_extend, 0.3),
)  # fmt: skip
_DAMAGES, _WEIGHTS = [damage for damage, _ in _CHOSEN], [weight for _, weight in _CHOSEN]
