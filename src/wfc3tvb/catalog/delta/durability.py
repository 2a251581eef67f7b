"""Put commits on the disk before they count: their Parquet files and their entry in the log."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

#: The system's clock for files may lag behind by this much [s].
_LAG = 1.0


def sync_commits(place: Path, since: float) -> None:
    """Wait until all that was committed to a table since a time is on the disk.

    The table library leaves this to the system, which writes within about half a minute, and in any order: after a
    power loss the log could name files that are empty, or be empty itself.

    Parameters
    ----------
    place : Path
        Folder of the table.
    since : float
        Time before the commit [s since 1970].
    """
    log = place / "_delta_log"
    folders = {log}
    for entry in _changed(log, since - _LAG):
        # Another writer's temporary file may be gone by now, and a compaction may remove what it replaces.
        with suppress(FileNotFoundError):
            if entry.suffix == ".json":
                for file in _added(entry, place):
                    _sync(file)
                    folders.add(file.parent)
            _sync(entry)
    for folder in folders:
        _sync(folder)


def _changed(log: Path, since: float) -> list[Path]:
    """Return the files of a log that were written since a time."""
    changed = []
    for entry in os.scandir(log):
        with suppress(FileNotFoundError):
            if entry.stat().st_mtime >= since:
                changed.append(Path(entry))
    return changed


def _added(entry: Path, place: Path) -> Iterator[Path]:
    """Yield the files that a log entry adds to a table and that still exist."""
    for line in entry.read_text().splitlines():
        if path := json.loads(line).get("add", {}).get("path"):
            file = place / unquote(path)
            if file.exists():
                yield file


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
