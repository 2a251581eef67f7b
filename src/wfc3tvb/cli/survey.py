"""Commands demo, survey, rescore and systematic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
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
    print_json,
    print_next,
    print_text,
    renamed,
    show,
)
from wfc3tvb.cli.completion import complete_filters, complete_programs, complete_sources
from wfc3tvb.cli.progress import progress_bars
from wfc3tvb.cli.selection import selection_of
from wfc3tvb.config import BAND_ROWS, FAST_ROWS, LEAST_ROWS, MOST_ROWS
from wfc3tvb.display import counted
from wfc3tvb.errors import BadArgumentError

if TYPE_CHECKING:
    from wfc3tvb.catalog.catalog import Catalog
    from wfc3tvb.config import MeasureSettings, Selection
    from wfc3tvb.parallel.workers import Workers
    from wfc3tvb.progress import Progress


systematic_option = click.option(
    "--systematic",
    type=click.FloatRange(0),
    metavar="RATE",
    help="Systematic error of a rate [e-/s], which `wfc3tvb systematic` measures; default: 0.02.",
)


@main.command()
@catalog_option
@json_option
@example("wfc3tvb systematic\nwfc3tvb rescore --systematic 0.012")
def systematic(catalog: Path, as_json: bool) -> None:
    """Measure the systematic error of a rate, on exposures without helium.

    Uses exposures in Earth's shadow, and in filters that do not pass the helium line: their sky should not vary. Prints
    the systematic error of a rate, for --systematic of `survey` and `rescore`, and the jump statistic and excess that
    99 % of these exposures stay below.
    """
    from dataclasses import asdict

    from wfc3tvb.catalog.catalog import open_catalog
    from wfc3tvb.config import MeasureSettings
    from wfc3tvb.survey.null_calibration import nulls

    assumed = MeasureSettings().systematic
    with open_catalog(catalog) as store, progress_bars():
        found = list(nulls(store))
    if as_json:
        print_json([asdict(each) for each in found])
        return
    for each in found:
        show(f"{each.name}: {counted(each.n_exposures, 'exposure')}, {counted(each.n_reads, 'read')}")
        if each.systematic is None:
            show("  too few for a measurement")
            continue
        show(f"  systematic of a rate {each.systematic:.4f} e-/s ({assumed:g} is assumed)")
        limits = f"{each.tvb_score_99:.2f} sigma and an excess of {each.excess_variable_99:.3f} e-/s"
        show(f"  99 % stay below a jump of {limits}")


# The name of the command in version 0.1.0.
main.add_command(renamed(systematic, "null"))


@main.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False), default="wfc3tvb-demo")
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Worker processes.")
@example("wfc3tvb demo")
def demo(out: Path, jobs: int) -> None:
    """Run everything on a simulated visit: survey, SQL, repair, report.

    Needs no network, and takes less than two minutes.
    """
    from wfc3tvb.demo import run

    with progress_bars() as progress:
        for part in run(out, jobs=jobs, progress=progress):
            show(part)


@main.command()
@id_option
@click.option(
    "--proposal",
    "proposals",
    type=int,
    multiple=True,
    shell_complete=complete_programs,
    help="Proposal number; repeatable.",
)
@click.option(
    "--filters",
    shell_complete=complete_filters,
    help="Filters separated by commas, or all; default: F105W,F110W, or all with --id.",
)
@click.option("--start", help="Observed after this date (2013-01-06, or an MJD).")
@click.option("--end", help="Observed before this date.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Survey the whole archive. Without --all, --id, --proposal, --start, --end or --limit, only the plan is "
    "printed, unless --source is a folder.",
)
@click.option(
    "--source",
    default="auto",
    show_default=True,
    metavar="auto|s3|mast|DIR",
    shell_complete=complete_sources,
    help="Source of the files; auto: S3 and MAST, for known ids of a folder that folder.",
)
@click.option(
    "--rows",
    type=click.IntRange(LEAST_ROWS, MOST_ROWS),
    help=f"Number of middle rows to measure; default: all if a file is read whole, {BAND_ROWS} if by byte ranges.",
)
@click.option(
    "--precision",
    type=float,
    help="Measure enough rows for this error of a rate on a full frame [e-/s], and at least --rows.",
)
@click.option(
    "--fast",
    is_flag=True,
    help=f"Fetch half the bytes of a full frame, in 34 instead of 49 requests: its lowest {FAST_ROWS} rows. No effect "
    "on files that are read whole.",
)
@systematic_option
@click.option(
    "--iref",
    type=click.Path(exists=True, file_okay=False, resolve_path=True),
    help="Folder from which each exposure's CRREJTAB is read; default: use the published threshold of that table.",
)
@click.option("--pstat", is_flag=True, help="Fill cumulative_median from all pixels (reads whole files).")
@click.option("--recheck", is_flag=True, help="Measure known exposures again.")
@click.option("--limit", type=click.IntRange(1), help="Measure at most this many exposures.")
@click.option(
    "--order",
    type=click.Choice(["name", "risk"]),
    default="name",
    show_default=True,
    help="Order of the exposures; risk: first those that helium probably damages, by the table forecast.",
)
@click.option("--dry-run", is_flag=True, help="Only estimate the work: exposures, requests, bytes, time.")
@parallel_options()
@catalog_option
@json_option
@example("wfc3tvb survey --asn IBOHBF040\nwfc3tvb survey --source ./my-files --filters all --jobs 4")
@click.pass_context
def survey(ctx: click.Context, /, catalog: Path, as_json: bool, workers: Workers, **given: Any) -> None:
    """Measure, score and store new or changed exposures."""
    from wfc3tvb.archive.source import open_source
    from wfc3tvb.survey.survey import plan_survey
    from wfc3tvb.survey.survey import survey as run_survey

    selection, restricted = selection_of(given)
    settings = _settings(given)
    source = open_source(_place(given["source"], catalog, selection))
    options: dict[str, Any] = {"source": source, "settings": settings, "workers": workers}
    options |= {name: given[name] for name in ("recheck", "order")}
    if given["dry_run"] or not (restricted or given["everything"] or Path(given["source"]).is_dir()):
        with _store(catalog, settings, only_plan=True) as (store, progress):
            plan = plan_survey(store, selection, progress=progress, **options)
        _print_plan(plan, as_json, asked=given["dry_run"])
        return
    with _store(catalog, settings, only_plan=False) as (store, progress):
        report = run_survey(store, selection, progress=progress, **options)
    _print_report(report, as_json, catalog)
    ctx.exit(EXIT_ITEMS_FAILED if report.n_failed else 0)


def _place(place: str, catalog: Path, selection: Selection) -> str | Path:
    """Return the source that the options give; under ``auto``, the folder from which all named exposures came."""
    from wfc3tvb.catalog.catalog import open_catalog
    from wfc3tvb.catalog.origins import folders_of
    from wfc3tvb.errors import CatalogError

    if place != "auto" or not selection.ids:
        return place
    try:
        with open_catalog(catalog) as store:
            folders = set(folders_of(store, selection.ids).values())
    except CatalogError:
        return place
    return folders.pop() if len(folders) == 1 else place


def _settings(given: dict[str, Any]) -> MeasureSettings:
    """Return the settings that the options give; of --rows and --precision, the one with more rows counts."""
    from wfc3tvb.archive.source import rows_for_precision
    from wfc3tvb.config import MeasureSettings

    rows: int | None = given["rows"]
    for other in ("rows", "precision", "pstat"):
        if given["fast"] and given[other]:
            raise BadArgumentError(f"--fast fixes the rows that are fetched; leave out --fast or --{other}")
    if given["precision"] is not None:
        rows = max(rows or 0, rows_for_precision(given["precision"]))
    settings = MeasureSettings(rows=rows, pstat=given["pstat"], iref=given["iref"], fast=given["fast"])
    return _with_systematic(settings, given["systematic"])


def _with_systematic(settings: MeasureSettings, systematic: float | None) -> MeasureSettings:
    """Return settings with the systematic error of an option, where it is given."""
    from dataclasses import replace

    return settings if systematic is None else replace(settings, systematic=systematic)


@contextmanager
def _store(catalog: Path, settings: MeasureSettings, *, only_plan: bool) -> Iterator[tuple[Catalog, Progress]]:
    """Yield the catalog, open for writing, and progress bars."""
    from dataclasses import asdict

    from wfc3tvb.catalog.catalog import open_catalog

    with (
        _folder(catalog, only_plan) as folder,
        progress_bars() as progress,
        open_catalog(folder, mode="a", settings=asdict(settings)) as store,
    ):
        yield store, progress


@contextmanager
def _folder(catalog: Path, only_plan: bool) -> Iterator[Path]:
    """Yield the catalog's folder; a temporary one for a plan without an existing catalog.

    A new catalog is removed again where no survey began in it (an unknown id, no answer to the listing).
    """
    if catalog.exists():
        yield catalog
    elif only_plan:
        with TemporaryDirectory() as folder:
            yield Path(folder) / "catalog"
    else:
        try:
            yield catalog
        finally:
            if catalog.exists() and not _has_runs(catalog):
                rmtree(catalog)


def _has_runs(catalog: Path) -> bool:
    """Return whether any run is recorded in a catalog, by the commits in the log of its table of runs.

    The catalog is not opened for it: that may fail for a reason that passes, and a survey of days must not be removed.
    """
    commits = (catalog / "runs" / "_delta_log").glob("*.json")
    return any(int(commit.stem) > 0 for commit in commits if commit.stem.isdecimal())  # the first makes the table


def _print_plan(plan: Any, as_json: bool, *, asked: bool) -> None:
    from dataclasses import asdict

    from wfc3tvb.report import terminal

    if as_json:
        print_json(asdict(plan))
        return
    due, listed = terminal.counted(plan.n_exposures, "exposure"), terminal.counted(plan.n_datasets, "dataset")
    cost = (
        f"{counted(plan.requests, 'request')}, {terminal.size(plan.n_bytes)}, about {terminal.duration(plan.seconds)}"
    )
    show(f"{due} to measure (of {listed} that the archive lists): {cost}")
    show(f"{plan.n_known} are known and unchanged, {plan.n_given_up} failed too often")
    if plan.n_exposures:
        show(f"estimated from: {plan.basis}")
    if plan.n_forecast:
        show(f"forecast: helium probably hits {plan.n_expected:.0f} of {plan.n_forecast} (those first: --order risk)")
    if not asked:
        show("nothing is selected: add --all for the whole archive, or select with --id, --proposal, --start, --end")


def _print_report(report: Any, as_json: bool, catalog: Path) -> None:
    from dataclasses import asdict

    from wfc3tvb.report import terminal

    if as_json:
        print_json(asdict(report))
        return
    failures = suggest.command("query", "failures", catalog=catalog)
    speed = f"({terminal.size(report.n_bytes)} in {terminal.duration(report.seconds)})"
    done = f"{terminal.counted(report.n_measured, 'exposure')} measured {speed}, {report.n_known} known before"
    show(f"{done}, {report.n_failed} failed")
    for row in report.failures:
        show(terminal.failure(row))
    if report.n_failed:
        print_text(f"to retry, run the same command again; all failures: {failures}")
    if report.n_given_up:
        print_text(f"{report.n_given_up} failed before and were not tried again (use --recheck); see: {failures}")
    show(terminal.counts(report.classes), f"{report.n_flagged} flagged for repair")
    if report.hint:
        print_text(report.hint)
    print_next(report.next_command)


@main.command()
@click.option(
    "--systematic",
    type=click.FloatRange(0),
    metavar="RATE",
    help="Systematic error of a rate [e-/s], which `wfc3tvb systematic` measures; default: that of the last run.",
)
@parallel_options(threads=False)
@catalog_option
@json_option
@example("wfc3tvb rescore --jobs 4\nwfc3tvb rescore --systematic 0.012")
def rescore(catalog: Path, as_json: bool, workers: Workers, systematic: float | None) -> None:
    """Score exposures again from their stored reads."""
    from dataclasses import asdict

    from wfc3tvb.catalog.catalog import open_catalog
    from wfc3tvb.report import terminal
    from wfc3tvb.survey.rescore import recorded_settings
    from wfc3tvb.survey.rescore import rescore as run_rescore

    with open_catalog(catalog, mode="r+") as store, progress_bars() as progress:
        settings = _with_systematic(recorded_settings(store), systematic)
        report = run_rescore(store, settings=settings, workers=workers, progress=progress)
    if as_json:
        print_json(asdict(report))
    else:
        show(
            f"{counted(report.n_scored, 'exposure')} scored again, {report.n_changed} changed",
            terminal.counts(report.classes),
        )
