"""The catalog checks itself: every check a row, which says what to do where it fails."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from wfc3tvb.errors import CatalogError, MissingTableError, NoCatalogError
from wfc3tvb.io import duck
from wfc3tvb.io.catalog import Catalog
from wfc3tvb.io.tables import Snapshot
from wfc3tvb.schema import POSITIONS, RECOMMENDATIONS, SCHEMA_VERSION, TABLES, TVB_CLASSES, TVB_KINDS

_AGAIN = "the same survey again measures them"
_RESTORE = "put a copy of the catalog in its place, or survey into another folder with --catalog"


@dataclass(frozen=True)
class CheckResult:
    """One check: whether it passed, its name, what it looked at, and what it found, with the remedy."""

    passed: bool
    check: str
    target: str
    detail: str


@dataclass(frozen=True)
class _Rule:
    """What must hold between rows: a SELECT of the keys (column ``key``) of those that break it."""

    check: str
    target: str
    needs: tuple[str, ...]
    sql: str
    problem: str
    remedy: str


# Rows are replaced only by later ones, and never removed: fewer than a survey stored, and the later ones might have
# replaced, are a loss. Which are later is told by the version of the table at their beginning, which no clock spoils;
# surveys that overlap count as later than each other.
_STORED = """
WITH told AS (
    SELECT run_id, {told} AS n_told, coalesce({before}, 0) AS n_before, started_at, ended_at,
        CAST(arguments->>'$.version' AS BIGINT) AS version
    FROM runs WHERE command = 'survey'
), here AS (SELECT run_id, count(*) AS n_here FROM {table} GROUP BY run_id)
SELECT a.run_id AS key FROM told a LEFT JOIN here USING (run_id)
WHERE a.ended_at IS NOT NULL AND (
    n_before + n_told > (SELECT count(*) FROM {table})
    OR n_told - coalesce(n_here, 0) > (
        SELECT coalesce(sum(h.n_here), 0) FROM told b JOIN here h USING (run_id)
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
        "exposures have reads and no row (of a survey that runs, or was killed)", _AGAIN,
    ),
    _Rule(
        "no orphans", "visit_fits", ("visit_fits", "exposures"),
        "SELECT DISTINCT rootname AS key FROM visit_fits ANTI JOIN exposures USING (rootname)",
        "exposures are in fits of their visit and have no row", _AGAIN,
    ),
    _Rule(
        "curves", "exposures", ("reads", "exposures"),
        """SELECT rootname AS key FROM exposures
        LEFT JOIN (SELECT rootname, count(*) AS n, max(read) AS last FROM reads GROUP BY rootname) USING (rootname)
        WHERE n IS NULL OR n != last OR n != nsamp - 1""",
        "exposures lack reads", "measure them again: wfc3tvb survey --recheck --id {key}",
    ),
    _Rule(
        "values", "exposures", ("exposures",),
        f"""SELECT rootname AS key FROM exposures WHERE {_ALLOWED}
        OR flagged != (recommend IN ('omit', 'flatten', 'mask_reads')) OR visit != left(rootname, 6)""",
        "exposures hold words that the schema does not know", "wfc3tvb rescore writes them anew",
    ),
    _Rule(
        "listed", "exposures", ("datasets", "exposures"),
        "SELECT rootname AS key FROM exposures ANTI JOIN datasets USING (dataset) WHERE dataset IS NOT NULL",
        "exposures are of datasets that the archive's list lacks", "the same survey again lists them",
    ),
    _Rule(
        "runs", "exposures", ("runs", "exposures"),
        "SELECT rootname AS key FROM exposures ANTI JOIN runs USING (run_id) WHERE run_id IS NOT NULL",
        "exposures are of no run that is recorded", "measure them again: wfc3tvb survey --recheck --id {key}",
    ),
    _Rule(
        "counts", "exposures", ("runs", "exposures"),
        _STORED.format(table="exposures", told="n_done", before="CAST(arguments->>'$.known' AS BIGINT)"),
        "surveys measured more exposures than are here", _AGAIN,
    ),
    _Rule(
        "counts", "failures", ("runs", "failures"),
        _STORED.format(table="failures", told="n_failed", before="0"),
        "surveys had more failures than are here", "harmless: what failed is tried again",
    ),
)  # fmt: skip

_COUNTS = """
WITH listed AS (SELECT DISTINCT unnest(members) AS rootname FROM datasets),
    failed AS (SELECT DISTINCT key AS rootname FROM failures)
SELECT count(*), count(e.rootname), count(f.rootname) FILTER (e.rootname IS NULL)
FROM listed LEFT JOIN exposures e USING (rootname) LEFT JOIN failed f USING (rootname)
"""


