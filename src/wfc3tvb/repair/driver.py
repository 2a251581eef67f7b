"""The run of a batch: what is fetched, asked and repaired when, and by how many at a time; what is recorded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from wfc3tvb.archive.source import Archive
from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.catalog.run_log import Run, record_failures
from wfc3tvb.config import Services
from wfc3tvb.errors import BadArgumentError, WorkerDiedError
from wfc3tvb.models import Row
from wfc3tvb.parallel import backends
from wfc3tvb.parallel.backends import Failure, Outcome, stage
from wfc3tvb.progress import Progress
from wfc3tvb.references.crds import References, best_references, header_references, operational_context
from wfc3tvb.repair.astrodrizzle import warm_process
from wfc3tvb.repair.astrodrizzle_process import IREF
from wfc3tvb.repair.dataset import RepairDataset
from wfc3tvb.repair.fetch import FetchDataset, Fetched
from wfc3tvb.repair.model import AHEAD, Repair, ReprocessSettings, memory_limit_mb
from wfc3tvb.repair.workspace import Ready


@dataclass(frozen=True)
class _Portion:
    """Datasets whose files and references are there, and what failed on the way."""

    ready: list[Ready]
    failed: list[tuple[str, Failure]]


@dataclass
class Driver:
    """What the driver holds during a run."""

    catalog: Catalog
    run: Run
    settings: ReprocessSettings
    services: Services
    jobs: int
    cluster: str | None
    progress: Progress
    rows: list[Row] = field(default_factory=list)
    failures: list[Row] = field(default_factory=list)
    total: int = 0
    fetched: int = 0
    address: str | None = None
    taken: set[str] = field(default_factory=set)

    @property
    def workers(self) -> int:
        """How many datasets are repaired at a time."""
        return max(backends.n_workers(self.jobs, self.cluster), 1)

    def all(self, due: Sequence[Repair], products: Archive) -> None:
        """Repair in portions, the next one fetched meanwhile: the disk holds the raw files of two portions only."""
        self.total = len(due)
        self.progress("repair", 0, self.total)
        first = self.workers  # one dataset a worker: work begins soon
        size = AHEAD * first
        portions = [due[:first], *(due[i : i + size] for i in range(first, len(due), size))]
        with _ahead() as fetcher, self._drizzling(), backends.opened(self.cluster if due else None) as self.address:
            pending: Future[_Portion] | None = None
            for i, _ in enumerate(portions):
                pending = pending or fetcher.submit(self._prepare, portions[i], products)
                portion, pending = pending.result(), None
                if i + 1 < len(portions):
                    pending = fetcher.submit(self._prepare, portions[i + 1], products)
                for key, failure in portion.failed:
                    self._fail(key, failure)
                self._repair(portion.ready)
        self.rows.sort(key=lambda row: (row["dataset"], row["kind"] == "drz", row["rootname"] or ""))

    @contextmanager
    def _drizzling(self) -> Iterator[None]:
        """Let the drizzling process of this process load its libraries meanwhile, and end it with the run."""
        if self.total and self.jobs == 1 and self.cluster is None:
            warm_process().start()
        try:
            yield
        finally:
            warm_process().stop()

    def _repair(self, ready: Sequence[Ready]) -> None:
        """Repair datasets side by side, those that the memory does not hold beside others one at a time."""
        limit, large = memory_limit_mb(self.settings), []
        if backends.on_this_machine(self.cluster):
            large = [each for each in ready if each.fetched.repair.memory_mb(1) * self.workers > limit]
        lean = [each for each in large if each.fetched.repair.memory_mb(1) > limit]
        self._side_by_side([each for each in ready if each not in large])
        self._run([each for each in large if each not in lean], RepairDataset(self.settings, self.run.run_id, 2))
        self._run(lean, RepairDataset(self.settings, self.run.run_id, 1, out_of_core=True))

    def _side_by_side(self, ready: Sequence[Ready]) -> None:
        """Repair datasets, each worker one; where a worker was killed, those not done again, each in a worker alone."""
        threads = 2 if self.workers == 1 and self.cluster is None else 1
        worker = RepairDataset(self.settings, self.run.run_id, threads)
        try:
            self._run(ready, worker, jobs=self.workers, cluster=self.address)
        except WorkerDiedError:
            for each in ready:
                if (key := each.fetched.repair.dataset) in self.taken:
                    continue
                try:
                    self._run([each], worker, jobs=self.workers, cluster=self.address)
                except WorkerDiedError as error:
                    self._fail(key, Failure("repair", type(error).__name__, str(error), error.retryable))

    def _run(self, ready: Sequence[Ready], worker: RepairDataset, *, jobs: int = 1, cluster: str | None = None) -> None:
        """Repair datasets and record what became of them."""
        items = [(each.fetched.repair.dataset, each) for each in ready]
        for outcome in backends.run(items, worker, jobs=jobs, cluster=cluster) if items else ():
            self._take(outcome)

    def _prepare(self, portion: Sequence[Repair], products: Archive) -> _Portion:
        """Fetch datasets one after another, then ask for the references of all together."""
        fetch, failed, fetched = FetchDataset(products, self.settings.outdir), [], []
        for repair in portion:
            outcome = next(iter(backends.run([(repair.dataset, repair)], fetch)))
            if outcome.value is not None:
                fetched.append(outcome.value)
            elif outcome.failure is not None:
                failed.append((outcome.key, outcome.failure))
            self.fetched += 1
            self.progress("fetch", self.fetched, self.total)
        ready, without = self._references(fetched)
        return _Portion(ready, failed + without)

    def _references(self, fetched: Sequence[Fetched]) -> tuple[list[Ready], list[tuple[str, Failure]]]:
        """Ask for the references of all together; where that fails, of each dataset alone, to see whose they are."""
        if not fetched:
            return [], []
        worker = FindReferences(self.settings, self.services)
        whole = next(iter(backends.run([(fetched[0].repair.dataset, tuple(fetched))], worker)))
        outcomes = [whole]
        if whole.value is None and len(fetched) > 1:
            outcomes = list(backends.run([(each.repair.dataset, (each,)) for each in fetched], worker))
        ready = [one for outcome in outcomes for one in outcome.value or ()]
        self._pin(ready)
        self.progress("references", self.fetched, self.total)
        return ready, [(outcome.key, outcome.failure) for outcome in outcomes if outcome.failure is not None]

    def _pin(self, ready: Sequence[Ready]) -> None:
        """Keep the context of the first portion for the rest of the run."""
        if ready and self.settings.context is None and self.settings.references == "crds":
            context = next(iter(ready[0].references.values())).context
            self.settings = replace(self.settings, context=context)

    def _take(self, outcome: Outcome[list[Row]]) -> None:
        """Record the rows of a dataset, or its failure."""
        self.taken.add(outcome.key)
        if outcome.value is not None:
            self._store(outcome.value)
            self.rows += outcome.value
            self.run.n_done += 1
        elif outcome.failure is not None:
            self._fail(outcome.key, outcome.failure)
        self.progress("repair", self.run.n_done + self.run.n_failed, self.total, failed=self.run.n_failed)

    def _store(self, rows: Sequence[Row]) -> None:
        """Store a dataset's rows; rows of another method whose files these products replaced go."""
        text = "SELECT product_id FROM reprocessed WHERE path IN (SELECT unnest($paths))"
        replaced = self.catalog.sql(text, {"paths": [row["path"] for row in rows]}).fetchall()
        keys = {row["product_id"] for row in rows} | {product for (product,) in replaced}
        self.catalog.replace("reprocessed", rows, keys=sorted(keys))

    def _fail(self, key: str, failure: Failure) -> None:
        self.run.n_failed += 1
        self.failures += record_failures(self.catalog, [(key, failure)], self.run.run_id)


@contextmanager
def _ahead() -> Iterator[ThreadPoolExecutor]:
    """Give the thread that fetches ahead; what it has not begun is dropped at the end."""
    pool = ThreadPoolExecutor(1)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class FindReferences:
    """The worker that finds the references of datasets, in one question to CRDS."""

    settings: ReprocessSettings
    services: Services

    def __call__(self, fetched: Sequence[Fetched]) -> list[Ready]:
        """Return the datasets with the references of every exposure.

        Raises
        ------
        TvbError
            With stage ``references``.
        """
        with stage("references"):
            raws = [raw for each in fetched for raw in each.raws]
            found = self._found(raws)
            return [Ready(each, {raw.name[:9]: found[raw] for raw in each.raws}) for each in fetched]

    def _found(self, raws: Sequence[Path]) -> dict[Path, References]:
        if self.settings.references == "header":
            if not (iref := os.environ.get(IREF)):
                raise BadArgumentError("references from the headers: iref must name the folder that holds them")
            return {raw: header_references(raw, Path(iref)) for raw in raws}
        context = self.settings.context or operational_context(self.services)
        return best_references(raws, context=context, services=self.services)
