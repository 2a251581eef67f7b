"""The catalog checks itself: every check a row."""

from __future__ import annotations

from dataclasses import dataclass

from wfc3tvb.errors import CatalogError
from wfc3tvb.io.catalog import Catalog
from wfc3tvb.schema import SCHEMA_VERSION, TABLES

_LOST = """SELECT count(*) FROM (SELECT DISTINCT unnest(members) AS rootname FROM datasets) m
    ANTI JOIN exposures USING (rootname) ANTI JOIN (SELECT key AS rootname FROM failures) f USING (rootname)"""
_BARE = "SELECT count(*) FROM exposures ANTI JOIN reads USING (rootname)"


@dataclass(frozen=True)
class CheckResult:
    """One check: whether it passed, its name, what it looked at, and what it found."""

    passed: bool
    check: str
    target: str
    detail: str


def verify(catalog: Catalog) -> list[CheckResult]:
    """Check files, rows, keys, units, versions and counts of a catalog, and return every result."""
    results = []
    for name in TABLES:
        results += [
            _files(catalog, name),
            _keys(catalog, name),
            _units(catalog, name),
            _version(catalog, name),
        ]
    orphans = _orphans(catalog)
    results.append(
        CheckResult(orphans == 0, "no orphans", "reads", f"{orphans} reads without their exposure")
    )
    bare = _count(catalog, _BARE)
    results.append(CheckResult(bare == 0, "curves", "exposures", f"{bare} exposures without reads"))
    lost = _count(catalog, _LOST)
    results.append(
        CheckResult(lost == 0, "counts", "datasets", f"{lost} exposures neither measured nor failed")
    )
    return results


def _count(catalog: Catalog, text: str) -> int:
    return int(catalog.sql(text).fetchall()[0][0])


def _orphans(catalog: Catalog) -> int:
    """Return how many rows of `reads` the view hides: those of a killed run, which the next one replaces."""
    return catalog.snapshots["reads"].n_rows - _count(catalog, "SELECT count(*) FROM reads")


def _files(catalog: Catalog, table: str) -> CheckResult:
    snapshot = catalog.snapshots[table]
    gone = [path.name for path in snapshot.files if not path.is_file()]
    if gone:
        return CheckResult(False, "files", table, f"{len(gone)} files are missing, e.g. {gone[0]}")
    try:
        catalog.sql(f"SELECT count(COLUMNS(*)) FROM {table}").fetchall()
    except (CatalogError, OSError) as error:
        return CheckResult(False, "files", table, str(error).split("\n", 1)[0])
    return CheckResult(True, "files", table, f"{len(snapshot.files)} files, {snapshot.n_rows} rows read")


def _keys(catalog: Catalog, table: str) -> CheckResult:
    key = ", ".join(TABLES[table].key)
    doubled = _count(catalog, f"SELECT count(*) - count(DISTINCT ({key})) FROM {table}")
    return CheckResult(doubled == 0, "keys unique", table, f"{doubled} rows repeat a key ({key})")


def _units(catalog: Catalog, table: str) -> CheckResult:
    found = {field.name: field.metadata.get("unit") for field in catalog.tables.open(table).schema().fields}
    wrong = [c.name for c in TABLES[table].columns if found.get(c.name) != c.unit]
    return CheckResult(
        not wrong, "units", table, f"differ: {', '.join(wrong)}" if wrong else "as in the schema"
    )


def _version(catalog: Catalog, table: str) -> CheckResult:
    found = catalog.tables.open(table).metadata().configuration.get("wfc3tvb.schema_version")
    return CheckResult(found == SCHEMA_VERSION, "version", table, f"schema {found}")
