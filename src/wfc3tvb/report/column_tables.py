"""Lists of the catalog's columns for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from wfc3tvb.catalog.column_list import Listed
from wfc3tvb.catalog.views import RELATIONS


def columns_table(listed: Sequence[Listed]) -> RenderableType:
    """Return the columns, one table after another; UCDs are below the descriptions."""
    parts: list[RenderableType] = []
    for name, columns in groupby(listed, key=lambda each: each.table):
        parts += [Text.assemble((name, "bold"), f": one row per {RELATIONS[name].row}"), _one(list(columns)), Text("")]
    return Group(*parts[:-1])


def _one(columns: Sequence[Listed]) -> Table:
    counted = columns[0].n_values is not None
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("column", "unit", *(["values"] if counted else []), "description (UCD)"):
        table.add_column(heading, justify="right" if heading == "values" else "left", overflow="fold")
    for each in columns:
        meaning = Text.assemble(each.column.description, " (", (each.column.ucd, "bright_black"), ")")
        counts = [str(each.n_values)] if counted else []
        table.add_row(each.column.name, Text(each.column.unit), *counts, meaning)
    return table
