"""Statistics pages of the explorer: all charts, and one chart with its numbers."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from wfc3tvb.report.charts import Chart, can_be_drawn, possible_charts
from wfc3tvb.web import site as limits
from wfc3tvb.web.plotly_charts import chart_plot
from wfc3tvb.web.site import Site

#: Exposures in a scatter plot.
POINTS = 250
#: Number of exposures up to which the charts are computed while the page is made; above, each when it is asked for.
AT_ONCE = 20_000


@dataclass(frozen=True)
class Shown:
    """Chart on a page: its plot as JSON, and its numbers; without plot where nothing can be drawn or counted yet."""

    chart: Chart
    caption: str
    plot: str = ""
    rows: pa.Table | None = None

    @property
    def numbers(self) -> list[dict[str, object]]:
        """Rows of the table below the plot; empty where there are too many for a page."""
        fits = self.rows is not None and self.rows.num_rows <= limits.ROWS_A_PAGE
        return self.rows.to_pylist() if fits and self.rows is not None else []


def statistics(site: Site, request: Request) -> Response:
    """Show the statistics of the catalog as interactive plots; those of a large catalog arrive one after the other."""
    at_once = exposures(site) <= AT_ONCE
    shown = [show(site, chart) if at_once or known(site, chart) else Shown(chart, chart.caption)
             for chart in plans(site)]  # fmt: skip
    return site.page("statistics.html", "Statistics", shown=[one for one in shown if one.rows is None or one.plot])


def statistic(site: Site, request: Request) -> Response:
    """Show one chart."""
    chart = chart_named(site, request.path_params["name"])
    return site.page("statistic.html", chart.title, one=show(site, chart))


PAGES = {"/statistics": statistics, "/statistics/{name}": statistic}


def plans(site: Site) -> list[Chart]:
    """Return the charts that a catalog may have."""
    return site.once("charts", lambda catalog: possible_charts(catalog, POINTS))


def chart_named(site: Site, name: str) -> Chart:
    """Return the chart of a name.

    Raises
    ------
    HTTPException
        If there is none.
    """
    charts = {chart.name: chart for chart in plans(site)}
    if name not in charts:
        raise HTTPException(404, f"there is no chart {name[:60]!r}; choose one of {', '.join(charts)}")
    return charts[name]


def show(site: Site, chart: Chart) -> Shown:
    """Return a chart with its plot and numbers."""
    rows = site.once(_key(chart), chart.rows)
    if not can_be_drawn(chart, rows):
        return Shown(chart, chart.caption, rows=rows)
    return Shown(chart, _caption(site, chart, rows), chart_plot(chart, rows.to_pylist()), rows)


def known(site: Site, chart: Chart) -> bool:
    """Return whether the numbers of a chart need not be computed."""
    return site.knows(_key(chart))


def exposures(site: Site) -> int:
    """Return the number of exposures in the catalog."""
    return site.once("exposures", lambda catalog: catalog.snapshots["exposures"].n_rows)


def _key(chart: Chart) -> str:
    return f"chart {chart.query} {dict(chart.parameters)}"


def _caption(site: Site, chart: Chart, rows: pa.Table) -> str:
    """Return the caption of a chart, which says where its points are of some exposures only."""
    if chart.kind != "points" or "rootname" not in rows.column_names:
        return chart.caption
    n, total = len(rows["rootname"].unique()), exposures(site)
    return chart.caption if n == total else f"{chart.caption} Points of {n} of the {total} exposures."
