"""Output streams: characters that they lack, and readers that leave before the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper


def escape_characters() -> None:
    """Let output in another encoding than UTF-8 escape the characters that it lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Let a command end its work, with what it says going nowhere, where the reader of a pipe is gone (`| head -1`)."""
    try:
        yield
    except BrokenPipeError:
        say_nothing_more()


def say_nothing_more() -> None:
    """Direct those of stdout and stderr that nobody reads any more to the null device."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
