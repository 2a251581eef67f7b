"""DuckDB views of the tables' Parquet files: in the connection for queries, and in ``catalog.duckdb``.

The connection is in memory, so that it does not depend on other users of ``catalog.duckdb``. That file has the same
views for use with DuckDB alone; it is written in a temporary folder and renamed into place.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from duckdb import DuckDBPyConnection

from wfc3tvb import __version__
from wfc3tvb.catalog import forked
from wfc3tvb.catalog.sql.statements import READONLY, own_name, readonly_name
from wfc3tvb.catalog.views import (
    Files,
    comment_statements,
    derived_statements,
    literal,
    orphans_query,
    table_statements,
    view_statements,
)
from wfc3tvb.catalog.vo.regions import macro_statements
from wfc3tvb.catalog.write_errors import TEMPORARY
from wfc3tvb.errors import CatalogNotWritableError, DamagedCatalogError, QueryError
from wfc3tvb.schema import SCHEMA_VERSION
from wfc3tvb.system.disk_errors import disk_error
from wfc3tvb.system.files import remove_old

log = logging.getLogger(__name__)

#: Name of the DuckDB file with the views.
VIEWS_FILE = "catalog.duckdb"
#: Age at which the next writer removes a temporary folder that a killed process left [h]; writing takes seconds.
_LEFT_HOURS = 1.0
#: Oldest version of DuckDB that can open it; left to itself, DuckDB 2 writes files that no earlier one can.
STORAGE_VERSION = "v1.0.0"
#: Files that were made for new catalogs, by what they say of themselves.
_of_new: dict[str, bytes] = {}
#: Unknown names in messages of DuckDB that do not show their position.
_UNKNOWN = tuple(map(re.compile, (r'column named "([^"]+)"', r'[Cc]olumn "([^"]+)"', r"with name (\S+) does not exist",
                                  r'[Tt]able "([^"]+)" not found')))  # fmt: skip
#: Comparison of a number with a date, perhaps as a text.
_DATE = re.compile(
    r"Could not convert string '(\d{4}-\d\d(?:-\d\d[^']*)?)' to (?:DOUBLE|DECIMAL|INT|BIGINT)"
    r"|Cannot (?:compare|mix) values of type DOUBLE and (?:type )?(?:DATE|TIMESTAMP)"
)
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


@contextmanager
def query_errors(text: str = "") -> Iterator[None]:
    """Convert DuckDB's errors (except an interrupt) to `QueryError`, with the line of `text` that has the mistake."""
    try:
        yield
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        message = _readable(str(error))
        message = message if "\nLINE " in message else message + _place(message, text)
        raise QueryError(message + _date_advice(message)) from error
    except pa.ArrowInvalid as error:
        if "Recursion level" not in str(error):
            raise
        raise QueryError("a column is nested too deeply; select a part of it, or cast it to text") from error
    except RuntimeError as error:  # raised by DuckDB for a query that Ctrl-C stopped
        if "interrupted" not in str(error).lower():
            raise
        raise KeyboardInterrupt from error


def _readable(message: str) -> str:
    """Return DuckDB's message without empty lines, prefixes of file names, and tracebacks of the file system."""
    message = own_name(message).replace("\n\n", "\n").strip()
    return message.rpartition("\n")[2] if message.startswith("Traceback ") else message


def _date_advice(message: str) -> str:
    """Return how to compare a column of dates with a date, where the message is about such a comparison."""
    found = _DATE.search(message)
    if not found:
        return ""
    date = found[1] or "2013-01-31"
    return f"\nDates are numbers (MJD, UTC): write e.g. expstart > mjd('{date}'), or utc(expstart) > '{date}'"


def _place(message: str, text: str) -> str:
    """Return the line of `text` with the unknown name in `message`, marked as in other messages of DuckDB."""
    name = next((match[1] for match in (pattern.search(message) for pattern in _UNKNOWN) if match), None)
    code = re.sub(r"--[^\n]*", lambda comment: " " * len(comment[0]), text)
    found = name and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", code, re.IGNORECASE)
    if not found:
        return ""
    number, start = text.count("\n", 0, found.start()) + 1, text.rfind("\n", 0, found.start()) + 1
    head = f"LINE {number}: "
    mark = " " * (len(head) + found.start() - start) + "^" * len(found[0])
    return f"\n{head}{text[start:].splitlines()[0]}\n{mark}"


def write_views(folder: Path, files: Files, *, whole: bool) -> None:
    """Write or replace ``catalog.duckdb`` in `folder`; `whole` as in `view_statements`.

    Raises
    ------
    CatalogNotWritableError
        If it cannot be written; an existing file is unchanged.
    """
    remove_leftovers(folder, _LEFT_HOURS)
    try:
        with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=folder) as temporary:
            path = Path(temporary) / VIEWS_FILE
            _make_file(path, files, whole)
            path.replace(folder / VIEWS_FILE)
    except OSError as error:
        raise CatalogNotWritableError(folder, os.strerror(error.errno or 0)) from error
    except (duckdb.IOException, duckdb.TransactionException, duckdb.FatalException) as error:
        # From "... could not write file X: No space left on device", keep the reason at the end.
        raise CatalogNotWritableError(folder, str(error).split("\n", 1)[0].rpartition(": ")[2]) from error


def _make_file(path: Path, files: Files, whole: bool) -> None:
    """Make the file, which is the same for all new catalogs: they have no rows."""
    is_new = not any(each.files for each in files.values())
    about_it = _about_view(files, whole)
    if is_new and about_it in _of_new:
        path.write_bytes(_of_new[about_it])
        return
    config: dict[str, Any] = {"storage_compatibility_version": STORAGE_VERSION}
    with duckdb.connect(str(path), config=config) as connection:
        connection.execute("BEGIN")
        add_macros(connection)
        add_views(connection, files, whole=whole)
        add_comments(connection)
        connection.execute(about_it)
        connection.execute("COMMIT")
    if is_new:
        _of_new[about_it] = path.read_bytes()


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
    text = "\n".join([__version__, STORAGE_VERSION, _same_for_all(), *view_statements(files)])
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _same_for_all() -> str:
    """Return the definitions that are those of every catalog."""
    return "\n".join([*macro_statements(), *comment_statements()])


def add_macros(connection: DuckDBPyConnection) -> None:
    """Add the macros for regions on the sky to a connection (30 ms, so only where they are needed)."""
    connection.execute("; ".join(macro_statements()))


def add_comments(connection: DuckDBPyConnection) -> None:
    """Add comments to every view and column of a connection (40 ms, so only where they are needed)."""
    connection.execute("; ".join(comment_statements()))


def _about_view(files: Files, whole: bool) -> str:
    values = {"package_version": __version__, "schema_version": SCHEMA_VERSION}
    values |= {"fingerprint": fingerprint(files), "whole": str(whole)}
    rows = ", ".join(f"({literal(name)}, {literal(value)})" for name, value in values.items())
    return f"CREATE VIEW about AS SELECT * FROM (VALUES {rows}) AS t(name, value)"
