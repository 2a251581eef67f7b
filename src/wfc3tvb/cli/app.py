"""The group of commands, the options that several of them share, and printing."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from wfc3tvb import __version__
from wfc3tvb.config import DEFAULT_CATALOG
from wfc3tvb.errors import DiskFullError, TvbError

if TYPE_CHECKING:
    from wfc3tvb.progress import Progress

F = TypeVar("F", bound=Callable[..., Any])

EXIT_ITEMS_FAILED = 1
EXIT_WRONG_INPUT = 2
EXIT_INTERRUPTED = 130
#: Commands that resume after an interruption.
RESUMABLE = ("survey", "reprocess", "validate")
#: Commands in the order of the help text: as a new user needs them.
COMMANDS = (
    "demo", "survey", "show", "measure", "sql", "query", "queries", "reprocess", "calibrate", "report", "serve",
    "export", "rescore", "null", "verify", "compact", "doctor", "validate", "simulate", "archive",
)  # fmt: skip


class App(click.Group):
    """Group of commands that reports this package's errors in one line with an exit code; bugs keep a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except TvbError as error:
            print_error(error)
            ctx.exit(error.exit_code)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                print_error(DiskFullError())
                ctx.exit(EXIT_WRONG_INPUT)
            # A path that cannot be read or written, or a port that is in use; anything else is a bug.
            if error.filename is None and error.errno != errno.EADDRINUSE:
                raise
            if error.filename is None:
                message = f"{error.strerror}; choose another port"
            else:
                message = f"{error.filename}: {error.strerror}; check the path and its permissions"
            print_text(f"wfc3tvb: {message}", fg="red", err=True)
            ctx.exit(EXIT_WRONG_INPUT)
        except (KeyboardInterrupt, RuntimeError) as error:
            # DuckDB raises a RuntimeError for a query that Ctrl-C stops.
            if isinstance(error, RuntimeError) and str(error) != "Query interrupted":
                raise
            advice = "; run the same command to continue" if ctx.invoked_subcommand in RESUMABLE else ""
            click.secho(f"interrupted{advice}", fg="yellow", err=True)
            ctx.exit(EXIT_INTERRUPTED)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order of `COMMANDS` instead of alphabetically."""
        return sorted(self.commands, key=COMMANDS.index)


def option_group(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Combine several options into one decorator."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def example(text: str) -> Callable[[F], F]:
    """Add an example to a command's help."""

    def decorate(function: F) -> F:
        # Python without docstrings (-OO) leaves only the example.
        function.__doc__ = f"{function.__doc__ or ''}\n\n    \b\n    Example:\n" + "\n".join(
            f"      {line}" for line in text.splitlines()
        )
        return function

    return decorate


catalog_option = click.option(
    "--catalog", type=click.Path(path_type=Path, file_okay=False), default=DEFAULT_CATALOG, show_default=True,
    envvar="WFC3TVB_CATALOG", help="Folder of the catalog.",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
threads_option = click.option(
    "--threads", type=click.IntRange(1), default=2, show_default=True, help="Number of threads."
)


def parallel_options(*, threads: bool = True) -> Callable[[F], F]:
    """Add --jobs, --cluster and, where workers are multithreaded, --threads; the command receives `workers`."""

    def decorate(function: F) -> F:
        @wraps(function)
        def command(*arguments: Any, jobs: int, cluster: str | None, threads: int | None = None, **options: Any) -> Any:
            from wfc3tvb.parallel.workers import Workers

            return function(*arguments, workers=Workers(jobs, cluster, threads), **options)

        return options(cast("F", command))

    options = option_group(
        click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Worker processes."),
        click.option("--cluster", metavar="ADDRESS|local:N", help="Dask scheduler (pip install 'wfc3tvb[cluster]')."),
        *(
            [
                click.option(
                    "--threads",
                    type=click.IntRange(1),
                    help="Threads per worker; default: 1 (reprocess with one job: 2).",
                )
            ]
            if threads
            else []
        ),
    )
    return decorate


id_option = click.option(
    "--id",
    "--asn",
    "ids",
    multiple=True,
    metavar="ID",
    help="Association, dataset or rootname, any case; repeatable.",
)
output_options = option_group(
    click.option("--format", "form", type=click.Choice(["table", "csv", "json", "parquet", "votable", "fits", "ecsv"]),
                 help="Format; default: a table, or with --output the format of the file's ending."),
    click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write."),
)  # fmt: skip


@click.group(cls=App, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, "-V", "--version", prog_name="wfc3tvb")
@click.option("-v", "--verbose", is_flag=True, help="Write a log to stderr.")
def main(verbose: bool) -> None:
    """Find, score and repair the time-variable background of Hubble WFC3/IR exposures.

    \b
    First time here?   wfc3tvb demo
    Your visit:        wfc3tvb survey --asn IBOHBF040
                       wfc3tvb show IBOHBF040
                       wfc3tvb reprocess --asn IBOHBF040
    """  # noqa: D301 (click needs the character itself)
    from wfc3tvb.system.home import ensure_home
    from wfc3tvb.system.supported import check_system

    check_system()
    _print_anything()
    ensure_home()
    if verbose:
        _log_to_stderr()


# --- printing ------------------------------------------------------------------------------------------------------


def _print_anything() -> None:
    """Let output in another encoding than UTF-8 escape the characters that it lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_text(text: str, *, fg: str | None = None, err: bool = False) -> None:
    """Print a text without control characters, which file names, cells and messages of services may contain."""
    from wfc3tvb.report.sentences import printable

    click.secho(printable(text), fg=fg, err=err)


def print_error(error: TvbError) -> None:
    """Print an error as one line."""
    print_text(f"wfc3tvb: {error}", fg="red", err=True)


def print_json(value: Any) -> None:
    """Print `value` as JSON."""
    click.echo(json.dumps(value, indent=1, allow_nan=False))


def show(*things: Any) -> None:
    """Print texts without markup, and rich renderables; lines are not wrapped where the output is not a terminal."""
    if not sys.stdout.isatty() and all(isinstance(thing, str) for thing in things):
        print_text("\n".join(things))  # without rich, which takes longer to import than `wfc3tvb --help` to answer
        return
    from rich.console import Console
    from rich.segment import Segment, Segments
    from rich.text import Text

    from wfc3tvb.report.sentences import printable

    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=10_000)
    for thing in things:
        drawn = console.render(Text(thing) if isinstance(thing, str) else thing, console.options.update(markup=False))
        console.print(Segments(Segment(printable(text), style) for text, style, _ in drawn))


def _log_to_stderr() -> None:
    """Set up logging to stderr, without control characters."""
    import logging

    from wfc3tvb.report.sentences import printable

    class Printable(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return printable(super().format(record))

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Printable("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Yield a `Progress` that draws a bar per stage on stderr, silent where stderr is not a terminal."""
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
