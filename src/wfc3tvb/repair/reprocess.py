"""Repair of flagged exposures, from the catalog to products compared with the archive's.

Missing files are fetched, CRDS is queried once for all references, and a worker per dataset calibrates, drizzles and
compares. Only the main process writes into the catalog. An interrupted run can be continued.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from wfc3tvb import suggest
from wfc3tvb.archive.local_folder import FolderArchive
from wfc3tvb.archive.source import Downloads, open_source
from wfc3tvb.archive.surveyed import SurveyedFolders, open_surveyed
from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.catalog.origins import folders_of
from wfc3tvb.catalog.run_log import recorded_run
from wfc3tvb.config import CRDS_URL, Services
from wfc3tvb.display import Result
from wfc3tvb.engines import calwf3
from wfc3tvb.errors import BadArgumentError
from wfc3tvb.models import Row
from wfc3tvb.parallel.workers import HERE, Workers
from wfc3tvb.progress import Progress, silent
from wfc3tvb.repair.choose import Chosen, choose
from wfc3tvb.repair.estimate import RepairPlan, summarize
from wfc3tvb.repair.model import Finished, Repair, ReprocessSettings, ignore, scratch_bytes
from wfc3tvb.system.interrupts import InterruptGuard
from wfc3tvb.system.locks import folder_lock

#: File that a run locks in the folder of its products.
_LOCK_FILE = ".reprocess"

__all__ = ["RepairPlan", "ReprocessReport", "ReprocessSettings", "plan_reprocess", "reprocess"]


@dataclass(frozen=True, repr=False)
class ReprocessReport(Result):
    """Result of a run of repairs.

    Attributes
    ----------
    run_id : str
        Its row in `runs`.
    products : tuple of rows
        Rows of `reprocessed`, in order of dataset; a dataset's drizzled image is its last.
    n_repaired, n_failed, n_known : int
        Number of datasets repaired, failed, and repaired before.
    unflagged : tuple of str
        Requested datasets without flagged exposures.
    failures : tuple of rows
        Rows of `failures` of this run.
    seconds : float
        Time taken.
    outdir : str
        Folder of the products.
    next_command : str
        Suggested next command.
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
    workers: Workers = HERE,
) -> RepairPlan:
    """Estimate the work of `reprocess` with the same parameters: datasets, bytes, references, time, memory.

    Raises
    ------
    UnknownDatasetError
        If the catalog does not have one of the ids.
    QueryError
        If DuckDB rejects the condition `where`.
    """
    settings, services = settings or ReprocessSettings(), services or Services()
    chosen = choose(catalog, ids=ids, where=where, settings=settings)
    products = _products(catalog, chosen, settings, services)
    notes = products.notes if isinstance(products, SurveyedFolders) else ()
    chosen = replace(chosen, notes=(*chosen.notes, *notes))
    return summarize(catalog, chosen, *_references(products, settings, services), workers=workers)


