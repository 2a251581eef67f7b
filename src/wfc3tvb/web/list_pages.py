"""Pages of the explorer that list what is found: exposures, visits, programs; the same rows for the API."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.catalog.views import literal
from wfc3tvb.models import Row
from wfc3tvb.web import site as limits
from wfc3tvb.web.listings import EXPOSURES, PROGRAMS, VISITS, Listing
from wfc3tvb.web.search import Search
from wfc3tvb.web.site import Site

_FILTERS = "SELECT DISTINCT filter FROM exposures WHERE filter IS NOT NULL ORDER BY filter"
#: Number of pages of exposures for which it is faster to sort whole rows than to sort their keys first.
_DIRECT = 10


def exposures(site: Site, request: Request) -> Response:
    """Search exposures by program, visit, target, filter, class or cone; sort by any column."""
    return _list(site, request, EXPOSURES)


def visits(site: Site, request: Request) -> Response:
    """Search visits, one row per visit and filter."""
    return _list(site, request, VISITS)


def programs(site: Site, request: Request) -> Response:
    """Search programs."""
    return _list(site, request, PROGRAMS)


PAGES = {"/": exposures, "/visits": visits, "/programs": programs}


def found(site: Site, search: Search) -> tuple[list[Row], int]:
    """Return the rows of a page of a search, and the number of all rows that it finds."""
    asked = (search.count(), search.keys(limits.ROWS_A_PAGE), search.values())
    rows = site.once(f"rows {asked}", lambda catalog: _rows(catalog, search))
    if search.page == "1" and len(rows) < limits.ROWS_A_PAGE:
        return rows, len(rows)
    return rows, site.once(f"total {asked[::2]}", lambda catalog: _total(catalog, search))


def _total(catalog: Catalog, search: Search) -> int:
    return int(catalog.fetch(search.count(), search.values(), timeout=limits.SECONDS).to_pylist()[0]["n"])


def _rows(catalog: Catalog, search: Search) -> list[Row]:
    # DuckDB reads every column where a condition is more than a comparison, and aggregates every column of a view.
    if search.listing is not EXPOSURES or search.text or search.cone or int(search.page) > _DIRECT:
        return _by_keys(catalog, search)
    rows: list[Row] = catalog.fetch(search.sql(limits.ROWS_A_PAGE), search.values(), timeout=limits.SECONDS).to_pylist()
    return rows


def _by_keys(catalog: Catalog, search: Search) -> list[Row]:
    """Return the rows of a page in two steps: their keys, then the other columns of these alone."""
    keys = catalog.fetch(search.keys(limits.ROWS_A_PAGE), search.values(), timeout=limits.SECONDS).to_pylist()
    if not keys:
        return []
    names = search.listing.key
    first = {row[names[0]] for row in keys}
    known = ", ".join(_literal(value) for value in first if value is not None)
    conditions = ([f"{names[0]} IN ({known})"] if known else []) + ([f"{names[0]} IS NULL"] if None in first else [])
    columns, relation = ", ".join(search.listing.columns), search.listing.relation
    text = f"SELECT {columns} FROM {relation} WHERE {' OR '.join(conditions)}"
    rows = catalog.fetch(text, timeout=limits.SECONDS).to_pylist()
    by_key = {tuple(row[name] for name in names): row for row in rows}
    return [by_key[tuple(row[name] for name in names)] for row in keys]


def _literal(value: Any) -> str:
    return literal(value) if isinstance(value, str) else str(value)


def _list(site: Site, request: Request, listing: Listing) -> Response:
    search = Search.from_query(request.query_params, listing)
    rows, total = found(site, search)
    filters = site.once("filters", lambda catalog: [row[0] for row in catalog.sql(_FILTERS).fetchall()])
    first = (int(search.page) - 1) * limits.ROWS_A_PAGE
    context: dict[str, Any] = {"search": search, "rows": rows, "total": total, "first": first, "filters": filters}
    return site.page("list.html", listing.relation.capitalize(), **context)
