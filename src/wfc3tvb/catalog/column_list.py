"""List of all columns: table, type, unit, description, UCD, and in a catalog the number of values that are not null."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.catalog.views import RELATIONS
from wfc3tvb.errors import BadArgumentError
from wfc3tvb.schema import Column

if TYPE_CHECKING:
    from astropy.table import Table


@dataclass(frozen=True)
class Listed:
    """Column of a table, with the number of its values in a catalog that are not null (None without a catalog)."""

    table: str
    column: Column
    n_values: int | None = None

    def row(self) -> dict[str, Any]:
        """Return it as a row."""
        c = self.column
        return {"table": self.table, "column": c.name, "type": c.type, "unit": c.unit, "ucd": c.ucd,
                "n_values": self.n_values, "description": c.description}  # fmt: skip


def list_columns(catalog: Catalog | None = None, table: str | None = None) -> list[Listed]:
    """Return the columns of one table or view, or of all.

    Raises
    ------
    BadArgumentError
        If there is no such table.
    """
    if table is not None and table.lower() not in RELATIONS:
        raise BadArgumentError(f"there is no table {table}; choose one of {', '.join(RELATIONS)}")
    names = list(RELATIONS) if table is None else [table.lower()]
    counts = {name: _counts(catalog, name) if catalog else {} for name in names}
    return [Listed(name, column, counts[name].get(column.name)) for name in names for column in RELATIONS[name].columns]


def columns(catalog: Catalog | str | Path | None = None, table: str | None = None) -> Table:
    """Return the columns of a table, or of all tables and views, as an astropy table.

    Parameters
    ----------
    catalog : Catalog or path, optional
        An open catalog, or the folder of one, whose values are counted.
    table : str, optional
        Name of a table or view; by default all.

    Returns
    -------
    astropy.table.Table
        Columns ``table``, ``column``, ``type``, ``unit``, ``ucd``, ``description`` and, with a catalog, ``n_values``:
        the number of values that are not null.

    Raises
    ------
    BadArgumentError
        If there is no such table.
    """
    from astropy.table import Table as AstropyTable

    if catalog is not None and not isinstance(catalog, Catalog):
        with open_catalog(catalog) as store:
            return columns(store, table)
    rows = [each.row() for each in list_columns(catalog, table)]
    names = [name for name in rows[0] if catalog is not None or name != "n_values"]
    return AstropyTable({name: [row[name] for row in rows] for name in names})


def _counts(catalog: Catalog, table: str) -> Mapping[str, int]:
    """Return the number of values of every column that are not null."""
    names = RELATIONS[table].names
    each = ", ".join(f'count("{name}")' for name in names)
    (counts,) = catalog.sql(f"SELECT {each} FROM {table}").fetchall()
    return dict(zip(names, counts, strict=True))
