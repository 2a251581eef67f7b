"""The explorer's API: the catalog as JSON for programs, through the same limits and checks as the pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from starlette.requests import Request
from starlette.responses import Response

from wfc3tvb import __version__
from wfc3tvb.catalog.formats.column_notes import COLUMNS
from wfc3tvb.catalog.formats.rows import json_value
from wfc3tvb.catalog.queries import load_all
from wfc3tvb.catalog.results import Cap
from wfc3tvb.catalog.views import RELATIONS
from wfc3tvb.errors import BadArgumentError, UnknownDatasetError
from wfc3tvb.models import Row
from wfc3tvb.report.charts import CHARTS
from wfc3tvb.report.sentences import reasons
from wfc3tvb.schema import SCHEMA_VERSION, Column
from wfc3tvb.web import site as limits
from wfc3tvb.web.console_pages import fetch_limited
from wfc3tvb.web.list_pages import found
from wfc3tvb.web.listings import EXPOSURES, PROGRAMS, VISITS, Listing
from wfc3tvb.web.search import Search
from wfc3tvb.web.site import Site
from wfc3tvb.web.statistics_pages import chart_named, choice_of, show
from wfc3tvb.web.visit_pages import program_rows, visit_rows

#: Size of a result as JSON; downloads have a larger one.
LIMIT = Cap(10_000, 400, 32 * 2**20)
#: An exposure for the examples of the description, and what stands there in a catalog without exposures.
_EXAMPLE = "SELECT rootname, visit, proposal_id FROM exposures WHERE proposal_id IS NOT NULL LIMIT 1"
_NONE = {"rootname": "ibohbfb9q", "visit": "ibohbf", "proposal_id": 12442}
Answer = Callable[[Site, Request], Mapping[str, Any]]


@dataclass(frozen=True)
class Endpoint:
    """Endpoint of the API.

    Attributes
    ----------
    path : str
        Its address below ``/api/``, with names of parameters in braces.
    answer : callable
        Returns what is sent.
    parameters : mapping of str to str
        Parameters of the query string, with their meaning.
    example : str
        Address and query string of an example, with ``{rootname}``, ``{visit}``, ``{proposal_id}`` of an exposure.
    """

    path: str
    answer: Answer
    parameters: Mapping[str, str]
    example: str

    @property
    def text(self) -> str:
        """What it returns, from the documentation of its function."""
        return (self.answer.__doc__ or "").partition("\n")[0]

    def example_in(self, exposure: Row) -> str:
        """Return the example for an exposure of the catalog."""
        return self.example.format_map(exposure)

    def __call__(self, site: Site, request: Request) -> Response:
        """Answer a request."""
        return as_json(self.answer(site, request))


def as_json(value: Mapping[str, Any], status: int = 200) -> Response:
    """Return an answer as JSON, in which numbers read back exactly and NaN is null."""
    text = json.dumps(json_value(dict(value)), default=str, ensure_ascii=False, allow_nan=False)
    return Response(text + "\n", status, media_type="application/json")


def problem(message: str, status: int) -> Response:
    """Return an error as JSON."""
    return as_json({"error": {"status": status, "message": message}}, status)


def description(site: Site, request: Request) -> Response:
    """Describe the API: its endpoints, with parameters and examples."""
    base = str(request.base_url).rstrip("/")
    found = site.once("example", lambda catalog: catalog.fetch(_EXAMPLE).to_pylist())
    context: dict[str, Any] = {"known": found[0] if found else _NONE, "limit": LIMIT, "seconds_allowed": limits.SECONDS}
    return site.page("api.html", "API", endpoints=ENDPOINTS, base=base, **context)


# --- the endpoints -------------------------------------------------------------------------------------------------


def _catalog(site: Site, request: Request) -> Mapping[str, Any]:
    """Describe the catalog: its name, whether its data are simulated, and its headline numbers."""
    numbers = site.once("headline", lambda catalog: catalog.query("headline").to_arrow_table().to_pylist()[0])
    return {
        "catalog": site.folder.name, "synthetic": site.is_synthetic, "version": __version__,
        "schema_version": SCHEMA_VERSION, **numbers,
    }  # fmt: skip


def _exposures(site: Site, request: Request) -> Mapping[str, Any]:
    """List the exposures that a search finds, a page at a time."""
    return _list(site, request, EXPOSURES)


def _visits(site: Site, request: Request) -> Mapping[str, Any]:
    """List the visits that a search finds, one row per visit and filter, a page at a time."""
    return _list(site, request, VISITS)


def _programs(site: Site, request: Request) -> Mapping[str, Any]:
    """List the programs that a search finds, a page at a time."""
    return _list(site, request, PROGRAMS)


def _list(site: Site, request: Request, listing: Listing) -> Mapping[str, Any]:
    search = Search.from_query(request.query_params, listing)
    rows, total = found(site, search)
    page = int(search.page)
    following = search.query(page=str(page + 1)) if page * limits.ROWS_A_PAGE < total else None
    address = f"/api/{listing.relation}.json?{following}" if following else None
    columns = [_column(name, RELATIONS[listing.relation].columns) for name in listing.columns]
    return {"total": total, "page": page, "next": address, "sql": search.statement(), "columns": columns, "rows": rows}


def _exposure(site: Site, request: Request) -> Mapping[str, Any]:
    """Return one exposure: every column, the reasons for its verdict, its reads, and its repairs."""
    rootname = request.path_params["rootname"].lower()
    rows = visit_rows(site, rootname[:6])
    one = next((row for row in rows["exposures"] if row["rootname"] == rootname), None)
    if one is None:
        raise UnknownDatasetError(rootname, "this catalog")
    own = {name: [row for row in rows[name] if row["rootname"] == rootname] for name in ("reads", "reprocessed")}
    return {"exposure": one, "why": reasons(one), **own}


def _visit(site: Site, request: Request) -> Mapping[str, Any]:
    """Return one visit: exposures, reads, repaired products and failures, with every column."""
    visit = request.path_params["visit"].lower()
    rows = visit_rows(site, visit)
    if not rows["exposures"] and not rows["failures"]:
        raise UnknownDatasetError(visit, "this catalog")
    return {"visit": visit, **rows}


def _program(site: Site, request: Request) -> Mapping[str, Any]:
    """Return one program: its row in programs, and its visits and exposures."""
    rows = program_rows(site, request.path_params["program"])
    return {"program": rows["program"][0], "visits": rows["visits"], "exposures": rows["exposures"]}


def _sql(site: Site, request: Request) -> Mapping[str, Any]:
    """Return the rows of one SELECT; complete says whether these are all."""
    if not (text := request.query_params.get("q", "").strip()):
        raise BadArgumentError("the parameter q is missing; give one SELECT")
    return _result(fetch_limited(site, text, LIMIT.rows + 1, cap=_one_more()))


def _queries(site: Site, request: Request) -> Mapping[str, Any]:
    """List the documented queries, with their parameters."""
    return {"queries": [
        {"name": query.name, "title": query.title, "text": query.text, "sql": query.sql, "parameters": [
            {"name": p.name, "type": p.type, "default": p.default, "description": p.description}
            for p in query.parameters]}
        for query in load_all().values() if "read_csv" not in query.sql
    ]}  # fmt: skip


def _query(site: Site, request: Request) -> Mapping[str, Any]:
    """Return the rows of a documented query; complete says whether these are all."""
    return _result(site.query(request.path_params["name"], dict(request.query_params), cap=_one_more()))


def _statistics(site: Site, request: Request) -> Mapping[str, Any]:
    """List the charts of the statistics page, and the filters that they can show."""
    charts = [{"name": one.name, "title": one.title, "caption": one.caption} for one in CHARTS]
    return {"charts": charts, "filters": choice_of(site, request.query_params.get("filter", "")).known}


def _statistic(site: Site, request: Request) -> Mapping[str, Any]:
    """Return one chart: all numbers that it draws, their SQL, and its plots in Plotly's JSON."""
    one = show(site, chart_named(request.path_params["name"]), choice_of(site, request.query_params.get("filter", "")))
    numbers = {part.title.lower(): {"sql": part.sql, "rows": part.table.to_pylist()} for part in one.numbers}
    plots = [{"filter": panel.name or None, "shows": panel.count} | json.loads(panel.plot)
             for panel in one.drawn.panels]  # fmt: skip
    return {"name": one.chart.name, "title": one.chart.title, "caption": one.caption, "numbers": numbers,
            "plots": plots}  # fmt: skip


