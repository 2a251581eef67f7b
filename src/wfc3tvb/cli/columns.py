"""Command columns."""

from __future__ import annotations

from pathlib import Path

import click

from wfc3tvb.cli.app import catalog_option, example, json_option, main, print_json, show


@main.command()
@click.argument("table", required=False)
@catalog_option
@json_option
@example("wfc3tvb columns exposures")
def columns(table: str | None, catalog: Path, as_json: bool) -> None:
    """List the columns of a table, or of all: unit, description, UCD, values.

    Where there is a catalog, it tells how many values of each column are not null.
    """
    from wfc3tvb.catalog.catalog import open_catalog
    from wfc3tvb.catalog.column_list import list_columns
    from wfc3tvb.report.column_tables import columns_table

    if (catalog / "exposures").is_dir():
        with open_catalog(catalog) as store:
            found = list_columns(store, table)
    else:
        found = list_columns(None, table)
    if as_json:
        print_json([each.row() for each in found])
    else:
        show(columns_table(found))
