"""DuckDB views of the tables' Parquet files: in the connection for queries, and in ``catalog.duckdb``.

The connection is in memory, so that it does not depend on other users of ``catalog.duckdb``. That file has the same
views for use with DuckDB alone; it is written in a temporary folder and renamed into place. There they select from
views of a schema of their own, which alone are replaced when files change: comments, which take longest, stay.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection

from wfc3tvb import __version__
from wfc3tvb.catalog import forked
from wfc3tvb.catalog.delta.write_errors import TEMPORARY
from wfc3tvb.catalog.sql.statements import READONLY, readonly_name
from wfc3tvb.catalog.views import (
    FILES_SCHEMA,
    Files,
    StoredFiles,
    comment_statements,
    derived_statements,
    file_statements,
    literal,
    orphans_query,
    stable_statements,
    table_statements,
    view_statements,
)
from wfc3tvb.catalog.vo.regions import macro_statements
from wfc3tvb.errors import CatalogNotWritableError, DamagedCatalogError
from wfc3tvb.schema import SCHEMA_VERSION, TABLES
from wfc3tvb.system.disk_errors import disk_error
from wfc3tvb.system.files import remove_old

log = logging.getLogger(__name__)

#: Name of the DuckDB file with the views.
VIEWS_FILE = "catalog.duckdb"
#: Age at which the next writer removes a temporary folder that a killed process left [h]; writing takes seconds.
_LEFT_HOURS = 1.0
#: Oldest version of DuckDB that can open it; left to itself, DuckDB 2 writes files that no earlier one can.
STORAGE_VERSION = "v1.0.0"
#: The file before views of files are in it, once it was made.
_without_files: list[bytes] = []
#: Settings of a locked connection. Only the registered file system can be reached, and there is no folder for temporary
#: files, which would be writable.
_LOCKED = "; ".join(
    f"SET {setting}"
    for setting in (f"allowed_directories = ['{READONLY}']", "temp_directory = ''", "enable_external_access = false",
                    "disabled_filesystems = 'LocalFileSystem'", "lock_configuration = true")
)  # fmt: skip


def connect(files: Files, *, whole: bool = False, **options: str | int | None) -> DuckDBPyConnection:
    """Return a connection in memory with the views of `files`.

    Parameters
    ----------
    files : mapping
        Live Parquet files of every table.
    whole : bool, optional
        As in `view_statements`.
    **options
        Settings of DuckDB, e.g. ``memory_limit="1GB"``, ``threads=2``; None means DuckDB's default.
    """
    connection = connection_without_views(**options)
    add_views(connection, files, whole=whole)
    return connection


def connection_without_views(**options: str | int | None) -> DuckDBPyConnection:
    """Return a connection in memory without views."""
    # Names in SQL must not refer to Python variables of the caller.
    config: dict[str, Any] = {"python_enable_replacements": "false", "temp_directory": str(_spilling_folder())}
    config |= {name: value for name, value in options.items() if value is not None}
    connection = duckdb.connect(":memory:", config=config)
    forked.register(connection)
    with suppress(duckdb.Error):  # a notebook without ipywidgets has no progress bar
        connection.execute("SET enable_progress_bar = false")  # it would be drawn in the middle of the output
    with suppress(duckdb.Error):
        connection.execute("SET TimeZone = 'UTC'")  # for mjd(now())
    return connection


def _spilling_folder() -> Path:
    """Return the folder for data that do not fit into memory; DuckDB makes and removes it, by default where it runs."""
    return Path(tempfile.gettempdir()) / f"wfc3tvb-{uuid.uuid4().hex}"


def add_views(connection: DuckDBPyConnection, files: Files, *, whole: bool) -> None:
    """Create the views of `files` in a connection."""
    connection.execute("; ".join(view_statements(files, whole=whole)))


def add_tables(connection: DuckDBPyConnection, files: Files, *, whole: bool) -> None:
    """Create the views of the tables of the schema alone, in less than half of the time of `add_views`."""
    connection.execute("; ".join(table_statements(files, whole=whole)))


def add_derived(connection: DuckDBPyConnection) -> None:
    """Create the views that are derived from the tables."""
    connection.execute("; ".join(derived_statements()))


def has_no_orphans(connection: DuckDBPyConnection, files: Files) -> bool:
    """Return whether every read has its exposure."""
    row = connection.execute(orphans_query(files)).fetchone()
    return row is not None and row[0] == 0


def lock(connection: DuckDBPyConnection, files: Files, *, own_files: bool = False) -> Files:
    """Lock a connection for untrusted statements, so that they cannot write or change settings.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Connection without views.
    files : mapping
        Live Parquet files of every table.
    own_files : bool, optional
        Whether other local files can be read, too.

    Returns
    -------
    mapping
        The files, with the names under which the connection reads them.
    """
    from wfc3tvb.catalog.sql.readonly import ReadOnlyFiles  # fsspec takes 50 ms to import

    paths = [str(path) for each in files.values() for path in each.files]
    connection.register_filesystem(ReadOnlyFiles(None if own_files else paths))
    connection.execute(_LOCKED)
    return {
        name: replace(each, files=tuple(readonly_name(str(path)) for path in each.files))
        for name, each in files.items()
    }


@contextmanager
def damage_errors(folder: Path) -> Iterator[None]:
    """Convert DuckDB's errors about the files of the catalog in `folder`: damage, or a disk that fails."""
    try:
        yield
    except duckdb.Error as error:
        if (found := disk_error(error)) is not None:
            raise found from error
        raise DamagedCatalogError(folder, str(error).partition("\n")[0]) from error


