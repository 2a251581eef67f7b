"""Curves of exposures that a catalog holds, by the name of an exposure, association, dataset or visit."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.display import counted, html_table
from wfc3tvb.errors import BadArgumentError, UnknownDatasetError
from wfc3tvb.models import Measurement, Row
from wfc3tvb.schema import TABLES

if TYPE_CHECKING:
    from astropy.table import QTable

#: Names first: of a million exposures, only the rows of these few are read whole.
_EXPOSURES = """FROM exposures WHERE rootname IN (
        SELECT rootname FROM exposures WHERE $name IN (rootname, dataset, asn_id, visit)
    ) ORDER BY expstart, rootname"""
_READS = "FROM reads WHERE rootname IN (SELECT unnest($names)) ORDER BY rootname, read"


class Curves(list[Measurement]):
    """Measured exposures: a list, with their reads as one table."""

    @property
    def table(self) -> QTable:
        """Reads of all exposures as an astropy table of quantities, in order of exposure and time."""
        from wfc3tvb.schema.quantities import table_of

        return table_of((row for one in self for row in one.reads), TABLES["reads"].columns)

    def __repr__(self) -> str:
        """Return the number of exposures and reads."""
        return f"<Curves of {counted(len(self), 'exposure')}, {counted(sum(len(one.reads) for one in self), 'read')}>"

    def _repr_html_(self) -> str:
        """Return the verdicts as a table, for notebooks."""
        names = ("rootname", "filter", "sky_mean", "tvb_class", "recommend")
        rows = [[str(one.exposure[name]) for name in names] for one in self]
        return html_table(rows, names, title=repr(self)[1:-1])


def exposures_named(catalog: Catalog, name: str) -> list[Row]:
    """Return the rows of `exposures` by rootname, dataset, association or visit, in any case; in order of time."""
    rows: list[Row] = catalog.fetch(_EXPOSURES, {"name": name.lower()}).to_pylist()
    return rows


def curves(catalog: Catalog | str | Path, *names: str) -> Curves:
    """Return the measured curves of exposures in a catalog.

    Parameters
    ----------
    catalog : Catalog or path
        An open catalog, or the folder of one.
    *names : str
        Names of exposures, associations, datasets or visits, in any case.

    Returns
    -------
    Curves
        List of `Measurement`, each visit in order of time; ``wfc3tvb.plot(found)`` plots them, and ``found.table`` has
        their reads.

    Raises
    ------
    BadArgumentError
        If no name is given.
    UnknownDatasetError
        If the catalog has no measured exposure of a name.
    """
    if not names:
        raise BadArgumentError("curves() needs the name of an exposure, association or visit, e.g. 'ibohbf040'")
    if not isinstance(catalog, Catalog):
        with open_catalog(catalog) as store:
            return curves(store, *names)
    exposures: dict[str, Row] = {}
    for name in names:
        rows = exposures_named(catalog, name)
        if not rows:
            raise UnknownDatasetError(name, f"the catalog in {catalog.folder}", "survey it first, or check the name")
        exposures |= {row["rootname"]: row for row in rows}
    reads = catalog.fetch(_READS, {"names": list(exposures)}).to_pylist()
    found = {rootname: list(rows) for rootname, rows in groupby(reads, key=lambda row: row["rootname"])}
    return Curves(Measurement(row, found.get(rootname, [])) for rootname, row in exposures.items())
