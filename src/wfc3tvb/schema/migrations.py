"""Changes of the schema between versions, and comparison of a stored table with the schema.

A new table or column needs no entry here: its `since` names the version that added it, and in older catalogs it reads
as null. `CHANGES` lists renames and removals. A renamed column is read under the old name where the table has that one.
Key columns cannot be renamed, because rows in the stored tables are replaced by key.

An addition raises the minor version; older programs can still read the catalog. A rename, a removal or a change of
meaning raises the major version. The type of a column never changes: a column of another type gets another name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from wfc3tvb.schema import OLDEST_VERSION, Table


@dataclass(frozen=True)
class Change:
    """Rename or removal of a column or table.

    Attributes
    ----------
    from_version, to_version : str
        The last version with the old name, the first without it.
    table : str or None
        Present name of the column's table; None for the rename or removal of a table.
    old : str
        Old name.
    new : str or None
        New name; None where it was removed.
    """

    from_version: str
    to_version: str
    table: str | None
    old: str
    new: str | None


#: Every rename and removal, oldest first.
CHANGES: tuple[Change, ...] = ()


@dataclass(frozen=True)
class StoredSchema:
    """Schema of a stored table.

    Attributes
    ----------
    version : str
        Version of the schema; empty where none is recorded.
    package_version : str
        Version of the package that recorded it.
    types : mapping
        Type of every column, as `Column.type` writes it.
    extended : bool
        Whether columns were added after the table was created, so that its older files lack them.
    """

    version: str
    package_version: str
    types: Mapping[str, str]
    extended: bool = False


@dataclass(frozen=True)
class Comparison:
    """Comparison of a stored table with the schema of this program.

    Attributes
    ----------
    sources : mapping
        Stored names of every column of the schema, newest first; empty where the column reads as null.
    added : tuple of str
        Columns that the next write adds.
    unknown : tuple of str
        Stored columns that were never in the schema; they are left unchanged.
    faults : tuple of str
        Differences that no version of the schema explains, one phrase each.
    """

    sources: Mapping[str, tuple[str, ...]]
    added: tuple[str, ...]
    unknown: tuple[str, ...]
    faults: tuple[str, ...]


def parse_version(text: str) -> tuple[int, int]:
    """Return major and minor number of a schema version.

    Raises
    ------
    ValueError
        If `text` is not ``major.minor``.
    """
    match = re.fullmatch(r"(\d+)\.(\d+)", text)
    if match is None:
        raise ValueError(f"{text!r} is not a schema version such as 1.0")
    return int(match[1]), int(match[2])


def earlier_names(name: str, table: str | None = None) -> tuple[str, ...]:
    """Return the earlier names of a column of `table`, or of a table, the latest first."""
    names = []
    for change in reversed(CHANGES):
        if change.table == table and change.new == name:
            names.append(change.old)
            name = change.old
    return tuple(names)


def compare(table: Table, stored: StoredSchema) -> Comparison:
    """Compare a stored table with the schema.

    Parameters
    ----------
    table : Table
        The table in the schema of this program.
    stored : StoredSchema
        The schema of the stored table.
    """
    try:
        version = parse_version(stored.version)
    except ValueError:
        version = parse_version(OLDEST_VERSION)
        faults = ["no schema version is recorded"]
    else:
        faults = []
    sources = {}
    for column in table.columns:
        names = (column.name, *earlier_names(column.name, table.name))
        sources[column.name] = tuple(name for name in names if name in stored.types)
        if not sources[column.name] and parse_version(column.since) <= version:
            faults.append(f"column {column.name} is missing")
        faults += [
            f"column {name} has type {stored.types[name]} instead of {column.type}"
            for name in sources[column.name]
            if stored.types[name] != column.type
        ]
    added = tuple(name for name in table.names if name not in stored.types)
    return Comparison(sources, added, _unknown(table, stored), tuple(faults))


def _unknown(table: Table, stored: StoredSchema) -> tuple[str, ...]:
    """Return the stored columns that are in neither the schema nor `CHANGES`."""
    known = {*table.names, *(change.old for change in CHANGES if change.table == table.name)}
    return tuple(name for name in stored.types if name not in known)
