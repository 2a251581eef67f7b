"""The front door: parse, one library call, print.

The only module that prints. Every command imports what it needs when it runs, so ``wfc3tvb --help`` is instant.
Exit codes: 0 done, 1 something failed per item, 2 wrong arguments or input, 130 interrupted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from wfc3tvb import __version__
from wfc3tvb.config import DEFAULT_CATALOG
from wfc3tvb.errors import TvbError

F = TypeVar("F", bound=Callable[..., Any])

EXIT_ITEMS_FAILED = 1
EXIT_INTERRUPTED = 130


class FrontDoor(click.Group):
    """A group that turns this package's errors into one line and an exit code; bugs keep their traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except TvbError as error:
            click.secho(f"wfc3tvb: {error}", fg="red", err=True)
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


catalog_option = click.option(
    "--catalog", type=click.Path(path_type=Path, file_okay=False), default=DEFAULT_CATALOG, show_default=True,
    envvar="WFC3TVB_CATALOG", help="Folder of the catalog.",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
parallel_options = option_group(
    click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Worker processes."),
    click.option("--cluster", metavar="ADDRESS|local:N", help="Dask scheduler to run on (pip install 'wfc3tvb[cluster]')."),
)
id_option = click.option(
    "--id", "--asn", "ids", multiple=True, metavar="ID", help="Association, dataset or rootname, any case; repeatable."
)


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
    """
    if verbose:
        import logging

        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)


def print_json(value: Any) -> None:
    """Print `value` as JSON whose numbers read back exactly."""
    click.echo(json.dumps(value, indent=1, allow_nan=False))


def console(stderr: bool = False) -> Any:
    """Return a rich console; 110 columns where the output is not a terminal."""
    from rich.console import Console

    plain = not (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, width=110 if plain else None, highlight=False)
