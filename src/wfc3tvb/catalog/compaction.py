"""Compaction of a catalog's small files, which every commit adds and every query and later commit must open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wfc3tvb import suggest
from wfc3tvb.catalog.delta.snapshot import Snapshot
from wfc3tvb.catalog.delta.tables import MERGED_SIZE, Tables
from wfc3tvb.catalog.duckdb_views import remove_leftovers
from wfc3tvb.schema import TABLES
from wfc3tvb.system.files import remove_old

if TYPE_CHECKING:
    from wfc3tvb.catalog.catalog import Catalog


@dataclass(frozen=True)
class Compacted:
    """Result of the compaction of a table.

    Attributes
    ----------
    table : str
        Name of the table.
    n_before, n_after : int
        Number of its files before and after.
    n_removed : int
        Number of unused files removed.
    in_the_way : bool
        Whether another command that was writing prevented it.
    """

    table: str
    n_before: int
    n_after: int
    n_removed: int
    in_the_way: bool


def compact(catalog: Catalog, *, grace_hours: float = 24.0) -> list[Compacted]:
    """Merge the files of every table, sorted, and remove files unused for `grace_hours` (whole hours).

    Tables that have not changed since they were sorted stay as they are.

    Raises
    ------
    ReadOnlyCatalogError
        If the catalog was opened for reading.
    CatalogNotWritableError
        If the catalog cannot be written; the tables are unchanged.
    """
    catalog.upgrade()
    before = {name: len(snapshot.files) for name, snapshot in catalog.snapshots.items()}
    merged = {name: catalog.tables.is_sorted(name) or catalog.tables.sort(name) for name in TABLES}
    catalog.tables.changed.update(TABLES)  # commands that were killed left files without units
    catalog.update_views()
    removed = {name: catalog.tables.vacuum(name, grace_hours) for name in TABLES}
    remove_leftovers(catalog.folder, grace_hours)
    for name in TABLES:
        for pattern in _UNFINISHED:
            remove_old(catalog.tables.place(name) / "_delta_log", pattern, hours=grace_hours)
    after = {name: len(snapshot.files) for name, snapshot in catalog.snapshots.items()}
    return [Compacted(name, before[name], after[name], removed[name], not merged[name]) for name in TABLES]


#: Names of the table library's temporary files beside a log, which stay where a commit was cut short.
_UNFINISHED = ("*.json#*", "_commit_*.tmp")
#: Number of small files above which queries become slow (0.15 ms per file and query).
MANY_FILES = 100
#: Number of commits of a catalog object after which small files are merged; a survey makes two commits per batch.
MERGE_EVERY = 100


def merge_after(tables: Tables, n_commits: int) -> bool:
    """Merge the small files of tables with many recent commits, every `MERGE_EVERY` commits.

    Parameters
    ----------
    tables : Tables
        Tables of a catalog.
    n_commits : int
        Number of commits so far.

    Returns
    -------
    bool
        Whether files may have been merged.
    """
    if n_commits % MERGE_EVERY:
        return False
    for name in TABLES:
        if sum(size < MERGED_SIZE for size in tables.snapshot(name).sizes) >= MERGE_EVERY // 4:
            tables.merge_small(name)
    return True


def advice(folder: Path, snapshots: Iterable[Snapshot]) -> str | None:
    """Return advice on compaction where many small files slow queries down, else None."""
    worst = max(snapshots, key=lambda snapshot: snapshot.n_small)
    if worst.n_small <= MANY_FILES:
        return None
    remedy = f"merge them with: {suggest.command('compact', catalog=folder)}"
    return f"table {worst.table} has {worst.n_small} small files; {remedy}"
