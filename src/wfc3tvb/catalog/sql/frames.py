"""Data frames of the caller as tables of a query: pandas, Polars, Arrow, astropy; by the names of variables."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from duckdb import DuckDBPyConnection

from wfc3tvb.errors import BadArgumentError

#: Package whose functions are not the caller.
_OWN = "wfc3tvb.catalog"


def register_callers(connection: DuckDBPyConnection, names: Iterable[str]) -> None:
    """Register the data frames among the variables of the function that called this package.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The connection in which the statement will run.
    names : iterable of str
        Names of tables in the statement that the catalog does not have; those that are no data frames are left out.
    """
    if not (names := list(names)):
        return
    frame = sys._getframe(1)
    while frame.f_back and str(frame.f_globals.get("__name__", "")).startswith(_OWN):
        frame = frame.f_back
    for name in names:
        found = frame.f_locals.get(name, frame.f_globals.get(name))
        if _package(found):
            register(connection, name, found)


def register(connection: DuckDBPyConnection, name: str, frame: Any) -> None:
    """Make a data frame a table of a connection, under a name.

    Raises
    ------
    BadArgumentError
        If it is no data frame.
    """
    package = _package(frame)
    if package is None:
        raise BadArgumentError(f"{name}: not a pandas, Polars, Arrow or astropy table but {type(frame).__name__}")
    if package == "polars":
        frame = (frame.collect() if hasattr(frame, "collect") else frame).to_arrow()
    connection.register(name, frame.to_pandas() if package == "astropy" else frame)


def _package(frame: Any) -> str | None:
    """Return the package of a data frame; None for anything else."""
    for kind in type(frame).__mro__:
        package, name = kind.__module__.partition(".")[0], kind.__name__
        if (package, name) in {("pandas", "DataFrame"), ("polars", "DataFrame"), ("polars", "LazyFrame"),
                               ("pyarrow", "Table"), ("pyarrow", "RecordBatch"), ("astropy", "Table")}:  # fmt: skip
            return package
    return None
