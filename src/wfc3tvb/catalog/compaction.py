"""Small files: every commit leaves one in each table, and every query and later commit looks at all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wfc3tvb.catalog.delta_tables import MERGED_SIZE, Snapshot, Tables
from wfc3tvb.catalog.duckdb_views import remove_leftovers
from wfc3tvb.schema import TABLES

if TYPE_CHECKING:
    from wfc3tvb.catalog.catalog import Catalog


@dataclass(frozen=True)
class Compacted:
    """A table's files before, after and removed, and whether another writer was in the way."""

    table: str
    n_before: int
    n_after: int
    n_removed: int
    in_the_way: bool


def compact(catalog: Catalog, *, grace_hours: float = 24.0) -> list[Compacted]:
    """Sort every table of several files into few, and remove files unused for `grace_hours` (whole hours).

    Raises
    ------
    ReadOnlyCatalogError
        If the catalog was opened for reading.
    CatalogNotWritableError
        If the catalog cannot be written; the tables stay as they were.
    """
    catalog.upgrade()
    before = {name: len(snapshot.files) for name, snapshot in catalog.snapshots.items()}
    merged = {name: before[name] < 2 or catalog.tables.sort(name) for name in TABLES}
    catalog.update_views()
    removed = {name: catalog.tables.vacuum(name, grace_hours) for name in TABLES}
    remove_leftovers(catalog.folder, grace_hours)
    after = {name: len(snapshot.files) for name, snapshot in catalog.snapshots.items()}
    return [Compacted(name, before[name], after[name], removed[name], not merged[name]) for name in TABLES]


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
