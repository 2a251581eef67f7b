"""Tables on disk: one Delta Lake folder per table of the schema, through the ``deltalake`` package.

That package makes commits atomic, never blocks readers, and is safe with several writers. This module chooses the kind
of commit (replacement by key, append, merge of small files) and translates errors.
"""

from __future__ import annotations

import json
import logging
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, WriterProperties, write_deltalake
from deltalake import exceptions as delta_errors
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from wfc3tvb import __version__, schema
from wfc3tvb.catalog.delta.durability import sync_commits
from wfc3tvb.catalog.delta.snapshot import EXTENDED_KEY, PACKAGE_KEY, SCHEMA_KEY, Snapshot, stored_schema
from wfc3tvb.catalog.delta.write_errors import check_links, first_line, probe, writing
from wfc3tvb.catalog.delta.write_lock import exclusive_lock, shared_lock
from wfc3tvb.catalog.forked import check_not_forked
from wfc3tvb.catalog.formats.rows import GROUP_ROWS
from wfc3tvb.errors import CatalogError, DamagedCatalogError, NoCatalogError, SchemaMismatchError
from wfc3tvb.schema import TABLES, arrow_schema
from wfc3tvb.schema.migrations import earlier_names
from wfc3tvb.system.disk_errors import disk_error

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Parts of a path that the table library cannot open: it makes a URL of the path, and parses that in several ways.
#: A question mark (of a copied catalog) it can read, but not write.
_UNUSABLE = re.compile(r"[][|^\\\x00-\x1f\x7f\ud800-\udfff]|%[0-9A-Fa-f]{2}")
_NOT_WRITABLE = re.compile(r"[?]")
#: Layout of files, with dictionaries, which DuckDB reads fast.
WRITER = WriterProperties(compression="ZSTD", max_row_group_size=GROUP_ROWS)
#: Target size of sorted files [byte]. To replace one row, its whole file
#: is written again: among 300,000 exposures that takes 6 s, and 29 s with 256 MB; queries take the same time.
TARGET_SIZE = 32 * 2**20
#: Target size of files that are merged during a survey; to merge larger ones would take memory and time.
MERGED_SIZE = 4 * 2**20
#: Tables that record a history: a row is replaced only by one with the same complete key.
_WHOLE_KEY = frozenset({"failures"})
#: Most keys in a condition.
_MOST_LISTED = 1000
#: Keys that need no quoting: names of datasets and exposures, identifiers of runs.
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_COMMIT_TRIES = 30
#: Entry of commits that sort the rows of a table, or leave rows and order as they are.
ORDER_KEY, SORTED, KEPT = "wfc3tvb.order", "sorted", "kept"
#: Seconds to wait for other writers before sorting.
_LOCK_TIMEOUT = 30.0


