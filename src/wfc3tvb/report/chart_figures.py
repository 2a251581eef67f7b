"""Charts of the report, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from wfc3tvb.models import Row
from wfc3tvb.report.charts import Chart, classes, dates
from wfc3tvb.report.colors import BLUE, CLASS_COLORS, ORANGE, RED

#: Number of points above which they are drawn small.
_MANY = 1500


def chart_figure(chart: Chart, rows: Sequence[Row]) -> Figure:
    """Draw a chart."""
    figure = Figure(figsize=(6.4, 3.5), layout="constrained")
    axis = figure.subplots()
    _DRAW[chart.kind](axis, chart, rows)
    axis.set_xlabel(chart.labels[0], fontsize=9)
    axis.set_ylabel(chart.labels[1], fontsize=9)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25, lw=0.5)
    axis.set_axisbelow(True)
    return figure


def _stacked(axis: Axes, chart: Chart, rows: Sequence[Row]) -> None:
    names = list(dict.fromkeys(row[chart.x] for row in rows))
    bottom = np.zeros(len(names))
    for name in classes(rows, chart.group):
        values = {row[chart.x]: row[chart.y] for row in rows if row[chart.group] == name}
        heights = np.array([values.get(n, 0.0) for n in names])
        axis.bar([str(n) for n in names], heights, bottom=bottom, color=CLASS_COLORS[name], width=0.6,
                 label=name or "no verdict")  # fmt: skip
        bottom += heights
    axis.set_xlim(-0.8, max(len(names), 3) - 0.2)
    axis.legend(fontsize=8, frameon=False, bbox_to_anchor=(1, 1), loc="upper left")


def _bars(axis: Axes, chart: Chart, rows: Sequence[Row]) -> None:
    fraction, n = (np.array([row[name] for row in rows], float) for name in (chart.y, "n"))
    error = np.sqrt(np.clip(fraction * (1 - fraction), 0, None) / n)
    style: dict[str, Any] = {"ecolor": "0.1", "error_kw": {"lw": 1}, "color": BLUE, "width": 0.7}
    axis.bar([str(row[chart.x]) for row in rows], fraction, yerr=error, **style)
    if len(rows) > 8:
        axis.tick_params(axis="x", rotation=60)


def _lines(axis: Axes, chart: Chart, rows: Sequence[Row]) -> None:
    for (name, line), color in zip(chart.lines(rows), (ORANGE, BLUE), strict=False):
        axis.plot([row[chart.x] for row in line], [row[chart.y] for row in line], "o-", ms=4, color=color, label=name)
    axis.axhline(0, color="0.6", lw=0.8)
    axis.legend(fontsize=8, frameon=False)


def _steps(axis: Axes, chart: Chart, rows: Sequence[Row]) -> None:
    axis.step([row[chart.x] for row in rows], [row[chart.y] for row in rows], where="post", color=BLUE,
              label=f"{len(rows)} exposures")  # fmt: skip
    if chart.marks:
        axis.plot(*np.transpose(chart.marks), "D", color=RED, ms=6, label="published")
    axis.set_ylim(0, 1.03)
    axis.legend(fontsize=8, frameon=False, loc="lower right")


def _points(axis: Axes, chart: Chart, rows: Sequence[Row]) -> None:
    shown = [row for row in rows if row[chart.x] is not None and row[chart.y] is not None]
    style: dict[str, Any] = {"ms": 2.5, "alpha": 0.5} if len(shown) > _MANY else {"ms": 4, "alpha": 0.7}
    for name in classes(shown):
        part = [row for row in shown if row.get("tvb_class") == name]
        numbers: Any = [row[chart.x] for row in part]
        x = dates(numbers) if chart.x == "expstart" else numbers
        axis.plot(x, [row[chart.y] for row in part], "o", mec="none", color=CLASS_COLORS[name],
                  label=name or "no verdict", **style)  # fmt: skip
    if chart.x == "expstart":
        locator = AutoDateLocator()  # type: ignore[no-untyped-call]
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axis.legend(fontsize=8, frameon=False, markerscale=2 if len(shown) > _MANY else 1)


_DRAW = {"stacked": _stacked, "bars": _bars, "lines": _lines, "steps": _steps, "points": _points}
