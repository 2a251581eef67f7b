"""Output for the terminal: rich renderables made of rows, which the command line prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from wfc3tvb.catalog.queries import Query
from wfc3tvb.models import Row
from wfc3tvb.report.fitted_table import FittedColumn, FittedTable, indented
from wfc3tvb.report.sentences import counted, date, duration, size, why

__all__ = [
    "counted", "counts", "curve", "date", "duration", "exposures_table", "failure", "finding", "largest_rate", "pairs",
    "planned", "queries_table", "place", "repaired", "repairs", "size", "verdict", "why",
]  # fmt: skip

CLASS_STYLES = {"none": "green", "mild": "yellow", "moderate": "dark_orange", "severe": "bold red"}
#: Table of exposures: heading, column, format, and the rank in which columns are left out on narrow terminals.
_EXPOSURE_COLUMNS = (
    ("rootname", "rootname", "", 0),
    ("filter", "filter", "", 2),
    ("samp_seq", "samp_seq", "", 3),
    ("nsamp", "nsamp", "d", 5),
    ("exptime", "exptime", ".1f", 4),
    ("postarg1", "postarg1", ".3f", 6),
    ("postarg2", "postarg2", ".3f", 6),
    ("date", "expstart", "date", 7),
    ("sky", "sky_mean", ".2f", 0),
    ("ratio", "ratio_cumulative", ".2f", 1),
    ("score", "tvb_score", ".1f", 1),
    ("class", "tvb_class", "class", 0),
    ("kind", "tvb_kind", "", 1),
    ("gain", "gain_mag", "z.2f", 2),
    ("recommend", "recommend", "", 0),
)
#: Length of the longest bar [characters], and the mark of pstat's cumulative median on it.
_BAR, _MARK = 28, "◆"
#: Width below which a curve is a list [characters].
_NARROW_CURVE = 58


def exposures_table(rows: Sequence[Row], title: str | None = None) -> FittedTable:
    """Return the table of exposures of an association or visit, with their verdicts."""
    columns = [
        FittedColumn(heading, [_cell(row[column], form) for row in rows], form[-1:] in ("d", "f"), rank)
        for heading, column, form, rank in _EXPOSURE_COLUMNS
    ]
    return FittedTable(columns, ["bold" if row["flagged"] else None for row in rows], title)


def curve(reads: Sequence[Row], *, top: float | None = None) -> FittedTable:
    """Return the table of an exposure's reads, with bars for the interval rates and the Sun's altitude.

    Where the reads have cumulative medians, as wfc3tools.pstat computes them, a mark shows them on the same scale.

    Parameters
    ----------
    reads : sequence of rows
        Rows of `reads`.
    top : float, optional
        Rate at the end of the scale [electron/s]; by default the largest of these reads.
    """
    top = top or largest_rate([reads])
    columns = [
        FittedColumn("read", [Text(str(row["read"])) for row in reads], is_number=True),
        FittedColumn("t_end [s]", [_cell(row["t_end"], ".1f") for row in reads], is_number=True),
        FittedColumn("rate [e-/s]", [_cell(row["rate"], ".3f") for row in reads], is_number=True),
        FittedColumn("+-", [_cell(row["rate_err"], ".3f") for row in reads], is_number=True, rank=1),
        FittedColumn(f"0 ... {top:.2f} e-/s", [_bar(row, top) for row in reads]),
        FittedColumn("Sun alt [deg]", [_sun(row) for row in reads], is_number=True, rank=2),
    ]
    if any(row["cumulative_median"] is not None for row in reads):
        medians = [_cell(row["cumulative_median"], ".3f") for row in reads]
        columns.insert(4, FittedColumn(f"pstat {_MARK}", medians, is_number=True))
    return FittedTable(columns, [None] * len(reads), narrowest=_NARROW_CURVE)


def largest_rate(exposures: Iterable[Sequence[Row]]) -> float:
    """Return the largest rate, or cumulative median, of some exposures [electron/s]; of the used reads, if any are."""
    reads = [row for each in exposures for row in each]
    used = [row for row in reads if row["used"]] or reads
    return max((row[name] or 0.0 for row in used for name in ("rate", "cumulative_median")), default=0.0) or 1e-9


def _bar(row: Row, top: float) -> Text:
    """Return the bar of a read, with the mark of its cumulative median."""
    length = min(max(0, round(_BAR * (row["rate"] or 0.0) / top)), _BAR)
    bar = Text("█" * length + " " * (_BAR - length), style="cyan" if row["used"] else "bright_black")
    if (median := row["cumulative_median"]) is not None and median >= 0:
        place = min(max(round(_BAR * median / top) - 1, 0), _BAR - 1)
        bar = Text.assemble(bar[:place], (_MARK, "bold yellow"), bar[place + 1 :])
    return bar


def _sun(row: Row) -> Text:
    return Text("" if row["sun_alt"] is None else f"{row['sun_alt']:.1f}" + (" shadow" if row["in_shadow"] else ""))


def verdict(row: Row) -> RenderableType:
    """Return the verdict on an exposure, with the reasons."""
    name = Text.assemble((row["rootname"], "bold"), f"  {row['filter']} {row['samp_seq']} NSAMP {row['nsamp']}")
    lines: list[RenderableType] = [name]
    if row["tvb_class"] is None:
        flags = ", ".join(row["quality_flags"]) or "no reason recorded"
        return Group(*lines, Text(f"no verdict: {flags}", style="yellow"))
    style = CLASS_STYLES[row["tvb_class"]]
    kind = f", {row['tvb_kind']}" if row["tvb_kind"] else ""
    lines.append(Text.assemble("verdict: ", (f"{row['tvb_class']}{kind}", style), f"; recommended: {row['recommend']}"))
    lines += [indented(Text(sentence)) for sentence in why(row)]
    return Group(*lines)


def counts(classes: Mapping[str, int]) -> Text:
    """Return the number of exposures of each class on one line."""
    parts = [(f"{name} {n}", CLASS_STYLES.get(name, "bright_black")) for name, n in classes.items()]
    separated: list[Any] = [piece for part in parts for piece in (part, "  ")]
    return Text.assemble(*separated[:-1])


def queries_table(queries: Sequence[Query]) -> FittedTable:
    """Return the list of documented queries with their parameters."""
    parameters = [
        ",\n".join(p.name if p.default is None else f"{p.name}={p.default}" for p in query.parameters)
        for query in queries
    ]
    columns = (
        FittedColumn("query", [Text(query.name) for query in queries]),
        FittedColumn("answers", [Text(query.title) for query in queries], is_folded=True),
        FittedColumn("parameters", [Text(each) for each in parameters]),
    )
    return FittedTable(columns, [None] * len(queries))


def pairs(rows: Iterable[tuple[str, object]]) -> Table:
    """Return names and values as two columns."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, Text(str(value)))
    return table


