"""Verification of a whole catalog: a list of checks, with the remedy for each that fails."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from wfc3tvb import schema
from wfc3tvb.catalog import duckdb_views
from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.catalog.delta_tables import Snapshot, Tables
from wfc3tvb.catalog.upgrade import CatalogSchema, compare_catalog
from wfc3tvb.catalog.views import StoredFiles
from wfc3tvb.display import counted
from wfc3tvb.errors import DamagedCatalogError, NoCatalogError
from wfc3tvb.schema import OLDEST_VERSION, POSITIONS, RECOMMENDATIONS, TABLES, TVB_CLASSES, TVB_KINDS
from wfc3tvb.schema.methods import METHODS
from wfc3tvb.schema.migrations import StoredSchema, parse_version
from wfc3tvb.suggest import catalog_option

_AGAIN = "run the same survey again to measure them"
_RESTORE = "restore the catalog from a copy, or survey into another folder"


@dataclass(frozen=True)
class CheckResult:
    """Result of a check.

    Attributes
    ----------
    passed : bool
        Whether it passed.
    check : str
        Its name.
    target : str
        Table that was checked.
    detail : str
        What was found, with the remedy.
    """

    passed: bool
    check: str
    target: str
    detail: str


@dataclass(frozen=True)
class _Rule:
    """Rule for rows: a SELECT of the keys (column ``key``) of rows that violate it, and the words for the result."""

    check: str
    target: str
    needs: tuple[str, ...]
    sql: str
    problem: str
    remedy: str


# Rows are replaced only by later surveys, and never removed. Rows have been lost if a survey has fewer than it recorded
# and later surveys cannot have replaced the difference. The version of the table at the start of a survey gives their
# order, independent of clocks; surveys that overlap count as later than each other.
_STORED = """
WITH recorded AS (
    SELECT run_id, {recorded} AS n_recorded, coalesce({before}, 0) AS n_before, started_at, ended_at,
        CAST(arguments->>'$.version' AS BIGINT) AS version
    FROM runs WHERE command = 'survey'
), here AS (SELECT run_id, count(*) AS n_here FROM {table} GROUP BY run_id)
SELECT a.run_id AS key FROM recorded a LEFT JOIN here USING (run_id)
WHERE a.ended_at IS NOT NULL AND (
    n_before + n_recorded > (SELECT count(*) FROM {table})
    OR n_recorded - coalesce(n_here, 0) > (
        SELECT coalesce(sum(h.n_here), 0) FROM recorded b JOIN here h USING (run_id)
        WHERE b.run_id != a.run_id AND (b.ended_at IS NULL OR b.ended_at >= a.started_at
            OR coalesce(b.version >= a.version, true))))
"""

_SETS = {
    "tvb_class": TVB_CLASSES,
    "tvb_kind": TVB_KINDS,
    "recommend": RECOMMENDATIONS,
    "affected_position": POSITIONS,
}
_ALLOWED = " OR ".join(f"{name} NOT IN {values}" for name, values in _SETS.items())

_RULES = (
    _Rule(
        "no orphans", "reads", ("reads", "exposures"),
        "SELECT DISTINCT rootname AS key FROM reads ANTI JOIN exposures USING (rootname)",
        "exposures have reads but no row (of a survey that is running or was killed)", _AGAIN,
    ),
    _Rule(
        "no orphans", "visit_fits", ("visit_fits", "exposures"),
        "SELECT DISTINCT rootname AS key FROM visit_fits ANTI JOIN exposures USING (rootname)",
        "exposures are in the fit of their visit but have no row", _AGAIN,
    ),
    _Rule(
        "curves", "exposures", ("reads", "exposures"),
        """SELECT rootname AS key FROM exposures
        LEFT JOIN (SELECT rootname, count(*) AS n, max(read) AS last FROM reads GROUP BY rootname) USING (rootname)
        WHERE n IS NULL OR n != last OR n != nsamp - 1""",
        "exposures lack reads", "measure them again: wfc3tvb survey --recheck --id {key}{catalog}",
    ),
    _Rule(
        "values", "exposures", ("exposures",),
        f"""SELECT rootname AS key FROM exposures WHERE {_ALLOWED}
        OR flagged != (recommend IN {tuple(METHODS)}) OR visit != left(rootname, 6)""",
        "exposures have values that the schema does not allow", "correct them with: wfc3tvb rescore{catalog}",
    ),
    _Rule(
        "listed", "exposures", ("datasets", "exposures"),
        "SELECT rootname AS key FROM exposures ANTI JOIN datasets USING (dataset) WHERE dataset IS NOT NULL",
        "exposures belong to datasets that are not listed", "run the same survey again to list them",
    ),
    _Rule(
        "runs", "exposures", ("runs", "exposures"),
        "SELECT rootname AS key FROM exposures ANTI JOIN runs USING (run_id) WHERE run_id IS NOT NULL",
        "exposures belong to runs that are not recorded",
        "measure them again: wfc3tvb survey --recheck --id {key}{catalog}",
    ),
    _Rule(
        "counts", "exposures", ("runs", "exposures"),
        _STORED.format(table="exposures", recorded="n_done", before="CAST(arguments->>'$.known' AS BIGINT)"),
        "surveys measured more exposures than are stored", _AGAIN,
    ),
    _Rule(
        "counts", "failures", ("runs", "failures"),
        _STORED.format(table="failures", recorded="n_failed", before="0"),
        "surveys had more failures than are stored", "no action is needed: failed exposures are tried again",
    ),
)  # fmt: skip

_COUNTS = """
WITH listed AS (SELECT DISTINCT unnest(members) AS rootname FROM datasets),
    failed AS (SELECT DISTINCT key AS rootname FROM failures)