class Tables:
    """The Delta tables of one catalog folder.

    Parameters
    ----------
    folder : Path
        The catalog's folder; every table is a subfolder.
    settings : mapping, optional
        Measuring parameters, written into every commit beside the package and schema versions.

    Raises
    ------
    CatalogError
        If the table library cannot open folders with this path (brackets, control characters, ...), or the process
        was forked from one that had opened a catalog.
    """

    def __init__(self, folder: Path, settings: Mapping[str, object] | None = None) -> None:
        self.folder = Path(folder).absolute()
        self._check_path(_UNUSABLE)
        check_not_forked(self.folder)
        self.settings = dict(settings or {})
        self._stored: dict[str, pa.Schema] = {}
        self._known: dict[str, Snapshot] = {}
        #: Tables whose files this object has written.
        self.changed: set[str] = set()

    # --- creating and opening ------------------------------------------------------------------------------

    def create(self) -> None:
        """Create the folder and the tables that do not exist yet.

        Raises
        ------
        CatalogNotWritableError
            If the folder cannot be created or written.
        """
        self._check_path(_NOT_WRITABLE)
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            probe(self.folder)
            check_links(self.folder)
            for name in TABLES:
                if not self.exists(name):
                    self._retry(partial(self._create_table, name))

    def check_writable(self) -> None:
        """Raise `CatalogNotWritableError` where the folder cannot be written, `CatalogError` where it has no links."""
        self._check_path(_NOT_WRITABLE)
        with writing(self.folder):
            probe(self.folder)
            check_links(self.folder)

    def place(self, table: str) -> Path:
        """Return a table's folder, which may have an earlier name of the table."""
        names = (table, *earlier_names(table))
        return next((path for name in names if _has_log(path := self.folder / name)), self.folder / table)

    def exists(self, table: str) -> bool:
        """Return whether a table exists."""
        return _has_log(self.place(table)) and DeltaTable.is_deltatable(self._uri(table))

    def open(self, table: str) -> DeltaTable:
        """Open the newest version of a table.

        Raises
        ------
        NoCatalogError
            If it does not exist.
        DamagedCatalogError
            If its transaction log cannot be read.
        """
        if not _has_log(self.place(table)):
            raise NoCatalogError(self.folder)
        with self._reading(table):
            return DeltaTable(self._uri(table))

    @contextmanager
    def _reading(self, table: str) -> Iterator[None]:
        """Convert the errors of reading a table's transaction log, as `open` raises them."""
        try:
            yield
        except TableNotFoundError as error:
            raise NoCatalogError(self.folder) from error
        except (DeltaError, OSError) as error:
            if (found := disk_error(error)) is not None:
                raise found from error
            problem = f"the log of table {table} cannot be read: {first_line(error)}"
            raise DamagedCatalogError(self.folder, problem) from error

    def snapshot(self, table: str) -> Snapshot:
        """Return the newest version of a table with its live files."""
        if (known := self._known.get(table)) and self._is_newest(known):
            return known
        delta = self.open(table)
        # pyarrow's conversion would import pandas, which takes longer than most queries.
        actions = delta.get_add_actions(flatten=True)
        columns = [actions.column(name).to_pylist() for name in ("path", "num_records", "size_bytes")]
        found = sorted(zip(*columns, strict=True))
        files = tuple(self.place(table) / name for name, _, _ in found)
        sizes = tuple(size for _, _, size in found)
        n_rows = sum(n for _, n, _ in found)
        self._known[table] = Snapshot(table, delta.version(), files, n_rows, sizes, stored_schema(delta))
        return self._known[table]

    def _is_newest(self, snapshot: Snapshot) -> bool:
        """Return whether there is no version after a snapshot's; Delta numbers versions without gaps."""
        log = self.place(snapshot.table) / "_delta_log"
        current, following = (log / f"{snapshot.version + k:020}.json" for k in (0, 1))
        return current.exists() and not following.exists()

    # --- writing -------------------------------------------------------------------------------------------

    def append(self, table: str, rows: pa.Table) -> None:
        """Add rows in one commit."""
        if rows.num_rows:
            rows = self._as_stored(table, rows)
            options = {"mode": "append"} | self._options()
            self._commit(table, lambda: write_deltalake(self.open(table), rows, **options), rows.nbytes)

    def replace(self, table: str, rows: pa.Table, keys: Sequence[str] | None = None) -> None:
        """Replace the rows with the same keys, in one commit.

        Parameters
        ----------
        table : str
            Name of the table.
        rows : pyarrow.Table
            The new rows.
        keys : sequence of str, optional
            Values of the first key column whose rows are removed, even where there is no new row; by default those in
            `rows`.

        Raises
        ------
        CatalogNotWritableError
            If the commit cannot be written; the table is unchanged.
        """
        removed = _removed(table, rows, keys)
        if removed.num_rows:
            stored = self._as_stored(table, rows)
            replace = self._overwrite if _can_be_listed(stored, removed) else self._merge
            self._commit(table, lambda: replace(table, stored, removed), rows.nbytes)

    def _overwrite(self, table: str, rows: pa.Table, removed: pa.Table) -> None:
        """Remove the rows with the keys in `removed`, a few plain ones, and add `rows`, in one commit.

        A join takes half as much time again, and reads more files.
        """
        name = removed.column_names[0]
        keys = [f"'{value}'" for value in sorted(removed[name].to_pylist())]
        among = f'"{name}" BETWEEN {keys[0]} AND {keys[-1]}'  # long lists alone do not tell which files to read
        condition = f'{among} AND "{name}" IN ({", ".join(keys)})'
        write_deltalake(self.open(table), rows, mode="overwrite", predicate=condition, **self._options())

    def _merge(self, table: str, rows: pa.Table, removed: pa.Table) -> None:
        """Remove the rows with the keys in `removed` and add `rows`, in one commit.

        The keys are joined, so that there may be any number of them: a condition with 36,000 values overflows the
        stack of the table library. New rows have no value in the columns of the join, so that they match no stored row
        and are inserted.
        """
        marks = {f"removed_{name}": removed[name] for name in removed.column_names}
        source = pa.concat_tables([rows, pa.table(marks)], promote_options="default")
        merger = self.open(table).merge(
            source,
            " AND ".join(f'target."{name}" = source."removed_{name}"' for name in removed.column_names),
            source_alias="source",
            target_alias="target",
            streamed_exec=False,  # so that files without any of the keys are not read
            **self._options(),
        )
        new = " AND ".join(f'source."{name}" IS NULL' for name in marks)
        values = {f'"{name}"': f'source."{name}"' for name in rows.column_names}
        merger.when_matched_delete().when_not_matched_insert(values, predicate=new).execute()

    def _as_stored(self, table: str, rows: pa.Table) -> pa.Table:
        """Return rows with the columns of the stored table; columns that are no longer in the schema are null.

        The rows get the stored descriptions, because Delta rejects any others, even newer ones.
        """
        if table not in self._stored:  # opening a table takes as long as writing a small one
            self._stored[table] = pa.schema(self.open(table).schema().to_arrow())
        stored, names = self._stored[table], rows.column_names
        for field in stored:
            if field.name not in names:
                rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
        fields = [each.with_metadata(stored.field(each.name).metadata) for each in rows.schema]
        return rows.cast(pa.schema(fields, rows.schema.metadata))

    # --- other versions of the schema ----------------------------------------------------------------------

    def add_columns(self, table: str, names: Sequence[str]) -> None:
        """Add columns of the schema to a table, null in every row, and record the version of the schema."""
        if names:  # recorded before the columns are added, because files without them are read in another way
            self._commit(table, lambda: self._configure(table, {EXTENDED_KEY: schema.SCHEMA_VERSION}))
            fields = Schema.from_arrow(pa.schema([arrow_schema(table).field(name) for name in names])).fields
            self._commit(
                table, lambda: self.open(table).alter.add_columns(fields, commit_properties=self.commit_properties())
            )
        self._commit(table, lambda: self._configure(table, self._configuration()))
        self._stored.pop(table, None)

    def rename_folder(self, table: str) -> None:
        """Rename a table's folder to the present name of the table.

        Raises
        ------
        CatalogError
            If other writers hold the lock for too long.
        """
        with writing(self.folder), exclusive_lock(self.folder, patience=_LOCK_TIMEOUT) as locked:
            if not locked:
                raise CatalogError(f"{self.folder}: another command is writing; try again when it has finished")
            self.place(table).rename(self.folder / table)
        self._known.pop(table, None)

    # --- maintenance ---------------------------------------------------------------------------------------

    def merge_small(self, table: str) -> bool:
        """Merge files smaller than `MERGED_SIZE`; False if another writer prevented it, which does no harm.

        Every commit and query opens every file, so their number must not grow with the number of commits. Readers keep
        the files that they have open: only `vacuum` removes files from disk.
        """
        return self._optimize(
            table,
            lambda: self.open(table).optimize.compact(
                target_size=MERGED_SIZE, writer_properties=WRITER, commit_properties=self.commit_properties()
            ),
            below=MERGED_SIZE,
        )

    def is_sorted(self, table: str) -> bool:
        """Return whether a table is one file at most, or was sorted into small enough files after its last change."""
        sizes = self.snapshot(table).sizes
        if len(sizes) < 2:
            return True
        delta = self.open(table)
        with self._reading(table):
            orders = [commit.get(ORDER_KEY) for commit in delta.history()]
        return max(sizes) < 2 * TARGET_SIZE and next((order for order in orders if order != KEPT), None) == SORTED

    def sort(self, table: str) -> bool:
        """Rewrite a table sorted by its first key column; False if another writer prevented it."""
        key, properties = TABLES[table].key[0], self.commit_properties(order=SORTED)
        return self._optimize(
            table,
            lambda: self.open(table).optimize.z_order(
                [key], target_size=TARGET_SIZE, writer_properties=WRITER, commit_properties=properties
            ),
            patience=_LOCK_TIMEOUT,
        )

    def vacuum(self, table: str, grace_hours: float) -> int:
        """Remove files that no version of the last `grace_hours` uses, and return their number.

        This includes files of interrupted commits, which belong to no version. Nothing is removed during another
        writer's commit, whose files do not belong to a version yet.
        """
        hours = int(grace_hours)
        with writing(self.folder), exclusive_lock(self.folder, patience=_LOCK_TIMEOUT) as locked:
            if not locked:
                return 0
            return len(self.open(table).vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True))

    # --- implementation ------------------------------------------------------------------------------------

    def _check_path(self, pattern: re.Pattern[str]) -> None:
        path = str(self.folder)
        if found := pattern.search(path):
            shown = path if path.isprintable() else repr(path)
            problem = f"a catalog's path must not contain {found[0]!r}"
            raise CatalogError(f"{shown}: {problem}; choose another folder")

    def _uri(self, table: str) -> str:
        return self.place(table).as_uri()

    def _create_table(self, name: str) -> None:
        table = TABLES[name]
        DeltaTable.create(
            self._uri(name),
            schema=arrow_schema(name),
            mode="ignore",
            name=name,
            description=f"One row per {table.row}.",
            configuration=self._configuration(),
            commit_properties=self.commit_properties(),
            raise_if_key_not_exists=False,
        )

    def commit_properties(self, *, order: str | None = None) -> CommitProperties:
        """Return what a commit records: versions, settings, and where no rows change the order, `SORTED` or `KEPT`."""
        recorded = self._configuration() | {"wfc3tvb.settings": json.dumps(self.settings, sort_keys=True)}
        return CommitProperties(custom_metadata=recorded | ({ORDER_KEY: order} if order else {}))

    def _configure(self, table: str, properties: dict[str, str]) -> None:
        self.open(table).alter.set_table_properties(
            properties, raise_if_not_exists=False, commit_properties=self.commit_properties()
        )

    def _configuration(self) -> dict[str, str]:
        return {SCHEMA_KEY: schema.SCHEMA_VERSION, PACKAGE_KEY: __version__}

    def _options(self) -> dict[str, Any]:
        return {"writer_properties": WRITER, "commit_properties": self.commit_properties()}

    def _commit(self, table: str, action: Callable[[], T], n_bytes: int = 0) -> T:
        with writing(self.folder), shared_lock(self.folder):
            probe(self.place(table), n_bytes)
            began = time.time()
            try:
                done = self._retry(action)
            except delta_errors.SchemaMismatchError as error:
                problem = f"{self.folder}: another program has just changed the columns of table {table}"
                raise SchemaMismatchError(f"{problem}; run the command again") from error
            sync_commits(self.place(table), began)
            self.changed.add(table)
            return done

    def _retry(self, action: Callable[[], T]) -> T:
        """Repeat `action` while another writer's commit comes between its reading and its writing."""
        for attempt in range(_COMMIT_TRIES):
            try:
                return action()
            except CommitFailedError as error:
                if attempt == _COMMIT_TRIES - 1:
                    problem = f"{self.folder}: commits of other commands prevented this one {_COMMIT_TRIES} times"
                    raise CatalogError(f"{problem}; try again") from error
                log.info("another writer committed first (%s); trying again", first_line(error))
                time.sleep(random.uniform(0.01, 0.05) * (attempt + 1))
        raise AssertionError("unreachable")

    def _optimize(
        self, table: str, action: Callable[[], object], *, below: int = TARGET_SIZE, patience: float = 0.0
    ) -> bool:
        """Rewrite the files of a table below a size in one commit; False if another writer prevented it."""
        sizes = self.snapshot(table).sizes
        try:
            with writing(self.folder), exclusive_lock(self.folder, patience=patience) as locked:
                if locked:
                    probe(self.place(table), sum(size for size in sizes if size < below))
                    began = time.time()
                    action()
                    sync_commits(self.place(table), began)
                    self.changed.add(table)
                return locked
        except CommitFailedError as error:
            log.info("files not merged, another writer committed first: %s", first_line(error))
            return False


