"""Schema of the catalog: its tables with their columns, and the allowed values of enumerated columns.

Docs, Parquet metadata, DuckDB comments, report headers and exports are all generated from it; `columns` has the
description of every column. A missing value is null, never -1, NaN or "".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from wfc3tvb.errors import SchemaMismatchError
from wfc3tvb.schema import columns
from wfc3tvb.schema.methods import METHODS

if TYPE_CHECKING:
    import pyarrow as pa

#: Version of the schema, ``major.minor``; see `migrations` for when to raise each.
SCHEMA_VERSION = "1.4"
#: Oldest version whose catalogs are read: that of the first release.
OLDEST_VERSION = "1.0"

TVB_CLASSES = ("none", "mild", "moderate", "severe")
TVB_KINDS = ("helium", "scattered", "trail", "persistence", "mixed", "unknown")
#: Recommendations; an exposure for which a method of repair is recommended is flagged.
RECOMMENDATIONS = ("none", *METHODS, "inspect")
POSITIONS = ("start", "middle", "end", "both", "all")
#: Values of `quality_flags`, with their meaning.
QUALITY_FLAGS = {
    "few_reads": "fewer than 3 used reads: sky and score are null",
    "subarray": "not a full-frame exposure",
    "extended_source": "light of a nebula or galaxy (or scattered light in all reads) fills the frame: "
    "the level of the sky is known only to sky_err, its changes are right",
    "above_zodiacal": "the lowest rate where there is no helium (in Earth's shadow, or another filter) is above "
    "zodi_model by 0.3 electron/s and by 30 %: a nebula, a galaxy, scattered light or persistence in all reads",
    "crowded": "unmasked sources add more than 0.01 electron/s, which is subtracted (sky_err is its error)",
    "saturated": "more than 1 % of the pixels are saturated in the last read",
    "guide_star_failure": "EXPFLAG not NORMAL, or the JIF (of a local folder) tells a lost lock or failed acquisition",
    "scan": "spatial scan",
    "moving_target": "moving target",
    "grism": "grism exposure: measured, never repaired",
    "no_flat_field": "not flat-fielded: rates include the response of the pixels (some per cent); "
    "no faint light is subtracted",
    "no_geometry": "neither JIT nor SPT orbit elements, or no time or direction: geometry is null",
    "trail": "a straight streak (satellite) crosses the frame in one or two reads",
    "partial_rows": "measured from a band of rows",
    "bad_reads": "one or more reads have no usable pixel, or lost half or more of them in the telemetry (DQ 1, 2)",
    "bad_times": "read times do not increase",
    "bad_routtime": "ROUTTIME of a read contradicts EXPSTART: EXPSTART plus the time of the read is used",
    "bad_pointing": "RA_APER, DEC_APER are 0, 0 or no direction: RA_TARG, DEC_TARG are used",
}


@dataclass(frozen=True)
class Column:
    """Column: name, type (``str int float bool str[] int[]``), unit, description, UCD, version that added it, utype."""

    name: str
    type: str
    unit: str
    description: str
    ucd: str = ""
    since: str = OLDEST_VERSION
    utype: str = ""

    @property
    def is_date(self) -> bool:
        """Whether its values are dates (MJD, UTC)."""
        return self.unit == "d" and "MJD" in self.description


@dataclass(frozen=True)
class Table:
    """Table: name, meaning of a row, key columns, columns, version of the schema that added it."""

    name: str
    row: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    since: str = OLDEST_VERSION

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(c.name for c in self.columns)

    def empty_row(self) -> dict[str, Any]:
        """Return a row with every column null."""
        return dict.fromkeys(self.names)


def read_columns(text: str) -> tuple[Column, ...]:
    """Parse columns from lines ``name | type | unit | description [| UCD [| since [| utype]]]``, see `columns`."""
    rows = (tuple(part.strip() for part in line.split("|")) for line in text.strip().splitlines() if line.strip())
    return tuple(Column(*row) for row in rows)


TABLES: Mapping[str, Table] = {
    t.name: t
    for t in (
        Table("datasets", "dataset the archive lists", ("dataset",), read_columns(columns.DATASETS)),
        Table("exposures", "exposure measured", ("rootname",), read_columns(columns.EXPOSURES)),
        Table("reads", "read of an exposure measured", ("rootname", "read"), read_columns(columns.READS)),
        Table(
            "visit_fits",
            "used read, with its components from a joint fit of its visit and filter",
            ("rootname", "read"),
            read_columns(columns.VISIT_FITS),
        ),
        Table(
            "forecast", "dataset, with the helium forecast for it", ("dataset",), read_columns(columns.FORECAST), "1.3"
        ),
        Table("failures", "failed attempt", ("key", "stage", "attempt"), read_columns(columns.FAILURES)),
        Table("reprocessed", "product made", ("product_id",), read_columns(columns.REPROCESSED)),
        Table("runs", "command run", ("run_id",), read_columns(columns.RUNS)),
    )
}


def arrow_type(kind: str) -> pa.DataType:
    """Return the Arrow type for the name of a column type."""
    import pyarrow as pa

    if kind.endswith("[]"):
        return pa.list_(arrow_type(kind[:-2]))
    return {"str": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}[kind]


@cache
def arrow_schema(table: str) -> pa.Schema:
    """Return the Arrow schema of a table, with unit, description and UCD as field metadata."""
    import pyarrow as pa

    fields = [
        pa.field(c.name, arrow_type(c.type), metadata={"unit": c.unit, "description": c.description, "ucd": c.ucd})
        for c in TABLES[table].columns
    ]
    return pa.schema(fields, metadata={"wfc3tvb.schema_version": SCHEMA_VERSION, "wfc3tvb.table": table})


def to_arrow(table: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Make an Arrow table of rows, with a check of their columns.

    Raises
    ------
    SchemaMismatchError
        If a row's keys are not the table's columns (`pyarrow.Table.from_pylist` would silently drop or null them).
    """
    import pyarrow as pa

    rows = list(rows)
    expected = set(TABLES[table].names)
    for row in rows:
        check_keys(table, row.keys(), expected)
    return pa.Table.from_pylist(rows, schema=arrow_schema(table))


def check_keys(table: str, keys: Iterable[str], expected: set[str] | None = None) -> None:
    """Raise `SchemaMismatchError` unless `keys` are exactly the table's columns."""
    expected = expected or set(TABLES[table].names)
    unknown, missing = set(keys) - expected, expected - set(keys)
    if unknown or missing:
        raise SchemaMismatchError(f"table {table}: unknown columns {sorted(unknown)}, missing {sorted(missing)}")
