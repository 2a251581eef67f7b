"""Survey: list exposures, select the new ones, measure and store them; an interrupted survey can be continued.

Only the main process writes: workers return rows, which it commits in small batches, so that an interruption loses at
most one batch, which the next run measures again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from wfc3tvb import suggest
from wfc3tvb.archive.source import Archive
from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.catalog.run_log import Run, record_failures, recorded_run
from wfc3tvb.config import MeasureSettings, Selection
from wfc3tvb.display import Result
from wfc3tvb.models import Measurement, Row
from wfc3tvb.parallel import backends, restarts
from wfc3tvb.parallel.backends import Failure, Outcome
from wfc3tvb.parallel.workers import HERE, Workers
from wfc3tvb.progress import Progress, silent
from wfc3tvb.schema import TVB_CLASSES
from wfc3tvb.survey.estimate import SurveyPlan, estimate
from wfc3tvb.survey.fit_visits import fit_visits
from wfc3tvb.survey.plan import Plan
from wfc3tvb.survey.worker import MEASURING, Measure, MeasureExposure
from wfc3tvb.system.interrupts import InterruptGuard

#: A batch is committed when it has this many exposures, or is this old [s].
BATCH_SIZE = 200
BATCH_SECONDS = 20.0
#: Age at which ``catalog.duckdb`` is updated during a survey, for other readers [s].
REFRESH_SECONDS = 20.0
#: Number of failures in a report.
SHOWN = 20


@dataclass(frozen=True, repr=False)
class SurveyReport(Result):
    """Result of a survey.

    Attributes
    ----------
    run_id : str
        Its row in `runs`.
    n_measured, n_failed : int
        Exposures measured, and failed, in this run.
    n_known, n_given_up : int
        Exposures measured before and unchanged; failed before and not tried again.
    classes : mapping
        Number of exposures selected (measured now or before) per tvb_class; ``unscored`` where it is null.
    n_flagged : int
        Number of selected exposures flagged for repair.
    failures : tuple of rows
        First rows of `failures` in this run.
    seconds : float
        Time taken.
    n_bytes : int
        Bytes read.
    next_command : str
        Suggested next command.
    hint : str or None
        Advice to compact the catalog, where needed.
    """

    run_id: str
    n_measured: int
    n_failed: int
    n_known: int
    n_given_up: int
    classes: Mapping[str, int]
    n_flagged: int
    failures: tuple[Row, ...]
    seconds: float
    n_bytes: int
    next_command: str
    hint: str | None = None


@dataclass
class Recorder:
    """Outcomes that wait for the next commit, and counts of the run."""

    catalog: Catalog
    run: Run
    measured: list[Measurement] = field(default_factory=list)
    failed: list[tuple[str, Failure]] = field(default_factory=list)
    shown: list[Row] = field(default_factory=list)
    n_bytes: int = 0
    last_commit: float = field(default_factory=time.monotonic)
    last_refresh: float = field(default_factory=time.monotonic)

    def add(self, outcome: Outcome[Measurement]) -> None:
        """Add an outcome, and commit when the batch is large or old enough."""
        if outcome.value is not None:
            self.measured.append(outcome.value)
            self.n_bytes += outcome.value.exposure["bytes_read"] or 0
        elif outcome.failure is not None:
            self.failed.append((outcome.key, outcome.failure))
        full = len(self.measured) + len(self.failed) >= BATCH_SIZE
        if full or time.monotonic() - self.last_commit > BATCH_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Store the waiting outcomes: reads, exposures, then failures; update ``catalog.duckdb`` from time to time."""
        self.catalog.record(sorted(self.measured, key=lambda m: m.rootname))
        self.run.n_done += len(self.measured)
        rows = record_failures(self.catalog, sorted(self.failed, key=lambda f: f[0]), self.run.run_id)
        self.run.n_failed += len(rows)
        self.shown = (self.shown + rows)[:SHOWN]
        self.measured, self.failed, self.last_commit = [], [], time.monotonic()
        if self.last_commit - self.last_refresh > REFRESH_SECONDS:
            self.catalog.update_views()
            self.last_refresh = time.monotonic()


