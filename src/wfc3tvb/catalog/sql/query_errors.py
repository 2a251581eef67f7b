"""DuckDB's errors as errors of a statement, with the line that has the mistake."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from wfc3tvb.catalog.sql.statements import own_name
from wfc3tvb.errors import QueryError
from wfc3tvb.system.disk_errors import disk_error

#: Unknown names in messages of DuckDB that do not show their position.
_UNKNOWN = tuple(map(re.compile, (r'column named "([^"]+)"', r'[Cc]olumn "([^"]+)"', r"with name (\S+) does not exist",
                                  r'[Tt]able "([^"]+)" not found')))  # fmt: skip
#: Comparison of a number with a date, perhaps as a text.
_DATE = re.compile(
    r"Could not convert string '(\d{4}-\d\d(?:-\d\d[^']*)?)' to (?:DOUBLE|DECIMAL|INT|BIGINT)"
    r"|Cannot (?:compare|mix) values of type DOUBLE and (?:type )?(?:DATE|TIMESTAMP)"
)


@contextmanager
def query_errors(text: str = "") -> Iterator[None]:
    """Convert DuckDB's errors (except an interrupt) to `QueryError`, with the line of `text` that has the mistake.

    Those of a full or failing disk become `DiskFullError` and `StorageError`.
    """
    try:
        yield
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        if (found := disk_error(error)) is not None:
            raise found from error
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
