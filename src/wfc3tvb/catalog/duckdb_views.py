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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from duckdb import DuckDBPyConnection

from wfc3tvb import __version__
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
_READING = frozenset({duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN})


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
    return duckdb.connect(":memory:", config=config)


def add_views(connection: DuckDBPyConnection, files: Files, *, whole: bool) -> None:
    """Give a connection the views over `files`."""
    connection.execute("; ".join(view_statements(files, whole=whole)))


def has_no_orphans(connection: DuckDBPyConnection, files: Files) -> bool:
    """Say whether every read has its exposure."""
    row = connection.execute(orphans_query(files)).fetchone()
    return row is not None and row[0] == 0


def lock(connection: DuckDBPyConnection, folder: Path) -> None:
    """Lock a connection for statements of strangers: no file but those in `folder`, no change of settings."""
    connection.execute(f"SET allowed_directories = [{literal(str(folder))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def check_reads(connection: DuckDBPyConnection, text: str) -> None:
    """Raise `QueryError` unless `text` is one statement, and one that only reads."""
    found = connection.extract_statements(text)
    if len(found) != 1:
        raise QueryError(f"one SQL statement is needed, {len(found)} were given")
    if found[0].type not in _READING:
        raise QueryError(f"the catalog is read with SELECT; {found[0].type.name} is refused")


def tidy(rows: pa.Table) -> pa.Table:
    """Return the rows of a statement as every format can hold them.

    Columns of one name get a number (``rootname``, ``rootname_1``, as DuckDB's own ``.df()`` does). Sums and decimal
    fractions, which DuckDB reckons with 38 digits, become int or float; intervals and bytes become text.
    """
    # `pa.table` would import pandas, which takes longer than most queries.
    return pa.Table.from_arrays([_tidy(column) for column in rows.columns], names=_unique(rows.column_names))


def _unique(names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        number, free = 1, name
        while free in found or (free != name and free in names):
            number, free = number + 1, f"{name}_{number}"
        found.append(free)
    return found


def _tidy(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_decimal(kind):
        try:
            return column.cast(pa.int64())
        except pa.ArrowInvalid:  # a fraction, or too large
            return column.cast(pa.float64())
    if pa.types.is_interval(kind) or pa.types.is_binary(kind):
        return pa.chunked_array([[None if v is None else _as_text(v) for v in column.to_pylist()]], pa.string())
    return column


def _as_text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    months, days, nanoseconds = value
    return f"{months} months {days} days {nanoseconds / 1e9:g} s"


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
        message = str(error).replace("\n\n", "\n").strip()
        raise QueryError(message if "\nLINE " in message else message + _place(message, text)) from error
    except RuntimeError as error:  # DuckDB's word for a query that Ctrl-C stopped
        if "interrupted" not in str(error).lower():
            raise
        raise KeyboardInterrupt from error


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
