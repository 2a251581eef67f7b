"""The front door: parse, one library call, print.

The only module that prints. Every command imports what it needs when it runs, so ``wfc3tvb --help`` is instant.
Exit codes: 0 done, 1 something failed per item, 2 wrong arguments or input, 130 interrupted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from wfc3tvb import __version__
from wfc3tvb.config import DEFAULT_CATALOG
from wfc3tvb.errors import BadArgumentError, TvbError, UnknownDatasetError

if TYPE_CHECKING:
    from wfc3tvb.config import Selection
    from wfc3tvb.exposure import Row
    from wfc3tvb.io.catalog import Catalog
    from wfc3tvb.progress import Progress

F = TypeVar("F", bound=Callable[..., Any])

EXIT_ITEMS_FAILED = 1
EXIT_INTERRUPTED = 130
#: Rows that `sql` and `query` show in the terminal; files get them all.
ROWS_SHOWN = 100


class FrontDoor(click.Group):
    """A group that turns this package's errors into one line and an exit code; bugs keep their traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except TvbError as error:
            complain(error)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.secho("interrupted; the same command goes on from here", fg="yellow", err=True)
            ctx.exit(EXIT_INTERRUPTED)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order a person meets them, not by the alphabet."""
        return list(self.commands)


def option_group(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Make one decorator of several options."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def example(text: str) -> Callable[[F], F]:
    """Add an example to a command's help."""

    def decorate(function: F) -> F:
        function.__doc__ = f"{function.__doc__}\n\n    \b\n    Example:\n" + "\n".join(
            f"      {line}" for line in text.splitlines()
        )
        return function

    return decorate


catalog_option = click.option(
    "--catalog", type=click.Path(path_type=Path, file_okay=False), default=DEFAULT_CATALOG, show_default=True,
    envvar="WFC3TVB_CATALOG", help="Folder of the catalog.",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
parallel_options = option_group(
    click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Worker processes."),
    click.option("--cluster", metavar="ADDRESS|local:N", help="Dask scheduler (pip install 'wfc3tvb[cluster]')."),
)
id_option = click.option(
    "--id", "--asn", "ids", multiple=True, metavar="ID", help="Association, dataset or rootname, any case; repeatable."
)
output_options = option_group(
    click.option("--format", "form", type=click.Choice(["table", "csv", "json", "parquet", "votable", "fits", "ecsv"]),
                 help="Format; without it a table, or what the ending of --output says."),
    click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write."),
)  # fmt: skip
output_folder = click.argument("out", type=click.Path(path_type=Path, file_okay=False))


@click.group(cls=FrontDoor, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, "-V", "--version", prog_name="wfc3tvb")
@click.option("-v", "--verbose", is_flag=True, help="Log what happens to stderr.")
def main(verbose: bool) -> None:
    """Find, score and repair the time-variable background of Hubble WFC3/IR exposures.

    \b
    First time here?   wfc3tvb demo
    Your visit:        wfc3tvb survey --asn IBOHBF040
                       wfc3tvb show IBOHBF040
                       wfc3tvb reprocess --asn IBOHBF040
    """  # noqa: D301 (click wants the character itself)
    if verbose:
        import logging

        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)


# --- printing ------------------------------------------------------------------------------------------------------


def complain(error: TvbError) -> None:
    """Print an error as one line."""
    click.secho(f"wfc3tvb: {error}", fg="red", err=True)


def print_json(value: Any) -> None:
    """Print `value` as JSON whose numbers read back exactly."""
    click.echo(json.dumps(value, indent=1, allow_nan=False))


def show(*things: Any) -> None:
    """Print renderables; where the output is no terminal, as wide as they are."""
    from rich.console import Console

    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=200)
    for thing in things:
        console.print(thing)


@contextmanager
def bars() -> Iterator[Progress]:
    """Yield a `Progress` that draws a bar per stage on stderr; silent where that is no terminal."""
    from wfc3tvb.progress import silent

    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, TextColumn("{task.fields[failed]}"), console=Console(stderr=True)) as drawn:
        tasks: dict[str, Any] = {}

        def draw(stage: str, done: int, total: int | None = None, *, failed: int = 0) -> None:
            if stage not in tasks:
                tasks[stage] = drawn.add_task(stage, total=total, failed="")
            text = f"[red]{failed} failed" if failed else ""
            drawn.update(tasks[stage], completed=done, total=total, failed=text)

        yield draw


# --- the story -----------------------------------------------------------------------------------------------------


@main.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False), default="wfc3tvb-demo")
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Worker processes.")
@example("wfc3tvb demo")
def demo(out: Path, jobs: int) -> None:
    """Show the whole chain on a simulated visit: survey, SQL, repair, pictures. No network, under two minutes."""
    from wfc3tvb.demo import run

    with bars() as progress:
        for part in run(out, jobs=jobs, progress=progress):
            show(part)


