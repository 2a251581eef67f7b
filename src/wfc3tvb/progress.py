"""How long work tells the front door where it stands."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called as often as the work likes; drawing is the caller's business."""

    def __call__(self, stage: str, done: int, total: int | None = None, *, failed: int = 0) -> None:
        """Say that `done` of `total` items of `stage` are finished, `failed` of them failed."""


def silent(stage: str, done: int, total: int | None = None, *, failed: int = 0) -> None:
    """Say nothing: the default `Progress`."""
