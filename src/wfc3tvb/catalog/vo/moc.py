"""Maps of the sky that exposures cover: multi-order coverage maps (MOC 2.0), made by the package mocpy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.errors import BadArgumentError

#: Order of the smallest pixels, 13 arcsec: a tenth of a frame.
ORDER = 14
_REGIONS = "SELECT DISTINCT filter, flagged, s_region FROM exposures WHERE s_region IS NOT NULL ORDER BY ALL"


def write_mocs(catalog: Catalog, out: Path) -> Iterator[Path]:
    """Write the coverage of all exposures, of those in each filter, and of the flagged ones, and yield the files.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    out : Path
        Folder, created if needed.

    Raises
    ------
    BadArgumentError
        If mocpy is not installed, or no exposure has a footprint.
    """
    try:
        from mocpy import MOC
    except ImportError as error:
        raise BadArgumentError("--format moc needs mocpy: pip install 'wfc3tvb[moc]'") from error
    rows = catalog.fetch(_REGIONS).to_pylist()
    if not rows:
        raise BadArgumentError("no exposure has a footprint; run: wfc3tvb rescore, which adds them to older catalogs")
    groups = {"coverage": rows}
    for name in sorted({row["filter"] for row in rows if row["filter"]}):
        plain = re.sub(r"\W", "_", name.lower())
        groups[f"coverage-{plain}"] = [row for row in rows if row["filter"] == name]
    groups["coverage-flagged"] = [row for row in rows if row["flagged"]]
    out.mkdir(parents=True, exist_ok=True)
    for name, members in groups.items():
        corners = [axis for row in members for axis in _corners(row["s_region"])]
        found = MOC.from_polygons(corners, max_depth=ORDER) if corners else []
        moc = MOC.new_empty(ORDER).union(*found) if found else MOC.new_empty(ORDER)
        path = out / f"{name}.moc.fits"
        moc.save(str(path), format="fits", overwrite=True)
        yield path


def _corners(region: str) -> tuple[np.ndarray, np.ndarray]:
    """Return right ascensions and declinations of the corners of a region [deg]."""
    numbers = np.array(region.split()[2:], np.float64)
    return numbers[::2], numbers[1::2]
