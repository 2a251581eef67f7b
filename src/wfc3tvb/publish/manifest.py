"""The files of a release: what each is, its size and checksum; as CSV, and as checksums for sha256sum."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from wfc3tvb.schema import Table
from wfc3tvb.system.files import checksum

_MEDIA = {
    ".parquet": "application/vnd.apache.parquet", ".fits": "application/fits", ".md": "text/markdown",
    ".csv": "text/csv", ".json": "application/json", ".cff": "application/yaml", ".html": "text/html",
}  # fmt: skip


@dataclass(frozen=True)
class Item:
    """A file of a release.

    Attributes
    ----------
    path : Path
        The file.
    text : str
        What it is, in one line.
    table : Table or None
        For a table, its columns.
    n_rows : int or None
        For a table, the number of its rows.
    """

    path: Path
    text: str
    table: Table | None = None
    n_rows: int | None = None

    @property
    def media_type(self) -> str:
        """Media type of the file."""
        return _MEDIA.get(self.path.suffix, "text/plain")

    @property
    def n_bytes(self) -> int:
        """Size of the file."""
        return self.path.stat().st_size

    @property
    def sha256(self) -> str:
        """Checksum of the file, in hexadecimal."""
        return checksum(self.path)


def write_manifest(items: Iterable[Item], path: Path) -> Path:
    """Write name, bytes, rows, checksum and description of every file as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "bytes", "rows", "sha256", "description"))
        for item in items:
            writer.writerow((item.path.name, item.n_bytes, item.n_rows, item.sha256, item.text))
    return path


def write_checksums(paths: Iterable[Path], path: Path) -> Path:
    """Write checksums that ``sha256sum -c`` checks."""
    path.write_text("".join(f"{checksum(file)}  {file.name}\n" for file in paths), encoding="utf-8")
    return path
