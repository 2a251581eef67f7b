"""Catalog: Delta tables on disk, queried with DuckDB.

`Catalog.sql` reads a consistent version of every table: the newest at the time when the catalog was opened, updated, or
written through this object. ``catalog.duckdb`` in the same folder contains the same views for use with DuckDB alone; it
is replaced as a whole.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from wfc3tvb.catalog import compaction, duckdb_views, queries, results, upgrade
from wfc3tvb.catalog.delta.snapshot import Snapshot
from wfc3tvb.catalog.delta.tables import Tables
from wfc3tvb.catalog.forked import check_not_forked, is_forked
from wfc3tvb.catalog.formats.column_notes import with_notes
from wfc3tvb.catalog.released import is_release
from wfc3tvb.catalog.sql import comments, frames, lineage, statements
from wfc3tvb.catalog.sql.query_errors import query_errors
from wfc3tvb.catalog.views import RELATIONS, Files, StoredFiles
from wfc3tvb.catalog.vo.regions import uses_macros
from wfc3tvb.display import counted, html_table
from wfc3tvb.errors import (
    BadArgumentError,
    CatalogError,
    CatalogExistsError,
    CatalogNotWritableError,
    DamagedCatalogError,
    QueryError,
    ReadOnlyCatalogError,
)  # fmt: skip
from wfc3tvb.models import Measurement
from wfc3tvb.schema import TABLES, Column, to_arrow

if TYPE_CHECKING:
    from astropy.table import QTable

log = logging.getLogger(__name__)

Params = Mapping[str, object] | Sequence[object] | None
#: Modes of `open_catalog`, as in h5py and zarr.
MODES = ("r", "r+", "a", "w")


class Catalog:
    """Open catalog, as returned by `open_catalog`; a context manager.

    Parameters
    ----------
    folder : Path
        The catalog's folder.
    writable : bool, optional
        Whether rows may be written.
    settings : mapping, optional
        Measuring parameters, written into every commit.
    locked : bool, optional
        Restrict DuckDB for untrusted statements: it cannot write, reads only the catalog's files, and its settings
        cannot be changed.
    own_files : bool, optional
        In a locked catalog, whether statements may also read other local files.
    memory_limit : str, optional
        DuckDB's memory limit, e.g. ``"1GB"``.
    threads : int, optional
        DuckDB's number of threads.
    """

    def __init__(
        self,
        folder: Path,
        *,
        writable: bool = False,
        settings: Mapping[str, object] | None = None,
        locked: bool = False,
        own_files: bool = False,
        memory_limit: str | None = None,
        threads: int | None = None,
    ) -> None:
        self.tables = Tables(folder, settings)
        self.folder = self.tables.folder
        self._options: dict[str, Any] = {"memory_limit": memory_limit, "threads": threads}
        self._locked, self._own_files = locked, own_files
        self._writable, self._upgraded = writable, False
        self._snapshots: dict[str, Snapshot] | None = None
        self._stored: Files | None = None
        self._n_commits = 0
        self._connection: DuckDBPyConnection | None = None
        self._has_derived = False
        self._frames: dict[str, object] = {}

    # --- reading -------------------------------------------------------------------------------------------

    @property
    def snapshots(self) -> Mapping[str, Snapshot]:
        """Version of every table that `sql` reads.

        Raises
        ------
        NoCatalogError
            If there is no catalog in the folder.
        NewerCatalogError, OldCatalogError, DamagedCatalogError
            If this version cannot read it.
        CatalogError
            If the process was forked from one that had opened a catalog.
        """
        check_not_forked(self.folder)
        if self._snapshots is None:
            self._snapshots = upgrade.readable_snapshots(self.tables)
        return self._snapshots

    @property
    def connection(self) -> DuckDBPyConnection:
        """DuckDB connection (in memory) with the views of `snapshots`; errors as in `snapshots`."""
        connection = self._with_tables
        if not self._has_derived:
            with duckdb_views.damage_errors(self.folder):
                duckdb_views.add_derived(connection)
            self._has_derived = True
        return connection

    @property
    def _with_tables(self) -> DuckDBPyConnection:
        """The connection, perhaps without the views that are derived from the tables."""
        check_not_forked(self.folder)
        if self._connection is None:
            with duckdb_views.damage_errors(self.folder):
                self._connection = self._with_views(duckdb_views.connection_without_views(**self._options))
        return self._connection

    def sql(self, text: str, params: Params = None) -> DuckDBPyRelation:
        """Run one SELECT and return DuckDB's relation (``.df()``, ``.arrow()``, ``.fetchall()``).

        Parameters
        ----------
        text : str
            One statement that only reads: SELECT, WITH, FROM, VALUES, PIVOT, DESCRIBE, SUMMARIZE, SHOW, EXPLAIN.
            A table that the catalog does not have may be the name of a variable of the caller that holds a pandas,
            Polars, Arrow or astropy table (not in a locked catalog), or a name given to `register`.
        params : mapping or sequence, optional
            Values for ``$name`` or ``?`` in it.

        Raises
        ------
        QueryError
            If DuckDB rejects the statement (the message shows where), or if it would write.
        """
        return self._run(text, params)[0]

    def fetch(
        self, text: str, params: Params = None, *, timeout: float | None = None, cap: results.Cap | None = None
    ) -> pa.Table:
        """Run one SELECT to completion and return an Arrow table, with units and descriptions in its fields' metadata.

        Parameters
        ----------
        text, params
            As in `sql`.
        timeout : float, optional
            Seconds after which it is stopped.
        cap : results.Cap, optional
            Limits of the result.

        Raises
        ------
        QueryError
            If DuckDB rejects the statement, or it fails, or takes too long.
        """
        connection = self._with_tables
        timer = threading.Timer(timeout, connection.interrupt) if timeout else None
        try:
            if timer:
                timer.start()
            with query_errors(text):
                found, columns = self._run(text, params)
                rows = results.tidy(found.to_arrow_table() if cap is None else results.capped(found, cap))
                return with_notes(rows, columns)
        except duckdb.InterruptException as error:
            raise QueryError(f"stopped after {timeout:g} s; select less, add a LIMIT, or allow more time") from error
        finally:
            if timer:
                timer.cancel()

    def table(self, text: str, params: Params = None, *, times: bool = True) -> QTable:
        """Run one SELECT and return an astropy table of quantities.

        Columns of the catalog, also renamed ones, have their unit and description; computed columns have none.

        Parameters
        ----------
        text, params
            As in `sql`.
        times : bool, optional
            Whether columns of dates are `astropy.time.Time` (scale UTC, format mjd), or numbers [d].

        Returns
        -------
        astropy.table.QTable
            Nulls are masked; lists are texts joined by semicolons.

        Raises
        ------
        QueryError
            As in `fetch`.
        """
        from wfc3tvb.catalog.formats.astropy_tables import to_quantities

        return to_quantities(self.fetch(text, params), times=times)

    def register(self, name: str, frame: object) -> None:
        """Make a pandas, Polars, Arrow or astropy table a table of later statements, under a name.

        Raises
        ------
        BadArgumentError
            If it is no such table, or the catalog has a table of that name.
        """
        if name.lower() in RELATIONS:
            raise BadArgumentError(f"the catalog has a table {name} of its own; choose another name")
        frames.register(self.connection, name, frame)
        self._frames[name] = frame

    def query(self, name: str, /, **params: object) -> DuckDBPyRelation:
        """Run a documented query (``queries/<name>.sql``).

        Raises
        ------
        UnknownQueryError
            If there is none of that name; the message suggests similar ones.
        QueryParameterError
            If a parameter is missing, unknown or not a value of its type.
        """
        documented = queries.load(name)
        return self.sql(documented.sql, documented.values(params))

    # --- writing -------------------------------------------------------------------------------------------

    def append(self, table: str, rows: Iterable[Mapping[str, Any]] | pa.Table) -> None:
        """Add rows in one commit; errors as in `replace`."""
        self.upgrade()
        self.tables.append(table, self._arrow(table, rows))
        self._committed()

    def replace(
        self, table: str, rows: Iterable[Mapping[str, Any]] | pa.Table, *, keys: Sequence[str] | None = None
    ) -> None:
        """Replace the rows with the same keys, in one commit.

        Parameters
        ----------
        table : str
            Name of the table. In ``reads`` the rows of a rootname are replaced together.
        rows : iterable of mappings, or pyarrow.Table
            Complete rows.
        keys : sequence of str, optional
            Keys (rootnames, datasets, ...) whose rows are removed even where there is no new row.

        Raises
        ------
        ReadOnlyCatalogError
            If the catalog was opened for reading.
        NewerCatalogError
            If a newer version has written the catalog.
        CatalogNotWritableError
            If the commit cannot be written; the table is unchanged.
        """
        self.upgrade()
        self.tables.replace(table, self._arrow(table, rows), keys)
        self._committed()

    def record(self, measurements: Sequence[Measurement]) -> None:
        """Store measured exposures and replace their earlier rows: reads first, then exposures."""
        rootnames = [m.rootname for m in measurements]
        if rootnames:
            self.replace("reads", [row for m in measurements for row in m.reads], keys=rootnames)
            self.replace("exposures", [m.exposure for m in measurements])

    def upgrade(self) -> None:
        """Upgrade a catalog of an older version to this version of the schema, before the first write.

        Raises
        ------
        ReadOnlyCatalogError, NewerCatalogError, CatalogNotWritableError
            As in `replace`.
        """
        if not self._writable:
            raise ReadOnlyCatalogError(self.folder)
        check_not_forked(self.folder)
        if not self._upgraded:
            if upgrade.upgrade(self.tables):
                self.reload()
            self._upgraded = True

    # --- the views -----------------------------------------------------------------------------------------

    def reload(self) -> None:
        """Make the next query read the newest version; earlier relations keep their connection."""
        self._snapshots = self._stored = self._connection = None

    def update_views(self) -> None:
        """Switch to the newest version, write units into new files, and update ``catalog.duckdb``.

        Raises
        ------
        CatalogNotWritableError
            If ``catalog.duckdb`` must be written and cannot.
        NewerCatalogError, OldCatalogError, DamagedCatalogError
            If this version cannot read the catalog.
        """
        if self._writable and self.tables.changed:
            from wfc3tvb.catalog.delta.file_notes import note_files

            note_files(self.tables)
        self.reload()
        with ThreadPoolExecutor(1) as pool:  # DuckDB starts while the logs of the tables are read
            starting = pool.submit(duckdb_views.connection_without_views, **self._options)
            files = self._files()
        connection = starting.result()
        self._check_files(files)
        found = duckdb_views.about(connection, self.folder)
        current = found.get("fingerprint") == duckdb_views.fingerprint(files)
        with duckdb_views.damage_errors(self.folder):
            whole = found.get("whole") == "True" if current else duckdb_views.has_no_orphans(connection, files)
            if not current and not is_release(self.folder):
                duckdb_views.write_views(self.folder, files, whole=whole, known=found)
            self._connection = self._with_views(connection, whole=whole)

    def compaction_advice(self) -> str | None:
        """Return advice to compact the catalog where many small files slow queries down, else None."""
        return compaction.advice(self.folder, self.snapshots.values())

    def close(self) -> None:
        """Close the DuckDB connection."""
        if self._connection is not None and not is_forked():
            self._connection.close()
        self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        """Return folder and number of exposures."""
        return f"<Catalog {self._title()}>"

    def _repr_html_(self) -> str:
        """Return the tables with their numbers of rows, for notebooks."""
        rows = [(name, str(snapshot.n_rows), f"one row per {TABLES[name].row}") for name, snapshot in self._known()]
        return html_table(rows, ("table", "rows", ""), title=self._title())

    # --- implementation ------------------------------------------------------------------------------------

    def _title(self) -> str:
        counts = {name: snapshot.n_rows for name, snapshot in self._known()}
        held = f": {counted(counts['exposures'], 'exposure')}, {counted(counts['reads'], 'read')}" if counts else ""
        return f"{self.folder}{held}"

    def _known(self) -> list[tuple[str, Snapshot]]:
        """Return the tables, none where the catalog cannot be read: a representation raises no error."""
        try:
            return list(self.snapshots.items())
        except CatalogError:
            return []

    def _run(self, text: str, params: Params) -> tuple[DuckDBPyRelation, dict[str, Column]]:
        """Run one SELECT, and return its relation and those of its columns that are the catalog's."""
        with query_errors(text):
            own_files, scheme = self._own_files or not self._locked, statements.READONLY if self._locked else ""
            checked = statements.check_statement(self._with_tables, text, own_files=own_files, scheme=scheme)
            statements.check_text(*(params.values() if isinstance(params, Mapping) else params or ()))
            connection = self._with_tables if checked.tables_alone else self.connection
            if "duckdb_" in text.lower():
                duckdb_views.add_comments(connection)
            if uses_macros(text):
                duckdb_views.add_macros(connection)
            if not self._locked:
                frames.register_callers(connection, checked.tables - RELATIONS.keys() - self._frames.keys())
            relation = connection.sql(comments.with_comments(checked.sql, checked.tree), params=params)
        known = lineage.origins(checked.tree)
        return relation, {name: known[name.lower()] for name in relation.columns if name.lower() in known}

    def _arrow(self, table: str, rows: Iterable[Mapping[str, Any]] | pa.Table) -> pa.Table:
        """Return rows as an Arrow table of the schema, sorted by key."""
        arrow = rows if isinstance(rows, pa.Table) else to_arrow(table, rows)
        order = pc.sort_indices(arrow, [(name, "ascending") for name in TABLES[table].key])
        return arrow.take(order)  # `sort_by` would import pandas

    def _committed(self) -> None:
        """Make the next query read the commit, and merge small files after many commits."""
        self.reload()
        self._n_commits += 1
        if compaction.merge_after(self.tables, self._n_commits):
            self.reload()

    def _with_views(self, connection: DuckDBPyConnection, *, whole: bool = False) -> DuckDBPyConnection:
        """Lock a connection if requested, and create the views of the tables in it."""
        files: Files = self._files()
        if self._locked:
            files = duckdb_views.lock(connection, files, own_files=self._own_files)
        duckdb_views.add_tables(connection, files, whole=whole)
        self._has_derived = False
        for name, frame in self._frames.items():
            frames.register(connection, name, frame)
        return connection

    def _check_files(self, files: Files) -> None:
        """Raise `DamagedCatalogError` where a live file is missing, which a view would only report when it is read."""
        for name, stored in files.items():
            if gone := next((path for path in map(Path, stored.files) if not path.exists()), None):
                raise DamagedCatalogError(self.folder, f"a file of table {name} is missing, {gone.name}")

    def _files(self) -> Files:
        """Return the live files of `snapshots`."""
        if self._stored is None:
            sources = {name: each.sources for name, each in upgrade.compare_catalog(self.snapshots).tables.items()}
            self._stored = {
                name: StoredFiles(snapshot.files, sources[name], snapshot.stored.extended)
                for name, snapshot in self.snapshots.items()
            }
        return self._stored


