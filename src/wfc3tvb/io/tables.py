"""The tables on disk: one Delta Lake folder per table of the schema, through the ``deltalake`` package.

A commit is all or nothing, readers are never blocked, several writers are safe: that is the package's work.
Here is the choice of commit (replace by key, append, merge of small files) and the wording of what failed.
"""

from __future__ import annotations

import json
import logging
import random
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from wfc3tvb import __version__
from wfc3tvb.errors import CatalogError, MissingTableError, NoCatalogError, SchemaMismatchError
from wfc3tvb.io.turns import alone, beside_others
from wfc3tvb.io.writable import first_line, probe, writing
from wfc3tvb.schema import SCHEMA_VERSION, TABLES, arrow_schema

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Layout that DuckDB scans fastest (measured: row groups of 100,000 rows, dictionaries on).
WRITER = WriterProperties(compression="ZSTD", max_row_group_size=100_000)
#: Size that sorted files grow to, and below which a file counts as small [byte].
TARGET_SIZE = 256 * 2**20
SMALL_SIZE = 16 * 2**20
#: Size that files grow to which are merged while a survey writes; merging these again would take memory and time.
MERGED_SIZE = 4 * 2**20
#: Tables whose rows are history: a row is replaced only by one with the same whole key.
_WHOLE_KEY = frozenset({"failures"})
#: Tables of a version of the schema, where it had others than this version: one that it did not know is not gone.
_TABLES_OF: Mapping[str, Collection[str]] = {
    "1.0": ("datasets", "exposures", "reads", "visit_fits", "reprocessed", "failures", "runs"),
}
_COMMIT_TRIES = 30
#: Seconds that sorting waits for other writers to pause.
_PATIENCE = 30.0


@dataclass(frozen=True)
class Snapshot:
    """The newest version of a table: its number, live Parquet files (absolute), rows, bytes a file."""

    table: str
    version: int
    files: tuple[Path, ...]
    n_rows: int
    sizes: tuple[int, ...]

    @property
    def n_small(self) -> int:
        """Number of files below `SMALL_SIZE`."""
        return sum(size < SMALL_SIZE for size in self.sizes)


