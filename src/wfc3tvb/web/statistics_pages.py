"""Statistics pages of the explorer: all charts, and one chart with its numbers, of all filters or of one."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.catalog.results import tidy
from wfc3tvb.errors import TvbError
from wfc3tvb.report.charts import CHARTS, MOST_FILTERS, Chart, scored_by_filter
from wfc3tvb.report.sentences import counted
from wfc3tvb.web import chart_statements
from wfc3tvb.web import site as limits
from wfc3tvb.web.chart_statements import sample, statements
from wfc3tvb.web.plotly_panels import LARGE, SMALL, Panels, panels
from wfc3tvb.web.site import Site

log = logging.getLogger(__name__)
#: Number of exposures up to which the charts are computed while the page is made; above, each when it is asked for.
AT_ONCE = 20_000
#: Name of the sample in the statements that run over it.
_ROWS = "sample"


@dataclass(frozen=True)
class Numbers:
    """Numbers that a chart draws: what they are, their statement, and its rows."""

    title: str
    sql: str
    table: pa.Table

    @property
    def rows(self) -> list[dict[str, object]]:
        """Rows of the table below the plots; empty where there are too many for a page."""
        return self.table.to_pylist() if self.table.num_rows <= limits.ROWS_A_PAGE else []


@dataclass(frozen=True)
class Shown:
    """Chart on a page; without numbers it has not been counted yet, and without panels it cannot be drawn."""

    chart: Chart
    caption: str
    drawn: Panels
    numbers: tuple[Numbers, ...] = ()


@dataclass(frozen=True)
class Choice:
    """Choice of filters on a page.

    Attributes
    ----------
    asked : str
        The filter that was asked for; empty for all.
    shown : list of str
        Filters that are drawn.
    known : dict of str to int
        Exposures with a sky of each filter of the catalog, in order of the names.
    """

    asked: str
    shown: list[str]
    known: dict[str, int]

    @property
    def query(self) -> str:
        """End of the address of a page with this choice."""
        return f"?filter={self.asked}" if self.asked else ""

    @property
    def note(self) -> str:
        """Sentence on filters that are left out; empty where none is."""
        rest = len(self.known) - len(self.shown)
        if self.asked or rest <= 0:
            return ""
        return f"Plots by filter show the {len(self.shown)} filters with the most exposures of {len(self.known)}."


def statistics(site: Site, request: Request) -> Response:
    """Show the statistics of the catalog as interactive plots; those of a large catalog arrive one after the other."""
    choice = choice_of(site, request.query_params.get("filter", ""))
    at_once = exposures(site) <= AT_ONCE
    charts = CHARTS if choice.known else ()
    shown = [show(site, chart, choice) if at_once or site.knows(_key(chart, choice)) else _later(chart)
             for chart in charts]  # fmt: skip
    shown = [one for one in shown if one.drawn.panels or not one.numbers]
    return site.page("statistics.html", "Statistics", shown=shown, choice=choice, address="/statistics")


def statistic(site: Site, request: Request) -> Response:
    """Show one chart."""
    chart, choice = chart_named(request.path_params["name"]), choice_of(site, request.query_params.get("filter", ""))
    address = f"/statistics/{chart.name}"
    one = show(site, chart, choice, height=SMALL if "part" in request.query_params else LARGE)
    return site.page("statistic.html", chart.title, one=one, choice=choice, address=address)


def compute_in_advance(site: Site, stop: threading.Event) -> None:
    """Compute the charts of all filters of a large catalog, before they are asked for.

    Parameters
    ----------
    site : Site
        The explorer's catalog.
    stop : threading.Event
        Ends it after the chart that is being computed.
    """
    try:
        choice = choice_of(site)
        for chart in CHARTS if choice.known and exposures(site) > AT_ONCE else ():
            if stop.is_set():
                return
            show(site, chart, choice)
    except TvbError as error:  # the page that asks says so
        log.info("no more charts are computed in advance: %s", error)


PAGES = {"/statistics": statistics, "/statistics/{name}": statistic}


def choice_of(site: Site, given: str = "") -> Choice:
    """Return the filters of the name that is given: of one, or of ``all``, which an empty name stands for, too.

    Raises
    ------
    HTTPException
        If the catalog has no scored exposure of the filter.
    """
    found = site.once("exposures by filter", scored_by_filter)
    known = dict(sorted(found.items()))
    asked = given.strip().upper()
    if asked in ("", "ALL"):
        return Choice("", sorted(list(found)[:MOST_FILTERS]), known)
    if asked not in known:
        raise HTTPException(404, f"no exposure of filter {asked[:20]!r} has been scored; filters: {', '.join(known)}")
    return Choice(asked, [asked], known)


def chart_named(name: str) -> Chart:
    """Return the chart of a name.

    Raises
    ------
    HTTPException
        If there is none.
    """
    charts = {chart.name: chart for chart in CHARTS}
    if name not in charts:
        raise HTTPException(404, f"there is no chart {name[:60]!r}; choose one of {', '.join(charts)}")
    return charts[name]


def show(site: Site, chart: Chart, choice: Choice, *, height: int = SMALL) -> Shown:
    """Return a chart with its plots and numbers, made once for every version of the catalog."""
    if not choice.shown:
        raise HTTPException(404, "no exposure has been scored yet")

    def make(_: Catalog) -> Shown:
        asked, tables = statements(chart, choice.shown, chosen=bool(choice.asked)), _tables(site, chart, choice)
        rows = [table.to_pylist() for table in tables]
        drawn = panels(chart, rows[0], rows[1] if len(rows) > 1 else [], height=height)
        titles = ("Points", "Medians") if asked.medians else ("Numbers",)
        numbers = tuple(Numbers(*each) for each in zip(titles, asked.all, tables, strict=True))
        return Shown(chart, _caption(chart, choice, trend=drawn.has_trend), drawn, numbers)

    return site.once(_key(chart, choice, height), make)


def _tables(site: Site, chart: Chart, choice: Choice) -> list[pa.Table]:
    """Return the rows of a chart's statements, from what is known of all filters where that has them."""
    every = choice_of(site) if choice.asked else choice
    if choice.asked in every.shown and site.knows(_numbers(chart, every)):
        return [table.filter(pc.field("filter") == choice.asked) for table in _tables(site, chart, every)]
    text = sample(chart)
    if not text:
        asked = statements(chart, choice.shown, chosen=bool(choice.asked))
        return site.once(
            _numbers(chart, choice), lambda catalog: [catalog.fetch(sql, timeout=limits.SECONDS) for sql in asked.all]
        )
    rows = site.once(f"sample {chart.query}", lambda catalog: catalog.fetch(text, timeout=limits.SECONDS))
    return site.once(_numbers(chart, choice), lambda _: _selected(rows, chart, choice))


