"""Charts of the report as small plots for pages: one per filter, or all filters in one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import sqrt

import numpy as np
from markupsafe import Markup

from wfc3tvb.dates import mjd_of, moment_of
from wfc3tvb.models import Row
from wfc3tvb.report.binned import HIGH, LOW, Bins, binned, thinned
from wfc3tvb.report.charts import Chart, ChartRows, classes
from wfc3tvb.report.svg import Plot, limits, round_values

#: Points drawn in a plot; medians and percentiles are those of all.
POINTS = 250
#: Most points that are drawn large, since they do not hide one another.
_FEW = 60
#: Fewest bins that show a trend.
_FEWEST_BINS = 5
#: Steps in a distribution, each a percentile.
_STEPS = 200
#: Size of a plot [pixel].
SIZE = (360, 230)
_FILTER_COLORS = ("blue", "red", "green", "pink", "orange", "sky", "brown")
_PUBLISHED = "published"
#: Days of a year, and the span of dates in days above which years are written.
_YEAR, _YEARS = 365.25, 800.0

#: First and last value of an axis.
Limits = tuple[float, float]
#: Entry of a key: class of the style, symbol, meaning.
Entry = tuple[str, str, str]


@dataclass(frozen=True)
class Drawn:
    """Chart as drawn: its plots, its key, and what the plots leave out."""

    plots: list[Markup]
    key: list[Entry]
    note: str = ""


def draw(chart: Chart, rows: ChartRows) -> Drawn:
    """Draw a chart."""
    return _DRAW[chart.kind](chart, rows)


def _stacked(chart: Chart, rows: ChartRows) -> Drawn:
    found = [row for part in rows.panels.values() for row in part]
    names, parts = list(dict.fromkeys(row[chart.x] for row in found)), classes(found, chart.group)
    plot = Plot((-0.6, max(len(names), 3) - 0.4), (0.0, 1.0), ("", chart.labels[1]), size=SIZE)
    plot.axes(across=[(n, str(name)) for n, name in enumerate(names)])
    for n, name in enumerate(names):
        bottom = 0.0
        for part in parts:
            row = next((row for row in found if row[chart.x] == name and row[chart.group] == part), None)
            if row:
                top = bottom + row[chart.y]
                plot.bar((n - 0.35, n + 0.35), (bottom, top), part or "unknown", f"{part or 'no verdict'}: {row['n']}")
                bottom = top
    key = [(part or "unknown", "dot", part or "no verdict") for part in parts]
    return Drawn([plot.svg(chart.title)], key)


def _bars(chart: Chart, rows: ChartRows) -> Drawn:
    every = [row for part in rows.panels.values() for row in part]
    years = [row[chart.x] for row in every]
    top = limits((min(row[chart.y] + _error(row[chart.y], row["n"]), 1.0) for row in every), zero=True)
    plots = []
    for name, part in rows.panels.items():
        plot = Plot((min(years) - 0.6, max(years) + 0.6), top, chart.labels, name, SIZE)
        plot.axes(across=[(year, f"{year:.0f}") for year in round_values(min(years), max(years)) if year % 1 == 0])
        for row in part:
            share, n = row[chart.y], row["n"]
            plot.bar(
                (row[chart.x] - 0.38, row[chart.x] + 0.38), (0.0, share), "blue", f"{row[chart.x]}: {share:.2f} of {n}"
            )
            error = _error(share, n)
            plot.line([(row[chart.x], max(share - error, 0.0)), (row[chart.x], min(share + error, 1.0))], "ink")
        plots.append(plot.svg(f"{chart.title}, {name}"))
    return Drawn(plots, [("ink", "line", "error of the fraction")])


def _error(share: float, n: int) -> float:
    """Return the error of a fraction of n."""
    return sqrt(share * (1 - share) / n)


def _lines(chart: Chart, rows: ChartRows) -> Drawn:
    lines = {name: list(chart.lines(part)) for name, part in rows.panels.items()}
    every = [row for part in lines.values() for _, line in part for row in line]
    plots = []
    for name, part in lines.items():
        plot = Plot(limits(row[chart.x] for row in every), _up(chart, every), chart.labels, name, SIZE)
        plot.axes()
        plot.line([(plot.x[0], 0.0), (plot.x[1], 0.0)], "soft zero")
        for (_, line), color in zip(part, ("orange", "blue"), strict=False):
            points = [(row[chart.x], row[chart.y]) for row in line]
            plot.line(points, color)
            plot.dots(points, color)
        plots.append(plot.svg(f"{chart.title}, {name}"))
    key = [(color, "line", label) for label, color in zip(chart.names.values(), ("orange", "blue"), strict=False)]
    return Drawn(plots, key)


def _steps(chart: Chart, rows: ChartRows) -> Drawn:
    """Draw the distributions of all filters in one plot."""
    values = {name: np.sort([row[chart.x] for row in part]) for name, part in rows.panels.items()}
    ends = [value for part in values.values() for value in np.percentile(part, (0.0, 99.5))]
    plot = Plot(limits([*ends, *(x for x, _ in chart.marks)]), (0.0, 1.03), chart.labels, size=SIZE)
    plot.axes()
    key: list[Entry] = []
    for (name, part), color in zip(values.items(), _FILTER_COLORS, strict=False):
        shares = np.linspace(0, 1, min(_STEPS, part.size) + 1)[1:]
        points = [(float(x), float(share)) for x, share in zip(np.quantile(part, shares), shares, strict=True)]
        plot.line([point for point in points if point[0] <= plot.x[1]], color)
        key.append((color, "line", f"{name}, {_exposures(part.size)}"))
    plot.dots(chart.marks, "ink big")
    return Drawn([plot.svg(chart.title)], key + ([("ink", "dot", _PUBLISHED)] if chart.marks else []))


def _points(chart: Chart, rows: ChartRows) -> Drawn:
    panels = {name: _finite(chart, part) for name, part in rows.panels.items()}
    every = [row for part in panels.values() for row in part]
    xs, ys = ([row[column] for row in every] for column in (chart.x, chart.y))
    scales = limits(xs, margin=0.03), limits(np.percentile(ys, (0.3, 99.7)).tolist())
    plots = [_cloud(chart, part, name, scales) for name, part in panels.items()]
    shown = sum(min(len(part), POINTS) for part in panels.values())
    outside = sum(not scales[1][0] <= y <= scales[1][1] for y in ys)
    key = [(name or "unknown", "dot", name or "no verdict") for name in classes(every)]
    trend = any(len(_bins(chart, part).x) >= _FEWEST_BINS for part in panels.values())
    if trend:
        key += [("ink", "line", "median"), ("ink", "band", "16 to 84 %")]
    return Drawn(plots, key, _note(rows, shown, len(every), outside, trend=trend))


def _finite(chart: Chart, rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row[chart.x] is not None and row[chart.y] is not None]


def _cloud(chart: Chart, rows: Sequence[Row], name: str, scales: tuple[Limits, Limits]) -> Markup:
    """Draw some of the points, and medians and percentiles of all."""
    plot = Plot(scales[0], scales[1], chart.labels, name, SIZE)
    plot.axes(across=date_ticks(*plot.x) if chart.x == "expstart" else None)
    shown = [rows[number] for number in thinned(len(rows), POINTS)]
    size = "thin " if len(shown) > _FEW else ""
    for kind in classes(shown):
        points = [(row[chart.x], row[chart.y]) for row in shown if row["tvb_class"] == kind]
        inside = [point for point in points if plot.y[0] <= point[1] <= plot.y[1]]
        plot.dots(inside, f"{size}{kind or 'unknown'}")
    bins = _bins(chart, rows)
    if len(bins.x) >= _FEWEST_BINS:
        low, high, median = (np.clip(part, *plot.y).tolist() for part in (bins.low, bins.high, bins.median))
        x = bins.x.tolist()
        plot.band(list(zip(x, low, high, strict=True)), "ink")
        plot.line(list(zip(x, median, strict=True)), "ink strong")
    return plot.svg(f"{chart.title}, {name}")


def _bins(chart: Chart, rows: Sequence[Row]) -> Bins:
    x, y = (np.array([row[column] for row in rows], float) for column in (chart.x, chart.y))
    return binned(x, y)


def _note(rows: ChartRows, shown: int, n: int, outside: int, *, trend: bool) -> str:
    """Return a sentence that says what is drawn of how much."""
    what = "reads" if rows.of_reads else "exposures"
    parts = [f"Points: {shown:,} of {n:,} {what}" if shown < n else f"Points: all {n:,} {what}"]
    if rows.sampled < rows.exposures:
        parts.append(f"from {rows.sampled:,} of {rows.exposures:,} exposures, drawn at random")
    text = ", ".join(parts) + (
        f"; medians and the band ({LOW:.0f} to {HIGH:.0f} %) are those of all {n:,}" if trend else ""
    )
    return text + "." + (f" {outside:,} of them lie outside the scale." if outside else "")


def _up(chart: Chart, rows: Sequence[Row]) -> tuple[float, float]:
    return limits((row[chart.y] for row in rows), zero=True)


def _exposures(n: int) -> str:
    return f"{n:,} exposure{'' if n == 1 else 's'}"


def date_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Return ticks between two Modified Julian Dates: years, days, or hours and minutes."""
    if high - low > _YEARS:
        first, last = (2000 + (value - 51544.0) / _YEAR for value in (low, high))
        years = [round(year) for year in round_values(first, last) if abs(year - round(year)) < 1e-6]
        return [(mjd_of(datetime(year, 1, 1, tzinfo=UTC)), str(year)) for year in years]
    if high - low > 3:
        days = [round(day) for day in round_values(low, high, 3) if abs(day - round(day)) < 1e-6]
        return [(day, f"{moment_of(day):%Y-%m-%d}") for day in days]
    return [(hour / 24, f"{moment_of(hour / 24):%H:%M}") for hour in round_values(24 * low, 24 * high, 4)]


_DRAW: dict[str, Callable[[Chart, ChartRows], Drawn]] = {
    "stacked": _stacked, "bars": _bars, "lines": _lines, "steps": _steps, "points": _points,
}  # fmt: skip
