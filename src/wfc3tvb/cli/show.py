"""Commands show and measure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

import click

from wfc3tvb import suggest
from wfc3tvb.cli.app import (
    EXIT_ITEMS_FAILED,
    catalog_option,
    example,
    json_option,
    main,
    print_error,
    print_json,
    print_next,
    print_text,
    show,
    threads_option,
)
from wfc3tvb.cli.completion import complete_ids
from wfc3tvb.cli.progress import progress_bars
from wfc3tvb.errors import BadArgumentError, TvbError, UnknownDatasetError

if TYPE_CHECKING:
    from wfc3tvb.catalog.catalog import Catalog
    from wfc3tvb.models import Measurement, Row


@main.command("show")
@click.argument("name", metavar="ID", shell_complete=complete_ids)
@catalog_option
@json_option
@example("wfc3tvb show IBOHBF040\nwfc3tvb show ibohbfb9q")
def show_command(name: str, catalog: Path, as_json: bool) -> None:
    """Show one exposure, association or visit.

    For one exposure, the verdict with its reasons, and the curve; for several, a table.
    """
    from wfc3tvb.catalog.catalog import open_catalog
    from wfc3tvb.catalog.curves import exposures_named
    from wfc3tvb.report import terminal

    with open_catalog(catalog) as store:
        exposures = exposures_named(store, name)
        if not exposures:
            raise UnknownDatasetError(name, f"the catalog in {catalog}", "survey it first, or check the name")
        reads = {row["rootname"]: _reads(store, row["rootname"]) for row in exposures}
        repairs = _repairs(store, exposures, with_exposures=as_json or len(exposures) == 1)
    if as_json:
        print_json([
            {"exposure": row, "reads": reads[row["rootname"]], "repairs": _of(row, repairs)} for row in exposures
        ])  # fmt: skip
        return
    if len(exposures) == 1:
        show(terminal.verdict(exposures[0]), "", terminal.curve(reads[exposures[0]["rootname"]]))
    else:
        first = exposures[0]
        show(terminal.exposures_table(exposures, f"{name.lower()}  {first['target_name']}  {first['proposal_id']}"))
    for row in repairs:
        show("", terminal.repaired(row), terminal.place(row))
    done = {row["dataset"] for row in repairs}
    flagged = sorted({row["dataset"] for row in exposures if row["flagged"]} - done)
    last = exposures[-1]
    words: tuple[str, ...]
    if flagged:
        words = ("reprocess", "--id", flagged[0])
    elif repairs:
        words = ("report",)
    elif len(exposures) > 1:
        words = ("show", last["rootname"])
    else:
        words = ("query", "visit_light", "--param", f"visit={last['visit']}")
    show("")
    print_next(suggest.command(*words, catalog=catalog))


def _repairs(store: Catalog, exposures: Sequence[Row], *, with_exposures: bool) -> list[Row]:
    """Return the rows of drizzled products of exposures, and those of their own products if asked for."""
    names = [row["rootname"] for row in exposures] if with_exposures else []
    text = """FROM reprocessed WHERE accepted IS NOT NULL AND (rootname IN (SELECT unnest($names))
        OR (kind = 'drz' AND dataset IN (SELECT unnest($datasets)))) ORDER BY kind DESC, product_id"""
    datasets = sorted({row["dataset"] for row in exposures})
    rows: list[Row] = store.fetch(text, {"names": names, "datasets": datasets}).to_pylist()
    return rows


def _of(exposure: Row, repairs: Sequence[Row]) -> list[Row]:
    """Return the repairs that contain an exposure: its own, and the drizzled image of its dataset."""
    names = exposure["rootname"], None
    return [row for row in repairs if row["rootname"] in names and row["dataset"] == exposure["dataset"]]


def _reads(store: Catalog, rootname: str) -> list[Row]:
    """Return the rows of `reads` of an exposure, in order."""
    rows: list[Row] = store.fetch("FROM reads WHERE rootname = $name ORDER BY read", {"name": rootname}).to_pylist()
    return rows


@main.command()
@click.argument("files", metavar="IMA...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Plot the curves into this file: .png, .pdf or .svg.",
)
@click.option("--pstat", is_flag=True, help="Also show wfc3tools.pstat's cumulative medians, of all pixels.")
@click.option(
    "--iref",
    type=click.Path(exists=True, file_okay=False, resolve_path=True),
    help="Folder from which each exposure's CRREJTAB is read; default: use the published threshold of that table.",
)
@threads_option
@json_option
@example("wfc3tvb measure ibohbfb9q_ima.fits --plot curve.png")
@click.pass_context
def measure(
    ctx: click.Context,
    files: Sequence[Path],
    plot: Path | None,
    pstat: bool,
    iref: str | None,
    threads: int,
    as_json: bool,
) -> None:
    """Measure local IMA files: curves and scores, no catalog.

    The geometry comes from the SPT or JIT file in the same folder, where there is one.
    """
    from wfc3tvb.config import MeasureSettings
    from wfc3tvb.measurement import measure as measure_file

    if plot:
        _check_picture(plot)
    measured, errors = [], []
    settings = MeasureSettings(pstat=pstat, iref=iref)
    with progress_bars() as progress:
        for n, path in enumerate(files, 1):
            try:
                measured.append(measure_file(path, settings=settings, threads=threads))
            except TvbError as error:
                errors.append(error)
                print_error(error)
            if len(files) > 1:
                progress("measure", n, len(files), failed=len(errors))
    if plot and measured:
        from wfc3tvb.report.exposure_figures import curves_figure, save

        save(curves_figure(measured), plot)
    if as_json:
        print_json([{"exposure": m.exposure, "reads": m.reads} for m in measured])
    else:
        _print_measured(measured)
    if plot and measured:
        print_text(f"wrote {plot}", err=as_json)
    if errors:
        ctx.exit(EXIT_ITEMS_FAILED if measured else errors[0].exit_code)


def _print_measured(measured: Sequence[Measurement]) -> None:
    """Print verdicts and curves, with bars on one scale, and for several files a table of all."""
    from wfc3tvb.report import terminal

    top = terminal.largest_rate(m.reads for m in measured)
    for m in measured:
        show(terminal.verdict(m.exposure), terminal.curve(m.reads, top=top), "")
    if len(measured) > 1:
        show(terminal.exposures_table([m.exposure for m in measured]))


def _check_picture(path: Path) -> None:
    """Raise `BadArgumentError` for a plot that could not be written, before anything is measured."""
    from wfc3tvb.report.exposure_figures import FORMATS

    if path.suffix[1:].lower() not in FORMATS:
        endings = ", ".join(f".{form}" for form in FORMATS)
        raise BadArgumentError(f"--plot {path}: the file name must end in one of {endings}")
    if not path.parent.is_dir():
        raise BadArgumentError(f"--plot {path}: there is no folder {path.parent}; create it first")
    try:
        if path.exists():
            path.open("ab").close()
        else:
            TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise BadArgumentError(f"--plot {path}: cannot be written ({error.strerror}); choose another file") from error
