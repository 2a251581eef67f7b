"""Statements behind the charts of the explorer: their rows are what is drawn, and what is offered as CSV and SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wfc3tvb.catalog import queries
from wfc3tvb.catalog.views import literal
from wfc3tvb.report.binned import HIGH, LOW
from wfc3tvb.report.charts import Chart

#: Exposures of each filter that the points and medians of a chart come from, and points drawn of each filter.
EXPOSURES, POINTS = 1000, 250
#: Bins over the range of x, and steps of a distribution.
_BINS, _STEPS = 14, 200
#: Value of the parameter `limit` of a documented query that leaves nothing out.
_NO_LIMIT = "1000000000"

_DRAWN = """SELECT * FROM (
{rows}
)
WHERE {x} IS NOT NULL AND {y} IS NOT NULL AND filter IN ({filters})
QUALIFY row_number() OVER (PARTITION BY filter ORDER BY hash(rootname, {x})) <= {points}
ORDER BY filter, {x}, rootname"""
_MEDIANS = """WITH points AS (
{rows}
), ranges AS (
    SELECT filter, min({x}) AS first, max({x}) AS last FROM points
    WHERE {x} IS NOT NULL AND {y} IS NOT NULL AND filter IN ({filters}) GROUP BY filter
)
SELECT filter, median({x}) AS {x}, count(*) AS n, median({y}) AS median,
    quantile_cont({y}, {low}) AS low, quantile_cont({y}, {high}) AS high
FROM points JOIN ranges USING (filter) WHERE {x} IS NOT NULL AND {y} IS NOT NULL
GROUP BY filter, least(floor(({x} - first) / nullif(last - first, 0) * {bins}), {bins} - 1)
ORDER BY filter, 2"""
_DISTRIBUTION = """SELECT *, count(*) OVER (PARTITION BY filter) AS n FROM (
{rows}
)
QUALIFY row_number() OVER (PARTITION BY filter ORDER BY {x}, rootname) % greatest(1, n // {steps}) = 0
ORDER BY filter, {x}, rootname"""


@dataclass(frozen=True)
class Statements:
    """Statements of a chart.

    Attributes
    ----------
    drawn : str
        SELECT of the rows that are drawn: points, bars, lines.
    medians : str
        SELECT of medians and percentiles in bins; empty where a chart has none.
    """

    drawn: str
    medians: str = ""

    @property
    def all(self) -> tuple[str, ...]:
        """The statements that there are."""
        return (self.drawn, self.medians) if self.medians else (self.drawn,)


def sample(chart: Chart) -> str:
    """Return the SELECT of the sample of every filter that a chart of points is made from; empty where it takes all."""
    sampled = any(parameter.name == "per_filter" for parameter in queries.load(chart.query).parameters)
    return _rows(chart, ()) if chart.kind == "points" and sampled else ""


def statements(chart: Chart, filters: Sequence[str], *, chosen: bool, rows: str = "") -> Statements:
    """Return the statements of a chart.

    Parameters
    ----------
    chart : Chart
        The chart.
    filters : sequence of str
        Filters to draw.
    chosen : bool
        Whether only these are asked for; a chart with all filters in one plot shows every one otherwise.
    rows : str, optional
        SELECT of the rows that it is made from, where these are at hand; by default the chart's documented query.
    """
    rows = rows or _rows(chart, filters)
    named = ", ".join(literal(name) for name in filters)
    common = {"rows": rows, "x": chart.x, "y": chart.y, "filters": named}
    if chart.kind == "points":
        percentiles = {"low": f"{LOW / 100:.4f}", "high": f"{HIGH / 100:.4f}"}
        return Statements(_DRAWN.format(points=POINTS, **common), _MEDIANS.format(bins=_BINS, **percentiles, **common))
    if chart.kind == "steps":
        return Statements(_DISTRIBUTION.format(steps=_STEPS, **common))
    if chosen and "filter" not in chart.parameters:
        return Statements(f"SELECT * FROM (\n{rows}\n)\nWHERE filter IN ({named})")
    return Statements(rows)


def _rows(chart: Chart, filters: Sequence[str]) -> str:
    """Return the SELECT of all rows that a chart is made from, with the column `filter`."""
    query = queries.load(chart.query)
    known = {parameter.name for parameter in query.parameters}
    given = {"limit": _NO_LIMIT, "per_filter": str(EXPOSURES), "step": "5"}
    given = {name: value for name, value in given.items() if name in known}
    if "filter" not in chart.parameters:
        return query.example(given | {"filter": filters[0] if len(filters) == 1 else "all"})
    parts = (
        f"SELECT {literal(name)} AS filter, * FROM (\n{query.example(given | {'filter': name})}\n)" for name in filters
    )
    return "\nUNION ALL\n".join(parts)