def _schema(site: Site, request: Request) -> Mapping[str, Any]:
    """List the tables and views, with type, unit, UCD and description of every column."""
    return {"tables": [{"name": name, "row": table.row, "columns": [_described(c) for c in table.columns]}
                       for name, table in RELATIONS.items()]}  # fmt: skip


def _result(found: pa.Table) -> Mapping[str, Any]:
    rows = found.slice(0, LIMIT.rows)
    columns = [_column(name, COLUMNS.values()) for name in found.column_names]
    return {"n": rows.num_rows, "complete": found.num_rows <= LIMIT.rows, "columns": columns, "rows": rows.to_pylist()}


def _one_more() -> Cap:
    """Return the limits of a result, with a further row that shows that there are more."""
    return Cap(LIMIT.rows + 1, LIMIT.columns, LIMIT.n_bytes)


def _column(name: str, known: Any) -> dict[str, Any]:
    column = next((c for c in known if c.name == name), None)
    return {"name": name} if column is None else _described(column)


def _described(column: Column) -> dict[str, Any]:
    found = {"name": column.name, "type": column.type, "unit": column.unit, "ucd": column.ucd}
    return found | {"description": column.description}


_FORM = {
    "text": "program number, rootname, visit, association, or part of a target name",
    "tvb_class": "none, mild, moderate or severe; for visits and programs the worst class",
    "filter": "e.g. F105W",
    "flagged": "yes: only what is flagged for repair",
    "sort": "a column of the answer; with a leading - in descending order",
    "page": f"from 1; a page has {limits.ROWS_A_PAGE} rows",
}
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("catalog.json", _catalog, {}, "catalog.json"),
    Endpoint("exposures.json", _exposures, {**_FORM, "cone": "ra, dec, radius in degrees"},
             "exposures.json?tvb_class=severe&filter=F105W&sort=-sky_mean"),
    Endpoint("visits.json", _visits, _FORM, "visits.json?flagged=yes"),
    Endpoint("programs.json", _programs, _FORM, "programs.json?sort=-n_flagged"),
    Endpoint("exposure/{rootname}.json", _exposure, {}, "exposure/{rootname}.json"),
    Endpoint("visit/{visit}.json", _visit, {}, "visit/{visit}.json"),
    Endpoint("program/{program:int}.json", _program, {}, "program/{proposal_id}.json"),
    Endpoint("sql.json", _sql, {"q": "one SELECT"}, "sql.json?q=SELECT+filter,+count()+AS+n+FROM+exposures+GROUP+BY+1"),
    Endpoint("queries.json", _queries, {}, "queries.json"),
    Endpoint("query/{name}.json", _query, {"(parameters of the query)": "as queries.json lists them"},
             "query/my_program.json?proposal_id={proposal_id}"),
    Endpoint("statistics.json", _statistics, {}, "statistics.json"),
    Endpoint("statistics/{name}.json", _statistic, {"filter": "e.g. F105W; by default all"},
             "statistics/classes_by_filter_filter_fraction.json"),
    Endpoint("schema.json", _schema, {}, "schema.json"),
)  # fmt: skip

PAGES: Mapping[str, Callable[[Site, Request], Response]] = {
    "/api": description,
    **{f"/api/{endpoint.path}": endpoint for endpoint in ENDPOINTS},
}
