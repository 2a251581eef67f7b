"""Driver of a run of repairs: fetches files and references in advance, runs the workers, and records their results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from wfc3tvb.archive.source import Downloads
from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.catalog.run_log import Run, record_failures
from wfc3tvb.config import Services
from wfc3tvb.errors import BadArgumentError
from wfc3tvb.models import Row
from wfc3tvb.parallel import backends, restarts
from wfc3tvb.parallel.backends import Failure, Outcome, stage
from wfc3tvb.parallel.workers import HERE, Workers
from wfc3tvb.progress import Progress
from wfc3tvb.references.crds import References, best_references, header_references, operational_context
from wfc3tvb.repair.astrodrizzle import warm_process
from wfc3tvb.repair.dataset import RepairDataset
from wfc3tvb.repair.fetch import FetchDataset, Fetched
from wfc3tvb.repair.model import AHEAD, Finished, Repair, ReprocessSettings, ignore, memory_limit_mb
from wfc3tvb.repair.workspace import ReadyDataset


@dataclass(frozen=True)
class _Portion:
    """Datasets that are ready with files and references, and failures in preparing others."""

    ready: list[ReadyDataset]
    failed: list[tuple[str, Failure]]


@dataclass
class Driver:
    """Driver of a run, which gives datasets to the workers and is alone in writing to the catalog.

    Attributes
    ----------
    catalog : Catalog
        Open for writing.
    this_run : Run
        Record of the run, with its counts.
    settings : ReprocessSettings
        Settings of the repair; the first references fix the CRDS context.
    services : Services
        Addresses of the services.
    workers : Workers
        Processes or cluster to use.
    progress : Progress
        Called with stages ``fetch``, ``references`` and ``repair``.
    finished : Finished
        Called for each dataset as it ends.
    rows, failures : list of rows
        Rows of `reprocessed` and `failures` of this run.
    n_due, n_fetched : int
        Number of datasets to repair, and of those fetched so far.
    recorded : set of str
        Datasets whose outcome is recorded.
    active : Workers
        The workers; during `run` those of the cluster that it started.
    """

    catalog: Catalog
    this_run: Run
    settings: ReprocessSettings
    services: Services
    workers: Workers
    progress: Progress
    finished: Finished = ignore
    rows: list[Row] = field(default_factory=list)
    failures: list[Row] = field(default_factory=list)
    n_due: int = 0
    n_fetched: int = 0
    recorded: set[str] = field(default_factory=set)
    active: Workers = field(init=False)

    def __post_init__(self) -> None:
        self.active = self.workers

    def run(self, due: Sequence[Repair], products: Downloads) -> None:
        """Repair in portions, fetching the next one at the same time; two portions of raw files are on disk at most."""
        self.n_due = len(due)
        self.progress("repair", 0, self.n_due)
        first = max(self.workers.count, 1)  # only one dataset per worker at first, so that work begins soon
        size = AHEAD * first
        portions = [due[:first], *(due[i : i + size] for i in range(first, len(due), size))]
        with (
            _fetching() as fetcher,
            self._drizzling(),
            backends.opened(self.workers if due else HERE) as self.active,
        ):
            pending: Future[_Portion] | None = None
            for i, _ in enumerate(portions):
                pending = pending or fetcher.submit(self._prepare, portions[i], products)
                if i == 0:
                    with backends.started(self.workers if due else HERE, RepairDataset.__module__):
                        wait([pending])
                portion, pending = pending.result(), None
                if i + 1 < len(portions):
                    pending = fetcher.submit(self._prepare, portions[i + 1], products)
                for key, failure in portion.failed:
                    self._fail(key, failure)
                self._repair(portion.ready)
        self.rows.sort(key=lambda row: (row["dataset"], row["kind"] == "drz", row["rootname"] or ""))

    @contextmanager
    def _drizzling(self) -> Iterator[None]:
        """Start the drizzling process of this process in the background, and stop it at the end of the run."""
        if self.n_due and self.workers.in_this_process:
            warm_process().start()
        try:
            yield
        finally:
            warm_process().stop()

    def _repair(self, ready: Sequence[ReadyDataset]) -> None:
        """Repair datasets in parallel, but one at a time those that are too large to share the memory."""
        limit, large = memory_limit_mb(self.settings), []
        if self.workers.on_this_machine:
            share, threads = limit / max(self.workers.count, 1), self.workers.threads or 1
            large = [each for each in ready if each.fetched.repair.memory_mb(threads) > share]
        out_of_core = [each for each in large if each.fetched.repair.memory_mb(1) > limit]
        self._run_in(
            self.active, [each for each in ready if each not in large], self._worker(self.workers.threads_each)
        )
        single = replace(self.workers, jobs=1, cluster=None)
        self._run_in(single, [each for each in large if each not in out_of_core], self._worker(single.threads_each))
        self._run_in(single, out_of_core, self._worker(1, out_of_core=True))

    def _worker(self, threads: int, *, out_of_core: bool = False) -> RepairDataset:
        return RepairDataset(self.settings, self.this_run.run_id, threads, out_of_core)

    def _run_in(self, workers: Workers, ready: Sequence[ReadyDataset], worker: RepairDataset) -> None:
        """Repair datasets in the given workers, and record the outcomes; one whose worker is killed twice fails."""
        items = [(each.fetched.repair.dataset, each) for each in ready]
        if n := len(items):
            for outcome in restarts.run(items, worker, workers=workers, total=n, stage="repair", deaths=n + 1):
                self._record(outcome)

    def _prepare(self, portion: Sequence[Repair], products: Downloads) -> _Portion:
        """Fetch datasets one after another, then the references of all together."""
        fetch, failed, fetched = FetchDataset(products, self.settings.outdir), [], []
        for repair in portion:
            outcome = next(iter(backends.run([(repair.dataset, repair)], fetch)))
            if outcome.value is not None:
                fetched.append(outcome.value)
            elif outcome.failure is not None:
                failed.append((outcome.key, outcome.failure))
            self.n_fetched += 1
            self.progress("fetch", self.n_fetched, self.n_due)
        ready, without = self._references(fetched)
        return _Portion(ready, failed + without)

    def _references(self, fetched: Sequence[Fetched]) -> tuple[list[ReadyDataset], list[tuple[str, Failure]]]:
        """Find the references of all datasets together; if that fails, of each separately, to find which one fails."""
        if not fetched:
            return [], []
        worker = FindReferences(self.settings, self.services)
        whole = next(iter(backends.run([(fetched[0].repair.dataset, tuple(fetched))], worker)))
        outcomes = [whole]
        if whole.value is None and len(fetched) > 1:
            outcomes = list(backends.run([(each.repair.dataset, (each,)) for each in fetched], worker))
        ready = [one for outcome in outcomes for one in outcome.value or ()]
        self._fix_context(ready)
        self.progress("references", self.n_fetched, self.n_due)
        return ready, [(outcome.key, outcome.failure) for outcome in outcomes if outcome.failure is not None]

    def _fix_context(self, ready: Sequence[ReadyDataset]) -> None:
        """Keep the context of the first portion for the rest of the run."""
        if ready and self.settings.context is None and self.settings.references == "crds":
            context = next(iter(ready[0].references.values())).context
            self.settings = replace(self.settings, context=context)

    def _record(self, outcome: Outcome[list[Row]]) -> None:
        """Record the rows of a dataset, or its failure."""
        self.recorded.add(outcome.key)
        if outcome.value is not None:
            self._store(outcome.value)
            self.rows += outcome.value
            self.this_run.n_done += 1
            self.finished(outcome.value, ())
        elif outcome.failure is not None:
            self._fail(outcome.key, outcome.failure)
        self.progress(
            "repair", self.this_run.n_done + self.this_run.n_failed, self.n_due, failed=self.this_run.n_failed
        )

    def _store(self, rows: Sequence[Row]) -> None:
        """Store a dataset's rows, and remove rows of another method whose files these products replaced."""
        text = "SELECT product_id FROM reprocessed WHERE path IN (SELECT unnest($paths))"
        replaced = self.catalog.sql(text, {"paths": [row["path"] for row in rows]}).fetchall()
        keys = {row["product_id"] for row in rows} | {product for (product,) in replaced}
        self.catalog.replace("reprocessed", rows, keys=sorted(keys))

    def _fail(self, key: str, failure: Failure) -> None:
        self.this_run.n_failed += 1
        rows = record_failures(self.catalog, [(key, failure)], self.this_run.run_id)
        self.failures += rows
        self.finished((), rows)


@contextmanager
def _fetching() -> Iterator[ThreadPoolExecutor]:
    """Yield a thread for fetching in advance; work that it has not begun is cancelled at the end."""
    pool = ThreadPoolExecutor(1)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class FindReferences:
    """Worker that finds the references of datasets with one query to CRDS."""

    settings: ReprocessSettings
    services: Services

    def __call__(self, fetched: Sequence[Fetched]) -> list[ReadyDataset]:
        """Return the datasets with the references of every exposure.

        Raises
        ------
        TvbError
            If references cannot be found or fetched.
        """
        with stage("references"):
            raws = [raw for each in fetched for raw in each.raws]
            found = self._best(raws)
            return [ReadyDataset(each, {raw.name[:9]: found[raw] for raw in each.raws}) for each in fetched]

    def _best(self, raws: Sequence[Path]) -> dict[Path, References]:
        if self.settings.references == "header":
            iref = self.services.iref
            if iref is None:
                raise BadArgumentError("references from the headers need a folder; set the environment variable iref")
            return {raw: header_references(raw, iref) for raw in raws}
        context = self.settings.context or operational_context(self.services)
        return best_references(raws, context=context, services=self.services)
