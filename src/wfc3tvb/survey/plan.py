"""Plan of a survey: the exposures of the archive's list that are not yet measured and may succeed."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from wfc3tvb.archive.source import Archive, Wanted
from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.config import Selection
from wfc3tvb.dates import mjd_now
from wfc3tvb.errors import BadArgumentError, UnknownDatasetError
from wfc3tvb.models import Row
from wfc3tvb.progress import Progress, silent
from wfc3tvb.survey.forecasts import store_forecasts

#: Number of attempts at an exposure whose error may be temporary; then it waits until the archive changes the file.
MAX_ATTEMPTS = 5
#: Days after which a file that was missing or proprietary is requested again, since no list shows its release.
ASKED_AGAIN = 7.0
#: Number of rows of `datasets` that are compared and committed together.
_LISTED_AT_A_TIME = 2000

# One row per exposure of the listed datasets, with its state and forecast. A table, because the files of a view may be
# removed during the survey, by a compaction beside it.
_STATES = """
CREATE OR REPLACE TEMP TABLE wanted AS
WITH listed AS (
    SELECT dataset, asn_id, generation_date, aperture, unnest(members) AS rootname
    FROM datasets JOIN chosen USING (dataset)
), named AS (
    SELECT rootname, min(dataset) AS dataset, min(asn_id) AS asn_id, max(generation_date) AS generation_date,
        min(aperture) AS aperture
    FROM listed
    WHERE len(getvariable('ids')) = 0
        OR list_contains(getvariable('ids'), dataset) OR list_contains(getvariable('ids'), rootname)
        OR list_contains(getvariable('ids'), asn_id)
    GROUP BY rootname
), failed AS (
    SELECT key AS rootname, count(*) AS attempts, max(failed_at) AS failed_at,
        arg_max(retryable, failed_at) AS retryable, arg_max(error, failed_at) AS error
    FROM failures
    LEFT JOIN (SELECT rootname AS key, measured_at FROM exposures) USING (key)
    WHERE failed_at > coalesce(measured_at, 0) AND stage IN ('fetch', 'read', 'measure')
        AND failed_at <= getvariable('now')  -- ignore times in the future, from a clock that was wrong
    GROUP BY key
)
SELECT n.rootname, n.dataset, n.asn_id, n.generation_date, n.aperture, f.failed_at, prob_damaged, he_kr_75,
    CASE
        WHEN getvariable('recheck') THEN 'due'
        WHEN e.rootname IS NOT NULL
            AND coalesce(n.generation_date <= e.archive_generation_date + 1e-6, true) THEN 'known'
        WHEN f.rootname IS NULL OR n.generation_date > f.failed_at THEN 'due'
        WHEN f.retryable AND f.attempts < getvariable('max_attempts') THEN 'due'
        WHEN f.error = 'MissingProductError' AND f.failed_at + getvariable('asked_again') < getvariable('now')
            THEN 'due'
        ELSE 'given_up'
    END AS state
FROM named n LEFT JOIN exposures e USING (rootname) LEFT JOIN failed f USING (rootname)
    LEFT JOIN forecast c ON c.dataset = n.dataset