@main.command()
@id_option
@click.option("--proposal", "proposals", type=int, multiple=True, help="Proposal number; repeatable.")
@click.option("--filters", help="F105W,F110W (default), other names with commas, or all.")
@click.option("--start", help="Observed after this date (2013-01-06, or an MJD).")
@click.option("--end", help="Observed before this date.")
@click.option("--all", "everything", is_flag=True, help="The whole archive; without it and any selection: the plan.")
@click.option("--source", default="auto", show_default=True, metavar="auto|s3|mast|DIR", help="Where the files are.")
@click.option("--rows", type=click.IntRange(8, 1014), help="Detector rows to read of each exposure.")
@click.option("--precision", type=float, help="Error of a rate to aim at [e-/s]; decides --rows.")
@click.option("--pstat", is_flag=True, help="Fill cumulative_median from all pixels (reads whole files).")
@click.option("--recheck", is_flag=True, help="Measure again what is known.")
@click.option("--limit", type=click.IntRange(1), help="At most this many exposures.")
@click.option("--dry-run", is_flag=True, help="Say what would be done: exposures, requests, bytes, time.")
@parallel_options
@catalog_option
@json_option
@example("wfc3tvb survey --asn IBOHBF040\nwfc3tvb survey --source ./my-files --filters all --jobs 4")
@click.pass_context
def survey(ctx: click.Context, /, catalog: Path, as_json: bool, jobs: int, cluster: str | None, **given: Any) -> None:
    """Crawl, measure, score and store what is new or changed."""
    from dataclasses import asdict

    from wfc3tvb.config import MeasureSettings
    from wfc3tvb.io.catalog import Catalog
    from wfc3tvb.pipeline.crawl import open_source, rows_for_precision
    from wfc3tvb.pipeline.survey import plan_survey
    from wfc3tvb.pipeline.survey import survey as run_survey

    selection, restricted = _selection(given)
    rows = given["rows"] or (rows_for_precision(given["precision"]) if given["precision"] else None)
    settings = MeasureSettings(rows=rows, pstat=given["pstat"])
    source = open_source(given["source"])
    store = Catalog.create(catalog, settings=asdict(settings))
    local = Path(given["source"]).is_dir()
    with bars() as progress:
        if given["dry_run"] or not (restricted or given["everything"] or local):
            plan = plan_survey(store, selection, source=source, jobs=jobs, recheck=given["recheck"], progress=progress)
        else:
            plan = None
            options = {"jobs": jobs, "cluster": cluster, "recheck": given["recheck"], "progress": progress}
            report = run_survey(store, selection, source=source, settings=settings, **options)
    if plan is not None:
        _say_plan(plan, as_json, asked=given["dry_run"])
        return
    _say_survey(report, as_json)
    ctx.exit(EXIT_ITEMS_FAILED if report.n_failed else 0)


def _selection(given: dict[str, Any]) -> tuple[Selection, bool]:
    """Return the selection that options mean, and whether they restrict anything."""
    from wfc3tvb.config import Selection
    from wfc3tvb.names import dataset_name

    filters = given["filters"]
    names = None if not filters else tuple(f.strip() if f == "all" else f.strip().upper() for f in filters.split(","))
    start, end = _mjd(given["start"]), _mjd(given["end"])
    ids = tuple(dataset_name(text) for text in given["ids"])
    restricted = bool(ids or given["proposals"] or start or end or given["limit"])
    return Selection(ids, tuple(given["proposals"]), names, start, end, given["limit"]), restricted


