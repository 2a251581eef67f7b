"""Table that leaves out whole columns where the terminal is narrow, and is a list below 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

#: Width below which there is a list [characters], of what a table of this width shows.
NARROWEST = 80
#: Least width of a column whose text is folded [characters].
_FOLDED = 24


@dataclass(frozen=True)
class FittedColumn:
    """Column of a fitted table.

    Attributes
    ----------
    heading : str
        Its heading; a second line, such as its unit, is below it in a table and beside it in a list.
    cells : sequence of Text
        One cell for each row.
    is_number : bool
        Whether it is aligned at the right.
    rank : int
        Columns of the highest rank are left out first; those of rank 0 never.
    is_folded : bool
        Whether long texts go on in the next line; a column of at least 24 characters.
    """

    heading: str
    cells: Sequence[Text]
    is_number: bool = False
    rank: int = 0
    is_folded: bool = False

    @property
    def width(self) -> int:
        """Least width in which no cell is cut [characters]."""
        widest = max((cell_len(line) for cell in self.cells for line in cell.plain.splitlines()), default=0)
        heading = max(cell_len(line) for line in self.heading.splitlines() or [""])
        return max(heading, min(widest, _FOLDED) if self.is_folded else widest)


@dataclass(frozen=True)
class FittedTable:
    """Table whose cells are never cut.

    Attributes
    ----------
    columns : sequence of FittedColumn
        The first names the rows.
    styles : sequence of str or None
        Style of each row.
    title : str or None
        Line above the table.
    narrowest : int
        Width below which there is a list [characters].
    """

    columns: Sequence[FittedColumn]
    styles: Sequence[str | None]
    title: str | None = None
    narrowest: int = NARROWEST

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield what fits into the width of the console."""
        if self.title:
            yield Text(self.title)
        width = max(options.max_width, self.narrowest)
        kept = self.fitting(width)
        if options.max_width < width or _total(kept) > width:
            yield from _list(kept, self.styles, width=options.max_width)
        else:
            yield self._table(kept)

    def fitting(self, width: int | None) -> Sequence[FittedColumn]:
        """Return the columns that fit side by side into a width, those of rank 0 in any case; all without a width."""
        kept = self.columns
        for rank in sorted({column.rank for column in self.columns if column.rank}, reverse=True):
            if width is None or _total(kept) <= width:
                break
            kept = [column for column in kept if column.rank < rank]
        return kept

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Return the least and the largest width [characters]."""
        return Measurement(1, options.max_width)

    def _table(self, columns: Sequence[FittedColumn]) -> Table:
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        for column in columns:
            justify: Literal["right", "left"] = "right" if column.is_number else "left"
            width = None if column.is_folded else column.width
            table.add_column(
                Text(column.heading), justify=justify, no_wrap=not column.is_folded, overflow="fold", min_width=width
            )
        for style, *cells in zip(self.styles, *(column.cells for column in columns), strict=True):
            table.add_row(*cells, style=style)
        return table


def _total(columns: Sequence[FittedColumn]) -> int:
    """Return the width of columns side by side."""
    return sum(column.width for column in columns) + 2 * (len(columns) - 1)


def _list(columns: Sequence[FittedColumn], styles: Sequence[str | None], *, width: int) -> Iterator[RenderableType]:
    """Yield the first cell of each row as a heading, and the others below it, as many to a line as fit."""
    name, *others = columns
    for n, cell in enumerate(name.cells):
        yield Text.assemble(cell, style=styles[n] or "bold")
        known = [column for column in others if column.cells[n].plain not in ("", "-")]
        values = [Text.assemble((f"{_in_a_line(column.heading)} ", "dim"), column.cells[n]) for column in known]
        yield from (indented(line) for line in _packed(values, width - 2))


def _in_a_line(heading: str) -> str:
    return " ".join(heading.splitlines())


def _packed(values: Sequence[Text], width: int) -> Iterator[Text]:
    """Yield lines of values that fit into a width; one that is longer has its own line."""
    line: list[Text] = []
    for value in values:
        if line and sum(each.cell_len + 2 for each in line) + value.cell_len > width:
            yield Text("; ").join(line)
            line = []
        line.append(value)
    if line:
        yield Text("; ").join(line)


def indented(text: Text) -> Padding:
    """Return a text whose lines all begin two characters from the left."""
    return Padding(text, (0, 0, 0, 2), expand=False)