def _selected(rows: pa.Table, chart: Chart, choice: Choice) -> list[pa.Table]:
    """Run a chart's statements over its rows; columns keep their units and descriptions."""
    asked = statements(chart, choice.shown, chosen=bool(choice.asked), rows=f"FROM {_ROWS}")
    with duckdb.connect(":memory:") as connection:
        connection.register(_ROWS, rows)
        found = [tidy(connection.sql(sql).to_arrow_table()) for sql in asked.all]
    known = {field.name: field.metadata for field in rows.schema}
    return [
        table.cast(pa.schema([field.with_metadata(known.get(field.name)) for field in table.schema])) for table in found
    ]


def exposures(site: Site) -> int:
    """Return the number of exposures in the catalog."""
    return site.once("exposures", lambda catalog: catalog.snapshots["exposures"].n_rows)


def _later(chart: Chart) -> Shown:
    return Shown(chart, chart.caption, Panels())


def _numbers(chart: Chart, choice: Choice) -> str:
    return f"numbers {chart.name} {choice.asked}"


def _key(chart: Chart, choice: Choice, height: int = SMALL) -> str:
    return f"chart {chart.name} {choice.asked} {height}"


def _caption(chart: Chart, choice: Choice, *, trend: bool) -> str:
    """Return the caption of a chart, which says where its points and medians are of some exposures only.

    With few points no medians are drawn (`trend`).
    """
    if chart.kind != "points":
        return chart.caption
    each = chart_statements.EXPOSURES
    sampled = {name: choice.known[name] for name in choice.shown if choice.known[name] > each}
    if not trend and not sampled:
        return chart.caption
    said = f"{chart.caption} Medians and the band are those of all the points that a plot's heading counts"
    if not sampled:
        return f"{said}."
    drawn, total = each * len(sampled), counted(sum(sampled.values()), "exposure")
    return f"{said}, which come from {drawn:,} of {total} drawn at random ({', '.join(sampled)})."
