"""Small files: every commit leaves one in each table, and every query and later commit looks at all of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wfc3tvb.io.tables import MERGED_SIZE, Snapshot, Tables
from wfc3tvb.schema import TABLES

#: More small files than this slow every query down (0.15 ms a file and query).
MANY_FILES = 100
#: Commits of one catalog object after which the small files are merged: a long survey makes two for every batch.
MERGE_EVERY = 100


def merge_after(tables: Tables, n_commits: int) -> bool:
    """Merge the small files of the tables that many of the last commits went to; say whether it was time to.

    Parameters
    ----------
    tables : Tables
        Those of a catalog.
    n_commits : int
        Commits so far; every `MERGE_EVERY` of them it is time.
    """
    if n_commits % MERGE_EVERY:
        return False
    for name in TABLES:
        if sum(size < MERGED_SIZE for size in tables.snapshot(name).sizes) >= MERGE_EVERY // 4:
            tables.merge_small(name)
    return True


def advice(folder: Path, snapshots: Iterable[Snapshot]) -> str | None:
    """Return a word of advice where many small files slow queries down, else None."""
    worst = max(snapshots, key=lambda snapshot: snapshot.n_small)
    if worst.n_small <= MANY_FILES:
        return None
    remedy = f"merge them with: wfc3tvb compact --catalog {folder}"
    return f"table {worst.table} has {worst.n_small} small files; {remedy}"