SELECT count(*), count(e.rootname), count(f.rootname) FILTER (e.rootname IS NULL)
FROM listed LEFT JOIN exposures e USING (rootname) LEFT JOIN failed f USING (rootname)
"""


def verify(catalog: Catalog | str | Path) -> list[CheckResult]:
    """Check logs, files, keys, columns, units and versions, and that datasets, runs and rows agree.

    Nothing is written, and after a damaged table the others are still checked.

    Parameters
    ----------
    catalog : Catalog, str or Path
        Catalog, whose newest version is checked, or its folder, e.g. of a catalog that `open_catalog` cannot open.

    Returns
    -------
    list of CheckResult
        Results of all checks.

    Raises
    ------
    NoCatalogError
        If there is no catalog.
    """
    tables = Tables(catalog.folder if isinstance(catalog, Catalog) else Path(catalog))
    if not any((tables.place(name) / "_delta_log").is_dir() for name in TABLES):
        raise NoCatalogError(tables.folder)
    logs = {name: _log(tables, name) for name in TABLES}
    snapshots = {name: snapshot for name, (_, snapshot) in logs.items() if snapshot is not None}
    found = compare_catalog(snapshots) if snapshots else None
    results = []
    sound: dict[str, StoredFiles] = {}
    for name, (log_result, snapshot) in logs.items():
        if found is None or snapshot is None:
            results.append(_absent(name) if found and name in found.added else log_result)
            continue
        stored = StoredFiles(snapshot.files, found.tables[name].sources, snapshot.stored.extended)
        files, columns = _files(snapshot, stored), _columns(found, name)
        results += [log_result, files, columns, _units(tables, name), _version(found, name, snapshot.stored)]
        if files.passed and columns.passed:
            sound[name] = stored
    return results + _relations(sound, tables.folder)


def _relations(sound: dict[str, StoredFiles], folder: Path) -> list[CheckResult]:
    """Check the rows of the tables that can be read, and the rules between tables."""
    files = {name: sound.get(name, StoredFiles()) for name in TABLES}
    with closing(duckdb_views.connect(files, whole=True)) as connection:
        results = [_keys(connection, name) for name in sound]
        results += [_holds(connection, rule, folder) for rule in _RULES if set(rule.needs) <= set(sound)]
        if {"datasets", "exposures", "failures"} <= set(sound):
            results.append(_counts(connection))
    return results


def _log(tables: Tables, table: str) -> tuple[CheckResult, Snapshot | None]:
    try:
        snapshot = tables.snapshot(table)
    except NoCatalogError:
        return CheckResult(False, "log", table, f"the table is missing; {_RESTORE}"), None
    except DamagedCatalogError as error:
        return CheckResult(False, "log", table, f"{error.problem}; {_RESTORE}"), None
    return CheckResult(True, "log", table, f"version {snapshot.version}"), snapshot


def _absent(table: str) -> CheckResult:
    """Return the result for a table that is newer than the stored schema."""
    return CheckResult(True, "version", table, f"new in schema {TABLES[table].since}; the next write adds the table")


def _files(snapshot: Snapshot, stored: StoredFiles) -> CheckResult:
    """Read every value of a table, which reveals damage within a file."""
    name, files = snapshot.table, snapshot.files
    if missing := [path.name for path in files if not path.is_file()]:
        return CheckResult(
            False, "files", name, f"{counted(len(missing), 'file')} missing, e.g. {missing[0]}; {_RESTORE}"
        )
    try:
        with closing(
            duckdb_views.connect({each: stored if each == name else StoredFiles() for each in TABLES}, whole=True)
        ) as connection:
            row = connection.execute(f"SELECT count(*), bit_xor(hash(t)) FROM {name} t").fetchone()
    except duckdb.Error as error:
        problem = str(error).split("\n", 1)[0]
        return CheckResult(False, "files", name, f"cannot be read: {problem}; {_RESTORE}")
    n_rows = row[0] if row else 0
    loss = "" if n_rows == snapshot.n_rows else f", {snapshot.n_rows} were written; {_RESTORE}"
    return CheckResult(not loss, "files", name, f"{counted(len(files), 'file')}, {counted(n_rows, 'row')} read{loss}")


def _keys(connection: DuckDBPyConnection, table: str) -> CheckResult:
    columns = TABLES[table].key
    key, missing = ", ".join(columns), " OR ".join(f"{name} IS NULL" for name in columns)
    text = f"SELECT count(*) - count(DISTINCT ({key})), count(*) FILTER ({missing}) FROM {table}"
    repeated, without = connection.execute(text).fetchall()[0]
    detail = f"{repeated} rows repeat a key ({key})" + (f", {without} have none" if without else "")
    wrong = bool(repeated or without)
    remedy = "; replace them with: wfc3tvb survey --recheck" if wrong else ""
    return CheckResult(not wrong, "keys unique", table, detail + remedy)


def _columns(found: CatalogSchema, table: str) -> CheckResult:
    """Check for columns that are missing, or of another type, unless they are newer than the stored schema."""
    compared = found.tables[table]
    if compared.faults:
        return CheckResult(False, "columns", table, f"{'; '.join(compared.faults)}; {_RESTORE}")
    extra = f"; not in the schema and left unchanged: {', '.join(compared.unknown)}" if compared.unknown else ""
    return CheckResult(True, "columns", table, f"{len(TABLES[table].columns) - len(compared.added)} stored{extra}")


def _units(tables: Tables, table: str) -> CheckResult:
    stored = {field.name: field.metadata.get("unit") for field in tables.open(table).schema().fields}
    wrong = [c.name for c in TABLES[table].columns if c.name in stored and stored[c.name] != c.unit]
    detail = f"different from the schema: {', '.join(wrong)}; {_RESTORE}" if wrong else "as in the schema"
    return CheckResult(not wrong, "units", table, detail)


def _version(found: CatalogSchema, table: str, stored: StoredSchema) -> CheckResult:
    """Check the version of a table's schema: an older one passes, a newer one fails because it cannot be checked."""
    known = parse_version(schema.SCHEMA_VERSION)
    try:
        version = parse_version(stored.version)
    except ValueError:
        return CheckResult(False, "version", table, f"no schema version is recorded; {_RESTORE}")
    detail = f"schema {stored.version}"
    if version > known:
        remedy = f"this program's is {schema.SCHEMA_VERSION}; pip install 'wfc3tvb>={stored.package_version}'"
        return CheckResult(False, "version", table, f"{detail}, {remedy}")
    if version < parse_version(OLDEST_VERSION):
        remedy = f"this program reads {OLDEST_VERSION} and later; survey into another folder"
        return CheckResult(False, "version", table, f"{detail}, {remedy}")
    if version < known:
        added = found.tables[table].added
        detail += f", this program's is {schema.SCHEMA_VERSION}; the next write adds {counted(len(added), 'column')}"
    return CheckResult(True, "version", table, detail)


def _holds(connection: DuckDBPyConnection, rule: _Rule, folder: Path) -> CheckResult:
    n, key = connection.execute(f"SELECT count(*), min(key) FROM ({rule.sql})").fetchall()[0]
    example = f", e.g. {key}; {rule.remedy.format(key=key, catalog=catalog_option(folder))}" if n else ""
    return CheckResult(n == 0, rule.check, rule.target, f"{n} {rule.problem}{example}")


def _counts(connection: DuckDBPyConnection) -> CheckResult:
    """Count the listed exposures that are measured, failed and not surveyed yet; the check always passes."""
    listed, measured, failed = connection.execute(_COUNTS).fetchall()[0]
    left = listed - measured - failed
    detail = f"{counted(listed, 'exposure')} listed: {measured} measured, {failed} failed, {left} not surveyed yet"
    return CheckResult(True, "counts", "datasets", detail)
