"""Verification of a whole catalog: a list of checks, with the remedy for each that fails."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from wfc3tvb import schema
from wfc3tvb.catalog import duckdb_views
from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.catalog.delta.snapshot import Snapshot
from wfc3tvb.catalog.delta.tables import Tables
from wfc3tvb.catalog.released import SUMS, is_release, released_files, released_snapshot
from wfc3tvb.catalog.sql.rules import COUNTS, RULES, Rule
from wfc3tvb.catalog.upgrade import CatalogSchema, compare_catalog
from wfc3tvb.catalog.views import StoredFiles, table_select
from wfc3tvb.display import counted
from wfc3tvb.errors import DamagedCatalogError, NoCatalogError
from wfc3tvb.schema import OLDEST_VERSION, TABLES
from wfc3tvb.schema.migrations import StoredSchema, parse_version
from wfc3tvb.suggest import catalog_option
from wfc3tvb.system.files import checksum

_FETCH = "fetch the release again"
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


def verify(catalog: Catalog | str | Path) -> list[CheckResult]:
    """Check logs, files, keys, columns, units and versions, and that datasets, runs and rows agree.

    Nothing is written, and after a damaged table the others are still checked. Of a release, checksums are compared in
    place of the logs.

    Parameters
    ----------
    catalog : Catalog, str or Path
        Catalog, whose newest version is checked, or its folder, e.g. of a catalog that `open_catalog` cannot open, or
        of a release.

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
    if is_release(tables.folder):
        return _release(tables)
    if not any((tables.place(name) / "_delta_log").is_dir() for name in TABLES):
        raise NoCatalogError(tables.folder)
    logs = {name: _log(tables, name) for name in TABLES}
    snapshots = {name: snapshot for name, (_, snapshot) in logs.items() if snapshot is not None}
    found = compare_catalog(snapshots) if snapshots else None
    results = []
    sound: dict[str, StoredFiles] = {}
    with closing(duckdb_views.connection_without_views()) as connection:
        for name, (log_result, snapshot) in logs.items():
            if found is None or snapshot is None:
                results.append(_absent(name) if found and name in found.added else log_result)
                continue
            stored = StoredFiles(snapshot.files, found.tables[name].sources, snapshot.stored.extended)
            files, columns = _files(connection, snapshot, stored), _columns(found, name)
            units = {field.name: field.metadata.get("unit") for field in tables.open(name).schema().fields}
            results += [log_result, files, columns, _units(units, name), _version(found, name, snapshot.stored)]
            if files.passed and columns.passed:
                sound[name] = stored
        return results + _relations(connection, sound, tables.folder)


def _release(tables: Tables) -> list[CheckResult]:
    """Check a release: the checksums of its files, and its tables as those of a catalog."""
    results = _checksums(tables.folder)
    snapshots: dict[str, Snapshot] = {}
    for name, path in released_files(tables.folder).items():
        try:
            snapshots[name] = released_snapshot(name, path)
        except DamagedCatalogError as error:
            results.append(CheckResult(False, "files", name, f"{error.problem}; {_FETCH}"))
    found = compare_catalog(snapshots)
    sound: dict[str, StoredFiles] = {}
    with closing(duckdb_views.connection_without_views()) as connection:
        for name, snapshot in snapshots.items():
            stored = StoredFiles(snapshot.files, found.tables[name].sources, snapshot.stored.extended)
            files, columns = _files(connection, snapshot, stored), _columns(found, name)
            results += [files, columns, _version(found, name, snapshot.stored, released=True)]
            if files.passed and columns.passed:
                sound[name] = stored
        return results + _relations(connection, sound, tables.folder)