class Tables:
    """The Delta tables of one catalog folder.

    Parameters
    ----------
    folder : Path
        The catalog's folder; every table is a folder below it.
    settings : mapping, optional
        Measuring parameters, written into every commit beside the package and schema versions.

    Raises
    ------
    CatalogError
        If the table library cannot open folders of that name (brackets, percent signs).
    """

    def __init__(self, folder: Path, settings: Mapping[str, object] | None = None) -> None:
        self.folder = Path(folder).absolute()
        if re.search(r"[\[\]]|%[0-9A-Fa-f]{2}", str(self.folder)):
            raise CatalogError(f"{self.folder}: a catalog's path must not hold [ ] or %; take another folder")
        self.settings = dict(settings or {})
        self._stored: dict[str, pa.Schema] = {}
        self._known: dict[str, Snapshot] = {}

    # --- making and opening --------------------------------------------------------------------------------

    def create(self) -> None:
        """Make the folder and the tables of a new catalog; harmless where they are.

        Raises
        ------
        CatalogNotWritableError
            If the folder cannot be made or written.
        MissingTableError
            If a table of the catalog was there and is gone.
        """
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            probe(self.folder)
            self.check_whole()
            for name in self.missing():
                self._again(partial(self._create_table, name))

    def missing(self) -> list[str]:
        """Return the names of the tables that are not there."""
        return [name for name in TABLES if not self.exists(name)]

    def check_whole(self) -> None:
        """Raise `MissingTableError` where a table was there and is gone; it is never made anew, which would hide that.

        A catalog that is being made has no rows yet: the table that is first written comes after the last one made.
        A table that the catalog's own version of the schema did not know is not gone.
        """
        if not any(map(self._written, TABLES)):
            return
        if gone := [name for name in self.missing() if name in _TABLES_OF.get(self._schema_version(), TABLES)]:
            raise MissingTableError(self.folder, gone)

    def _written(self, table: str) -> bool:
        """Say whether anything was ever written into a table."""
        folder = self.folder / table
        versions = (path.name for path in folder.glob("_delta_log/*.json"))
        return any(name != f"{0:020}.json" for name in versions) or next(folder.rglob("*.parquet"), None) is not None

    def _schema_version(self) -> str:
        """Return the version of the schema that the tables which are there were made with."""
        found = next((name for name in TABLES if self.exists(name)), None)
        kept = self.open(found).metadata().configuration if found else {}
        return str(kept.get("wfc3tvb.schema_version", SCHEMA_VERSION))

    def exists(self, table: str) -> bool:
        """Say whether a table is there."""
        return (self.folder / table / "_delta_log").is_dir() and DeltaTable.is_deltatable(self._uri(table))

    def open(self, table: str) -> DeltaTable:
        """Open the newest version of a table.

        Raises
        ------
        NoCatalogError
            If there is no catalog.
        MissingTableError
            If there is one without this table.
        CatalogError
            If its transaction log cannot be read.
        """
        if not (self.folder / table / "_delta_log").is_dir():
            raise self._gone(table)
        try:
            return DeltaTable(self._uri(table))
        except TableNotFoundError as error:
            raise self._gone(table) from error
        except (DeltaError, OSError) as error:
            problem = f"table {table} in {self.folder} cannot be read: {first_line(error)}"
            raise CatalogError(problem) from error

    def _gone(self, table: str) -> CatalogError:
        there = any(self.exists(name) for name in TABLES)
        return MissingTableError(self.folder, [table]) if there else NoCatalogError(self.folder)

    def check_schema(self) -> None:
        """Raise `SchemaMismatchError` unless every table has the columns of this version's schema."""
        for name, table in TABLES.items():
            found = {field.name for field in self.open(name).schema().fields}
            if found != set(table.names):
                differ = ", ".join(sorted(found ^ set(table.names)))
                raise SchemaMismatchError(
                    f"{self.folder}: table {name} differs from schema {SCHEMA_VERSION} in: {differ}; "
                    "survey into a new folder with --catalog"
                )

    def snapshot(self, table: str) -> Snapshot:
        """Return the newest version of a table with its live files."""
        if (known := self._known.get(table)) and self._is_newest(known):
            return known
        delta = self.open(table)
        # Arrow's own Python interface would import pandas here, which takes longer than most queries.
        actions = delta.get_add_actions(flatten=True)
        columns = [actions.column(name).to_pylist() for name in ("path", "num_records", "size_bytes")]
        found = sorted(zip(*columns, strict=True))
        files = tuple(self.folder / table / name for name, _, _ in found)
        sizes = tuple(size for _, _, size in found)
        self._known[table] = Snapshot(table, delta.version(), files, sum(n for _, n, _ in found), sizes)
        return self._known[table]

    def _is_newest(self, snapshot: Snapshot) -> bool:
        """Say whether a version is there and the next one is not: Delta counts versions without gaps."""
        log = self.folder / snapshot.table / "_delta_log"
        own, following = (log / f"{snapshot.version + k:020}.json" for k in (0, 1))
        return own.exists() and not following.exists()

    # --- writing -------------------------------------------------------------------------------------------

    def append(self, table: str, rows: pa.Table) -> None:
        """Add rows in one commit."""
        if rows.num_rows:
            rows = self._described(table, rows)
            choice = {"mode": "append"} | self._options()
            self._commit(table, lambda: write_deltalake(self.open(table), rows, **choice), rows.nbytes)

    def replace(self, table: str, rows: pa.Table, keys: Sequence[str] | None = None) -> None:
        """Put rows in the place of those with the same keys, in one commit.

        Parameters
        ----------
        table : str
            Name of the table.
        rows : pyarrow.Table
            The new rows.
        keys : sequence of str, optional
            Values of the first key column whose rows go, even where no new row comes; else those of `rows`.

        Raises
        ------
        CatalogNotWritableError
            If the commit cannot be written; the table stays at its last version.
        """
        predicate = self._predicate(table, rows, keys)
        if predicate and rows.num_rows:
            rows = self._described(table, rows)
            choice = {"mode": "overwrite", "predicate": predicate} | self._options()
            self._commit(table, lambda: write_deltalake(self.open(table), rows, **choice), rows.nbytes)
        elif predicate:
            self._commit(table, lambda: self.open(table).delete(predicate, commit_properties=self._properties()))

    def _described(self, table: str, rows: pa.Table) -> pa.Table:
        """Return rows with the descriptions of the stored columns: Delta takes no others, not even newer ones."""
        if table not in self._stored:  # opening a table takes as long as writing a small one
            self._stored[table] = pa.schema(self.open(table).schema().to_arrow())
        stored = self._stored[table]
        known = set(stored.names)
        fields = [each.with_metadata(stored.field(each.name).metadata) if each.name in known else each
                  for each in rows.schema]  # fmt: skip
        return rows.cast(pa.schema(fields, rows.schema.metadata))

    # --- keeping house -------------------------------------------------------------------------------------

    def merge_small(self, table: str) -> bool:
        """Merge files below `MERGED_SIZE` up to it; False if another writer was in the way (harmless).

        Every commit and query looks at every file: their number must not grow with that of the commits. Readers keep
        the files they opened: nothing is removed from disk before `vacuum`.
        """
        return self._optimize(
            table,
            lambda: self.open(table).optimize.compact(
                target_size=MERGED_SIZE, writer_properties=WRITER, commit_properties=self._properties()
            ),
            below=MERGED_SIZE,
        )

    def sort(self, table: str) -> bool:
        """Rewrite a table sorted by its first key column; False if another writer was in the way."""
        key = TABLES[table].key[0]
        return self._optimize(
            table,
            lambda: self.open(table).optimize.z_order(
                [key], target_size=TARGET_SIZE, writer_properties=WRITER, commit_properties=self._properties()
            ),
            patience=_PATIENCE,
        )

    def vacuum(self, table: str, grace_hours: float) -> int:
        """Remove files that no version newer than `grace_hours` uses, and return how many went.

        Files of killed commits, which no version ever named, go as well; none goes while another writer is at work,
        whose files no version names yet.
        """
        hours = int(grace_hours)
        with writing(self.folder), alone(self.folder, patience=_PATIENCE) as undisturbed:
            if not undisturbed:
                return 0
            return len(self.open(table).vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True))

    # --- how -----------------------------------------------------------------------------------------------

    def _uri(self, table: str) -> str:
        return (self.folder / table).as_uri()

    def _create_table(self, name: str) -> None:
        table = TABLES[name]
        DeltaTable.create(
            self._uri(name),
            schema=arrow_schema(name),
            mode="ignore",
            name=name,
            description=f"One row per {table.row}.",
            configuration={"wfc3tvb.schema_version": SCHEMA_VERSION, "wfc3tvb.package_version": __version__},
            commit_properties=self._properties(),
            raise_if_key_not_exists=False,
        )

    def _properties(self) -> CommitProperties:
        parameters = json.dumps(self.settings, sort_keys=True)
        versions = {"wfc3tvb.package_version": __version__, "wfc3tvb.schema_version": SCHEMA_VERSION}
        return CommitProperties(custom_metadata={**versions, "wfc3tvb.settings": parameters})

    def _options(self) -> dict[str, Any]:
        return {"writer_properties": WRITER, "commit_properties": self._properties()}

    def _predicate(self, table: str, rows: pa.Table, keys: Sequence[str] | None) -> str:
        """Return the SQL condition that holds for the rows to be replaced; empty if there are none."""
        columns = TABLES[table].key
        if table in _WHOLE_KEY and keys is None:
            wanted = rows.select(list(columns)).to_pylist()
            return " OR ".join(f"({_equal(row)})" for row in wanted)
        values = sorted(set(keys if keys is not None else rows[columns[0]].to_pylist()))
        return f"{columns[0]} IN ({', '.join(map(_literal, values))})" if values else ""

    def _commit(self, table: str, action: Callable[[], T], n_bytes: int = 0) -> T:
        with writing(self.folder), beside_others(self.folder):
            probe(self.folder / table, n_bytes)
            return self._again(action)

    def _again(self, action: Callable[[], T]) -> T:
        """Do `action` again as long as another writer's commit came between reading and writing."""
        for attempt in range(_COMMIT_TRIES):
            try:
                return action()
            except CommitFailedError as error:
                if attempt == _COMMIT_TRIES - 1:
                    problem = f"{self.folder}: other writers came first {_COMMIT_TRIES} times; try again"
                    raise CatalogError(problem) from error
                log.info("another writer came first (%s); trying again", first_line(error))
                time.sleep(random.uniform(0.01, 0.05) * (attempt + 1))
        raise AssertionError("unreachable")

    def _optimize(
        self, table: str, action: Callable[[], object], *, below: int = TARGET_SIZE, patience: float = 0.0
    ) -> bool:
        """Rewrite the files of a table below a size in one commit; False if another writer was in the way."""
        sizes = self.snapshot(table).sizes
        try:
            with writing(self.folder), alone(self.folder, patience=patience) as undisturbed:
                if undisturbed:
                    probe(self.folder / table, sum(size for size in sizes if size < below))
                    action()
                return undisturbed
        except CommitFailedError as error:
            log.info("files not merged, another writer came first: %s", first_line(error))
            return False


def _equal(row: Mapping[str, object]) -> str:
    return " AND ".join(f"{name} = {_literal(value)}" for name, value in row.items())


def _literal(value: object) -> str:
    """Return a value as an SQL literal."""
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"