@InterruptGuard()
def survey(
    catalog: Catalog,
    selection: Selection,
    *,
    source: Archive,
    settings: MeasureSettings | None = None,
    workers: Workers = HERE,
    recheck: bool = False,
    order: str = "name",
    progress: Progress = silent,
    measure: Measure | None = None,
) -> SurveyReport:
    """Measure new or changed exposures, and store them.

    Parameters
    ----------
    catalog : Catalog
        Open for writing (mode ``"r+"`` or ``"a"``).
    selection : Selection
        Selection of datasets.
    source : Archive
        Source of the files.
    settings : MeasureSettings, optional
        Settings of the measurement.
    workers : Workers, optional
        Processes or cluster to use; by default a worker measures with one thread while others read ahead.
    recheck : bool, optional
        Also measure exposures again that are known and unchanged, or were given up.
    order : {"name", "risk"}, optional
        Order of the exposures: by name, or those first that helium probably damages, by the table `forecast`.
    progress : Progress, optional
        Called with stages ``list``, ``measure`` and ``visits``.
    measure : callable, optional
        Function that measures the reads; by default `wfc3tvb.measurement.measure_cube`.

    Raises
    ------
    BadArgumentError
        If the order is unknown.
    UnknownDatasetError
        If the source has no dataset with one of the ids; nothing is measured.
    ServiceError
        If the source does not answer the request for the list.
    CatalogNotWritableError
        If the catalog cannot be written (any more); earlier commits remain.
    """
    began = time.monotonic()
    settings = settings or MeasureSettings()
    with backends.started(workers, MEASURING):
        plan = Plan(catalog, selection, source, recheck=recheck, order=order, progress=progress)
    known, given_up, total = plan.counts()["known"], plan.n_given_up, plan.n_due
    arguments = _request(selection, settings, source) | _state(catalog, known) | {"jobs": workers.count}
    with recorded_run(catalog, "survey", arguments) as run:
        items = ((item.rootname, item) for item in plan.due())
        shared = source.shared_by(workers.count)
        worker = MeasureExposure(shared, settings, run.run_id, measure, threads=workers.threads or 1)
        outcomes = restarts.run(items, worker, workers=workers, total=total)
        recorder = _store_all(catalog, run, outcomes, total, progress)
        fit_visits(catalog, systematic=settings.systematic, progress=progress)
    classes, n_flagged, example = _verdict(catalog, plan)
    return SurveyReport(
        run_id=run.run_id,
        n_measured=run.n_done,
        n_failed=run.n_failed,
        n_known=known,
        n_given_up=given_up,
        classes=classes,
        n_flagged=n_flagged,
        failures=tuple(recorder.shown),
        seconds=time.monotonic() - began,
        n_bytes=recorder.n_bytes,
        next_command=_next_command(catalog, example, n_flagged),
        hint=catalog.compaction_advice(),
    )


def _request(selection: Selection, settings: MeasureSettings, source: Archive) -> dict[str, object]:
    """Return selection, settings and source for the record of a run, with the folder of local files."""
    folder = getattr(source, "folder", None)
    path = str(folder.resolve()) if isinstance(folder, Path) else None
    return {"selection": asdict(selection), "settings": asdict(settings), "source": source.name, "folder": path}


def _state(catalog: Catalog, known: int) -> dict[str, object]:
    """Return the state of the catalog for the record of a run, from which `verify` knows how many rows to expect."""
    return {"known": known, "version": catalog.snapshots["exposures"].version}


def plan_survey(
    catalog: Catalog,
    selection: Selection,
    *,
    source: Archive,
    settings: MeasureSettings | None = None,
    workers: Workers = HERE,
    recheck: bool = False,
    order: str = "name",
    progress: Progress = silent,
) -> SurveyPlan:
    """Estimate the exposures, requests, bytes and time of `survey`, with the same parameters and errors.

    Only the archive's list is stored in the catalog.
    """
    plan = Plan(catalog, selection, source, recheck=recheck, order=order, progress=progress)
    catalog.update_views()
    return estimate(catalog, plan, source, settings or MeasureSettings(), workers.count)


def _store_all(
    catalog: Catalog, run: Run, outcomes: Iterable[Outcome[Measurement]], total: int, progress: Progress
) -> Recorder:
    """Store outcomes as they arrive, and return the recorder."""
    with _recorder(catalog, run) as recorder:
        progress("measure", 0, total)
        for n_done, outcome in enumerate(outcomes, 1):
            recorder.add(outcome)
            progress("measure", n_done, total, failed=run.n_failed + len(recorder.failed))
    return recorder


@contextmanager
def _recorder(catalog: Catalog, run: Run) -> Iterator[Recorder]:
    """Yield a recorder that commits its waiting outcomes even if the run ends with an error."""
    recorder = Recorder(catalog, run)
    try:
        yield recorder
    finally:
        recorder.commit()


def _verdict(catalog: Catalog, plan: Plan) -> tuple[dict[str, int], int, str | None]:
    """Return the number of exposures per class, of flagged ones, and the dataset with the most flagged ones."""
    counts, worst = plan.verdicts(catalog)
    classes: Counter[str] = Counter()
    for tvb_class, _, n in counts:
        classes[tvb_class or "unscored"] += n
    ordered = {name: classes[name] for name in (*TVB_CLASSES, "unscored") if classes[name]}
    return ordered, sum(n for _, flagged, n in counts if flagged), worst


def _next_command(catalog: Catalog, example: str | None, n_flagged: int) -> str:
    if example is None:
        text = '"SELECT rootname, filter, sky_mean, tvb_class FROM exposures"'
        return f"wfc3tvb sql {text}{suggest.catalog_option(catalog.folder)}"
    words = ("show", example) if n_flagged < 50 else ("query", "worst_visits")
    return suggest.command(*words, catalog=catalog.folder)
