"""Records of the commands that write into a catalog: a row in `runs`, and a row in `failures` for each failure."""

from __future__ import annotations

import json
import platform
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from wfc3tvb import __version__
from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.dates import mjd_now
from wfc3tvb.models import Row
from wfc3tvb.parallel.backends import Failure
from wfc3tvb.schema import TABLES


@dataclass
class Run:
    """Run of a command, with counts of items done and failed."""

    run_id: str
    n_done: int = 0
    n_failed: int = 0


@contextmanager
def recorded_run(catalog: Catalog, command: str, arguments: Mapping[str, object]) -> Iterator[Run]:
    """Record a command in `runs`, both when it begins and when it ends, even with an error (but not after kill -9).

    Parameters
    ----------
    catalog : Catalog
        Open for writing.
    command : str
        Its name, e.g. ``survey``.
    arguments : mapping
        Arguments that affect its results; must be serializable as JSON.

    Yields
    ------
    Run
        Record in which the caller counts items.
    """
    run = Run(f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}")
    row = TABLES["runs"].empty_row() | {
        "run_id": run.run_id,
        "command": command,
        "arguments": json.dumps(arguments, sort_keys=True),
        "versions": json.dumps(versions(), sort_keys=True),
        "started_at": mjd_now(),
    }
    catalog.replace("runs", [row])
    try:
        yield run
    finally:
        catalog.replace("runs", [row | {"n_done": run.n_done, "n_failed": run.n_failed, "ended_at": mjd_now()}])
        catalog.update_views()


def record_failures(catalog: Catalog, failures: Sequence[tuple[str, Failure]], run_id: str) -> list[Row]:
    """Store failures, with the number of the attempt at the same key and stage, and return their rows."""
    if not failures:
        return []
    keys = [key for key, _ in failures]
    text = "SELECT key, stage, max(attempt) FROM failures WHERE key IN (SELECT unnest($keys)) GROUP BY ALL"
    attempts = {(key, stage): n for key, stage, n in catalog.sql(text, {"keys": keys}).fetchall()}
    rows = []
    for key, failure in failures:
        attempts[key, failure.stage] = attempt = attempts.get((key, failure.stage), 0) + 1
        record = {"key": key, "attempt": attempt, "failed_at": mjd_now(), "run_id": run_id}
        stored = _with_log(catalog.folder, key, failure, run_id)
        rows.append(TABLES["failures"].empty_row() | record | stored)
    catalog.replace("failures", rows)
    return rows


def _with_log(folder: Path, key: str, failure: Failure, run_id: str) -> Row:
    """Return the columns of a failure; the traceback of a bug goes to a log file, which its message names."""
    columns = asdict(failure)
    text = columns.pop("traceback")
    if text:
        path = folder / "logs" / f"{run_id}.log"
        path.parent.mkdir(exist_ok=True)
        with path.open("a", encoding="utf-8") as log:
            log.write(f"{key}\n{text}\n")
        columns["message"] += f" with {path}"
    return columns


def versions() -> dict[str, str]:
    """Return the versions of this package and of the packages that its results depend on."""
    names = ("astropy", "numpy", "scipy", "numba", "deltalake", "duckdb", "pyarrow")
    return {"python": platform.python_version(), "wfc3tvb": __version__} | {name: version(name) for name in names}