def verify(catalog: Catalog) -> list[CheckResult]:
    """Check logs, files, keys, units, versions, and that list, runs and rows agree; return every result.

    Nothing is written, and a damaged table does not keep the others from being checked.

    Parameters
    ----------
    catalog : Catalog
        Its newest version is looked at; ``Catalog(folder)`` opens one that `open_catalog` cannot.

    Raises
    ------
    NoCatalogError
        If there is none.
    """
    if not any((catalog.folder / name / "_delta_log").is_dir() for name in TABLES):
        raise NoCatalogError(catalog.folder)
    results = []
    sound: dict[str, tuple[Path, ...]] = {}
    for name in TABLES:
        found, snapshot = _log(catalog, name)
        results.append(found)
        if snapshot is not None:
            found = _files(snapshot)
            results += [found, _units(catalog, name), _version(catalog, name)]
            if found.passed:
                sound[name] = snapshot.files
    with closing(duck.connect({name: sound.get(name, ()) for name in TABLES}, whole=True)) as connection:
        results += [_keys(connection, name) for name in sound]
        results += [_holds(connection, rule) for rule in _RULES if set(rule.needs) <= set(sound)]
        if {"datasets", "exposures", "failures"} <= set(sound):
            results.append(_counts(connection))
    return results


def _log(catalog: Catalog, table: str) -> tuple[CheckResult, Snapshot | None]:
    try:
        snapshot = catalog.tables.snapshot(table)
    except (MissingTableError, NoCatalogError):
        return CheckResult(False, "log", table, f"the table is not there; {_RESTORE}"), None
    except CatalogError as error:
        return CheckResult(False, "log", table, f"{error}; {_RESTORE}"), None
    return CheckResult(True, "log", table, f"version {snapshot.version}"), snapshot


def _files(snapshot: Snapshot) -> CheckResult:
    """Read every value of a table, by which damage within a file shows."""
    name, files = snapshot.table, snapshot.files
    if gone := [path.name for path in files if not path.is_file()]:
        return CheckResult(False, "files", name, f"{len(gone)} files are missing, e.g. {gone[0]}; {_RESTORE}")
    try:
        with closing(duck.connect({each: files if each == name else () for each in TABLES}, whole=True)) as connection:
            row = connection.execute(f"SELECT count(*), bit_xor(hash(t)) FROM {name} t").fetchone()
    except duckdb.Error as error:
        problem = str(error).split("\n", 1)[0]
        return CheckResult(False, "files", name, f"cannot be read: {problem}; {_RESTORE}")
    n_rows = row[0] if row else 0
    told = "" if n_rows == snapshot.n_rows else f", {snapshot.n_rows} were written; {_RESTORE}"
    return CheckResult(not told, "files", name, f"{len(files)} files, {n_rows} rows read{told}")


def _keys(connection: DuckDBPyConnection, table: str) -> CheckResult:
    columns = TABLES[table].key
    key, missing = ", ".join(columns), " OR ".join(f"{name} IS NULL" for name in columns)
    text = f"SELECT count(*) - count(DISTINCT ({key})), count(*) FILTER ({missing}) FROM {table}"
    doubled, without = connection.execute(text).fetchall()[0]
    detail = f"{doubled} rows repeat a key ({key})" + (f", {without} have none" if without else "")
    wrong = bool(doubled or without)
    remedy = "; wfc3tvb survey --recheck writes them anew" if wrong else ""
    return CheckResult(not wrong, "keys unique", table, detail + remedy)


def _units(catalog: Catalog, table: str) -> CheckResult:
    found = {field.name: field.metadata.get("unit") for field in catalog.tables.open(table).schema().fields}
    wrong = [c.name for c in TABLES[table].columns if found.get(c.name) != c.unit]
    detail = f"differ: {', '.join(wrong)}; {_RESTORE}" if wrong else "as in the schema"
    return CheckResult(not wrong, "units", table, detail)


def _version(catalog: Catalog, table: str) -> CheckResult:
    found = catalog.tables.open(table).metadata().configuration.get("wfc3tvb.schema_version")
    remedy = "" if found == SCHEMA_VERSION else f", this program's is {SCHEMA_VERSION}; survey into another folder"
    return CheckResult(not remedy, "version", table, f"schema {found}{remedy}")


def _holds(connection: DuckDBPyConnection, rule: _Rule) -> CheckResult:
    n, key = connection.execute(f"SELECT count(*), min(key) FROM ({rule.sql})").fetchall()[0]
    told = f", e.g. {key}; {rule.remedy.format(key=key)}" if n else ""
    return CheckResult(n == 0, rule.check, rule.target, f"{n} {rule.problem}{told}")


def _counts(connection: DuckDBPyConnection) -> CheckResult:
    """Say what became of the exposures listed; that some are still to be measured is no fault (--limit, Ctrl-C)."""
    listed, measured, failed = connection.execute(_COUNTS).fetchall()[0]
    left = listed - measured - failed
    detail = f"{listed} exposures listed: {measured} measured, {failed} failed, {left} not surveyed yet"
    return CheckResult(True, "counts", "datasets", detail)