def _has_log(place: Path) -> bool:
    return (place / "_delta_log").is_dir()


def _can_be_listed(rows: pa.Table, removed: pa.Table) -> bool:
    """Return whether a condition can name the keys of the rows that are removed, and holds for all that are added."""
    if removed.num_columns != 1 or removed.num_rows > _MOST_LISTED or not rows.num_rows:
        return False
    (name,) = removed.column_names
    keys = set(removed[name].to_pylist())
    return all(isinstance(key, str) and _PLAIN.fullmatch(key) for key in keys) and set(rows[name].to_pylist()) <= keys


def _removed(table: str, rows: pa.Table, keys: Sequence[str] | None) -> pa.Table:
    """Return the keys of the rows that `rows` replace, each once."""
    columns = TABLES[table].key
    if keys is not None:
        rows = pa.table({columns[0]: pa.array(keys, arrow_schema(table).field(columns[0]).type)})
    names = list(columns) if table in _WHOLE_KEY and keys is None else [columns[0]]
    found = dict.fromkeys(zip(*(rows[name].to_pylist() for name in names), strict=True))
    fields = arrow_schema(table)
    return pa.table(
        {name: pa.array([key[i] for key in found], fields.field(name).type) for i, name in enumerate(names)}
    )  # `group_by` of pyarrow would import pandas
