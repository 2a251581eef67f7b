"""Files of tests/data: recorded facts, real headers and images, unpacked if a test needs its own copy."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "data"
#: Two real exposures (F130N, RAPID, NSAMP 4), each cut to 64 x 64 light pixels.
REAL = ("ibxy01z8q", "ibxy07p9q")


def unpack(name: str, folder: Path) -> Path:
    """Unpack a file of tests/data (its name without .gz) into a folder; return the copy."""
    path = folder / Path(name).name
    path.write_bytes(gzip.decompress((DATA / f"{name}.gz").read_bytes()))
    return path


def table(name: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file of tests/data."""
    with (DATA / name).open() as file:
        return list(csv.DictReader(file))
