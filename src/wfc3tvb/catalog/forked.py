"""Refuse catalogs in processes made by os.fork, where the threads of DuckDB and deltalake do not exist.

A query would hang there, or end in a panic, and so would closing the connection. Processes that are started anew, as
joblib, Dask and multiprocessing's method ``spawn`` do, are not affected.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from pathlib import Path

from duckdb import DuckDBPyConnection

from wfc3tvb.errors import CatalogError

#: Processes that have opened a catalog: this one, and those that it was forked from.
_users: set[int] = set()
_connections: weakref.WeakSet[DuckDBPyConnection] = weakref.WeakSet()


def check_not_forked(folder: Path) -> None:
    """Raise `CatalogError` in a process that was forked from one that had opened a catalog.

    Parameters
    ----------
    folder : Path
        The catalog's folder, for the message.
    """
    _users.add(os.getpid())
    if is_forked():
        problem = "this process was forked (os.fork) from one that had opened a catalog, and cannot use any"
        raise CatalogError(f"{folder}: {problem}; start processes with spawn, and open the catalog in them")


def is_forked() -> bool:
    """Return whether this process was forked from one that had opened a catalog."""
    return bool(_users - {os.getpid()})


def register(connection: DuckDBPyConnection) -> None:
    """Never close a connection in forked processes: that would wait for threads which do not exist there."""
    _connections.add(connection)


def _keep_connections() -> None:
    for connection in _connections:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


os.register_at_fork(after_in_child=_keep_connections)
