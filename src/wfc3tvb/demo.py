"""Demonstration of the whole chain (``wfc3tvb demo``) on a simulated visit, served by a loopback archive."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from wfc3tvb import suggest
from wfc3tvb.archive.source import open_source
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.config import MeasureSettings, Selection
from wfc3tvb.loopback import serve
from wfc3tvb.parallel.workers import Workers
from wfc3tvb.progress import Progress, silent
from wfc3tvb.repair.reprocess import ReprocessSettings, reprocess
from wfc3tvb.report import terminal
from wfc3tvb.report.pages import write_report
from wfc3tvb.report.result_table import relation
from wfc3tvb.simulate.visit import simulate
from wfc3tvb.survey.survey import survey

ASSOCIATION = "ibohbf040"
#: SQL of the demonstration.
QUERY = """SELECT rootname, sky_mean, sky_min, sky_max, tvb_score, tvb_class, recommend
FROM exposures ORDER BY tvb_score DESC"""


def run(out: Path, *, jobs: int = 2, progress: Progress = silent) -> Iterator[RenderableType]:
    """Run the demo in a folder, and yield its output step by step.

    Parameters
    ----------
    out : Path
        Folder for all files: ``archive/``, ``catalog/``, ``products/``, ``report/``. Files of an earlier demo are
        reused.
    jobs : int, optional
        Worker processes.
    progress : Progress, optional
        Progress of the long steps.
    """
    began = time.monotonic()
    yield _heading("1. An archive: visit IBOHBF, simulated with known truth")
    if not (out / "archive" / "truth").is_dir():
        simulate(out / "archive", preset="demo", progress=progress)
    with serve(out / "archive") as archive, _environment(archive.environment()):
        yield f"   six F105W exposures, with references, served on this machine at {archive.mast}"
        yield from _survey(out, Workers(jobs), progress)
        yield from _repair(out, Workers(jobs), progress)
    yield from _report(out, progress)
    yield Text(f"\nThe whole chain took {terminal.duration(time.monotonic() - began)}.")


def _survey(out: Path, workers: Workers, progress: Progress) -> Iterator[RenderableType]:
    yield _heading(f"2. wfc3tvb survey --asn {ASSOCIATION.upper()}")
    with open_catalog(out / "catalog", mode="a") as catalog:
        selection = Selection(ids=(ASSOCIATION,))
        settings = MeasureSettings()
        source = open_source("mast")
        report = survey(catalog, selection, source=source, settings=settings, workers=workers, progress=progress)
        yield f"   {report.n_measured} measured, {report.n_known} known before, {terminal.size(report.n_bytes)} read"
        yield _heading(f"3. wfc3tvb show {ASSOCIATION.upper()}")
        exposures = catalog.query("visit_exposures", visit=ASSOCIATION[:6]).to_arrow_table().to_pylist()
        first = exposures[0]
        title = f"{ASSOCIATION}  {first['target_name']}  {first['proposal_id']}"
        yield terminal.exposures_table(exposures, title)
        yield _heading(f'4. wfc3tvb sql "{QUERY}"')
        yield relation(catalog.fetch(QUERY))


def _repair(out: Path, workers: Workers, progress: Progress) -> Iterator[RenderableType]:
    yield _heading(f"5. wfc3tvb reprocess --asn {ASSOCIATION.upper()}")
    with open_catalog(out / "catalog", mode="r+") as catalog:
        settings = ReprocessSettings(outdir=out / "products")
        report = reprocess(catalog, ids=(ASSOCIATION,), settings=settings, workers=workers, progress=progress)
        for failure in report.failures:
            yield f"   {failure['key']} {failure['stage']}: {failure['message']}"
        rows = catalog.fetch("FROM reprocessed ORDER BY kind DESC, rootname").to_pylist()
        yield terminal.repairs(rows)


def _report(out: Path, progress: Progress) -> Iterator[RenderableType]:
    yield _heading("6. wfc3tvb report")
    with open_catalog(out / "catalog") as catalog:
        page = write_report(catalog, out / "report", progress=progress)
    visit = page.parent / "visits" / f"{ASSOCIATION[:6]}.html"
    yield terminal.pairs([
        ("all in one page", visit),
        ("the report", page),
        ("the curves", out / "report" / "figures" / f"{ASSOCIATION[:6]}_curves.svg"),
        ("the catalog", out / "catalog"),
        ("the repaired images", out / "products"),
    ])  # fmt: skip
    command = suggest.command("show", ASSOCIATION, catalog=out / "catalog")
    yield Text(f"\nnext: {command}", no_wrap=True, overflow="ignore")


def _heading(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables during a block, by which clients and worker processes find the loopback archive."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