def repairs(rows: Sequence[Row]) -> FittedTable:
    """Return the table of the products of a repair, with their values before and after [electron/s]."""
    columns = (
        FittedColumn("product", [Text(f"{row['rootname'] or row['dataset']}_{row['kind']}") for row in rows]),
        FittedColumn("method", [Text(row["method"]) for row in rows]),
        FittedColumn("sky [e-/s]", [_change(row, "sky", "z.3f") for row in rows], is_number=True),
        FittedColumn("noise [e-/s]", [_change(row, "noise", ".4f") for row in rows], is_number=True),
        FittedColumn("limit", [_cell(row["noise_expected"], ".4f") for row in rows], is_number=True, rank=1),
        FittedColumn("mag", [_gain(row) for row in rows], is_number=True),
        FittedColumn("ok", [_accepted(row["accepted"]) for row in rows]),
    )
    return FittedTable(columns, [None] * len(rows))


def planned(exposures: Sequence[Any]) -> FittedTable:
    """Return the table of the exposures of a plan: method, expected gain [mag], and the reason."""
    columns = (
        FittedColumn("rootname", [Text(each.rootname) for each in exposures]),
        FittedColumn("method", [Text(each.method) for each in exposures]),
        FittedColumn("gain [mag]", [_cell(each.gain_mag, "+z.2f") for each in exposures], is_number=True),
        FittedColumn("reason", [Text(each.reason) for each in exposures], is_folded=True),
    )
    return FittedTable(columns, ["bold" if each.method != "perform" else None for each in exposures])


def _change(row: Row, name: str, form: str) -> Text:
    """Return the value before and after a repair."""
    return Text.assemble(_cell(row[f"{name}_before"], form), " -> ", _cell(row[f"{name}_after"], form))


def _gain(row: Row) -> Text:
    """Return the gain in depth [mag]; for an exposure that was not repaired, nothing."""
    return Text("") if row["accepted"] is None else _cell(row["depth_gain_mag"], "+z.2f")


def _accepted(accepted: bool | None) -> Text:
    return Text("") if accepted is None else Text("yes", "green") if accepted else Text("no", "bold red")


def repaired(row: Row) -> Text:
    """Return what became of a repair, on one line: accepted or not, and how much deeper."""
    name = f"{row['rootname'] or row['dataset']}_{row['kind']} by {row['method']}: "
    gain = row["exptime_factor"]
    depth = "" if gain is None else f", {row['depth_gain_mag']:+.2f} mag ({gain:.1f} times the exposure)"
    if not row["accepted"]:
        return Text.assemble(name, ("not accepted", "bold red"), f": {row['accept_reason']}")
    return Text.assemble(name, ("accepted", "green"), depth)


def place(row: Row) -> Text:
    """Return the path of a product on a line that is never broken."""
    return Text(f"  {row['path']}", no_wrap=True, overflow="ignore")


def finding(passed: bool, about: str, detail: str, *, optional: bool = False) -> Table:
    """Return the result of a check: ok, wrong, or no (in yellow) for an optional one, what was checked, the finding."""
    word, style = ("ok", "green") if passed else ("no", "yellow") if optional else ("wrong", "bold red")
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(min_width=5)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(word, style), Text(about), Text(detail))
    return grid


def failure(row: Row) -> Text:
    """Return a row of `failures` on one line."""
    return Text.assemble("  ", (row["key"], "red"), f" {row['stage']}: {row['message']}")


def _cell(value: Any, form: str) -> Text:
    if value is None:
        return Text("-", style="bright_black")
    if form == "date":
        return Text(date(value))
    if form == "class":
        return Text(value, style=CLASS_STYLES[value])
    return Text(format(value, form) if form else str(value))
