"""SQL views of a catalog: the tables of the schema, read from their live Parquet files, and views derived from them.

The view ``reads`` contains only reads whose exposure has a row in ``exposures``. Values relative to the other exposures
of a visit are computed in the views, never stored.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wfc3tvb.catalog.vo.obscore import obscore_sql, obscore_table
from wfc3tvb.schema import TABLES, TVB_CLASSES, Column, Table, read_columns

_TYPES = {"str": "VARCHAR", "int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN"}


@dataclass(frozen=True)
class View:
    """View: its columns (as a schema table) and its SELECT."""

    table: Table
    sql: str


@dataclass(frozen=True)
class StoredFiles:
    """Live Parquet files of a table, and the stored names of its columns.

    Attributes
    ----------
    files : tuple of Path
        Absolute paths; an empty tuple means an empty table.
    sources : mapping, optional
        Stored names of every column, see `schema.migrations.Comparison`; by default the name in the schema.
    extended : bool, optional
        Whether some files may lack columns that others have.
    """

    files: tuple[Path | str, ...] = ()
    sources: Mapping[str, tuple[str, ...]] | None = None
    extended: bool = False


#: Live Parquet files of every table.
Files = Mapping[str, StoredFiles]

_VISITS = """
visit | str | | first six characters of the rootname | meta.id;meta.main
filter | str | | filter | meta.id;instr.filter
proposal_id | int | | proposal number | meta.id
target_name | str | | target name of the first exposure | meta.id;src
n_exposures | int | | number of exposures measured | meta.number
n_flagged | int | | number of them that are flagged | meta.number
n_inspect | int | | number of damaged ones that no method repairs safely (recommend is inspect) | meta.number
n_factor2 | int | | number of them that the published factor-of-2 rule selects | meta.number
worst_class | str | | worst tvb_class among them | meta.code.class
exptime | float | s | total exposure time | time.duration;obs.exposure
expstart | float | d | start of the first exposure [MJD, UTC] | time.start;obs.exposure
expend | float | d | end of the last exposure [MJD, UTC] | time.end;obs.exposure
sky_min | float | electron/s | lowest interval rate of visit and filter | instr.skyLevel;stat.min
sky_max | float | electron/s | highest interval rate of visit and filter | instr.skyLevel;stat.max
excess_visit | float | electron/s | largest sky_mean of an exposure minus sky_min | phot.count;arith.diff
excess_helium | float | electron/s | largest excess_helium of an exposure | phot.count;arith.diff
tvb_score | float | | largest jump statistic of an exposure | stat.value
sun_alt_max | float | deg | highest altitude of the Sun above the Earth's limb | pos.az.alt;stat.max
rootnames | str[] | | rootnames of the exposures in order of time | meta.id
"""

_PROGRAMS = """
proposal_id | int | | proposal number | meta.id;meta.main
pi | str | | last name of the principal investigator; null where the archive's list is not available | meta.id.PI
filters | str[] | | filters | meta.id;instr.filter
n_visits | int | | number of visits measured | meta.number
n_exposures | int | | number of exposures measured | meta.number
n_flagged | int | | number of exposures that are flagged | meta.number
frac_flagged | float | | n_flagged over n_exposures | stat.value;arith.ratio
exptime | float | s | total exposure time | time.duration;obs.exposure
exptime_flagged | float | s | total exposure time of the flagged exposures | time.duration;obs.exposure
expstart | float | d | start of the first exposure [MJD, UTC] | time.start;obs.exposure
expend | float | d | end of the last exposure [MJD, UTC] | time.end;obs.exposure
worst_class | str | | worst tvb_class of an exposure | meta.code.class
"""

_FLAGGED = """
excess_visit | float | electron/s | sky_mean minus the visit's lowest interval rate | phot.count;arith.diff
"""


#: SQL for the worst of a set of classes, in the order of `schema.TVB_CLASSES`.
_CLASSES = str(list(TVB_CLASSES))
_WORST = f"({_CLASSES})[max(list_position({_CLASSES}, tvb_class))]"

_VISITS_SQL = f"""
SELECT visit, filter, min(proposal_id) AS proposal_id, arg_min(target_name, expstart) AS target_name,
    count(*) AS n_exposures, count(*) FILTER (flagged) AS n_flagged,
    count(*) FILTER (recommend = 'inspect') AS n_inspect, count(*) FILTER (factor2) AS n_factor2,
    {_WORST} AS worst_class, sum(exptime) AS exptime, min(expstart) AS expstart, max(expend) AS expend,
    min(e.sky_min) AS sky_min, max(e.sky_max) AS sky_max, max(sky_mean) - min(e.sky_min) AS excess_visit,
    max(excess_helium) AS excess_helium, max(tvb_score) AS tvb_score, max(e.sun_alt_max) AS sun_alt_max,
    list(rootname ORDER BY expstart, rootname) AS rootnames
