"""Commands sql, query and queries."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from wfc3tvb.cli.app import (
    catalog_option,
    echo,
    example,
    json_option,
    main,
    output_options,
    output_width,
    print_json,
    print_text,
    show,
    units_option,
)
from wfc3tvb.cli.completion import complete_parameters, complete_queries
from wfc3tvb.cli.progress import progress_bars
from wfc3tvb.display import counted
from wfc3tvb.errors import BadArgumentError, QueryParameterError

#: Rows shown in the terminal; files get all rows.
ROWS_SHOWN = 100
#: Seconds after which a statement is stopped.
TIMEOUT = 120.0

timeout_option = click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), default=TIMEOUT, show_default=True, metavar="SECONDS",
    help="Stop a statement that takes longer.",
)  # fmt: skip
send_option = click.option("--send", is_flag=True, help="Send the result to TOPCAT, Aladin, ... (SAMP).")


@main.command()
@click.argument("text", metavar="SELECT")
@output_options
@units_option
@send_option
@timeout_option
@catalog_option
@json_option
@example('wfc3tvb sql "SELECT visit, worst_class FROM visits WHERE n_flagged > 0"')
def sql(
    text: str,
    form: str | None,
    output: Path | None,
    units: bool,
    send: bool,
    timeout: float,
    catalog: Path,
    as_json: bool,
) -> None:
    """Query the catalog in SQL (DuckDB).

    To list tables: wfc3tvb sql "SHOW TABLES"; columns: wfc3tvb sql "DESCRIBE exposures".
    """
    from wfc3tvb.catalog.catalog import open_catalog

    with open_catalog(catalog, locked=True, own_files=True) as store, progress_bars():
        rows = store.fetch(text, timeout=timeout)
    _deliver(rows, "json" if as_json else form, output, units=units, send_as="sql" if send else None)


@main.command()
@click.argument("name", shell_complete=complete_queries)
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="KEY=VALUE",
    shell_complete=complete_parameters,
    help="Value of a parameter; repeatable.",
)
@output_options
@units_option
@send_option
@timeout_option
@catalog_option
@json_option
@example("wfc3tvb query my_visit --param visit=ibohbf")
def query(
    name: str,
    params: Sequence[str],
    form: str | None,
    output: Path | None,
    units: bool,
    send: bool,
    timeout: float,
    catalog: Path,
    as_json: bool,
) -> None:
    """Run a documented query; `wfc3tvb queries` lists them."""
    from wfc3tvb.catalog.catalog import open_catalog
    from wfc3tvb.catalog.queries import load

    pairs = [text.partition("=") for text in params]
    if without_value := [key for key, equals, _ in pairs if not equals]:
        key = without_value[0]
        raise BadArgumentError(f"--param {key!r} has no value; write --param {key}=VALUE")
    documented = load(name)
    try:
        values = documented.values({key: value for key, _, value in pairs})
    except QueryParameterError as error:
        raise QueryParameterError(f"{error} (give them as --param NAME=VALUE)") from error
    with open_catalog(catalog, locked=True, own_files=True) as store, progress_bars():
        rows = store.fetch(documented.sql, values, timeout=timeout)
    _deliver(rows, "json" if as_json else form, output, units=units, send_as=name if send else None)


@main.command()
@click.argument("name", required=False, shell_complete=complete_queries)
@json_option
@example("wfc3tvb queries\nwfc3tvb queries worst_visits")
def queries(name: str | None, as_json: bool) -> None:
    """List the documented queries, or print the SQL of one.

    The SQL begins with comments that describe the query and its parameters.
    """
    from wfc3tvb.catalog.queries import load, load_all
    from wfc3tvb.report import terminal

    if as_json:
        from dataclasses import asdict

        print_json(asdict(load(name)) if name else [asdict(q) for q in load_all().values()])
    elif name:
        echo(load(name).sql, nl=False)
    else:
        show(terminal.queries_table(list(load_all().values())))


def _send(rows: Any, name: str) -> None:
    """Send the result of a query to other programs, and say which."""
    from wfc3tvb.catalog.vo.samp import send_table

    programs = ", ".join(send_table(rows, name))
    print_text(f"sent {counted(rows.num_rows, 'row')} to {programs}", err=True)


def _deliver(
    rows: Any, form: str | None, output: Path | None, *, units: bool = False, send_as: str | None = None
) -> None:
    """Send the result of a query to other programs under a name, write it, or print it."""
    if send_as is not None:
        _send(rows, send_as)
        if output is None and form is None:
            return
    if output is None and form in (None, "table"):
        _show_table(rows)
        return
    from wfc3tvb.catalog.export import format_of, text_of, write_table
    from wfc3tvb.report.sentences import printable

    if output is None:
        text = text_of(rows, str(form), units=units)
        # A pipe or file gets the cells unchanged; without color=True, click would remove what looks like colour codes.
        echo(printable(text) if sys.stdout.isatty() else text, nl=False, color=True)
        return
    form = form or format_of(output)
    if form == "table":
        raise BadArgumentError("--format table is for the terminal; choose csv, ecsv, json, parquet, votable or fits")
    print_text(f"wrote {counted(rows.num_rows, 'row')} to {write_table(rows, output, form, units=units)}", err=True)


def _show_table(rows: Any) -> None:
    """Print the first rows as a table, and how much is not shown: rows, and columns where the width is limited."""
    from wfc3tvb.report.fitted_table import NARROWEST
    from wfc3tvb.report.result_table import relation

    table, width = relation(rows, ROWS_SHOWN), output_width()
    show(table)
    shown = table.fitting(width and max(width, NARROWEST))
    more, hidden = rows.num_rows - ROWS_SHOWN, (rows.num_columns - len(shown)) * bool(rows.num_rows)
    note = f"({rows.num_rows} row{'s' if rows.num_rows != 1 else ''}"
    note += f", {more} not shown: add --format csv" if more > 0 else ""
    note += (
        f"; {hidden} of {rows.num_columns} columns do not fit: select some, or add --json"
        if hidden and rows.num_rows
        else ""
    )
    echo(note + ")", err=True)
