"""DuckDB over the tables' Parquet files: the connection that answers queries, and ``catalog.duckdb``.

The connection lives in memory, so that nobody who has ``catalog.duckdb`` open is in the way; the file holds
the same views for plain DuckDB, is written beside and renamed into place.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from duckdb import DuckDBPyConnection

from wfc3tvb import __version__
from wfc3tvb.catalog.statements import READONLY, own_name, readonly_name
from wfc3tvb.catalog.views import Files, comment_statements, literal, orphans_query, view_statements
from wfc3tvb.errors import CatalogNotWritableError, DamagedCatalogError, QueryError
from wfc3tvb.schema import SCHEMA_VERSION

log = logging.getLogger(__name__)

#: Name of the DuckDB file with the views.
VIEWS_FILE = "catalog.duckdb"
#: How the folders begin in which it is written before it is renamed into place.
_BESIDE = ".views-"
#: Names that DuckDB does not know, in messages that do not say where they stand.
_UNKNOWN = tuple(map(re.compile, (r'column named "([^"]+)"', r'[Cc]olumn "([^"]+)"', r"with name (\S+) does not exist",
                                  r'[Tt]able "([^"]+)" not found')))  # fmt: skip
#: What holds of a locked connection from then on. Only the file system that is registered with it can be reached, and
#: nothing goes to a folder for temporary files, which could be written then.
_LOCKED = "; ".join(
    f"SET {setting}"
    for setting in (f"allowed_directories = ['{READONLY}']", "temp_directory = ''", "enable_external_access = false",
                    "disabled_filesystems = 'LocalFileSystem'", "lock_configuration = true")
)  # fmt: skip


def connect(files: Files, *, whole: bool = False, **options: str | int | None) -> DuckDBPyConnection:
    """Return a connection in memory with the views over `files`.

    Parameters
    ----------
    files : mapping
        Live Parquet files of every table.
    whole : bool, optional
        As in `view_statements`.
    **options
        DuckDB's own settings, e.g. ``memory_limit="1GB"``, ``threads=2``; None leaves DuckDB's choice.
    """
    connection = bare(**options)
    add_views(connection, files, whole=whole)
    return connection


def bare(**options: str | int | None) -> DuckDBPyConnection:
    """Return a connection in memory without views."""
    # Names in SQL never mean variables of the Python that calls.
    config: dict[str, Any] = {"python_enable_replacements": "false"}
    config |= {name: value for name, value in options.items() if value is not None}
    connection = duckdb.connect(":memory:", config=config)
    with suppress(duckdb.Error):  # a notebook without ipywidgets has none
        connection.execute("SET enable_progress_bar = false")  # which would be drawn amid the answer
    return connection


def add_views(connection: DuckDBPyConnection, files: Files, *, whole: bool) -> None:
    """Give a connection the views over `files`."""
    connection.execute("; ".join(view_statements(files, whole=whole)))


def has_no_orphans(connection: DuckDBPyConnection, files: Files) -> bool:
    """Say whether every read has its exposure."""
    row = connection.execute(orphans_query(files)).fetchone()
    return row is not None and row[0] == 0


def lock(connection: DuckDBPyConnection, files: Files, *, own_files: bool = False) -> Files:
    """Lock a connection for statements of strangers: it cannot write, nor change a setting, whatever it is told.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Without views.
    files : mapping
        Live Parquet files of every table.
    own_files : bool, optional
        Whether other files than these can be read.

    Returns
    -------
    mapping
        The names under which it reads `files`.
    """
    from wfc3tvb.catalog.readonly import ReadOnlyFiles  # fsspec takes 50 ms to import

    paths = [str(path) for each in files.values() for path in each.files]
    connection.register_filesystem(ReadOnlyFiles(None if own_files else paths))
    connection.execute(_LOCKED)
    return {
        name: replace(each, files=tuple(readonly_name(str(path)) for path in each.files))
        for name, each in files.items()
    }


@contextmanager
def damage_errors(folder: Path) -> Iterator[None]:
    """Turn DuckDB's errors about the files of the catalog in `folder` into `DamagedCatalogError`."""
    try:
        yield
    except duckdb.Error as error:
        raise DamagedCatalogError(folder, str(error).partition("\n")[0]) from error