FROM exposures e GROUP BY visit, filter"""

_PROGRAMS_SQL = f"""
SELECT proposal_id, any_value(pi) AS pi, list(DISTINCT filter ORDER BY filter) AS filters,
    count(DISTINCT visit) AS n_visits, count(*) AS n_exposures, count(*) FILTER (flagged) AS n_flagged,
    count(*) FILTER (flagged) / count(*) AS frac_flagged, sum(exptime) AS exptime,
    coalesce(sum(exptime) FILTER (flagged), 0) AS exptime_flagged,
    min(expstart) AS expstart, max(expend) AS expend, {_WORST} AS worst_class
FROM exposures
LEFT JOIN (SELECT proposal_id, min(pi) AS pi FROM datasets GROUP BY proposal_id) USING (proposal_id)
GROUP BY proposal_id"""

_FLAGGED_SQL = """
SELECT e.*, sky_mean - lowest AS excess_visit
FROM exposures e
LEFT JOIN (SELECT visit, filter, min(sky_min) AS lowest FROM exposures GROUP BY visit, filter)
    USING (visit, filter)
WHERE flagged"""

DERIVED: Mapping[str, View] = {
    view.table.name: view
    for view in (
        View(Table("visits", "visit and filter", ("visit", "filter"), read_columns(_VISITS)), _VISITS_SQL),
        View(Table("programs", "proposal", ("proposal_id",), read_columns(_PROGRAMS)), _PROGRAMS_SQL),
        View(
            Table(
                "flagged",
                "exposure to be repaired",
                ("rootname",),
                TABLES["exposures"].columns + read_columns(_FLAGGED),
            ),
            _FLAGGED_SQL,
        ),
        View(obscore_table(TABLES["exposures"]), obscore_sql()),
    )
}

#: Schema of ``catalog.duckdb`` with the views of the Parquet files, from which the views of that name select.
FILES_SCHEMA = "files"
#: Macros for dates: an MJD from a date or its text, and the date of an MJD, both UTC.
MACROS = (
    "CREATE OR REPLACE MACRO mjd(date) AS epoch_us(CAST(date AS TIMESTAMP)) / 86400e6 + 40587",
    "CREATE OR REPLACE MACRO utc(mjd) AS make_timestamp(CAST(round((mjd - 40587) * 86400e6) AS BIGINT))",
)
#: Tables and views that can be queried, with their columns: the schema's tables, then the derived views.
RELATIONS: Mapping[str, Table] = {**TABLES, **{name: view.table for name, view in DERIVED.items()}}


def duckdb_type(kind: str) -> str:
    """Return DuckDB's name for a schema type."""
    return duckdb_type(kind[:-2]) + "[]" if kind.endswith("[]") else _TYPES[kind]


def view_statements(files: Files, *, whole: bool = False) -> Iterator[str]:
    """Yield the statements that create the macros and views of a catalog; parameters as in `table_statements`."""
    yield from table_statements(files, whole=whole)
    yield from _derived()


def table_statements(files: Files, *, whole: bool = False) -> Iterator[str]:
    """Yield the statements that create the macros, and the views of the tables of the schema.

    Parameters
    ----------
    files : mapping
        Live Parquet files of every table of the schema.
    whole : bool, optional
        Whether every read is known to have its exposure, so that `reads` need not join on it.
    """
    yield from MACROS
    yield from _of_files(files, whole, "")


