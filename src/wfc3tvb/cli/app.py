"""The group of commands, the options that several of them share, and printing."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable
from copy import copy
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from wfc3tvb import __version__
from wfc3tvb.cli.completion import complete_ids
from wfc3tvb.cli.progress import console_above_bars
from wfc3tvb.cli.streams import escape_characters, reader_may_leave, say_nothing_more
from wfc3tvb.errors import TvbError
from wfc3tvb.suggest import CATALOG_VARIABLE, DEFAULT_CATALOG

F = TypeVar("F", bound=Callable[..., Any])

#: What to do about errors of the system that name no path.
_REMEDIES = {
    errno.EADDRINUSE: "choose another port",
    errno.ENOMEM: "close other programs, or use a machine with more memory",
}
EXIT_ITEMS_FAILED = 1
EXIT_WRONG_INPUT = 2
EXIT_INTERRUPTED = 130
#: Commands that resume after an interruption.
RESUMABLE = ("survey", "reprocess", "report", "validate")
#: Characters of the longest first sentence of a command's help, which is never cut.
_WHOLE = 200
#: Commands in groups, in the order of the help text: as a user needs them.
COMMANDS = {
    "Find and measure": ("survey", "show", "measure"),
    "Ask": ("sql", "query", "queries", "columns", "serve"),
    "Repair": ("reprocess", "calibrate"),
    "Publish": ("report", "export", "release"),
    "Look after": ("rescore", "systematic", "verify", "compact", "doctor", "validate"),
    "Try out": ("demo", "simulate", "archive"),
}


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
            _end_if_disk(ctx, error)
            # A path that cannot be read or written, or one of these without a path; anything else is a bug.
            if error.filename is None and error.errno not in _REMEDIES:
                raise
            if error.filename is None:
                message = f"{error.strerror}; {_REMEDIES[error.errno or 0]}"
            else:
                message = f"{error.filename}: {error.strerror}; check the path and its permissions"
            print_text(f"wfc3tvb: {message}", fg="red", err=True)
            ctx.exit(EXIT_WRONG_INPUT)
        except (KeyboardInterrupt, RuntimeError) as error:
            # DuckDB raises a RuntimeError for a query that Ctrl-C stops.
            if isinstance(error, RuntimeError) and str(error) != "Query interrupted":
                raise
            advice = "; run the same command to continue" if ctx.invoked_subcommand in RESUMABLE else ""
            echo(f"interrupted{advice}", fg="yellow", err=True)
            ctx.exit(EXIT_INTERRUPTED)
        except _library_errors() as error:
            _end_if_disk(ctx, error)
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order of `COMMANDS` instead of alphabetically, then hidden ones."""
        order = [name for names in COMMANDS.values() for name in names]
        return sorted(self.commands, key=lambda name: order.index(name) if name in order else len(order))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands of each group with the first sentence of their help."""
        width = max(len(name) for names in COMMANDS.values() for name in names)
        for group, names in COMMANDS.items():
            shown = [(name, self.commands[name]) for name in names if name in self.commands]
            with formatter.section(group):
                formatter.write_dl([(name.ljust(width), each.get_short_help_str(_WHOLE)) for name, each in shown])


def _library_errors() -> tuple[type[Exception], ...]:
    """Return the errors that libraries raise in place of OSError; of those that are not imported there are none."""
    duckdb, deltalake = sys.modules.get("duckdb"), sys.modules.get("deltalake.exceptions")
    return tuple(each for each in (getattr(duckdb, "Error", None), getattr(deltalake, "DeltaError", None)) if each)


def _end_if_disk(ctx: click.Context, error: Exception) -> None:
    """End the command with one line if a disk is full or fails."""
    from wfc3tvb.system.disk_errors import disk_error

    if (found := disk_error(error)) is not None:
        print_error(found)
        ctx.exit(found.exit_code)


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


def renamed(command: click.Command, name: str) -> click.Command:
    """Return a command under its former name, which works and is not listed."""
    former = copy(command)
    former.name, former.hidden = name, True
    return former


catalog_option = click.option(
    "--catalog", type=click.Path(path_type=Path, file_okay=False), default=DEFAULT_CATALOG, show_default=True,
    envvar=CATALOG_VARIABLE, help="Folder of the catalog.",
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
    shell_complete=complete_ids,
    help="Association, dataset or rootname, any case; repeatable.",
)
output_options = option_group(
    click.option("--format", "form", type=click.Choice(["table", "csv", "json", "parquet", "votable", "fits", "ecsv"]),
                 help="Format; default: a table, or with --output the format of the file's ending."),
    click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write."),
)  # fmt: skip

units_option = click.option("--units", is_flag=True, help="CSV: units in the headings, as in sky_mean [electron/s].")


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

    The catalog is in ./tvb-catalog, or where WFC3TVB_CATALOG or --catalog says. Exit codes: 0 done, 1 some items
    failed, 2 wrong arguments or input, 130 interrupted.

    \b
    Completion, in the shell's start-up file (all: docs/command-line.md):
      bash   eval "$(_WFC3TVB_COMPLETE=bash_source wfc3tvb)"
      zsh    eval "$(_WFC3TVB_COMPLETE=zsh_source wfc3tvb)"
      fish   _WFC3TVB_COMPLETE=fish_source wfc3tvb | source
    """  # noqa: D301 (click needs the character itself)
    from wfc3tvb.system.home import ensure_home
    from wfc3tvb.system.supported import check_system

    check_system()
    escape_characters()
    ensure_home()
    if verbose:
        _log_to_stderr()


