"""Sizes on the command line; with --toy a benchmark runs in seconds, to see that it works and not how fast it is."""

from __future__ import annotations

import sys

TOY = "--toy" in sys.argv


def arguments(usual: tuple[str, ...], toy: tuple[str, ...]) -> list[str]:
    """Return the arguments of the command line but for --toy, and for those left out the usual ones, or the toy's."""
    given = [text for text in sys.argv[1:] if text != "--toy"]
    return [*given, *(toy if TOY else usual)[len(given) :]]