def file_statements(files: Files, *, whole: bool = False) -> Iterator[str]:
    """Yield the statements that create the same views in `FILES_SCHEMA`; parameters as in `table_statements`."""
    yield from _of_files(files, whole, f"{FILES_SCHEMA}.")


def stable_statements() -> Iterator[str]:
    """Yield the statements that create views of those of `file_statements`, and stay when files change."""
    for name in TABLES:
        yield _create(name, f"SELECT * FROM {FILES_SCHEMA}.{name}")


def _of_files(files: Files, whole: bool, prefix: str) -> Iterator[str]:
    yield _create(f"{prefix}exposures", table_select("exposures", files["exposures"]))
    for name in TABLES:
        if name == "reads" and not whole:
            scan = table_select(name, files[name])
            joined = f"SELECT r.* FROM ({scan}) r SEMI JOIN {prefix}exposures USING (rootname)"
            yield _create(f"{prefix}{name}", joined)
        elif name != "exposures":
            yield _create(f"{prefix}{name}", table_select(name, files[name]))


def table_select(name: str, stored: StoredFiles) -> str:
    """Return the SELECT of a table's columns, in the schema's order, from its live Parquet files."""
    table = TABLES[name]
    if not stored.files:
        return f"SELECT {', '.join(_null(c, c.name) for c in table.columns)} WHERE false"
    sources = {c.name: (c.name,) for c in table.columns} if stored.sources is None else stored.sources
    columns = ", ".join(_read(column, sources[column.name]) for column in table.columns)
    paths = ", ".join(literal(glob.escape(str(path))) for path in stored.files)
    if not stored.extended:
        return f"SELECT {columns} FROM read_parquet([{paths}])"
    # The second SELECT, which has no rows, provides columns that are in none of the files.
    nulls = ", ".join(_null(column, source) for column in table.columns for source in sources[column.name])
    every = f"SELECT * FROM read_parquet([{paths}], union_by_name = true) UNION ALL BY NAME SELECT {nulls} WHERE false"
    return f"SELECT {columns} FROM ({every})"


def derived_statements() -> Iterator[str]:
    """Yield the statements that create the macros, and the views that are derived from tables of the schema."""
    yield from MACROS
    yield from _derived()


def _derived() -> Iterator[str]:
    for name, view in DERIVED.items():
        yield _create(name, view.sql)


def orphans_query(files: Files) -> str:
    """Return the SELECT that counts reads without an exposure."""
    reads, exposures = (table_select(name, files[name]) for name in ("reads", "exposures"))
    return f"SELECT count(*) FROM ({reads}) ANTI JOIN ({exposures}) USING (rootname)"


def comment_statements(*, are_tables: bool = False) -> Iterator[str]:
    """Yield COMMENT statements with the meaning of every view, and the description and unit of every column.

    Parameters
    ----------
    are_tables : bool, optional
        Whether the tables of the schema are tables; they are views of Parquet files by default.
    """
    for name, table in RELATIONS.items():
        kind = "TABLE" if are_tables and name in TABLES else "VIEW"
        yield f"COMMENT ON {kind} {name} IS {literal('One row per ' + table.row + '.')}"
        for column in table.columns:
            yield f'COMMENT ON COLUMN {name}."{column.name}" IS {literal(column_comment(column))}'


def column_comment(column: Column) -> str:
    """Return a column's description with its unit in brackets."""
    return f"{column.description} [{column.unit}]" if column.unit else column.description


def literal(text: str) -> str:
    """Return text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _create(name: str, select: str) -> str:
    return f"CREATE OR REPLACE VIEW {name} AS {select}"


def _read(column: Column, sources: Sequence[str]) -> str:
    """Return the expression that reads a column from its stored names."""
    if not sources:
        return _null(column, column.name)
    if len(sources) > 1:
        return f"coalesce({', '.join(map(_quoted, sources))}) AS {_quoted(column.name)}"
    return _quoted(column.name) if sources[0] == column.name else f"{_quoted(sources[0])} AS {_quoted(column.name)}"


def _null(column: Column, name: str) -> str:
    return f"CAST(NULL AS {duckdb_type(column.type)}) AS {_quoted(name)}"


def _quoted(name: str) -> str:
    return f'"{name}"'
