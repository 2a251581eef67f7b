"""Table that leaves out whole columns where the terminal is narrow, and becomes a list where it is too narrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True)
class FittedColumn:
    """Column of a fitted table.

    Attributes
    ----------
    heading : str
        Its heading.
    cells : sequence of Text
        One cell for each row.
    is_number : bool
        Whether it is aligned at the right.
    rank : int
        Columns of the highest rank are left out first; those of rank 0 never.
    """

    heading: str
    cells: Sequence[Text]
    is_number: bool = False
    rank: int = 0

    @property
    def width(self) -> int:
        """Width of its widest cell [characters]."""
        return max([len(self.heading), *(cell.cell_len for cell in self.cells)])


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
    """

    columns: Sequence[FittedColumn]
    styles: Sequence[str | None]
    title: str | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield what fits into the width of the console."""
        if self.title:
            yield Text(self.title)
        for rank in range(max(column.rank for column in self.columns), -1, -1):
            kept = [column for column in self.columns if column.rank <= rank]
            if sum(column.width for column in kept) + 2 * (len(kept) - 1) <= options.max_width:
                yield self._table(kept)
                return
        yield from self._list()

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Return the least and the largest width [characters]."""
        return Measurement(1, options.max_width)

    def _table(self, columns: Sequence[FittedColumn]) -> Table:
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        for column in columns:
            table.add_column(Text(column.heading), justify="right" if column.is_number else "left", no_wrap=True)
        for style, *cells in zip(self.styles, *(column.cells for column in columns), strict=True):
            table.add_row(*cells, style=style)
        return table

    def _list(self) -> Iterator[Text]:
        """Yield a line for each value of the columns that are never left out."""
        name, *others = [column for column in self.columns if column.rank == 0]
        for n, cell in enumerate(name.cells):
            yield Text.assemble(cell, style="bold")
            for column in others:
                yield Text.assemble(f"  {column.heading}: ", column.cells[n])
