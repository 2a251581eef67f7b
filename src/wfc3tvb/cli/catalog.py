"""Commands report, serve, export, verify, compact, doctor and validate."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from socket import AF_INET, AF_INET6, create_server, gethostname, socket

import click

from wfc3tvb.cli.app import (
    EXIT_ITEMS_FAILED,
    catalog_option,
    echo,
    example,
    json_option,
    main,
    print_json,
    print_text,
    show,
    units_option,
)
from wfc3tvb.cli.completion import complete_tables
from wfc3tvb.cli.progress import progress_bars
from wfc3tvb.display import counted
from wfc3tvb.errors import BadArgumentError

images_option = click.option(
    "--images", multiple=True, metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with FLT or IMA files for thumbnails; repeatable.",
)  # fmt: skip


@main.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False), default="tvb-report")
@images_option
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Worker processes.")
@catalog_option
@example("wfc3tvb report my-report")
def report(out: Path, images: Sequence[Path], jobs: int, catalog: Path) -> None:
    """Write the report: a folder of HTML pages for use offline.

    The figures, and the tables behind them, are written as files too. Pages of visits that are in the folder already
    are written again only where something has changed.
    """
    from wfc3tvb.catalog.catalog import open_catalog
    from wfc3tvb.parallel.workers import Workers
    from wfc3tvb.report.pages import write_report

    with open_catalog(catalog) as store, progress_bars() as progress:
        page = write_report(store, out, images=images, workers=Workers(jobs), progress=progress)
    print_text(f"wrote {page}")


@main.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; other machines can connect only with a token.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8610, show_default=True, help="Port; 0 for a free one.")
@click.option(
    "--token",
    help="Token that browsers must present; default: none if only this machine can connect, otherwise a random one.",
)
@images_option
@catalog_option
@example("wfc3tvb serve")
def serve(host: str, port: int, token: str | None, images: Sequence[Path], catalog: Path) -> None:
    """Explore the catalog in a browser, until Ctrl-C: search, visits, plots, SQL."""
    with _listening(host, port) as sock:  # first, because what explores takes two seconds to load
        _explore(sock, host, token, images, catalog)


def _explore(sock: socket, host: str, token: str | None, images: Sequence[Path], catalog: Path) -> None:
    """Answer requests at a socket until Ctrl-C."""
    import secrets

    import uvicorn

    from wfc3tvb.web.app import PROCESS_MEMORY, application
    from wfc3tvb.web.security import limit_memory

    limit_memory(PROCESS_MEMORY)
    is_local = host in ("127.0.0.1", "localhost", "::1")
    token = token or (None if is_local else secrets.token_urlsafe(24))
    hosts = ("127.0.0.1", "localhost", "[::1]") if is_local else ("*",)
    app = application(catalog, token=token, hosts=hosts, images=images)
    name = gethostname() if host in ("", "0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    address = f"http://{name}:{sock.getsockname()[1]}/" + (f"?token={token}" if token else "")
    echo(f"open {address}   (stop with Ctrl-C)")
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[sock])


def _listening(host: str, port: int) -> socket:
    """Return a socket that listens at an address."""
    try:
        return create_server((host, port), family=AF_INET6 if ":" in host else AF_INET)
    except (OSError, TypeError, UnicodeError) as error:
        # TypeError and UnicodeError are of names that cannot be those of a machine.
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise
        reason = str(getattr(error, "strerror", None) or error).partition(" (while")[0]
        remedy = "give an address of this machine, or 0.0.0.0 for all, and a port above 1023"
        raise BadArgumentError(f"cannot listen at --host {host[:60]} --port {port} ({reason}); {remedy}") from error


@main.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.argument("tables", nargs=-1, metavar="[TABLE]...", shell_complete=complete_tables)
@click.option(
    "--format",
    "form",
    type=click.Choice(["parquet", "votable", "fits", "csv", "ecsv", "json", "duckdb", "moc", "hats"]),
    default="parquet",
    show_default=True,
    help="Format of the files; duckdb: one file with all tables and views; moc: maps of the sky that is covered; "
    "hats: exposures and reads by position, for LSDB.",
)
@units_option
@catalog_option
@example("wfc3tvb export --format fits my-release\nwfc3tvb export --format csv --units my-lists visits programs")
def export(out: Path, tables: Sequence[str], form: str, units: bool, catalog: Path) -> None:
    """Write a plain snapshot: one file per table, without replaced rows, with README and checksums.

    Without names all tables are written; views (visits, programs, obscore, ...) by their names, or all with --format
    duckdb.

    All formats except CSV and JSON carry units and descriptions. wfc3tvb.read_table(FILE) reads every format except
    JSON. The unit standard of VOTable lacks the electron, so astropy alone needs an argument: Table.read(FILE,
    format="votable", unit_format="generic").
    """
    from wfc3tvb.catalog.catalog import open_catalog
    from wfc3tvb.catalog.export import MEMORY, how_to_read
    from wfc3tvb.catalog.formats import duckdb_file
    from wfc3tvb.catalog.release import file_name, write_release
    from wfc3tvb.catalog.vo import hats
    from wfc3tvb.catalog.vo.moc import write_mocs

    whole = {"duckdb": duckdb_file.write_duckdb, "moc": write_mocs, "hats": hats.write_hats}
    if tables and form in whole:
        raise BadArgumentError(f"--format {form} takes no names of tables; leave out {' '.join(tables)}")
    with open_catalog(catalog, memory_limit=MEMORY) as store, progress_bars():
        written = whole[form](store, out) if form in whole else write_release(
            store, out, form, names=tables, units=units
        )  # fmt: skip
        for path in written:
            print_text(f"wrote {path}")
    if form in ("duckdb", "hats"):
        echo(f"read with {(duckdb_file if form == 'duckdb' else hats).how_to_read()}")
    elif form != "moc":
        echo(f"read with {how_to_read(file_name(tables[0] if tables else 'exposures', form), form)}")


@main.command()
@catalog_option
@json_option
@example("wfc3tvb verify")
@click.pass_context
def verify(ctx: click.Context, catalog: Path, as_json: bool) -> None:
    """Check the catalog: files, keys, units, versions, counts."""
    from dataclasses import asdict

    from wfc3tvb.catalog.verify import verify as run_verify
    from wfc3tvb.report import terminal

    with progress_bars():
        results = run_verify(catalog)
    if as_json:
        print_json([asdict(result) for result in results])
    else:
        for result in results:
            show(terminal.finding(result.passed, f"{result.target:12} {result.check:12}", result.detail))
    ctx.exit(0 if all(result.passed for result in results) else EXIT_ITEMS_FAILED)


@main.command()
@click.option(
    "--grace-hours",
    type=click.IntRange(0),
    default=24,
    show_default=True,
    help="Keep unused files younger than this, which readers may still have open.",
)
@catalog_option
@json_option
@example("wfc3tvb compact")
def compact(grace_hours: int, catalog: Path, as_json: bool) -> None:
    """Merge the catalog's small files, without blocking readers."""
    from dataclasses import asdict

    from wfc3tvb.catalog.catalog import open_catalog
    from wfc3tvb.catalog.compaction import compact as run_compact

    with open_catalog(catalog, mode="r+") as store, progress_bars():
        results = run_compact(store, grace_hours=grace_hours)
    if as_json:
        print_json([asdict(result) for result in results])
        return
    for result in results:
        note = "; not merged because another command was writing, run it again" if result.in_the_way else ""
        files = f"{counted(result.n_before, 'file')}, now {result.n_after}; {result.n_removed} unused ones removed"
        show(f"{result.table:12} {files}{note}")


