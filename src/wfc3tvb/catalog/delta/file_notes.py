"""Units and descriptions in the Parquet files of a catalog's tables, as in exported files.

The table library writes files without the entries in their metadata by which astropy and TOPCAT find units, and without
the lengths of texts, for lack of which astropy stops at the first null. Files that it has written are therefore written
again with them, in one commit that changes no rows; files that are still without them do no harm.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, RemoveAction

from wfc3tvb.catalog.delta.durability import sync_commits
from wfc3tvb.catalog.delta.tables import KEPT, Tables
from wfc3tvb.catalog.delta.write_errors import first_line, probe, writing
from wfc3tvb.catalog.delta.write_lock import exclusive_lock
from wfc3tvb.errors import CatalogNotWritableError
from wfc3tvb.schema import TABLES

log = logging.getLogger(__name__)

#: Start of the names of files that have units and descriptions.
PREFIX = "noted-"


def note_files(tables: Tables) -> None:
    """Write the tables' recently written files again with units and descriptions, unless another writer is at work."""
    for table in sorted(tables.changed):
        try:
            with writing(tables.folder), exclusive_lock(tables.folder) as locked:
                if locked:
                    _note(tables, table)
                    tables.changed.discard(table)
        except (CatalogNotWritableError, DeltaError) as error:
            log.info("files of table %s are without units: %s", table, first_line(error))


def _note(tables: Tables, table: str) -> None:
    """Replace the files of a table that are without units, in one commit."""
    delta, place = tables.open(table), tables.place(table)
    actions = delta.get_add_actions()
    names = actions.schema.names
    found = [
        dict(zip(names, values, strict=True))
        for values in zip(*(actions.column(n).to_pylist() for n in names), strict=True)
    ]
    bare = [action for action in found if not action["path"].startswith(PREFIX)]
    if not bare:
        return
    probe(place, sum(action["size_bytes"] for action in bare))
    began = time.time()
    added = [_rewritten(place, table, action) for action in bare]
    delta.create_write_transaction(
        [*map(_removed, bare), *added],
        mode="append",
        schema=delta.schema(),
        commit_properties=tables.commit_properties(order=KEPT),
    )
    sync_commits(place, began)


def _rewritten(place: Path, table: str, action: Mapping[str, Any]) -> AddAction:
    """Write a file again with units and descriptions, and return the entry that adds it to the table."""
    from wfc3tvb.catalog.formats import parquet
    from wfc3tvb.catalog.formats.rows import Rows

    path = place / f"{PREFIX}{uuid.uuid4().hex}.parquet"
    columns = {column.name: column for column in TABLES[table].columns}
    parquet.write(Rows.of_parquet(place / action["path"], columns), path)
    stats = {"numRecords": action["num_records"], "nullCount": action["null_count"]}
    stats |= {"minValues": _known(action["min"]), "maxValues": _known(action["max"])}
    return AddAction(path.name, path.stat().st_size, {}, int(time.time() * 1000), False, json.dumps(stats))


def _removed(action: Mapping[str, Any]) -> RemoveAction:
    """Return the entry that removes a file from the table's newest version."""
    return RemoveAction(action["path"], False, int(time.time() * 1000), action["size_bytes"], {})


def _known(values: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the values that are not null."""
    return {name: value for name, value in (values or {}).items() if value is not None}
