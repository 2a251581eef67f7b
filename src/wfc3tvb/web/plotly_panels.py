"""Charts of the explorer as small interactive plots, one per filter or all filters in one, as Plotly's JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wfc3tvb.models import Row
from wfc3tvb.report.binned import FEWEST
from wfc3tvb.report.charts import Chart, classes, dates
from wfc3tvb.report.sentences import counted
from wfc3tvb.report.svg import limits
from wfc3tvb.web.plotly_charts import class_color

#: Fewest bins that show a trend.
_FEWEST_BINS = 5
#: Margins of a plot [pixel], the upper one for the buttons, and its height on a page with several and alone.
_MARGIN = {"t": 30, "r": 12, "b": 54, "l": 58}
SMALL, LARGE = 290, 440
#: Classes of the style sheet for the lines of a chart and of filters.
_LINES, _FILTERS = ("orange", "blue"), ("blue", "red", "green", "pink", "orange", "sky", "brown")

Trace = dict[str, Any]
#: Entry of a key: class of the style sheet, symbol, meaning.
Entry = tuple[str, str, str]


@dataclass(frozen=True)
class Panel:
    """Plot of a filter, or of all filters where it has no name: how much it shows, and the plot as JSON."""

    name: str
    count: str
    plot: str


@dataclass(frozen=True)
class Panels:
    """Plots of a chart, and their key."""

    panels: list[Panel] = field(default_factory=list)
    key: list[Entry] = field(default_factory=list)

    @property
    def has_trend(self) -> bool:
        """Whether medians are drawn."""
        return any(symbol == "band" for _, symbol, _ in self.key)


def panels(chart: Chart, rows: Sequence[Row], medians: Sequence[Row], *, height: int = SMALL) -> Panels:
    """Return the plots of a chart; none where it has too few rows.

    Parameters
    ----------
    chart : Chart
        The chart.
    rows, medians : rows
        Rows of its statements, see `wfc3tvb.web.chart_statements.statements`.
    height : int, optional
        Height of a plot [pixel].
    """
    return _DRAW[chart.kind](chart, rows, medians, height)


def _stacked(chart: Chart, rows: Sequence[Row], _: Sequence[Row], height: int) -> Panels:
    """Draw the bars of all filters, a part for each class."""
    parts = [(name, [row for row in rows if row[chart.group] == name]) for name in classes(rows, chart.group)]
    traces = [
        {"x": [str(row[chart.x]) for row in part], "y": _rounded(part, chart.y), "type": "bar",
         "marker": {"color": class_color(name)}, "text": [counted(row["n"], "exposure") for row in part],
         "textposition": "none", "name": name or "no verdict"}
        for name, part in parts
    ]  # fmt: skip
    layout = _layout(chart, height, y=(0.0, 1.0)) | {"barmode": "stack"}
    layout["xaxis"] |= {"type": "category", "range": [-0.6, max(len({row[chart.x] for row in rows}), 3) - 0.4]}
    key = [(name or "unknown", "dot", name or "no verdict") for name, _ in parts]
    count = counted(sum(row["n"] for row in rows), "exposure")
    return Panels([Panel("", f"all {count}", _json(traces, layout))], key) if rows else Panels()


def _bars(chart: Chart, rows: Sequence[Row], _: Sequence[Row], height: int) -> Panels:
    """Draw a bar for each year; two years are needed."""
    parts = {name: part for name, part in _by_filter(chart, rows).items() if len(part) > 1}
    every = [row for part in parts.values() for row in part]
    years = limits((row[chart.x] for row in every), margin=0.0) if every else (0.0, 1.0)
    layout = _layout(chart, height, x=(years[0] - 0.6, years[1] + 0.6), y=_up(chart, every))
    layout["xaxis"] |= {"tickformat": "d", "nticks": 6}
    found = []
    for name, part in parts.items():
        text = [counted(row["n"], "exposure") for row in part]
        bars = _xy(chart, part) | {"type": "bar", "marker": {"color": "--blue"}, "text": text, "textposition": "none"}
        found.append(Panel(name, f"all {counted(sum(row['n'] for row in part), 'exposure')}", _json([bars], layout)))
    return Panels(found)


def _lines(chart: Chart, rows: Sequence[Row], _: Sequence[Row], height: int) -> Panels:
    """Draw lines through means in bins."""
    parts = {name: list(chart.lines(part)) for name, part in _by_filter(chart, rows).items()}
    every = [row for part in parts.values() for _, line in part for row in line]
    if not every:
        return Panels()
    layout = _layout(chart, height, x=limits(row[chart.x] for row in every), y=_up(chart, every))
    found = []
    for name, part in parts.items():
        traces = [_xy(chart, line) | {"mode": "lines+markers", "name": label, "line": {"color": f"--{color}"},
                                      "text": [counted(row["n_reads"], "read") for row in line]}
                  for (label, line), color in zip(part, _LINES, strict=False) if line]  # fmt: skip
        drawn = sum(row["n_reads"] for _, line in part for row in line)
        n = sum(row["n_reads"] for row in rows if row["filter"] == name)
        if traces:
            found.append(Panel(name, f"means of {_of(drawn, n, 'read')}", _json(traces, layout)))
    return Panels(found, [(color, "line", label) for label, color in zip(chart.names.values(), _LINES, strict=False)])


def _steps(chart: Chart, rows: Sequence[Row], _: Sequence[Row], height: int) -> Panels:
    """Draw the distributions of all filters in one plot."""
    parts = _by_filter(chart, rows)
    if not parts:
        return Panels()
    traces, key = [], []
    for (name, part), color in zip(parts.items(), _FILTERS, strict=False):
        style = {"mode": "lines", "line": {"shape": "hv", "color": f"--{color}"}, "name": name}
        traces.append(_xy(chart, part) | style | {"text": [row["rootname"] for row in part]})
        key.append((color, "line", f"{name}, {_of(len(part), part[0]['n'], 'exposure')}"))
    if chart.marks and "F105W" in parts:
        x, y = zip(*chart.marks, strict=True)
        traces.append({"x": x, "y": y, "mode": "markers", "name": "published", "marker": {"color": "--ink", "size": 9}})
        key.append(("ink", "dot", "published"))
    n = sum(part[0]["n"] for part in parts.values())
    plot = _json(traces, _layout(chart, height, y=(0.0, 1.03)))
    return Panels([Panel("", f"steps at {_of(len(rows), n, 'exposure')}", plot)], key)


def _points(chart: Chart, rows: Sequence[Row], medians: Sequence[Row], height: int) -> Panels:
    """Draw points, and over them the median and the band of two thirds of all points."""
    parts = _by_filter(chart, rows)
    if not parts:
        return Panels()
    trend = {name: [row for row in medians if row["filter"] == name and row["n"] >= FEWEST] for name in parts}
    trend = {name: part for name, part in trend.items() if len(part) >= _FEWEST_BINS}
    y = limits(np.percentile([row[chart.y] for row in rows], (0.5, 99.5)).tolist())
    layout = _layout(chart, height, x=limits([row[chart.x] for row in rows], margin=0.03), y=y)
    found = []
    for name, part in parts.items():
        n = sum(row["n"] for row in medians if row["filter"] == name)
        traces = [_cloud(chart, part, kind) for kind in classes(part)] + _trend(chart, trend.get(name, []))
        count = _of(len(part), n, "read" if "read" in part[0] else "exposure")
        outside = sum(not y[0] <= row[chart.y] <= y[1] for row in part)
        found.append(Panel(name, count + (f", {outside} outside the scale" if outside else ""), _json(traces, layout)))
    key = [(name or "unknown", "dot", name or "no verdict") for name in classes(rows)]
    return Panels(found, key + ([("ink", "line", "median"), ("ink", "band", "16 to 84 %")] if trend else []))


def _cloud(chart: Chart, rows: Sequence[Row], kind: str | None) -> Trace:
    part = [row for row in rows if row["tvb_class"] == kind]
    style = {"mode": "markers", "marker": {"color": class_color(kind), "size": 5, "opacity": 0.6}}
    return _xy(chart, part) | style | {"name": kind or "no verdict", "text": [row["rootname"] for row in part],
                                       "hovertemplate": "%{text}<br>%{x}: %{y}"}  # fmt: skip


def _trend(chart: Chart, bins: Sequence[Row]) -> list[Trace]:
    if not bins:
        return []
    x, (low, high, median) = _x(chart, bins), (_rounded(bins, name) for name in ("low", "high", "median"))
    band = {"x": [*x, *reversed(x)], "y": [*high, *reversed(low)], "fill": "toself", "mode": "lines", "opacity": 0.35,
            "line": {"width": 0, "color": "--ink"}, "hoverinfo": "skip", "name": "16 to 84 %"}  # fmt: skip
    text = [f"{row['n']:,}: {row['low']:.3g} to {row['high']:.3g}" for row in bins]
    line = {"x": x, "y": median, "mode": "lines", "line": {"color": "--ink", "width": 2.5}, "name": "median",
            "text": text, "hovertemplate": "median %{y} of %{text}"}  # fmt: skip
    return [band, line]


def _layout(
    chart: Chart, height: int, *, x: tuple[float, float] | None = None, y: tuple[float, float] | None = None
) -> dict[str, Any]:
    """Return the layout of a plot with the ranges of its axes, those of x as dates where it shows dates."""
    titles = ({"text": label, "font": {"size": 12}, "standoff": 8} for label in chart.labels)
    across, up = ({"title": title, "tickfont": {"size": 11}} for title in titles)
    if x is not None:
        across["range"] = [str(day) for day in dates(x)] if chart.x == "expstart" else list(x)
    if y is not None:
        up["range"] = list(y)
    return {"height": height, "margin": _MARGIN, "hovermode": "closest", "showlegend": False,
            "xaxis": across, "yaxis": up}  # fmt: skip


def _by_filter(chart: Chart, rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows that have both values, by filter."""
    whole = [row for row in rows if row[chart.x] is not None and row[chart.y] is not None]
    return {name: [row for row in whole if row["filter"] == name] for name in sorted({row["filter"] for row in whole})}