def _mjd(text: str | None) -> float | None:
    """Return a date as MJD."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    from astropy.time import Time

    try:
        return float(Time(text, scale="utc").mjd)
    except ValueError as error:
        raise BadArgumentError(f"{text!r} is no date; write 2013-01-06, 2013-01-06T18:00:00 or an MJD") from error


def _say_plan(plan: Any, as_json: bool, *, asked: bool) -> None:
    from dataclasses import asdict

    from wfc3tvb.report import terminal

    if as_json:
        print_json(asdict(plan))
        return
    cost = f"{plan.requests} requests, {terminal.size(plan.n_bytes)}, about {terminal.duration(plan.seconds)}"
    show(f"{plan.n_exposures} exposures of {plan.n_datasets} datasets to be measured: {cost}")
    show(f"{plan.n_known} are known and unchanged, {plan.n_given_up} failed too often")
    if not asked:
        show("that is everything the archive has: run it with --all, or select with --id, --proposal, --start, --end")


def _say_survey(report: Any, as_json: bool) -> None:
    from dataclasses import asdict

    from wfc3tvb.report import terminal

    if as_json:
        print_json(asdict(report))
        return
    speed = f"{terminal.size(report.n_bytes)} in {terminal.duration(report.seconds)}"
    show(f"{report.n_measured} exposures measured ({speed}), {report.n_known} known before, {report.n_failed} failed")
    for row in report.failures:
        show(f"  [red]{row['key']}[/] {row['stage']}: {row['message']}")
    show(terminal.counts(report.classes), f"{report.n_flagged} flagged for repair", f"next: {report.next_command}")
    if report.hint:
        show(report.hint)


@main.command("show")
@click.argument("name", metavar="ID")
@catalog_option
@json_option
@example("wfc3tvb show IBOHBF040\nwfc3tvb show ibohbfb9q")
def show_command(name: str, catalog: Path, as_json: bool) -> None:
    """Show one exposure, association or visit: the exposures, the curve, the verdict and why."""
    from wfc3tvb.io.catalog import open_catalog
    from wfc3tvb.report import terminal

    with open_catalog(catalog) as store:
        exposures = _rows(store, "exposures", name)
        if not exposures:
            raise UnknownDatasetError(name, f"the catalog in {catalog}")
        reads = {row["rootname"]: _rows(store, "reads", row["rootname"]) for row in exposures}
    if as_json:
        print_json([{"exposure": row, "reads": reads[row["rootname"]]} for row in exposures])
        return
    if len(exposures) == 1:
        show(terminal.verdict(exposures[0]), "", terminal.curve(reads[exposures[0]["rootname"]]))
    else:
        first = exposures[0]
        show(terminal.exposures_table(exposures, f"{name.lower()}  {first['target_name']}  {first['proposal_id']}"))
    flagged = sorted({row["dataset"] for row in exposures if row["flagged"]})
    command = f"reprocess --id {flagged[0]}" if flagged else f"show {exposures[-1]['rootname']}"
    show("", f"next: wfc3tvb {command} --catalog {catalog}")


def _rows(store: Catalog, table: str, name: str) -> list[Row]:
    """Return the rows of `exposures` (by rootname, dataset, association or visit) or `reads`, in order."""
    where = "rootname = $name" if table == "reads" else "$name IN (rootname, dataset, asn_id, visit)"
    order = "read" if table == "reads" else "expstart, rootname"
    rows: list[Row] = store.fetch(f"FROM {table} WHERE {where} ORDER BY {order}", {"name": name.lower()}).to_pylist()
    return rows


@main.command()
@click.argument("files", metavar="IMA...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw the curves into this PNG.")
@click.option("--pstat", is_flag=True, help="Fill cumulative_median (all pixels, as wfc3tools.pstat).")
@json_option
@example("wfc3tvb measure ibohbfb9q_ima.fits --plot curve.png")
@click.pass_context
def measure(ctx: click.Context, files: Sequence[Path], plot: Path | None, pstat: bool, as_json: bool) -> None:
    """Measure local IMA files: curves and scores, no catalog; with the SPT where it lies beside."""
    from wfc3tvb.config import MeasureSettings
    from wfc3tvb.pipeline.measure import measure as measure_file
    from wfc3tvb.report import terminal

    measured, errors = [], []
    for path in files:
        try:
            measured.append(measure_file(path, settings=MeasureSettings(pstat=pstat)))
        except TvbError as error:
            errors.append(error)
            complain(error)
    if as_json:
        print_json([{"exposure": m.exposure, "reads": m.reads} for m in measured])
    else:
        for m in measured:
            show(terminal.verdict(m.exposure), terminal.curve(m.reads), "")
    if plot and measured:
        from wfc3tvb.report.figures import curves_figure, save

        save(curves_figure(measured), plot)
        click.echo(f"wrote {plot}", err=as_json)
    if errors:
        ctx.exit(EXIT_ITEMS_FAILED if measured else errors[0].exit_code)


@main.command()
@catalog_option
@json_option
@example("wfc3tvb rescore")
def rescore(catalog: Path, as_json: bool) -> None:
    """Score again from the stored reads, without pixels."""
    from wfc3tvb.io.catalog import Catalog, open_catalog
    from wfc3tvb.pipeline.rescore import rescore as run_rescore
    from wfc3tvb.report import terminal

    open_catalog(catalog).close()  # a missing catalog is an error here, not made
    with bars() as progress:
        report = run_rescore(Catalog.create(catalog), progress=progress)
    if as_json:
        print_json({"n_scored": report.n_scored, "n_changed": report.n_changed, "classes": dict(report.classes)})
    else:
        show(f"{report.n_scored} exposures scored again, {report.n_changed} changed", terminal.counts(report.classes))


# --- SQL -----------------------------------------------------------------------------------------------------------


@main.command()
@click.argument("text", metavar="SELECT")
@output_options
@catalog_option
@json_option
@example('wfc3tvb sql "SELECT visit, worst_class FROM visits WHERE n_flagged > 0"')
def sql(text: str, form: str | None, output: Path | None, catalog: Path, as_json: bool) -> None:
    """Ask the catalog in SQL (DuckDB; tables: wfc3tvb sql "SHOW TABLES")."""
    from wfc3tvb.io.catalog import open_catalog

    with open_catalog(catalog) as store:
        _deliver(store.fetch(text), "json" if as_json else form, output)


@main.command()
@click.argument("name")
@click.option("--param", "params", multiple=True, metavar="KEY=VALUE", help="Value of a parameter; repeatable.")
@output_options
@catalog_option
@json_option
@example("wfc3tvb query my_visit --param visit=ibohbf")
def query(
    name: str, params: Sequence[str], form: str | None, output: Path | None, catalog: Path, as_json: bool
) -> None:
    """Run a documented query; `wfc3tvb queries` lists them."""
    from wfc3tvb.io.catalog import open_catalog

    pairs = [text.partition("=") for text in params]
    if wrong := [key for key, equals, _ in pairs if not equals]:
        raise BadArgumentError(f"--param {wrong[0]!r} has no value; write --param {wrong[0]}=VALUE")
    with open_catalog(catalog) as store:
        rows = store.query(name, **{key: value for key, _, value in pairs}).to_arrow_table()
        _deliver(rows, "json" if as_json else form, output)


@main.command()
@json_option
@example("wfc3tvb queries")
def queries(as_json: bool) -> None:
    """List the documented queries."""
    from wfc3tvb.io.queries import load_all
    from wfc3tvb.report import terminal

    if as_json:
        from dataclasses import asdict

        print_json([asdict(q) for q in load_all().values()])
    else:
        show(terminal.queries_table(load_all().values()))


def _deliver(rows: Any, form: str | None, output: Path | None) -> None:
    """Print or write the result of a query."""
    from wfc3tvb.io.export import format_of, text_of, write_table
    from wfc3tvb.report import terminal

    form = form or (format_of(output) if output else "table")
    if form == "table":
        if output:
            raise BadArgumentError("--format table is for the terminal; take csv, ecsv, parquet, votable or fits")
        show(terminal.relation(rows, ROWS_SHOWN))
        more = rows.num_rows - ROWS_SHOWN
        click.echo(f"({rows.num_rows} rows" + (f", {more} not shown: add --format csv)" if more > 0 else ")"), err=True)
    elif output:
        click.echo(f"wrote {rows.num_rows} rows to {write_table(rows, output, form)}", err=True)
    else:
        click.echo(text_of(rows, form), nl=False)


# --- repair --------------------------------------------------------------------------------------------------------


@main.command()
@click.argument("files", metavar="RAW_OR_ASN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--engine", type=click.Choice(["auto", "native", "calwf3"]), default="auto", show_default=True,
              help="native is ours; calwf3 is STScI's program; auto takes calwf3 where it is installed.")
@click.option("--crcorr", type=click.Choice(["header", "omit", "perform"]), default="header", show_default=True,
              help="Up-the-ramp fit: as the header says, left out, or done.")
@click.option("--no-ima", is_flag=True, help="Do not write the IMA.")
@click.option("--overwrite", is_flag=True, help="Replace products that are there.")
@click.option("--outdir", type=click.Path(path_type=Path, file_okay=False), help="Folder of the products.")
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True, help="Threads of the native engine.")
@json_option
@example("iref=/my/references/ wfc3tvb calibrate ibohbfb9q_raw.fits --crcorr omit")
@click.pass_context
def calibrate(ctx: click.Context, /, files: Sequence[Path], as_json: bool, no_ima: bool, **options: Any) -> None:
    """Calibrate local RAW files or associations, as calwf3; exits with 2 where one failed."""
    from wfc3tvb.pipeline.calibrate import calibrate as run_calibrate
    from wfc3tvb.report import terminal

    results, failed = [], 0
    for path in files:
        try:
            results += run_calibrate([path], write_ima=not no_ima, **options)
        except TvbError as error:
            failed += 1
            complain(error)
    for result in results:
        for warning in result.warnings:
            click.secho(f"{result.rootname}: {warning}", fg="yellow", err=True)
        if not as_json:
            products = ", ".join(str(p) for p in (result.ima, result.flt) if p)
            took = terminal.duration(result.wall_s)
            show(f"{result.rootname}: {products}  (CRCORR {result.crcorr}, {result.engine}, {took})")
    if as_json:
        print_json([_plain(result) for result in results])
    ctx.exit(2 if failed else 0)


def _plain(result: Any) -> dict[str, Any]:
    """Return a dataclass as what JSON can say."""
    from dataclasses import asdict

    return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(result).items()}
