"""Progress reports of long operations."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Callback that a long operation calls as it advances; drawing is left to the caller."""

    def __call__(self, stage: str, done: int, total: int | None = None, *, failed: int = 0) -> None:
        """Report that `done` of `total` items of `stage` are finished, `failed` of them with an error."""


def silent(stage: str, done: int, total: int | None = None, *, failed: int = 0) -> None:
    """Ignore all reports: the default `Progress`."""
