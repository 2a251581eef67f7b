"""Comparison of a catalog's stored schema with this program's, and its upgrade to this version.

Reading never changes a catalog; the first write by a newer version adds the tables and columns that are new.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from wfc3tvb import schema
from wfc3tvb.catalog.delta.snapshot import Snapshot
from wfc3tvb.catalog.delta.tables import Tables
from wfc3tvb.catalog.released import released_snapshots
from wfc3tvb.errors import DamagedCatalogError, NewerCatalogError, NoCatalogError, OldCatalogError
from wfc3tvb.schema import OLDEST_VERSION, TABLES
from wfc3tvb.schema.migrations import Comparison, StoredSchema, compare, parse_version
from wfc3tvb.suggest import catalog_option
from wfc3tvb.system.threads import in_threads

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CatalogSchema:
    """Schema of a catalog, compared with that of this program.

    Attributes
    ----------
    stored : StoredSchema
        Newest version recorded in a table, and the package that wrote it.
    tables : mapping
        Comparison of every stored table with the schema.
    added : tuple of str
        Tables that are newer than the stored version; they read as empty.
    missing : tuple of str
        Tables of the stored version that do not exist.
    """

    stored: StoredSchema
    tables: Mapping[str, Comparison]
    added: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def number(self) -> tuple[int, int]:
        """Major and minor number of the stored version."""
        return version_number(self.stored)

    @property
    def faults(self) -> list[str]:
        """Differences that no version explains, one phrase each."""
        missing = [f"table {name} is missing" for name in self.missing]
        return missing + [f"table {name}: {fault}" for name, each in self.tables.items() for fault in each.faults]


def read_snapshots(tables: Tables) -> dict[str, Snapshot]:
    """Return the newest version of every table that exists, or the files of a release.

    Raises
    ------
    DamagedCatalogError
        If a table has files but no log; a new table in its place would hide them.
    """

    def newest(name: str) -> Snapshot | None:
        try:
            return tables.snapshot(name)
        except NoCatalogError:
            log.debug("%s has no table %s", tables.folder, name)
            if next(tables.place(name).rglob("*.parquet"), None) is not None:
                raise DamagedCatalogError(tables.folder, f"the log of table {name} is missing") from None
            return None

    found = zip(TABLES, in_threads(newest, TABLES), strict=True)  # delta-rs reads a log without the GIL
    return {name: snapshot for name, snapshot in found if snapshot} or released_snapshots(tables)


def readable_snapshots(tables: Tables) -> dict[str, Snapshot]:
    """Return the newest version of every table of the schema; a table newer than the stored schema is empty.

    Raises
    ------
    NoCatalogError, NewerCatalogError, OldCatalogError, DamagedCatalogError
        As in `check_usable`.
    """
    snapshots = read_snapshots(tables)
    found = check_usable(tables.folder, snapshots)
    empty = {name: Snapshot(name, -1, (), 0, (), replace(found.stored, types={})) for name in found.added}
    return {name: (snapshots | empty)[name] for name in TABLES}


def version_number(stored: StoredSchema) -> tuple[int, int]:
    """Return major and minor number of a stored table's schema; without a record, those of the first release."""
    try:
        return parse_version(stored.version)
    except ValueError:
        return parse_version(OLDEST_VERSION)


def compare_catalog(snapshots: Mapping[str, Snapshot]) -> CatalogSchema:
    """Compare the stored tables of a catalog, at least one, with the schema.

    Empty tables that `readable_snapshots` adds count as stored.
    """
    newest = max((snapshot.stored for snapshot in snapshots.values()), key=version_number)
    absent = [table for name, table in TABLES.items() if name not in snapshots]
    added = tuple(table.name for table in absent if parse_version(table.since) > version_number(newest))
    missing = tuple(table.name for table in absent if table.name not in added)
    compared = {name: compare(TABLES[name], snapshot.stored) for name, snapshot in snapshots.items()}
    return CatalogSchema(newest, compared, added, missing)


def check_usable(folder: Path, snapshots: Mapping[str, Snapshot], *, write: bool = False) -> CatalogSchema:
    """Compare a catalog with the schema, and raise an error where it cannot be read, or with `write` written.

    A catalog of a newer minor version can be read, without its new columns, but not written, because rows of this
    version lack those columns.

    Raises
    ------
    NoCatalogError
        If there is none, or its creation was interrupted.
    NewerCatalogError
        If a newer major version wrote it, or, for writing, any newer version.
    OldCatalogError
        If its schema is too old for this program.
    DamagedCatalogError
        If a table or column is missing, or has another type.
    """
    if not snapshots:
        raise NoCatalogError(folder)
    found, known = compare_catalog(snapshots), parse_version(schema.SCHEMA_VERSION)
    if found.number > known and (write or found.number[0] > known[0]):
        versions = found.stored.version, found.stored.package_version, schema.SCHEMA_VERSION
        raise NewerCatalogError(folder, *versions, "write" if found.number[0] == known[0] else "read")
    if found.number < parse_version(OLDEST_VERSION):
        raise OldCatalogError(folder, found.stored.version, OLDEST_VERSION)
    if found.missing and not any(snapshot.n_rows for snapshot in snapshots.values()):
        raise NoCatalogError(folder)
    if found.faults:
        raise DamagedCatalogError(folder, found.faults[0])
    return found


def upgrade(tables: Tables) -> bool:
    """Upgrade the tables of a catalog to this version of the schema, and return whether that was necessary.

    New tables are created first, and the version of a table is recorded last, so that an interrupted upgrade continues.

    Raises
    ------
    NewerCatalogError, OldCatalogError, DamagedCatalogError
        As in `check_usable` for writing.
    CatalogNotWritableError
        If the catalog cannot be written.
    """
    snapshots = read_snapshots(tables)
    found = check_usable(tables.folder, snapshots, write=True)
    outdated = {name for name, snapshot in snapshots.items() if snapshot.stored.version != schema.SCHEMA_VERSION}
    renamed = [name for name in snapshots if tables.place(name).name != name]
    if not (outdated or renamed or found.added):
        return False
    for name in renamed:
        tables.rename_folder(name)
    if found.added:
        tables.create()
    for name, compared in found.tables.items():
        if name in outdated or compared.added:
            tables.add_columns(name, compared.added)
    # A warning, so that it appears without any logging set up: older programs are affected by the change.
    log.warning("%s: %s%s", tables.folder, describe(found), catalog_option(tables.folder))
    return True


def describe(found: CatalogSchema) -> str:
    """Return a line that lists the additions of an upgrade."""
    names = [f"table {name}" for name in found.added]
    names += [f"{name}.{column}" for name, compared in found.tables.items() for column in compared.added]
    change = f"upgraded from schema {found.stored.version} to {schema.SCHEMA_VERSION}"
    return f"{change}, new: {', '.join(names) or 'nothing'}; to fill new columns as far as possible: wfc3tvb rescore"
