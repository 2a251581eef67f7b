"""A search becomes SQL: with bound values, and as a statement to edit that finds the same rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers import known
from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.errors import BadArgumentError
from wfc3tvb.web.listings import EXPOSURES, PROGRAMS, VISITS, Listing
from wfc3tvb.web.search import Search


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    with known.make(tmp_path_factory.mktemp("search") / "catalog") as catalog:
        yield catalog


@pytest.mark.parametrize(
    ("listing", "query", "n"),
    [
        (EXPOSURES, {}, 3),
        (EXPOSURES, {"text": "12442", "filter": "f105w", "sort": "-sky_mean"}, 3),
        (EXPOSURES, {"tvb_class": "severe", "flagged": "yes"}, 1),
        (EXPOSURES, {"cone": "189.2, 62.2, 0.1"}, 3),
        (EXPOSURES, {"cone": "189.2, -62.2, 0.1"}, 0),
        (EXPOSURES, {"text": "it's $text"}, 0),
        (VISITS, {"text": "GOODS-N <B>"}, 1),
        (VISITS, {"tvb_class": "mild"}, 0),
        (VISITS, {"flagged": "yes", "filter": "F105W"}, 1),
        (PROGRAMS, {"text": "12442"}, 1),
        (PROGRAMS, {"filter": "F110W"}, 0),
        (PROGRAMS, {"tvb_class": "severe", "flagged": "yes"}, 1),
    ],
)
def test_the_statement_finds_what_the_search_finds(
    catalog: Catalog, listing: Listing, query: dict[str, str], n: int
) -> None:
    search = Search.from_query(query, listing)
    rows = catalog.fetch(search.sql(100), search.values()).to_pylist()
    assert len(rows) == n
    assert catalog.fetch(search.statement()).to_pylist() == rows
    assert catalog.fetch(search.count(), search.values()).to_pylist() == [{"n": n}]
    keys = catalog.fetch(search.keys(100), search.values()).to_pylist()
    assert keys == [{name: row[name] for name in listing.key} for row in rows]


def test_an_address_has_only_what_was_chosen() -> None:
    search = Search.from_query({"text": "a b", "sort": "-tvb_score", "page": "2"})
    assert search.address() == "/?text=a+b&page=2"
    assert search.sorted_by("filter") == "/?text=a+b&sort=filter"
    assert Search.from_query({}, VISITS).address() == "/visits"
    assert Search.from_query({"sort": "visit"}, VISITS).sorted_by("visit") == "/visits?sort=-visit"


@pytest.mark.parametrize(
    ("listing", "query", "message"),
    [
        (PROGRAMS, {"sort": "rootname"}, "cannot sort by 'rootname'"),
        (VISITS, {"cone": "1 1 1"}, "visits cannot be searched by a cone"),
        (EXPOSURES, {"tvb_class": "bad"}, "unknown class 'bad'"),
    ],
)
def test_what_a_list_has_not(listing: Listing, query: dict[str, str], message: str) -> None:
    with pytest.raises(BadArgumentError, match=message):
        Search.from_query(query, listing)