@InterruptGuard()
def reprocess(
    catalog: Catalog,
    *,
    ids: Sequence[str] = (),
    where: str | None = None,
    settings: ReprocessSettings | None = None,
    workers: Workers = HERE,
    products: Downloads | None = None,
    services: Services | None = None,
    progress: Progress = silent,
    finished: Finished = ignore,
) -> ReprocessReport:
    """Repair datasets with flagged exposures, and record a row for each product.

    Parameters
    ----------
    catalog : Catalog
        Open for writing (mode ``"r+"`` or ``"a"``).
    ids : sequence of str, optional
        Associations, datasets or rootnames.
    where : str, optional
        Condition on `exposures`; without it and without ids, all flagged exposures are selected.
    settings : ReprocessSettings, optional
        Settings of the repair.
    workers : Workers, optional
        Processes or cluster to use; their threads are the number of exposures that each calibrates in parallel.
    products : Downloads, optional
        Source of the files, instead of ``settings.source``.
    services : Services, optional
        Addresses of MAST, S3 and CRDS.
    progress : Progress, optional
        Called with stages ``fetch``, ``references`` and ``repair``.
    finished : callable, optional
        Called for each dataset as it ends, with its rows of `reprocessed` and of `failures`.

    Raises
    ------
    UnknownDatasetError, QueryError, BadArgumentError
        If an argument is invalid, or another run writes into the same folder; nothing is done.
    CatalogNotWritableError
        If the catalog cannot be written.
    """
    from wfc3tvb.repair.astrodrizzle import read_parameters  # with the driver 1 s, which a plan does not need
    from wfc3tvb.repair.driver import Driver

    began = time.monotonic()
    settings, services = settings or ReprocessSettings(), services or Services()
    if settings.drizzle_pars is not None:
        read_parameters(settings.drizzle_pars)
    calwf3.chosen(settings.engine)  # raises an error if the engine is not installed, before anything is fetched
    chosen = choose(catalog, ids=ids, where=where, settings=settings)
    products = products or _products(catalog, chosen, settings, services)
    services, settings = _references(products, settings, services)
    _check_disk(chosen, settings.outdir, workers.count)
    arguments = {"ids": list(ids), "where": where, "settings": settings.as_json()}
    with _alone_in(settings.outdir, chosen), recorded_run(catalog, "reprocess", arguments) as run:
        driver = Driver(catalog, run, settings, services, workers, progress, finished)
        driver.run(chosen.due, products)
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
        next_command=_next_command(catalog, chosen),
    )


def _next_command(catalog: Catalog, chosen: Chosen) -> str:
    """Return the command to suggest: the report, or what was repaired before where nothing was left to do."""
    words = ("show", chosen.known[0]) if chosen.known and not chosen.due else ("report",)
    return suggest.command(*words, catalog=catalog.folder)


def _products(catalog: Catalog, chosen: Chosen, settings: ReprocessSettings, services: Services) -> Downloads:
    """Return the source of the files; under ``auto``, the folders from which exposures were surveyed come first."""
    if settings.source != "auto":
        return open_source(settings.source, services=services)
    surveyed = folders_of(catalog, [repair.dataset for repair in chosen.due])
    datasets = [([m.rootname for m in repair.members], _tables(repair)) for repair in chosen.due]
    return open_surveyed(surveyed, datasets, services=services)


def _tables(repair: Repair) -> list[str]:
    """Return the names of a dataset's association table and drizzled image."""
    return [repair.table, repair.association] if repair.association else []


def _references(
    products: Downloads, settings: ReprocessSettings, services: Services
) -> tuple[Services, ReprocessSettings]:
    """Return services and settings with the references that ``auto`` means."""
    if settings.references != "auto":
        return services, settings
    beside = products.references if isinstance(products, SurveyedFolders | FolderArchive) else None
    if beside is None or services.crds != CRDS_URL:
        return services, replace(settings, references="crds")
    return replace(services, iref=beside), replace(settings, references="header")


@contextmanager
def _alone_in(outdir: Path, chosen: Chosen) -> Iterator[None]:
    """Lock the folder of the products: two runs would fetch, replace and remove each other's files.

    Raises
    ------
    BadArgumentError
        If another run has the lock.
    """
    if not chosen.due:
        yield
        return
    with folder_lock(outdir, _LOCK_FILE) as locked:
        if not locked:
            remedy = "wait for it to finish, or choose another folder (parameter outdir)"
            raise BadArgumentError(f"{outdir}: another reprocess writes there; {remedy}")
        yield


def _check_disk(chosen: Chosen, outdir: Path, n_workers: int) -> None:
    """Raise `BadArgumentError` where the disk does not have enough space for the scratch files."""
    existing = (path for repair in chosen.due for path in (outdir / repair.dataset).rglob("*") if path.is_file())
    need = scratch_bytes(chosen.due, n_workers) - sum(path.stat().st_size for path in existing)
    folder = next(each for each in (outdir.absolute(), *outdir.absolute().parents) if each.exists())
    free = shutil.disk_usage(folder).free
    if need > free:
        problem = f"{need / 1e6:.0f} MB of scratch space needed, {free / 1e6:.0f} MB free"
        raise BadArgumentError(f"{outdir}: {problem}; choose another folder (parameter outdir)")
