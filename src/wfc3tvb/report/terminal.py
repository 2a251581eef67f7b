"""Output for the terminal: rich renderables made of rows, which the command line prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from wfc3tvb.catalog.column_notes import notes_of
from wfc3tvb.catalog.queries import Query
from wfc3tvb.models import Row
from wfc3tvb.report.fitted_table import FittedColumn, FittedTable
from wfc3tvb.report.sentences import date, duration, printable, size, why

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "counts", "curve", "date", "duration", "exposures_table", "failure", "finding", "pairs", "planned", "queries_table",
    "relation", "repaired", "repairs", "size", "verdict", "why",
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
_BAR = 36
#: Width at which long texts are folded [characters].
_LONG = 60


def exposures_table(rows: Sequence[Row], title: str | None = None) -> FittedTable:
    """Return the table of exposures of an association or visit, with their verdicts."""
    columns = [
        FittedColumn(heading, [_cell(row[column], form) for row in rows], form[-1:] in ("d", "f"), rank)
        for heading, column, form, rank in _EXPOSURE_COLUMNS
    ]
    return FittedTable(columns, ["bold" if row["flagged"] else None for row in rows], title)


def curve(reads: Sequence[Row]) -> RenderableType:
    """Return the table of an exposure's reads, with bars for the interval rates and the Sun's altitude."""
    rates = [row["rate"] for row in reads if row["rate"] is not None]
    top = max([*rates, 1e-9])
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("read", "t_end [s]", "rate [e-/s]", "+-"):
        table.add_column(Text(heading), justify="right", no_wrap=True)
    table.add_column(f"0 ... {top:.2f} e-/s", min_width=_BAR)
    table.add_column(Text("Sun alt [deg]"), justify="right", no_wrap=True)
    for row in reads:
        rate = row["rate"]
        length = 0 if rate is None else max(0, round(_BAR * rate / top))
        bar = Text("█" * length, style="cyan" if row["used"] else "bright_black")
        sun = "" if row["sun_alt"] is None else f"{row['sun_alt']:.1f}" + (" shadow" if row["in_shadow"] else "")
        cells = Text(f"{row['t_end']:.1f}"), _cell(rate, ".3f"), _cell(row["rate_err"], ".3f")
        table.add_row(str(row["read"]), *cells, bar, sun)
    return table


def verdict(row: Row) -> RenderableType:
    """Return the verdict on an exposure, with the reasons."""
    lines = [Text.assemble((row["rootname"], "bold"), f"  {row['filter']} {row['samp_seq']} NSAMP {row['nsamp']}")]
    if row["tvb_class"] is None:
        flags = ", ".join(row["quality_flags"]) or "no reason recorded"
        return Group(*lines, Text(f"no verdict: {flags}", style="yellow"))
    style = CLASS_STYLES[row["tvb_class"]]
    kind = f", {row['tvb_kind']}" if row["tvb_kind"] else ""
    lines.append(Text.assemble("verdict: ", (f"{row['tvb_class']}{kind}", style), f"; recommended: {row['recommend']}"))
    lines += [Text("  " + sentence) for sentence in why(row)]
    return Group(*lines)


def counts(classes: Mapping[str, int]) -> Text:
    """Return the number of exposures of each class on one line."""
    parts = [(f"{name} {n}", CLASS_STYLES.get(name, "bright_black")) for name, n in classes.items()]
    separated: list[Any] = [piece for part in parts for piece in (part, "  ")]
    return Text.assemble(*separated[:-1])


def relation(rows: pa.Table, limit: int | None = None, width: int | None = None) -> Table:
    """Return the result of a query as a table of at most `limit` rows, and the columns that fit into `width`.

    With a width the headings have units, in a second line.
    """
    from pyarrow import types

    shown = rows.slice(0, limit).to_pylist()
    table = Table(box=None, header_style="bold", pad_edge=False)
    noted = {} if width is None else notes_of(rows.schema)  # a program that reads the table gets one line of names
    units = {name: column.unit for name, column in noted.items() if column.unit}
    names = _fitting_columns(rows.column_names, shown, units, width)
    for name in names:
        kind = rows.schema.field(name).type
        is_number = types.is_integer(kind) or types.is_floating(kind)
        heading = Text(printable(name) + (f"\n[{units[name]}]" if name in units else ""))
        table.add_column(heading, justify="right" if is_number else "left", overflow="fold")
    for row in shown:
        table.add_row(*(Text(_value(row[name])) for name in names))
    return table


def _fitting_columns(
    names: Sequence[str], rows: Sequence[Row], units: Mapping[str, str], width: int | None
) -> Sequence[str]:
    """Return the first columns that fit side by side, at least one; long texts count as `_LONG` characters."""
    if width is None:
        return names
    headings = {name: max(len(name), len(f"[{units[name]}]") if name in units else 0) for name in names}
    needed = [max(headings[name], *(min(len(_value(row[name])), _LONG) for row in rows), 0) + 2 for name in names]
    return names[: max(1, sum(1 for end in accumulate(needed) if end - 2 <= width))]


def queries_table(queries: Iterable[Query]) -> Table:
    """Return the list of documented queries with their parameters."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("query", "answers", "parameters"):
        table.add_column(heading, no_wrap=heading == "query")
    for query in queries:
        parameters = ", ".join(p.name if p.default is None else f"{p.name}={p.default}" for p in query.parameters)
        table.add_row(query.name, query.title, parameters)
    return table


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
    """Return the table of the exposures of a plan: method, expected gain [mag], and the reason where it fits."""
    columns = (
        FittedColumn("rootname", [Text(each.rootname) for each in exposures]),
        FittedColumn("method", [Text(each.method) for each in exposures]),
        FittedColumn("gain [mag]", [_cell(each.gain_mag, "+z.2f") for each in exposures], is_number=True),
        FittedColumn("reason", [Text(each.reason) for each in exposures], rank=1),
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
    """Return what became of a repair, on one line: accepted or not, how much deeper, and where the product is."""
    name = f"{row['rootname'] or row['dataset']}_{row['kind']}"
    gain = row["exptime_factor"]
    depth = "" if gain is None else f", as deep as {gain:.1f} times the exposure ({row['depth_gain_mag']:+.2f} mag)"
    if not row["accepted"]:
        return Text.assemble(f"{name}: ", ("not accepted", "bold red"), f": {row['accept_reason']}")
    return Text.assemble(f"{name} by {row['method']}: ", ("accepted", "green"), f"{depth}; {row['path']}")


def finding(passed: bool, text: str, *, optional: bool = False) -> Text:
    """Return the result of a check on one line: ok, wrong, or no (in yellow) for an optional one."""
    word, style = ("ok", "green") if passed else ("no", "yellow") if optional else ("wrong", "bold red")
    return Text.assemble((f"{word:6}", style), text)


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


def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):  # five decimals of an MJD keep its seconds
        return f"{value:.5f}" if 1e4 <= abs(value) < 1e9 else f"{value:.7g}"
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return printable(str(value))