def _xy(chart: Chart, rows: Sequence[Row]) -> Trace:
    return {"x": _x(chart, rows), "y": _rounded(rows, chart.y)}


def _x(chart: Chart, rows: Sequence[Row]) -> list[Any]:
    return (
        [str(day) for day in dates([row[chart.x] for row in rows])]
        if chart.x == "expstart"
        else _rounded(rows, chart.x)
    )


def _rounded(rows: Sequence[Row], name: str) -> list[float]:
    """Return the values of a column with five digits, which a plot cannot show better."""
    return [float(f"{row[name]:.5g}") for row in rows]


def _up(chart: Chart, rows: Sequence[Row]) -> tuple[float, float]:
    return limits((row[chart.y] for row in rows), zero=True) if rows else (0.0, 1.0)


def _of(shown: int, n: int, name: str) -> str:
    """Return how many are shown of how many: 250 of 2,145 reads."""
    return f"all {counted(n, name)}" if shown == n else f"{shown:,} of {counted(n, name)}"


def _json(traces: list[Trace], layout: dict[str, Any]) -> str:
    return json.dumps({"data": traces, "layout": layout})


_DRAW: dict[str, Callable[[Chart, Sequence[Row], Sequence[Row], int], Panels]] = {
    "stacked": _stacked, "bars": _bars, "lines": _lines, "steps": _steps, "points": _points,
}  # fmt: skip
