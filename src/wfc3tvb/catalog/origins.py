"""Folders that the exposures of a catalog were surveyed from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wfc3tvb.catalog.catalog import Catalog

_FOLDERS = """
SELECT e.rootname, r.arguments->>'$.folder' AS folder FROM exposures e JOIN runs r USING (run_id)
WHERE e.source IN ('local', 'simulated') AND folder IS NOT NULL
    AND (e.dataset IN (SELECT unnest($names)) OR e.asn_id IN (SELECT unnest($names))
        OR e.rootname IN (SELECT unnest($names)))
"""


def folders_of(catalog: Catalog, names: Iterable[str]) -> dict[str, Path]:
    """Return the folder that each exposure of some datasets was surveyed from, by rootname.

    Exposures that an archive served are left out. The folder is that of the run that measured the exposure.
    """
    rows = catalog.sql(_FOLDERS, {"names": list(names)}).fetchall()
    return {rootname: Path(folder) for rootname, folder in rows}