def open_catalog(
    folder: str | Path,
    mode: str = "r",
    *,
    settings: Mapping[str, object] | None = None,
    locked: bool = False,
    own_files: bool = False,
    memory_limit: str | None = None,
    threads: int | None = None,
) -> Catalog:
    """Open a catalog.

    A catalog of an older version opens as one of this version: missing columns read as null, and the first write adds
    them. A catalog of a newer minor version can be read, without the columns that it added, but not written. A folder
    of released tables (``catalogs/`` of the repository, or `wfc3tvb export`) can be read, too; nothing is written
    there.

    Parameters
    ----------
    folder : str or Path
        The catalog's folder.
    mode : {"r", "r+", "a", "w"}, optional
        As in h5py and zarr: ``r`` reads a catalog (and only rewrites a ``catalog.duckdb`` that is out of date, after
        a move or copy); ``r+`` also writes; ``a`` also creates the catalog if there is none; ``w`` creates a new one,
        and refuses to where there is a catalog with rows.
    settings : mapping, optional
        Measuring parameters, written into every commit.
    locked, own_files, memory_limit, threads
        As in `Catalog`.

    Raises
    ------
    BadArgumentError
        If the mode is unknown.
    NoCatalogError
        If there is no catalog (``r``, ``r+``).
    CatalogExistsError
        If there is a catalog with rows (``w``).
    NewerCatalogError
        If a newer version wrote it, except for reading where only the minor version of the schema is newer.
    OldCatalogError
        If its schema is too old for this version.
    DamagedCatalogError
        If a file, table or column is missing, or a column has another type.
    CatalogNotWritableError
        If the folder cannot be created or written (not for ``r``).
    """
    if mode not in MODES:
        raise BadArgumentError(f"mode {mode!r} is unknown; choose one of {', '.join(MODES)}")
    catalog = Catalog(
        Path(folder),
        writable=mode != "r",
        settings=settings,
        locked=locked,
        own_files=own_files,
        memory_limit=memory_limit,
        threads=threads,
    )
    if mode == "r":
        try:
            catalog.update_views()
        except CatalogNotWritableError as error:
            log.info("%s is not updated: %s", duckdb_views.VIEWS_FILE, error)
        return catalog
    _prepare_to_write(catalog.tables, mode)
    catalog.update_views()
    return catalog


def _prepare_to_write(tables: Tables, mode: str) -> None:
    """Check that a catalog can be written, and create the tables of a new one in modes ``a`` and ``w``."""
    if is_release(tables.folder):
        raise CatalogNotWritableError(tables.folder, "it holds released tables, which can only be read")
    snapshots = upgrade.read_snapshots(tables)
    holds_rows = any(snapshot.n_rows for snapshot in snapshots.values())
    if mode == "w" and holds_rows:
        raise CatalogExistsError(tables.folder)
    if mode != "r+" and not holds_rows:  # also where the creation of a catalog was interrupted
        tables.create()
    upgrade.check_usable(tables.folder, upgrade.read_snapshots(tables), write=True)
    tables.check_writable()
