"""The catalog: Delta tables on disk, DuckDB over them.

`Catalog.sql` reads one whole version of every table: the newest when the catalog was opened, refreshed, or
written through this object. ``catalog.duckdb`` in the same folder holds the same views for whoever comes with
plain DuckDB; it is written beside and renamed into place.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from wfc3tvb.errors import CatalogError, CatalogNotWritableError, NoCatalogError, QueryError
from wfc3tvb.exposure import Measurement
from wfc3tvb.io import duck, queries, results, smallfiles, statements
from wfc3tvb.io.tables import Snapshot, Tables
from wfc3tvb.schema import TABLES, to_arrow

log = logging.getLogger(__name__)

Params = Mapping[str, object] | Sequence[object] | None


class Catalog:
    """A catalog folder, open.

    Use `open_catalog` to read one, `Catalog.create` to make one or write into one. A context manager.

    Parameters
    ----------
    folder : Path
        The catalog's folder.
    settings : mapping, optional
        Measuring parameters, written into every commit.
    locked : bool, optional
        Lock DuckDB down for statements of strangers: it cannot write, reads no file but the catalog's own, and its
        settings stay.
    own_files : bool, optional
        Of a locked catalog: whether a statement may read other local files too.
    memory_limit : str, optional
        DuckDB's memory limit, e.g. ``"1GB"``.
    threads : int, optional
        DuckDB's number of threads.
    """

    def __init__(
        self,
        folder: Path,
        *,
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
        self._snapshots: dict[str, Snapshot] | None = None
        self._n_commits = 0
        self._connection: DuckDBPyConnection | None = None

    @classmethod
    def create(cls, folder: str | Path, *, settings: Mapping[str, object] | None = None) -> Self:
        """Open a catalog for writing; make it if it is not there.

        Raises
        ------
        CatalogNotWritableError
            If the folder cannot be made or written.
        MissingTableError
            If a table was there and is gone.
        SchemaMismatchError
            If it was made with another version of the schema.
        """
        catalog = cls(Path(folder), settings=settings)
        catalog.tables.create()
        catalog.tables.check_schema()
        catalog.refresh()
        return catalog

    # --- reading -------------------------------------------------------------------------------------------

    @property
    def snapshots(self) -> Mapping[str, Snapshot]:
        """The version of every table that `sql` reads."""
        if self._snapshots is None:
            self._snapshots = {name: self.tables.snapshot(name) for name in TABLES}
        return self._snapshots

    @property
    def connection(self) -> DuckDBPyConnection:
        """The DuckDB connection (in memory) that holds the views of `snapshots`."""
        if self._connection is None:
            self._connection = self._with_views(duck.bare(**self._options))
        return self._connection

    def sql(self, text: str, params: Params = None) -> DuckDBPyRelation:
        """Run one SELECT and return DuckDB's relation (``.df()``, ``.arrow()``, ``.fetchall()``).

        Parameters
        ----------
        text : str
            One statement that reads: SELECT, WITH, FROM, VALUES, PIVOT, DESCRIBE, SUMMARIZE, SHOW, EXPLAIN.
        params : mapping or sequence, optional
            Values for ``$name`` or ``?`` in it.

        Raises
        ------
        QueryError
            If DuckDB refuses it; the message says where. Also if it would write.
        """
        with duck.query_errors(text):
            own, scheme = self._own_files or not self._locked, statements.READONLY if self._locked else ""
            readable = statements.reading(self.connection, text, own_files=own, scheme=scheme)
            statements.check_text(*(params.values() if isinstance(params, Mapping) else params or ()))
            if "duckdb_" in text.lower():
                duck.add_comments(self.connection)
            return self.connection.sql(readable, params=params)

    def fetch(
        self, text: str, params: Params = None, *, timeout: float | None = None, cap: results.Cap | None = None
    ) -> pa.Table:
        """Run one SELECT to its end and return an Arrow table.

        Parameters
        ----------
        text, params
            As in `sql`.
        timeout : float, optional
            Seconds after which it is stopped.
        cap : results.Cap, optional
            What the result may be at most.

        Raises
        ------
        QueryError
            If DuckDB refuses it, it fails on the way, or it took too long.
        """
        connection = self.connection
        timer = threading.Timer(timeout, connection.interrupt) if timeout else None
        try:
            if timer:
                timer.start()
            with duck.query_errors(text):
                found = self.sql(text, params)
                return results.tidy(found.to_arrow_table() if cap is None else results.capped(found, cap))
        except duckdb.InterruptException as error:
            raise QueryError(f"stopped after {timeout:g} s; ask for less, add a LIMIT, or allow more time") from error
        finally:
            if timer:
                timer.cancel()

    def query(self, name: str, /, **params: object) -> DuckDBPyRelation:
        """Run a documented query (``queries/<name>.sql``).

        Raises
        ------
        UnknownQueryError
            If there is none of that name; the message names the nearest.
        QueryParameterError
            If a parameter is missing, unknown or not a value of its type.
        """
        documented = queries.load(name)
        return self.sql(documented.sql, documented.values(params))

    # --- writing -------------------------------------------------------------------------------------------

    def append(self, table: str, rows: Iterable[Mapping[str, Any]] | pa.Table) -> None:
        """Add rows in one commit."""
        self.tables.append(table, self._arrow(table, rows))
        self._committed()

    def replace(
        self, table: str, rows: Iterable[Mapping[str, Any]] | pa.Table, *, keys: Sequence[str] | None = None
    ) -> None:
        """Put rows in the place of those with the same key, in one commit.

        Parameters
        ----------
        table : str
            Name of the table. In ``reads`` the rows of a rootname are replaced together.
        rows : iterable of mappings, or pyarrow.Table
            Complete rows.
        keys : sequence of str, optional
            Keys (rootnames, datasets, ...) whose rows go even where no new row comes.

        Raises
        ------
        CatalogNotWritableError
            If the commit cannot be written; the table stays as it was.
        """
        self.tables.replace(table, self._arrow(table, rows), keys)
        self._committed()

    def record(self, measurements: Sequence[Measurement]) -> None:
        """Store measured exposures in place of what was there of them: reads first, then exposures."""
        rootnames = [m.rootname for m in measurements]
        if rootnames:
            self.replace("reads", [row for m in measurements for row in m.reads], keys=rootnames)
            self.replace("exposures", [m.exposure for m in measurements])

    # --- the views -----------------------------------------------------------------------------------------

    def renew(self) -> None:
        """Let the next query see the newest version; relations handed out stay on their connection."""
        self._snapshots = None
        self._connection = None

    def refresh(self) -> None:
        """Read the newest version from now on, and write ``catalog.duckdb`` anew where it does not fit.

        Raises
        ------
        CatalogNotWritableError
            If ``catalog.duckdb`` has to be written and cannot.
        """
        self.renew()
        files, connection = self._files(), duck.bare(**self._options)
        found = duck.about(connection, self.folder)
        fits = found.get("stamp") == duck.stamp(files)
        whole = found.get("whole") == "True" if fits else self._whole(connection, files)
        if not fits:
            duck.write_views(self.folder, files, whole=whole)
        self._connection = self._with_views(connection, whole=whole)

    def hint(self) -> str | None:
        """Return a word of advice where many small files slow queries down, else None."""
        return smallfiles.advice(self.folder, self.snapshots.values())

    def close(self) -> None:
        """Close the DuckDB connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- how -----------------------------------------------------------------------------------------------

    def _arrow(self, table: str, rows: Iterable[Mapping[str, Any]] | pa.Table) -> pa.Table:
        """Return rows as an Arrow table of the schema, sorted by key."""
        arrow = rows if isinstance(rows, pa.Table) else to_arrow(table, rows)
        return arrow.sort_by([(name, "ascending") for name in TABLES[table].key])

    def _committed(self) -> None:
        """Let the next query see what was committed; every now and then merge the small files of many commits."""
        self.renew()
        self._n_commits += 1
        if smallfiles.merge_after(self.tables, self._n_commits):
            self.renew()

    def _with_views(self, connection: DuckDBPyConnection, *, whole: bool = False) -> DuckDBPyConnection:
        """Give a connection its views, and lock it first where it is to be locked."""
        files: duck.Files = self._files()
        if self._locked:
            files = duck.lock(connection, files, own_files=self._own_files)
        duck.add_views(connection, files, whole=whole)
        return connection

    def _whole(self, connection: DuckDBPyConnection, files: duck.Files) -> bool:
        """Say whether every read has its exposure."""
        try:
            return duck.has_no_orphans(connection, files)
        except duckdb.Error as error:
            problem = str(error).partition("\n")[0]
            remedy = f"wfc3tvb verify --catalog {self.folder} says what is"
            raise CatalogError(f"{self.folder} is damaged: {problem}; {remedy}") from error

    def _files(self) -> dict[str, tuple[Path, ...]]:
        return {name: snapshot.files for name, snapshot in self.snapshots.items()}


def open_catalog(
    folder: str | Path,
    *,
    locked: bool = False,
    own_files: bool = False,
    memory_limit: str | None = None,
    threads: int | None = None,
) -> Catalog:
    """Open a catalog for reading; write its ``catalog.duckdb`` anew where it no longer fits (moved, copied).

    Parameters
    ----------
    folder : str or Path
        The catalog's folder.
    locked, own_files, memory_limit, threads
        As in `Catalog`.

    Raises
    ------
    NoCatalogError
        If there is none.
    MissingTableError
        If a table was there and is gone.
    SchemaMismatchError
        If it was made with another version of the schema.
    CatalogNotWritableError
        If it lacks a table of this version and cannot be written.
    """
    catalog = Catalog(Path(folder), locked=locked, own_files=own_files, memory_limit=memory_limit, threads=threads)
    if missing := catalog.tables.missing():
        catalog.tables.check_whole()
        if len(missing) == len(TABLES):
            raise NoCatalogError(folder)
        catalog.tables.create()  # it is being made, or was made by a version that had fewer tables
    try:
        catalog.refresh()
    except CatalogNotWritableError as error:
        log.info("%s is left as it is: %s", duck.VIEWS_FILE, error)
    return catalog
