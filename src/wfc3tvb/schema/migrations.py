"""Changes of the schema between versions, and how a table that an older version wrote is read.

A new table or column needs no entry here: its `since` names the version that added it, and older catalogs read as null.
`CHANGES` lists what was renamed or removed. A renamed column is read under its old name where it is stored under that;
key columns cannot be renamed, for rows are replaced by them in the stored tables.

Additions raise the minor version, which older programs still read. Renames, removals and a new meaning raise the major
one. The type of a column never changes: a column of another type gets another name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from wfc3tvb.schema import OLDEST_VERSION, Table


@dataclass(frozen=True)
class Change:
    """A column or table that was renamed or removed.

    Attributes
    ----------
    from_version, to_version : str
        The last version with the old name, the first without it.
    table : str or None
        Today's name of the table that the column is in; None where a table itself was renamed or removed.
    old : str
        The name before.
    new : str or None
        The name after; None where it was removed.
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
    """The schema that a stored table has.

    Attributes
    ----------
    version : str
        Version of the schema; empty where none is recorded.
    package_version : str
        Version of the package that recorded it.
    types : mapping
        Type of every column, as `Column.type` writes it.
    extended : bool
        Whether columns were added since the table was made, so that its older files lack them.
    """

    version: str
    package_version: str
    types: Mapping[str, str]
    extended: bool = False


@dataclass(frozen=True)
class Comparison:
    """A stored table beside the schema of this program.

    Attributes
    ----------
    sources : mapping
        Stored names of every column of the schema, newest first; none where it reads as null.
    added : tuple of str
        Columns that the next write adds.
    unknown : tuple of str
        Stored columns that the schema has not, and never had: they are left as they are.
    faults : tuple of str
        What no version of the schema explains, one phrase each.
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
    """Return the names that a column of `table`, or a table, had before, the latest first."""
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
        The table as this program knows it.
    stored : StoredSchema
        The table as it is stored.
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
            f"column {name} has type {stored.types[name]} and not {column.type}"
            for name in sources[column.name]
            if stored.types[name] != column.type
        ]
    added = tuple(name for name in table.names if name not in stored.types)
    return Comparison(sources, added, _unknown(table, stored), tuple(faults))


def _unknown(table: Table, stored: StoredSchema) -> tuple[str, ...]:
    """Return the stored columns that are in neither the schema nor `CHANGES`."""
    known = {*table.names, *(change.old for change in CHANGES if change.table == table.name)}
    return tuple(name for name in stored.types if name not in known)
