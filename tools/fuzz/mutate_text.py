"""Damage texts: words of any language, values in JSON, and bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

_WORD = re.compile(rb"\w+|\s+|.", re.DOTALL)
#: Pieces that mean something in some language.
PIECES = (
    b"'", b'"', b"`", b"(", b")", b"[", b"]", b"{", b"}", b"<", b">", b"&", b";", b"--", b"/*", b"*/", b"\n", b"\r\n",
    b"\0",
    b"%", b"%00", b"%ff", b"\\", b"\\u0000", b"\\ud800", b"\xff", b"\xc3\xa9", b"\xe2\x80\xae", b"../", b"=", b",",
    b".", b":",
    b"null", b"true", b"NaN", b"Infinity", b"-1", b"0", b"1e999", b"9" * 40, b"9" * 5000, b"x" * 3000,
)  # fmt: skip
#: Values that no answer should have.
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 10**30, -(10**400), 1e308, float("nan"), float("inf"), "", " ", "text", "\0",
    "\ud800",
    "x" * 5000, "9" * 5000, "2012-02-30", "2012-02-29T12:00:00+99:00", "0001-01-01", "9999-12-31 23:59:60", [], {},
    [[]],
    [None], {"a": 1}, "../../etc/passwd", "<b>", "a\nb",
)  # fmt: skip


def text_mutator(words: Sequence[bytes]) -> Callable[[bytes, Random], bytes]:
    """Return a function that damages texts, into which it also puts words of their language."""
    pieces = (*words, *words, *words, *PIECES)

    def mutate(data: bytes, rng: Random) -> bytes:
        found = _WORD.findall(data)
        for _ in range(min(1 + int(rng.expovariate(0.5)), 10)):
            found = _damaged(found, pieces, rng)
        return b"".join(found)

    return mutate


def _damaged(found: list[bytes], pieces: Sequence[bytes], rng: Random) -> list[bytes]:
    i, j = (rng.randrange(len(found) + 1) for _ in range(2))
    match rng.randrange(8):
        case 0:
            return found[:i] + found[i + 1 :]
        case 1 | 2:
            return [*found[:i], rng.choice(pieces), *found[i:]]
        case 3 | 4:
            return [*found[:i], rng.choice(pieces), *found[i + 1 :]]
        case 5:
            return [*found[:i], *found[min(i, j) : max(i, j)][:50], *found[i:]]
        case 6:
            return [*found[:i], *(found[j : j + 1] * rng.choice((2, 20, 200, 2000))), *found[i:]]
        case _ if rng.random() < 0.2:
            return found[:i]
        case _:
            word = bytearray(b"".join(found[i : i + 1]) or b"?")
            word[rng.randrange(len(word))] = rng.randrange(256)
            return [*found[:i], bytes(word), *found[i + 1 :]]


def json_mutator(words: Sequence[bytes]) -> Callable[[bytes, Random], bytes]:
    """Return a function that damages the values of JSON, or its text; before an empty line may stand other lines."""
    as_text = text_mutator(words)

    def mutate(data: bytes, rng: Random) -> bytes:
        head, gap, body = data.rpartition(b"\n\n")
        if rng.random() < 0.2:
            return as_text(data, rng)
        try:
            made = json.loads(body)
        except ValueError:
            return as_text(data, rng)
        for _ in range(min(1 + int(rng.expovariate(0.7)), 8)):
            made = changed(made, rng)
        try:
            return head + gap + json.dumps(made).encode()
        except RecursionError:
            return as_text(data, rng)

    return mutate


def changed(value: Any, rng: Random) -> Any:
    """Return a JSON value, somewhere in which something is replaced, left out, repeated or nested."""
    if isinstance(value, list | dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        copied: Any = value.copy()
        if rng.random() < 0.15:
            del copied[key]
        elif isinstance(value, list) and rng.random() < 0.1:
            copied += [copied[key]] * rng.choice((1, 3, 50))
        else:
            copied[key] = changed(value[key], rng)
        return copied
    match rng.randrange(6):
        case 0:
            return [value]
        case 1:
            return {rng.choice(("a", "results", "")): value}
        case 2:
            return _nested(value, rng.choice((5, 50, 300)))
        case 3:
            return str(value)
        case _:
            return rng.choice(VALUES)


def _nested(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value]
    return value
