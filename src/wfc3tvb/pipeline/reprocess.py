"""Repair of flagged exposures, from the catalog to proven products.

Fetch what is missing, ask CRDS once for all, then a worker per dataset: calibrate, drizzle, compare. The driver alone
writes into the catalog. Run again, it goes on where it stopped.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from wfc3tvb.config import Services
from wfc3tvb.errors import BadArgumentError
from wfc3tvb.exposure import Row
from wfc3tvb.io import calwf3
from wfc3tvb.io.catalog import Catalog
from wfc3tvb.io.crds import References, best_references, header_references, operational_context
from wfc3tvb.io.drizzle import warm_process
from wfc3tvb.io.drizzle_pars import read_parameters
from wfc3tvb.pipeline import parallel
from wfc3tvb.pipeline.parallel import Failure, Outcome, stage
from wfc3tvb.pipeline.record import Run, record_failures, recorded_run
from wfc3tvb.pipeline.repair_bench import Ready
from wfc3tvb.pipeline.repair_choose import Chosen, choose
from wfc3tvb.pipeline.repair_fetch import FetchDataset, Fetched, Products, open_products
from wfc3tvb.pipeline.repair_model import AHEAD, Repair, ReprocessSettings, scratch_bytes
from wfc3tvb.pipeline.repair_plan import RepairPlan, summarize
from wfc3tvb.pipeline.repair_work import RepairDataset
from wfc3tvb.progress import Progress, silent

__all__ = ["RepairPlan", "ReprocessReport", "ReprocessSettings", "plan_reprocess", "reprocess"]

T = TypeVar("T")
#: The environment variable that names the folder of reference files, as calwf3 and stwcs read it.
IREF = "iref"


@dataclass(frozen=True)
class ReprocessReport:
    """What a run did.

    Attributes
    ----------
    run_id : str
        Its row in `runs`.
    products : tuple of rows
        Rows of `reprocessed`, in order of dataset; a dataset's drizzled image is its last.
    n_repaired, n_failed, n_known : int
        Datasets repaired, failed, and repaired before.
    unflagged : tuple of str
        Datasets asked for in which nothing is flagged.
    failures : tuple of rows
        This run's rows of `failures`.
    seconds : float
        Time it took.
    outdir : str
        Folder of the products.
    next_command : str
        What to type next.
    """

    run_id: str
    products: tuple[Row, ...]
    n_repaired: int
    n_failed: int
    n_known: int
    unflagged: tuple[str, ...]
    failures: tuple[Row, ...]
    seconds: float
    outdir: str
    next_command: str


def plan_reprocess(
    catalog: Catalog,
    *,
    ids: Sequence[str] = (),
    where: str | None = None,
    settings: ReprocessSettings | None = None,
    services: Services | None = None,
) -> RepairPlan:
    """Return what `reprocess` would do: datasets, bytes, references, time, memory.

    Raises
    ------
    UnknownDatasetError
        If the catalog does not hold one of the ids.
    QueryError
        If `where` is no condition that DuckDB takes.
    """
    chosen = choose(catalog, ids=ids, where=where, settings=settings or ReprocessSettings())
    return summarize(catalog, chosen, services or Services())


def reprocess(
    catalog: Catalog,
    *,
    ids: Sequence[str] = (),
    where: str | None = None,
    settings: ReprocessSettings | None = None,
    jobs: int = 1,
    cluster: str | None = None,
    products: Products | None = None,
    services: Services | None = None,
    progress: Progress = silent,
) -> ReprocessReport:
    """Repair datasets with flagged exposures, and record a row per product.

    Parameters
    ----------
    catalog : Catalog
        Open for writing (`Catalog.create`).
    ids : sequence of str, optional
        Associations, datasets or rootnames.
    where : str, optional
        Condition on `exposures`; without it and without ids, all that is flagged.
    settings : ReprocessSettings, optional
        How.
    jobs, cluster
        As in `parallel.run`.
    products : Products, optional
        Where files come from, in the place of ``settings.source``.
    services : Services, optional
        Where MAST, S3 and CRDS are.
    progress : Progress, optional
        Called with stages ``fetch``, ``references`` and ``repair``.

    Raises
    ------
    UnknownDatasetError, QueryError, BadArgumentError
        If what was asked for makes no sense; nothing is done.
    CatalogNotWritableError
        If the catalog cannot be written.
    """
    began = time.monotonic()
    settings, services = settings or ReprocessSettings(), services or Services()
    if settings.drizzle_pars is not None:
        read_parameters(settings.drizzle_pars)
    calwf3.chosen(settings.engine)  # asked for and not there is an error before anything is fetched
    chosen = choose(catalog, ids=ids, where=where, settings=settings)
    products = products or open_products(settings.source, services)
    _check_disk(chosen, settings.outdir, jobs)
    arguments = {"ids": list(ids), "where": where, "settings": settings.as_json()}
    here = bool(chosen.due) and jobs == 1 and cluster is None
    with recorded_run(catalog, "reprocess", arguments) as run, _drizzling(here):
        driver = _Driver(catalog, run, settings, services, jobs, cluster, progress)
        driver.all(chosen.due, products)
    return ReprocessReport(
        run_id=run.run_id,
        products=tuple(driver.rows),
        n_repaired=run.n_done,
        n_failed=run.n_failed,
        n_known=len(chosen.known),
        unflagged=chosen.unflagged,
        failures=tuple(driver.failures),
        seconds=time.monotonic() - began,
        outdir=str(settings.outdir.absolute()),
        next_command=f"wfc3tvb report --catalog {catalog.folder}",
    )


@dataclass
class _Driver:
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

    def all(self, due: Sequence[Repair], products: Products) -> None:
        """Fetch and repair in portions, so that the disk holds the raw files of a few datasets only."""
        self.total = len(due)
        self.progress("repair", 0, self.total)
        size = AHEAD * max(self.jobs, 1)
        for portion in (due[i : i + size] for i in range(0, len(due), size)):
            fetched = self._fetch(portion, products)
            ready = self._references(fetched)
            threads = 2 if self.jobs == 1 and self.cluster is None else 1
            worker = RepairDataset(self.settings, self.run.run_id, threads)
            items = ((each.fetched.repair.dataset, each) for each in ready)
            for outcome in parallel.run(items, worker, jobs=self.jobs, cluster=self.cluster):
                self._take(outcome)
        self.rows.sort(key=lambda row: (row["dataset"], row["kind"] == "drz", row["rootname"] or ""))

    def _fetch(self, portion: Iterable[Repair], products: Products) -> list[Fetched]:
        worker = FetchDataset(products, self.settings.outdir)
        items = [(repair.dataset, repair) for repair in portion]
        return list(self._values(parallel.run(items, worker, jobs=1), "fetch", len(items)))

    def _references(self, fetched: Sequence[Fetched]) -> list[Ready]:
        """Ask for the references of all together; where that fails, of each dataset alone, to see whose they are."""
        worker = FindReferences(self.settings, self.services)
        found: list[Ready] | None = None
        if len(fetched) > 1:
            found = next(iter(parallel.run([("references", tuple(fetched))], worker))).value
        if found is None:
            items = [(each.repair.dataset, (each,)) for each in fetched]
            each_found = self._values(parallel.run(items, worker), "references", len(items))
            found = [ready for one in each_found for ready in one]
        self._pin(found)
        return found

    def _pin(self, ready: Sequence[Ready]) -> None:
        """Keep the context of the first portion for the rest of the run."""
        if ready and self.settings.context is None and self.settings.references == "crds":
            context = next(iter(ready[0].references.values())).context
            self.settings = replace(self.settings, context=context)

    def _values(self, outcomes: Iterable[Outcome[T]], name: str, total: int) -> Iterator[T]:
        """Yield values; failures are recorded."""
        for done, outcome in enumerate(outcomes, 1):
            if outcome.value is not None:
                yield outcome.value
            elif outcome.failure is not None:
                self._fail(outcome.key, outcome.failure)
            self.progress(name, done, total, failed=self.run.n_failed)

    def _take(self, outcome: Outcome[list[Row]]) -> None:
        """Record the rows of a dataset, or its failure."""
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


@contextmanager
def _drizzling(here: bool) -> Iterator[None]:
    """Let the drizzling process of this process load its libraries meanwhile, and end it with the run."""
    if here:
        warm_process().start()
    try:
        yield
    finally:
        warm_process().stop()


def _check_disk(chosen: Chosen, outdir: Path, jobs: int) -> None:
    """Raise `BadArgumentError` where the disk has no room for what is under way at a time."""
    need = scratch_bytes(chosen.due, AHEAD * max(jobs, 1))
    place = next(each for each in (outdir.absolute(), *outdir.absolute().parents) if each.exists())
    free = shutil.disk_usage(place).free
    if need > free:
        words = f"{need / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free"
        raise BadArgumentError(f"{outdir}: {words}; give another folder with --outdir")