# --- printing ------------------------------------------------------------------------------------------------------


def echo(text: str, *, fg: str | None = None, err: bool = False, nl: bool = True, color: bool | None = None) -> None:
    """Print a text as it is; in a colour, unless the environment variable NO_COLOR is set."""
    styled = click.style(text, fg=fg) if fg and not os.environ.get("NO_COLOR") else text
    if (above := console_above_bars(err=err)) is not None:
        from rich.text import Text

        above.print(Text.from_ansi(styled), soft_wrap=True)
        return
    with reader_may_leave():
        click.echo(styled, err=err, nl=nl, color=color)


def print_text(text: str, *, fg: str | None = None, err: bool = False) -> None:
    """Print a text without control characters, which file names, cells and messages of services may contain."""
    from wfc3tvb.report.sentences import printable

    echo(printable(text), fg=fg, err=err)


def print_error(error: TvbError) -> None:
    """Print an error as one line."""
    print_text(f"wfc3tvb: {error.for_shell()}", fg="red", err=True)


def print_json(value: Any) -> None:
    """Print `value` as JSON."""
    echo(json.dumps(value, indent=1, allow_nan=False))


def show(*things: Any) -> None:
    """Print texts without markup, and rich renderables.

    They fit into the width of the terminal, or that of the environment variable COLUMNS; in a pipe or file, lines are
    as long as they need to be.
    """
    if output_width() is None and all(isinstance(thing, str) for thing in things):
        print_text("\n".join(things))  # without rich, which takes longer to import than `wfc3tvb --help` to answer
        return
    from rich.console import Console
    from rich.segment import Segment, Segments
    from rich.text import Text

    from wfc3tvb.report.sentences import printable

    class OnStdout(Console):
        def on_broken_pipe(self) -> None:
            say_nothing_more()

    console = console_above_bars() or OnStdout(highlight=False, width=output_width() or 10_000)
    for thing in things:
        drawn = console.render(Text(thing) if isinstance(thing, str) else thing, console.options.update(markup=False))
        console.print(Segments(Segment(printable(text), style) for text, style, _ in drawn), crop=False)


def output_width() -> int | None:
    """Return the width of the output [characters]; None for a pipe or file, where COLUMNS does not set one."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_next(command: str) -> None:
    """Print the command that is suggested next, on a line that can be copied: it is never broken."""
    print_text(f"next: {command}")


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