def write_views(folder: Path, files: Files, *, whole: bool, known: Mapping[str, str] | None = None) -> None:
    """Write or replace ``catalog.duckdb`` in `folder`.

    Parameters
    ----------
    folder, files, whole
        As in `view_statements`.
    known : mapping, optional
        What the present file says `about` itself.

    Raises
    ------
    CatalogNotWritableError
        If it cannot be written; an existing file is unchanged.
    """
    remove_leftovers(folder, _LEFT_HOURS)
    try:
        with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=folder) as temporary:
            path = Path(temporary) / VIEWS_FILE
            kept = folder / VIEWS_FILE if (known or {}).get("definitions") == _definitions() else None
            if kept is None or not _made_from(kept, path, files, whole):
                _make_without_files(path)
                _add_files(path, files, whole)
            path.replace(folder / VIEWS_FILE)
    except OSError as error:
        raise CatalogNotWritableError(folder, os.strerror(error.errno or 0)) from error
    except (duckdb.IOException, duckdb.TransactionException, duckdb.FatalException) as error:
        # From "... could not write file X: No space left on device", keep the reason at the end.
        raise CatalogNotWritableError(folder, str(error).split("\n", 1)[0].rpartition(": ")[2]) from error


def _make_without_files(path: Path) -> None:
    """Make the file with everything that does not depend on a catalog's files: 0.1 s, once in a process."""
    if not _without_files:
        with _opened(path) as connection:
            add_macros(connection)
            connection.execute(f"CREATE SCHEMA {FILES_SCHEMA}")
            connection.execute("; ".join(file_statements({name: StoredFiles() for name in TABLES})))
            connection.execute("; ".join([*stable_statements(), *derived_statements()]))
            add_comments(connection)
        _without_files.append(path.read_bytes())
    path.write_bytes(_without_files[0])


def _made_from(kept: Path, path: Path, files: Files, whole: bool) -> bool:
    """Make the file from the present one; False where something in that was changed by others."""
    shutil.copyfile(kept, path)
    try:
        _add_files(path, files, whole)
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        log.info("%s is made from the beginning: %s", VIEWS_FILE, error)
        path.unlink()
        return False
    return True


def _add_files(path: Path, files: Files, whole: bool) -> None:
    """Replace the views of the files of a catalog, and what the file says about itself."""
    with _opened(path) as connection:
        connection.execute("; ".join(file_statements(files, whole=whole)))
        connection.execute(_about_view(files, whole))


@contextmanager
def _opened(path: Path) -> Iterator[DuckDBPyConnection]:
    """Open a file of views, and commit all changes at the end."""
    config: dict[str, Any] = {"storage_compatibility_version": STORAGE_VERSION}
    with duckdb.connect(str(path), config=config) as connection:
        connection.execute("BEGIN")
        yield connection
        connection.execute("COMMIT")


def remove_leftovers(folder: Path, grace_hours: float) -> None:
    """Remove temporary folders of interrupted calls of `write_views` that are older than `grace_hours`."""
    remove_old(folder, f"{TEMPORARY}*", hours=grace_hours)


def about(connection: DuckDBPyConnection, folder: Path) -> dict[str, str]:
    """Return the table ``about`` of ``catalog.duckdb`` in `folder`; empty where there is no such file or table."""
    path = folder / VIEWS_FILE
    if not path.is_file():
        return {}
    try:
        connection.execute(f"ATTACH {literal(str(path))} AS found (READ_ONLY)")
        return dict(connection.execute("SELECT name, value FROM found.about").fetchall())
    except duckdb.Error as error:  # another file of that name, or one that another process is writing
        log.debug("%s: %s", path, error)
        return {}
    finally:
        connection.execute("DETACH DATABASE IF EXISTS found")


def fingerprint(files: Files) -> str:
    """Return a hash of the views, which changes with the folder, the versions of the tables, and their definitions."""
    return hashlib.sha256("\n".join([_definitions(), *table_statements(files)]).encode()).hexdigest()


@cache
def _definitions() -> str:
    """Return a hash of what is the same in the files of all catalogs."""
    same = [*macro_statements(), *comment_statements(), *stable_statements(), *derived_statements()]
    return hashlib.sha256("\n".join([__version__, STORAGE_VERSION, *same]).encode()).hexdigest()


def add_macros(connection: DuckDBPyConnection) -> None:
    """Add the macros for regions on the sky to a connection (30 ms, so only where they are needed)."""
    connection.execute("; ".join(macro_statements()))


def add_comments(connection: DuckDBPyConnection) -> None:
    """Add comments to every view and column of a connection (40 ms, so only where they are needed)."""
    connection.execute("; ".join(comment_statements()))


def _about_view(files: Files, whole: bool) -> str:
    values = {"package_version": __version__, "schema_version": SCHEMA_VERSION}
    values |= {"definitions": _definitions(), "fingerprint": fingerprint(files), "whole": str(whole)}
    rows = ", ".join(f"({literal(name)}, {literal(value)})" for name, value in values.items())
    return f"CREATE OR REPLACE VIEW about AS SELECT * FROM (VALUES {rows}) AS t(name, value)"
