"""The rows that a survey has to give for visits that are copies of others, from those of an undisturbed survey.

The scores of an exposure rest on random numbers that are seeded by its name, so a copy is scored from the reads of its
original under its own name; `wfc3tvb.survey.rescore` gives the row of a measurement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed
from tools.crowded.archive import Copies
from tools.faults.judge import RECORDS, kept_columns

from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.identifiers import visit_of
from wfc3tvb.models import Row
from wfc3tvb.schema import TABLES, to_arrow
from wfc3tvb.survey.rescore import rescore_rows

#: Visits with wrong rows that are shown of a table, rows that are read at a time, and visits that are scored at a time.
_SHOWN, _AT_A_TIME, _SCORED = 3, 10_000, 100


def differences(undisturbed: Path, crowded: Path, copies: Copies) -> list[str]:
    """Return what is wrong with the rows of a catalog: all columns of all rows have to be those of the originals.

    Names have the code of the visit, its proposal is another one, and scores are those under the other name; columns
    that differ from run to run are left out, as in `tools.faults.judge.rows`.

    Parameters
    ----------
    undisturbed, crowded : Path
        The catalog of the originals, and the one with all visits.
    copies : Copies
        Which visit is copied from which.
    """
    with open_catalog(undisturbed) as known:
        originals = {table: dict(_visits(known, table)) for table in TABLES if table not in RECORDS}
    expected = Expected(originals, copies)
    with open_catalog(crowded) as found:
        return [line for table in originals for line in _differences(found, table, expected)]


@dataclass
class Expected:
    """Rows that visits have to have.

    Attributes
    ----------
    originals : mapping
        Rows of the originals, by table and visit.
    copies : Copies
        Which visit is copied from which.
    """

    originals: dict[str, dict[str, list[Row]]]
    copies: Copies

    def all_rows(self, table: str) -> dict[str, list[str]]:
        """Return the rows of a table in writing, by visit; exposures are scored in two processes."""
        visits = [visit for visit, before in self.copies.originals.items() if before in self.originals[table]]
        if table != "exposures" or len(visits) < _SCORED:
            return {visit: self.rows(table, visit) for visit in visits}
        parts = [visits[i : i + _SCORED] for i in range(0, len(visits), _SCORED)]
        found = Parallel(n_jobs=2)(delayed(self._part)(table, part) for part in parts)
        return dict(zip(visits, chain.from_iterable(found), strict=True))

    def _part(self, table: str, visits: list[str]) -> list[list[str]]:
        return [self.rows(table, visit) for visit in visits]

    def rows(self, table: str, visit: str) -> list[str]:
        """Return the rows of a visit in a table, in writing."""
        before = self.copies.originals[visit]
        rows = self._renamed(table, before, visit)
        if table == "exposures" and before != visit:
            reads = self._renamed("reads", before, visit)
            rows = [rescore_rows(row, [r for r in reads if r["rootname"] == row["rootname"]]) for row in rows]
            rows = to_arrow(table, rows).to_pylist()
        return written(table, rows)

    def _renamed(self, table: str, before: str, visit: str) -> list[Row]:
        rows = [_replaced(row, before, visit) for row in self.originals[table].get(before, [])]
        return [row | {"proposal_id": self.copies.proposals[visit]} if "proposal_id" in row else row for row in rows]


def _replaced(value: Any, before: str, visit: str) -> Any:
    """Return a value with another code of the visit in all of its names."""
    if isinstance(value, dict):
        return {key: _replaced(each, before, visit) for key, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each, before, visit) for each in value]
    return value.replace(before, visit) if isinstance(value, str) else value


def written(table: str, rows: list[Row]) -> list[str]:
    """Return the columns of rows that do not differ from run to run, in writing and in order."""
    names = kept_columns(table)
    return sorted(repr([row[name] for name in names]) for row in rows)


def _differences(found: Catalog, table: str, expected: Expected) -> list[str]:
    wrong, all_rows = [], expected.all_rows(table)
    missing = set(all_rows)
    for visit, rows in _visits(found, table):
        if (have := written(table, rows)) != (should := all_rows.get(visit, [])):
            wrong.append(f"{table} of {visit}: {_first_difference(have, should)}")
        missing.discard(visit)
    wrong += [f"{table} of {visit}: no rows" for visit in sorted(missing)]
    more = [f"{table}: {len(wrong) - _SHOWN} more visits"] if len(wrong) > _SHOWN else []
    return wrong[:_SHOWN] + more


def _visits(catalog: Catalog, table: str) -> Iterator[tuple[str, list[Row]]]:
    """Yield every visit with its rows of a table, in the order of their keys."""
    keys = TABLES[table].key
    result = catalog.connection.execute(f"SELECT * FROM {table} ORDER BY {', '.join(keys)}")
    batches = iter(partial(result.fetchmany, _AT_A_TIME), [])
    names = [column[0] for column in result.description]
    rows = (dict(zip(names, row, strict=True)) for batch in batches for row in batch)
    yield from ((visit, list(each)) for visit, each in groupby(rows, lambda row: visit_of(row[keys[0]])))


def _first_difference(have: list[str], should: list[str]) -> str:
    if len(have) != len(should):
        return f"{len(have)} rows, where {len(should)} should be"
    return next(f"{one} should be {other}" for one, other in zip(have, should, strict=True) if one != other)
