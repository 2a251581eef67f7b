"""What is in a folder after a run: rows, files, and what is wrong with them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
from astropy.io import fits
from tools.faults.processes import CRASHED, HUNG, Ended

#: Columns that differ from run to run, and tables that record runs.
_TIMES = {"measured_at", "failed_at", "run_id", "wall_s", "peak_rss_mb", "sha256", "bytes_read", "listed_at"}
RECORDS = {"runs", "failures"}
#: Lines of progress, which appear when a command takes longer than usual.
_PROGRESS = re.compile(r"^\d\d:\d\d:\d\d |\d s so far$")
#: Files of tables, more of which are written when there are failures or runs to record.
_OF_TABLES = re.compile(r"catalog/\w+/(part|noted)-")
#: Date and time at which a file was made.
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d[:.\d]*")
#: Names and numbers in file names that differ from run to run.
_DRAWN = re.compile(r"[0-9a-f]{8}-[0-9a-f-]+|[0-9a-f]{12,}|\d+|(?<=\.views-)\w+|(?<=/tmp)\w+")


def rows(folder: Path) -> dict[str, str]:
    """Return a checksum of the rows of every table that do not depend on the time; empty where there is no catalog."""
    from wfc3tvb.catalog.catalog import open_catalog
    from wfc3tvb.errors import NoCatalogError
    from wfc3tvb.schema import TABLES

    try:
        with open_catalog(folder / "catalog") as catalog:
            found = {}
            for name in TABLES:
                if name not in RECORDS:
                    columns = ", ".join(f'"{column}"' for column in kept_columns(name))
                    values = catalog.sql(f"SELECT {columns} FROM {name} ORDER BY ALL").fetchall()
                    found[name] = hashlib.sha256(repr(values).encode()).hexdigest()
            return found
    except NoCatalogError:
        if any(folder.glob("catalog/*/_delta_log/*.json")):
            raise
        return {}


def kept_columns(table: str) -> list[str]:
    """Return the columns of a table that do not differ from run to run."""
    from wfc3tvb.schema import TABLES

    return [column.name for column in TABLES[table].columns if column.name not in _TIMES]


def failing_checks(folder: Path) -> list[str]:
    """Return what `verify` finds; nothing where there is no catalog."""
    from wfc3tvb.catalog.verify import verify
    from wfc3tvb.errors import NoCatalogError

    try:
        results = verify(folder / "catalog")
    except NoCatalogError:
        return []
    return [f"verify: {each.target} {each.check}: {each.detail}" for each in results if not each.passed]


def digests(folder: Path) -> dict[str, str]:
    """Return a checksum of what every file below a folder says; of those that are not whole, ``half: <reason>``."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            try:
                found[str(path.relative_to(folder))] = _digest(path)
            except (OSError, ValueError, TypeError, duckdb.Error) as error:
                found[str(path.relative_to(folder))] = f"half: {error}"
    return found


def _digest(path: Path) -> str:
    if path.suffix == ".fits":
        content: Any = _fits(path)
    elif path.suffix == ".parquet":
        content = repr(pq.ParquetFile(path).read().to_pylist()).encode()
    elif path.suffix == ".npz":
        with np.load(path) as arrays:
            content = b"".join(arrays[name].tobytes() for name in sorted(arrays))
    elif path.suffix == ".duckdb":
        duckdb.connect(path, read_only=True).close()
        content = b""
    elif path.suffix in (".json", ".answer") and path.parent.name != "_delta_log":
        content = json.dumps(json.loads(path.read_text()), sort_keys=True).encode()
    elif path.name == "SHA256SUMS":
        content = _checked(path)
    elif path.name.endswith("properties"):
        content = _DATE.sub("#", path.read_text()).encode()
    else:
        content = path.read_bytes()
    return hashlib.sha256(content).hexdigest()


def _checked(path: Path) -> bytes:
    """Return the names in a file of checksums, which have to be those of the files."""
    lines = [line.split(maxsplit=1) for line in path.read_text().splitlines()]
    for sum_, name in lines:
        if hashlib.sha256((path.parent / name).read_bytes()).hexdigest() != sum_:
            raise ValueError(f"another checksum of {name}")
    return "\n".join(name for _, name in lines).encode()


def _fits(path: Path) -> bytes:
    """Return the pixels of a FITS file, all of whose blocks have to be there."""
    if path.stat().st_size % 2880 or not path.stat().st_size:
        raise ValueError(f"{path.stat().st_size} bytes are no FITS blocks")
    with fits.open(path, memmap=False) as hdus:
        return b"".join(b"" if hdu.data is None else hdu.data.tobytes() for hdu in hdus)


def state(folder: Path) -> str:
    """Return a checksum of the names and the bytes of everything below a folder."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        content = path.read_bytes() if path.is_file() else b"-"
        total.update(repr((str(path.relative_to(folder)), hashlib.sha256(content).hexdigest())).encode())
    return total.hexdigest()


def names(folder: Path) -> set[str]:
    """Return the names of all files and folders, with a sign for what differs from run to run."""
    found = {drawn(str(path.relative_to(folder))) for path in folder.rglob("*")}
    return {name for name in found if not _OF_TABLES.match(name)}


def drawn(path: str) -> str:
    """Return a path with a sign for what differs from run to run."""
    return _DRAWN.sub("#", path)


def age(folder: Path, hours: float = 48.0) -> None:
    """Make all files below a folder older, so that what an earlier run has left may be removed by the next."""
    before = time.time() - 3600 * hours
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (before, before), follow_symlinks=False)


def misreported(ended: Ended) -> list[str]:
    """Return what is wrong with how a run ended: it is one line on what failed, or nothing."""
    if ended.code == HUNG:
        return ["hangs"]
    if ended.code < 0:
        return [f"killed by signal {-ended.code}"]
    lines = [line for line in ended.err.strip().splitlines() if not _PROGRESS.search(line)]
    if ended.code == CRASHED or "Traceback" in ended.err or "panicked" in ended.err:
        return [f"crashes: {' / '.join(lines)[-1500:]}"]
    if ended.code and ended.code != 1 and not (len(lines) == 1 and lines[0].startswith("wfc3tvb: ")):
        return [f"exit status {ended.code} with {len(lines)} lines: {' / '.join(lines)[:300]}"]
    return [f"{len(lines)} lines: {' / '.join(lines)[:300]}"] if len(lines) > 1 else []
