"""Scoring of exposures from their stored reads, e.g. with a new version, without reading their files again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.catalog.run_log import recorded_run
from wfc3tvb.config import MeasureSettings
from wfc3tvb.curve.footprint import sky_place
from wfc3tvb.errors import CatalogError
from wfc3tvb.models import Row
from wfc3tvb.parallel import backends
from wfc3tvb.parallel.workers import HERE, Workers
from wfc3tvb.progress import Progress, silent
from wfc3tvb.score.score import score
from wfc3tvb.survey.fit_visits import fit_visits
from wfc3tvb.system.interrupts import InterruptGuard

#: Exposures per commit, and per item of parallel work.
BATCH, CHUNK = 5000, 100


@dataclass(frozen=True)
class RescoreReport:
    """Result of `rescore`.

    Attributes
    ----------
    run_id : str
        Its row in `runs`.
    n_scored, n_changed : int
        Number of exposures scored, and of those with any change.
    classes : mapping
        Number of exposures per tvb_class; ``unscored`` where it is null.
    """

    run_id: str
    n_scored: int
    n_changed: int
    classes: Mapping[str, int]


@dataclass(frozen=True)
class ScoreChunk:
    """Worker that scores a chunk of exposures."""

    settings: MeasureSettings

    def __call__(self, items: Sequence[tuple[Row, list[Row]]]) -> list[Row]:
        """Score the exposures again and return their rows."""
        return [rescore_rows(exposure, reads, self.settings) for exposure, reads in items]


def rescore_rows(exposure: Row, reads: Sequence[Row], settings: MeasureSettings | None = None) -> Row:
    """Score an exposure again from its stored reads, and return its row.

    Parameters
    ----------
    exposure : row of `exposures`
        Stored row.
    reads : rows of `reads`
        Reads of this exposure, in time order.
    settings : MeasureSettings, optional
        Settings of the measurement.

    Returns
    -------
    row of `exposures`
        Equal to the row from a new measurement, because random numbers are seeded by the rootname.
    """
    scored = score(exposure, reads, settings or MeasureSettings())
    return scored if scored["s_region"] else scored | sky_place(scored)  # earlier versions have no footprint


@InterruptGuard()
def rescore(
    catalog: Catalog, *, settings: MeasureSettings | None = None, workers: Workers = HERE, progress: Progress = silent
) -> RescoreReport:
    """Score every exposure of a catalog again.

    Parameters
    ----------
    catalog : Catalog
        Open for writing.
    settings : MeasureSettings, optional
        Settings of the measurement; by default those of the last survey or rescore.
    workers : Workers, optional
        Processes or cluster to use; their number does not change the rows.
    progress : Progress, optional
        Called with stages ``score`` and ``visits``.

    Raises
    ------
    CatalogError
        If the catalog cannot be written, or its rows cannot be scored; earlier commits remain.
    """
    settings = settings or recorded_settings(catalog)
    names = [row[0] for row in catalog.sql("SELECT rootname FROM exposures ORDER BY rootname").fetchall()]
    classes: Counter[str] = Counter()
    n_changed = 0
    with (
        backends.opened(workers if names else HERE) as workers,
        recorded_run(catalog, "rescore", {"settings": asdict(settings)}) as run,
    ):
        progress("score", 0, len(names))
        for start in range(0, len(names), BATCH):
            batch = _stored(catalog, names[start : start + BATCH])
            old = {exposure["rootname"]: exposure for exposure, _ in batch}
            rows = sorted(_scored(batch, settings, workers), key=lambda row: str(row["rootname"]))
            changed = [row for row in rows if row != old[row["rootname"]]]
            if changed:
                catalog.replace("exposures", changed)
            n_changed += len(changed)
            classes.update(row["tvb_class"] or "unscored" for row in rows)
            run.n_done += len(rows)
            progress("score", run.n_done, len(names))
        fit_visits(catalog, everything=True, systematic=settings.systematic, progress=progress)
    return RescoreReport(run.run_id, run.n_done, n_changed, dict(classes))


def recorded_settings(catalog: Catalog) -> MeasureSettings:
    """Return the settings of the last survey or rescore in a catalog; the defaults where there was none."""
    text = """SELECT arguments->>'$.settings' FROM runs WHERE command IN ('survey', 'rescore')
        AND arguments->>'$.settings' IS NOT NULL ORDER BY started_at DESC LIMIT 1"""
    found = catalog.sql(text).fetchall()
    values = json.loads(found[0][0]) if found else {}
    return MeasureSettings(**{each.name: values[each.name] for each in fields(MeasureSettings) if each.name in values})


def _stored(catalog: Catalog, names: list[str]) -> list[tuple[Row, list[Row]]]:
    """Return the rows of exposures, each with its reads in time order."""
    where = "WHERE rootname IN (SELECT unnest($names))"
    exposures = catalog.fetch(f"SELECT * FROM exposures {where}", {"names": names}).to_pylist()
    reads = catalog.fetch(f"SELECT * FROM reads {where} ORDER BY rootname, read", {"names": names}).to_pylist()
    reads_of: dict[str, list[Row]] = {name: [] for name in names}
    for row in reads:
        reads_of[row["rootname"]].append(row)
    return [(exposure, reads_of[exposure["rootname"]]) for exposure in exposures]


def _scored(batch: list[tuple[Row, list[Row]]], settings: MeasureSettings, workers: Workers) -> Iterator[Row]:
    chunks = ((str(i), batch[i : i + CHUNK]) for i in range(0, len(batch), CHUNK))
    for outcome in backends.run(chunks, ScoreChunk(settings), workers=workers):
        if outcome.failure is not None:
            raise CatalogError(f"stored rows cannot be scored: {outcome.failure.message}")
        yield from outcome.value or []
