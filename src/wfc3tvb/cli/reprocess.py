"""Commands calibrate and reprocess."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wfc3tvb import suggest
from wfc3tvb.cli.app import (
    EXIT_ITEMS_FAILED,
    catalog_option,
    example,
    id_option,
    json_option,
    main,
    parallel_options,
    print_error,
    print_json,
    print_next,
    print_text,
    show,
)
from wfc3tvb.cli.completion import complete_sources
from wfc3tvb.cli.progress import progress_bars
from wfc3tvb.errors import BadArgumentError, TvbError
from wfc3tvb.schema.methods import METHODS

if TYPE_CHECKING:
    from wfc3tvb.cli.progress import Shown
    from wfc3tvb.models import Row
    from wfc3tvb.parallel.workers import Workers

#: Most exposures of a plan that are listed one by one.
_LISTED = 40

iref_option = click.option(
    "--iref",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the reference files; default: the environment variable iref.",
)
engine_option = click.option(
    "--engine",
    type=click.Choice(["auto", "native", "calwf3"]),
    default="auto",
    show_default=True,
    help="native: built in, with calwf3's results bit for bit; calwf3: STScI's program; auto: native.",
)


@main.command()
@click.argument("files", metavar="RAW_OR_ASN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@engine_option
@click.option(
    "--crcorr",
    type=click.Choice(["header", "omit", "perform"]),
    default="header",
    show_default=True,
    help="Ramp fit: as the header says, omitted, or performed.",
)
@click.option("--no-ima", is_flag=True, help="Do not write the IMA.")
@click.option("--overwrite", is_flag=True, help="Replace existing products.")
@click.option(
    "--outdir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the products; default: that of the RAW file.",
)
@iref_option
@click.option("--threads", type=click.IntRange(1), help="Number of threads; default: up to 4, one a core.")
@json_option
@example("iref=/my/references/ wfc3tvb calibrate ibohbfb9q_raw.fits --crcorr omit")
@click.pass_context
def calibrate(ctx: click.Context, /, files: Sequence[Path], as_json: bool, no_ima: bool, **options: Any) -> None:
    """Calibrate local RAW files or associations, as calwf3 does.

    Reference files are read from the folder that --iref or the environment variable iref names. The exit status is 2 if
    any exposure failed, or a member of an association is not there.
    """
    from wfc3tvb.engines.calibrate import calibrate as run_calibrate
    from wfc3tvb.engines.trailer import join_trailers
    from wfc3tvb.fits.association import exposures_of, is_association

    results, exposures, associations, failed = [], [], [], 0
    for path in files:
        try:
            present, absent = exposures_of(path)
            exposures += present
            associations += [(path, present)] if is_association(path) else []
            failed += len(absent)
            for member in absent:
                message = f"{path.name}: {member.name} is not in the same folder and is left out"
                print_text(message, fg="yellow", err=True)
        except TvbError as error:
            failed += 1
            print_error(error)
    with progress_bars() as progress:
        for n, path in enumerate(exposures, 1):
            try:
                results += run_calibrate([path], write_ima=not no_ima, progress=progress, **options)
            except TvbError as error:
                failed += 1
                print_error(error)
            if len(exposures) > 1:
                progress("calibrate", n, len(exposures), failed=failed)
    for path, present in associations:
        join_trailers(path, present, outdir=options["outdir"])
    for result in results:
        for warning in result.warnings:
            print_text(f"{result.rootname}: {warning}", fg="yellow", err=True)
        if not as_json:
            products = ", ".join(str(p) for p in (result.ima, result.flt) if p)
            show(f"{result.rootname}: {products}  (CRCORR {result.crcorr}, {result.engine}, {result.wall_s:.1f} s)")
    if as_json:
        print_json([_plain(result) for result in results])
    ctx.exit(2 if failed else 0)  # the status of calwf3, whatever failed


def _plain(result: Any) -> dict[str, Any]:
    """Return a dataclass as a dictionary for JSON."""
    from dataclasses import asdict

    return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(result).items()}


@main.command()
@id_option
@click.option(
    "--where",
    metavar="SQL",
    help="Repair the flagged exposures that meet this condition, e.g. \"tvb_class = 'severe'\".",
)
@click.option(
    "--method",
    type=click.Choice(["auto", *METHODS]),
    default="auto",
    show_default=True,
    help="auto: the method that the catalog recommends for each exposure; "
    + "; ".join(f"{name}: {method.help.replace(';', ',')}" for name, method in METHODS.items())
    + ".",
)
@click.option(
    "--only-flagged",
    is_flag=True,
    help="Leave exposures that are not flagged to the pipeline's fit; default: refit those 5 % above their limit, too.",
)
@engine_option
@click.option(
    "--context",
    metavar="HST_NNNN.pmap",
    help="CRDS context; default: the operational one (the products record its name).",
)
@click.option("--use-db", is_flag=True, help="Align with the solution of the astrometry service (updatewcs).")
@click.option(
    "--recover-saturated/--no-recover-saturated",
    default=True,
    show_default=True,
    help="Under omit, take pixels that saturate late from their last good read; no: as calwf3 leaves them.",
)
@click.option(
    "--drizzle",
    type=click.Choice(["auto", "native", "astrodrizzle"]),
    default="auto",
    show_default=True,
    help="native: AstroDrizzle's steps in memory, the same pixels in less time; auto: native unless a parameter needs "
    "AstroDrizzle.",
)
@click.option(
    "--drizzle-pars",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="JSON file of AstroDrizzle parameters that override the MDRIZTAB's.",
)
@click.option(
    "--weight",
    type=click.Choice(["auto", "exptime", "ivm"]),
    default="auto",
    show_default=True,
    help="Weight of an exposure in the drizzled image: exposure time, or inverse variance of its sky (ivm); auto: ivm "
    "if the skies differ by more than 20 %.",
)
@click.option("--keep", is_flag=True, help="Keep the scratch files.")
@click.option("--keep-best", is_flag=True, help="Link the better product of each association into best/.")
@click.option(
    "--source",
    default="auto",
    show_default=True,
    metavar="auto|s3|mast|DIR",
    shell_complete=complete_sources,
    help="Source of the files; auto: the folder from which an exposure was surveyed, otherwise S3 and MAST.",
)
@click.option(
    "--references",
    type=click.Choice(["auto", "crds", "header"]),
    default="auto",
    show_default=True,
    help="crds: chosen by CRDS; header: those that the RAW headers name, from the folder iref; auto: crds, but for "
    "simulated exposures the files beside them.",
)
@iref_option
@click.option(
    "--outdir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("tvb-products"),
    show_default=True,
    help="Folder of the products.",
)
@click.option(
    "--memory",
    "memory_gb",
    type=click.FloatRange(0.1),
    metavar="GB",
    help="Memory for all workers together; default: four fifths of the free memory.",
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Repair all flagged exposures. Without --all, --id or --where, only the plan is printed.",
)
@click.option("--dry-run", is_flag=True, help="Only estimate the work: associations, bytes, references, time, memory.")
@parallel_options()
@catalog_option
@json_option
@example("wfc3tvb reprocess --asn IBOHBF040\nwfc3tvb reprocess --where \"tvb_class = 'severe'\" --dry-run")
@click.pass_context
def reprocess(
    ctx: click.Context, /, ids: Sequence[str], where: str | None, catalog: Path, as_json: bool,
    workers: Workers, iref: Path | None, everything: bool, dry_run: bool, **options: Any,
) -> None:  # fmt: skip
    """Repair flagged exposures, drizzle, and compare with the archive.

    Recalibrates and drizzles them, compares the products with the archive's, and records which are better. Without
    --id, --where or --all, the plan is printed and nothing is done; --dry-run does the same for a selection.
    """
    from wfc3tvb.catalog.catalog import open_catalog
    from wfc3tvb.config import Services
    from wfc3tvb.identifiers import dataset_name
    from wfc3tvb.repair.reprocess import ReprocessSettings, plan_reprocess
    from wfc3tvb.repair.reprocess import reprocess as run_reprocess

    settings = ReprocessSettings(**options)
    services = Services() if iref is None else Services(iref=iref)
    _check_references(settings.context, settings.references, services.iref)
    names = tuple(dataset_name(name) for name in ids)
    with open_catalog(catalog, mode="r+") as store, progress_bars() as progress:
        what: dict[str, Any] = {"ids": names, "where": where, "settings": settings, "services": services}
        plan = plan_reprocess(store, workers=workers, **what)
        if dry_run or not (ids or where or everything):
            _print_plan(plan, settings.outdir, as_json)
            if not (as_json or dry_run) and plan.datasets:
                show("nothing is repaired without a selection: add --all, --id or --where")
            return
        if not as_json:
            _print_plan(plan, settings.outdir, as_json)
        finished = partial(_print_finished, progress)
        report = run_reprocess(store, workers=workers, progress=progress, finished=finished, **what)
    _print_report(report, as_json, catalog)
    ctx.exit(EXIT_ITEMS_FAILED if report.failures else 0)


def _check_references(context: str | None, references: str, iref: Path | None) -> None:
    """Raise `BadArgumentError` for options with which no reference could be found, before anything is fetched."""
    if context is not None and not context.endswith(".pmap"):
        raise BadArgumentError(f"--context {context}: not the name of a CRDS context; write hst_NNNN.pmap")
    if references == "header" and iref is None:
        remedy = "add --iref, or set the environment variable iref"
        raise BadArgumentError(f"--references header needs a folder of reference files; {remedy}")


def _print_plan(plan: Any, outdir: Path, as_json: bool) -> None:
    from dataclasses import asdict

    from wfc3tvb.report import terminal

    if as_json:
        print_json(asdict(plan))
        return
    for name in plan.unflagged:
        show(f"{name}: nothing is flagged, so nothing is repaired")
    if not plan.datasets:
        show(f"nothing to do ({plan.n_known} already repaired by the same method, in {outdir})")
        return
    methods = ", ".join(f"{n} by {method}" for method, n in plan.methods.items() if method != "perform")
    folder = plan.reference_folder
    references = f"up to {plan.reference_mb:.0f} MB into {folder}" if plan.reference_mb else f"those in {folder}"
    for note in plan.notes:
        show(note)
    if len(plan.exposures) <= _LISTED:
        show(terminal.planned(plan.exposures))
    sizes = f"{terminal.size(plan.fetch_bytes)} to fetch, {terminal.size(plan.scratch_bytes)} of scratch space"
    show(
        f"datasets to repair: {len(plan.datasets)}; "
        f"{terminal.counted(plan.n_repaired, 'exposure')} repaired ({methods}), "
        f"{plan.n_recalibrated} recalibrated with them, {plan.n_known} done before in {outdir}",
        f"{sizes}; references: {references}",
        f"about {terminal.duration(plan.wall_s)} {_at_a_time(plan)}, up to {plan.peak_mb / 1000:.1f} GB a worker "
        + (
            f"(from {terminal.counted(plan.measured_on, 'earlier repair')})" if plan.measured_on else "(typical values)"
        ),
    )
    if plan.alone:
        show(f"too large to share the memory, so repaired one at a time: {', '.join(plan.alone)}")


def _print_finished(progress: Shown, products: Sequence[Row], failures: Sequence[Row]) -> None:
    """Print a line for a dataset as it ends, beside the progress."""
    from wfc3tvb.report import terminal

    for row in (*products[-1:], *failures):
        line = terminal.repaired(row) if products else terminal.failure(row)
        progress.line(f"{datetime.now():%H:%M:%S} {line.plain.strip()}")


def _at_a_time(plan: Any) -> str:
    return "one at a time" if plan.jobs == 1 else f"{plan.jobs} at a time"


def _print_report(report: Any, as_json: bool, catalog: Path) -> None:
    from dataclasses import asdict

    from wfc3tvb.report import terminal

    if as_json:
        print_json(asdict(report))
        return
    if report.products:
        show(terminal.repairs(report.products))
    for row in report.products:
        if row["accepted"] is not None:
            show(f"{row['rootname'] or row['dataset']}: {row['accept_reason']}", f"  {row['reason']}")
    for row in report.failures:
        show(terminal.failure(row))
    took = terminal.duration(report.seconds)
    show(f"datasets repaired: {report.n_repaired} in {took}, {report.n_failed} failed, {report.n_known} done before")
    if report.failures:
        failures = suggest.command("query", "failures", catalog=catalog)
        print_text(f"to retry, run the same command again; all failures: {failures}")
    last = {row["dataset"]: row for row in report.products if row["accepted"] is not None}
    for row in last.values():
        show(terminal.repaired(row), terminal.place(row))
    if report.n_repaired or report.n_known:  # else the failures are what to look at
        print_next(report.next_command)