@main.command()
@click.option("--live", is_flag=True, help="Also make a small query to MAST, S3 and CRDS, and check the answers.")
@json_option
@example("wfc3tvb doctor --live")
@click.pass_context
def doctor(ctx: click.Context, live: bool, as_json: bool) -> None:
    """Check the installation, and whether the services are reachable."""
    from dataclasses import asdict

    from wfc3tvb.checks.doctor import examine
    from wfc3tvb.report import terminal

    with progress_bars():
        findings = examine(live=live)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            show(terminal.finding(finding.ok, f"{finding.name:16}", finding.detail, optional=finding.optional))
    ctx.exit(0 if all(f.ok or f.optional for f in findings) else EXIT_ITEMS_FAILED)


@main.command()
@click.option("--live", is_flag=True, required=True, help="Confirm that the live services may be queried.")
@click.option(
    "--source",
    type=click.Choice(["auto", "s3", "mast"]),
    default="mast",
    show_default=True,
    help="Archive that the files are fetched from.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default="tvb-validation",
    show_default=True,
    help="Folder for a catalog and the products: 0.4 GB, and 1.3 GB while it runs.",
)
@json_option
@example("wfc3tvb validate --live")
@click.pass_context
def validate(ctx: click.Context, live: bool, source: str, folder: Path, as_json: bool) -> None:
    """Repair IBOHBF040, and compare with the numbers that STScI published.

    Fetches, measures and repairs the visit from the live archive.
    """
    from dataclasses import asdict

    from wfc3tvb.checks.validate import validate as run_validate
    from wfc3tvb.report import terminal

    findings = []
    with progress_bars() as progress:
        for finding in run_validate(folder, source=source, progress=progress):
            findings.append(finding)
            if not as_json:
                show(terminal.finding(finding.ok, f"{finding.name:16}", finding.detail, optional=finding.optional))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    ctx.exit(0 if all(finding.ok or finding.optional for finding in findings) else EXIT_ITEMS_FAILED)