def _checksums(folder: Path) -> list[CheckResult]:
    """Compare the files of a release with its list of checksums."""
    listed = folder / SUMS
    if not listed.is_file():
        return [CheckResult(False, "checksums", "files", f"{SUMS} is missing; {_FETCH}")]
    lines = (line.partition("  ") for line in listed.read_text("utf-8", errors="replace").splitlines())
    expected = {name: value for value, _, name in lines}
    wrong = [name for name, value in expected.items() if not (folder / name).is_file()]
    wrong += [name for name in expected.keys() - wrong if checksum(folder / name) != expected[name]]
    if wrong:
        detail = f"{len(wrong)} of {len(expected)} files are missing or changed, e.g. {min(wrong)}; {_FETCH}"
        return [CheckResult(False, "checksums", "files", detail)]
    return [CheckResult(True, "checksums", "files", f"all {len(expected)} files are as they were released")]


def _relations(connection: DuckDBPyConnection, sound: dict[str, StoredFiles], folder: Path) -> list[CheckResult]:
    """Check the rows of the tables that can be read, and the rules between tables."""
    duckdb_views.add_views(connection, {name: sound.get(name, StoredFiles()) for name in TABLES}, whole=True)
    results = [_keys(connection, name) for name in sound]
    results += [_holds(connection, rule, folder) for rule in RULES if set(rule.needs) <= set(sound)]
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


def _files(connection: DuckDBPyConnection, snapshot: Snapshot, stored: StoredFiles) -> CheckResult:
    """Read every value of a table, which reveals damage within a file."""
    name, files = snapshot.table, snapshot.files
    if missing := [path.name for path in files if not path.is_file()]:
        return CheckResult(
            False, "files", name, f"{counted(len(missing), 'file')} missing, e.g. {missing[0]}; {_RESTORE}"
        )
    try:
        row = connection.execute(f"SELECT count(*), bit_xor(hash(t)) FROM ({table_select(name, stored)}) t").fetchone()
    except duckdb.Error as error:
        problem = str(error).split("\n", 1)[0]
        return CheckResult(False, "files", name, f"cannot be read: {problem}; {_RESTORE}")
    n_rows = row[0] if row else 0
    loss = "" if n_rows == snapshot.n_rows else f", {snapshot.n_rows} were written; {_RESTORE}"
    counts = f"{counted(len(files), 'file')}, {counted(n_rows, 'row')} read"
    return CheckResult(not loss, "files", name, counts + loss)


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


def _units(stored: Mapping[str, str | None], table: str) -> CheckResult:
    wrong = [c.name for c in TABLES[table].columns if c.name in stored and stored[c.name] != c.unit]
    detail = f"different from the schema: {', '.join(wrong)}; {_RESTORE}" if wrong else "as in the schema"
    return CheckResult(not wrong, "units", table, detail)


def _version(found: CatalogSchema, table: str, stored: StoredSchema, *, released: bool = False) -> CheckResult:
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
        added = len(found.tables[table].added)
        detail += f", this program's is {schema.SCHEMA_VERSION}"
        detail += (
            f", with {counted(added, 'column')} more{', which the next write adds' * (not released)}" if added else ""
        )
    return CheckResult(True, "version", table, detail)


def _holds(connection: DuckDBPyConnection, rule: Rule, folder: Path) -> CheckResult:
    n, key = connection.execute(f"SELECT count(*), min(key) FROM ({rule.sql})").fetchall()[0]
    example = f", e.g. {key}; {rule.remedy.format(key=key, catalog=catalog_option(folder))}" if n else ""
    return CheckResult(n == 0 or rule.harmless, rule.check, rule.target, f"{n} {rule.problem}{example}")


def _counts(connection: DuckDBPyConnection) -> CheckResult:
    """Count the listed exposures that are measured, failed and not surveyed yet; the check always passes."""
    listed, measured, failed = connection.execute(COUNTS).fetchall()[0]
    left = listed - measured - failed
    detail = f"{counted(listed, 'exposure')} listed: {measured} measured, {failed} failed, {left} not surveyed yet"
    return CheckResult(True, "counts", "datasets", detail)