@contextmanager
def query_errors(text: str = "") -> Iterator[None]:
    """Turn DuckDB's errors (but for an interrupt) into `QueryError`, with the line of `text` that shows the place."""
    try:
        yield
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        message = _readable(str(error))
        raise QueryError(message if "\nLINE " in message else message + _place(message, text)) from error
    except pa.ArrowInvalid as error:
        if "Recursion level" not in str(error):
            raise
        raise QueryError("a column is nested too deeply for a table; ask for a part, or cast it to text") from error
    except RuntimeError as error:  # DuckDB's word for a query that Ctrl-C stopped
        if "interrupted" not in str(error).lower():
            raise
        raise KeyboardInterrupt from error


def _readable(message: str) -> str:
    """Return DuckDB's message without its empty lines, our names for files, and the Python of the file system."""
    message = own_name(message).replace("\n\n", "\n").strip()
    return message.rpartition("\n")[2] if message.startswith("Traceback ") else message


def _place(message: str, text: str) -> str:
    """Return the line of `text` with the name that `message` complains of, and a mark under it, as DuckDB writes it."""
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
    """Write ``catalog.duckdb`` into `folder`: beside, then renamed; `whole` as in `view_statements`.

    Raises
    ------
    CatalogNotWritableError
        If that cannot be written; what was there stays.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=_BESIDE, dir=folder) as beside:
            path = Path(beside) / VIEWS_FILE
            with duckdb.connect(str(path)) as connection:
                connection.execute("BEGIN")
                add_views(connection, files, whole=whole)
                add_comments(connection)
                connection.execute(_about_view(files, whole))
                connection.execute("COMMIT")
            path.replace(folder / VIEWS_FILE)
    except OSError as error:
        raise CatalogNotWritableError(folder, os.strerror(error.errno or 0)) from error
    except (duckdb.IOException, duckdb.TransactionException, duckdb.FatalException) as error:
        # ... "could not write file X: No space left on device": the end is what a person needs.
        raise CatalogNotWritableError(folder, str(error).split("\n", 1)[0].rpartition(": ")[2]) from error


def remove_leftovers(folder: Path, grace_hours: float) -> None:
    """Remove what `write_views` left beside when it was killed, so many hours ago."""
    for path in folder.glob(f"{_BESIDE}*"):
        if time.time() - path.stat().st_mtime > 3600 * grace_hours:
            shutil.rmtree(path, ignore_errors=True)


def about(connection: DuckDBPyConnection, folder: Path) -> dict[str, str]:
    """Return what ``catalog.duckdb`` in `folder` says of itself; nothing where it is not ours or not there."""
    path = folder / VIEWS_FILE
    if not path.is_file():
        return {}
    try:
        connection.execute(f"ATTACH {literal(str(path))} AS found (READ_ONLY)")
        return dict(connection.execute("SELECT name, value FROM found.about").fetchall())
    except duckdb.Error as error:  # not ours, or held by someone who writes into it
        log.debug("%s: %s", path, error)
        return {}
    finally:
        connection.execute("DETACH DATABASE IF EXISTS found")


def fingerprint(files: Files) -> str:
    """Return a fingerprint of the views: it changes with the folder, a table's version, and their text."""
    text = "\n".join([__version__, *view_statements(files), *comment_statements()])
    return hashlib.sha256(text.encode()).hexdigest()


def add_comments(connection: DuckDBPyConnection) -> None:
    """Give every view and column of a connection its comment (40 ms: only where someone reads them)."""
    connection.execute("; ".join(comment_statements()))


def _about_view(files: Files, whole: bool) -> str:
    values = {"package_version": __version__, "schema_version": SCHEMA_VERSION}
    values |= {"fingerprint": fingerprint(files), "whole": str(whole)}
    rows = ", ".join(f"({literal(name)}, {literal(value)})" for name, value in values.items())
    return f"CREATE VIEW about AS SELECT * FROM (VALUES {rows}) AS t(name, value)"
