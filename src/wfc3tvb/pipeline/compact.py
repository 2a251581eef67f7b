"""Merge a catalog's small files; readers are not blocked, and keep what they opened for a grace time."""

from __future__ import annotations

from dataclasses import dataclass

from wfc3tvb.io.catalog import Catalog
from wfc3tvb.io.duck import remove_leftovers
from wfc3tvb.schema import TABLES


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
    CatalogNotWritableError
        If the catalog cannot be written; the tables stay as they were.
    """
    before = {name: len(snapshot.files) for name, snapshot in catalog.snapshots.items()}
    merged = {name: before[name] < 2 or catalog.tables.sort(name) for name in TABLES}
    catalog.refresh()
    removed = {name: catalog.tables.vacuum(name, grace_hours) for name in TABLES}
    remove_leftovers(catalog.folder, grace_hours)
    after = {name: len(snapshot.files) for name, snapshot in catalog.snapshots.items()}
    return [Compacted(name, before[name], after[name], removed[name], not merged[name]) for name in TABLES]