"""


#: Orders in which exposures are measured: by name, or those first that helium probably damages.
ORDERS = {
    "name": "rootname",
    "risk": "coalesce(prob_damaged, 0) DESC, coalesce(he_kr_75, 0) DESC, rootname",
}
_DUE = """SELECT * FROM wanted
    WHERE state = 'due' OR list_contains($revived, rootname) ORDER BY {order} LIMIT $limit"""
#: Exposures of an aperture that are used for the estimate; the others are assumed to be similar.
_SAMPLE = 200


class Plan:
    """Exposures of a selection, each with its state, stored in DuckDB instead of memory.

    Parameters
    ----------
    catalog : Catalog
        Catalog, whose table `datasets` is updated with the list.
    selection : Selection
        Selection of datasets.
    source : Archive
        Source of the list.
    recheck : bool, optional
        Also measure known, unchanged exposures again.
    order : str, optional
        One of `ORDERS`: by name, or those first that helium probably damages.
    progress : Progress, optional
        Called with stage ``list``.

    Raises
    ------
    BadArgumentError
        If the order is unknown.
    """

    def __init__(
        self,
        catalog: Catalog,
        selection: Selection,
        source: Archive,
        *,
        recheck: bool = False,
        order: str = "name",
        progress: Progress = silent,
    ) -> None:
        if order not in ORDERS:
            raise BadArgumentError(f"order {order!r} is unknown; choose one of {', '.join(ORDERS)}")
        self._limit, self._source = selection.limit, source
        self._due, self._order = _DUE.format(order=ORDERS[order]), ORDERS[order]
        names, apertures = list_datasets(catalog, selection, source, progress=progress)
        if selection.ids and not names:
            raise UnknownDatasetError(selection.ids[0], source.name)
        catalog.reload()
        store_forecasts(catalog, names)
        self.n_datasets = len(names)
        self._connection = catalog.connection
        columns = {"dataset": pa.array(names, pa.string()), "aperture": pa.array(apertures, pa.string())}
        self._connection.register("chosen", pa.table(columns))
        values = {"recheck": recheck, "max_attempts": MAX_ATTEMPTS, "asked_again": ASKED_AGAIN, "now": mjd_now()}
        for name, value in values.items():
            self._connection.execute(f"SET VARIABLE {name} = {value}")
        self._connection.execute("SET VARIABLE ids = CAST($ids AS VARCHAR[])", {"ids": list(selection.ids)})
        self._connection.execute(_STATES)
        self._revive()

    def counts(self) -> dict[str, int]:
        """Return the number of exposures in every state: due, known, given_up."""
        rows = self._connection.execute("SELECT state, count(*) FROM wanted GROUP BY state").fetchall()
        return {"due": 0, "known": 0, "given_up": 0} | dict(rows)

    @property
    def n_given_up(self) -> int:
        """Number of exposures that failed before and are not tried again."""
        return self.counts()["given_up"] - len(self._revived)

    @property
    def n_due(self) -> int:
        """Number of exposures to measure."""
        due = self.counts()["due"] + len(self._revived)
        return due if self._limit is None else min(due, self._limit)

    def due(self) -> Iterator[Wanted]:
        """Yield the exposures to measure, in their order."""
        text = f"SELECT rootname, dataset, asn_id, generation_date FROM ({self._due}) ORDER BY {self._order}"
        result = self._connection.execute(text, self._due_parameters())
        while rows := result.fetchmany(1000):
            yield from (Wanted(*row) for row in rows)

    def due_by_aperture(self) -> list[tuple[str | None, int, list[str]]]:
        """Return the number of exposures to measure in each aperture, and some of their rootnames."""
        text = f"""SELECT aperture, count(*), list(rootname ORDER BY rootname)[:{_SAMPLE}] FROM ({self._due})
            GROUP BY aperture ORDER BY aperture"""
        return self._connection.execute(text, self._due_parameters()).fetchall()

    def expected_damage(self) -> tuple[float, int]:
        """Return the number of exposures to measure that helium probably damages, and of those with a forecast."""
        text = f"SELECT coalesce(sum(prob_damaged), 0), count(prob_damaged) FROM ({self._due})"
        expected, known = self._connection.execute(text, self._due_parameters()).fetchall()[0]
        return float(expected), int(known)

    def _due_parameters(self) -> dict[str, object]:
        return {"revived": self._revived, "limit": 2**62 if self._limit is None else self._limit}

    def verdicts(self, catalog: Catalog) -> tuple[list[tuple[str | None, bool | None, int]], str | None]:
        """Return the number of selected exposures by class and flag, and the dataset with the most flagged ones.

        The dataset is None where none is flagged.
        """
        connection = catalog.connection
        connection.register("selected", self._connection.sql("SELECT rootname FROM wanted").to_arrow_table())
        found = "FROM exposures SEMI JOIN selected USING (rootname)"
        counts = connection.execute(f"SELECT tvb_class, flagged, count(*) {found} GROUP BY ALL").fetchall()
        worst = f"SELECT dataset {found} WHERE flagged GROUP BY dataset ORDER BY count(*) DESC, dataset LIMIT 1"
        return counts, next((name for (name,) in connection.execute(worst).fetchall()), None)

    def _revive(self) -> None:
        """Resume exposures that were given up if their files have changed since the failure."""
        text = "SELECT rootname, failed_at FROM wanted WHERE state = 'given_up'"
        rows = self._connection.execute(text).fetchall()
        changes = ((root, self._source.changed_at(root), failed_at) for root, failed_at in rows)
        self._revived = [root for root, changed, failed in changes if changed is not None and changed > failed]


def list_datasets(
    catalog: Catalog, selection: Selection, source: Archive, *, progress: Progress = silent
) -> tuple[list[str], list[str | None]]:
    """Update the table `datasets` with the source's list, and return the listed names and apertures."""
    names: list[str] = []
    apertures: list[str | None] = []
    batch: list[Row] = []
    for row in source.datasets(selection):
        apertures.append(row.pop("aperture", None))
        names.append(row["dataset"])
        batch.append(row)
        if len(batch) == _LISTED_AT_A_TIME:
            _store_changed(catalog, batch)
            batch = []
            progress("list", len(names))
    _store_changed(catalog, batch)
    progress("list", len(names), len(names))
    return names, apertures


def _store_changed(catalog: Catalog, rows: list[Row]) -> None:
    """Store the rows of `datasets` that differ from the stored ones."""
    if not rows:
        return
    names = [row["dataset"] for row in rows]
    found = catalog.sql("SELECT * FROM datasets WHERE dataset IN (SELECT unnest($names))", {"names": names})
    known = {row["dataset"]: row for row in found.to_arrow_table().to_pylist()}
    catalog.replace("datasets", [row for row in rows if row != known.get(row["dataset"])])
