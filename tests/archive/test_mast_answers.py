"""Odd answers of MAST's lists: an error that names the field, or a row that is left out; never "no exposures"."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.helpers.odd_server import Answer, Asked, odd_server
from wfc3tvb.archive.mast import Mast
from wfc3tvb.archive.mast_answers import products_of, search_answer
from wfc3tvb.archive.mast_rows import COLUMNS, rows_of
from wfc3tvb.config import Selection, Services
from wfc3tvb.errors import BadDownloadError, ServiceError, UnexpectedAnswerError
from wfc3tvb.loopback.mast import MISSION_COLUMNS

NAMES = ("ibohbf040", "ibohbf050")
DEEP = "[" * 100_000 + "]" * 100_000


def result(name: str, **own: Any) -> dict[str, Any]:
    """Return a row of the search as MAST sends it."""
    usual = dict.fromkeys(COLUMNS) | {
        "sci_data_set_name": name.upper(), "sci_asn_id": name.upper(), "sci_instrument_config": "WFC3/IR     ",
        "sci_spec_1234": "F105W", "sci_pep_id": 12099, "sci_start_time": "2012-01-01T00:00:00.5",
        "sci_stop_time": "2012-01-01T01:00:00", "sci_sun_alt": 12.5, "sci_generation_date": "2020-01-01T00:00:00",
    }  # fmt: skip
    return usual | own


def column_list() -> Any:
    return [{"column_name": name, "qual_type": "char", "description": name} for name in MISSION_COLUMNS]


def search(*results: Any, total: Any = None) -> Any:
    return {"results": list(results), "totalResults": len(results) if total is None else total}


def products() -> Any:
    return {
        "products": [{"dataset": name.upper(), "filename": f"{name[:6]}{i}bq_ima.fits"} for i, name in enumerate(NAMES)]
    }


def count() -> Any:
    return {
        "status": "COMPLETE",
        "msg": "",
        "data": [{"Column1": "2"}],
        "fields": [{"name": "Column1", "type": "string"}],
        "paging": {"page": 1, "pageSize": 1, "pagesFiltered": 1, "rows": 1, "rowsFiltered": 1, "rowsTotal": 1},
    }


def caom_columns() -> Any:
    names = ("instrument_name", "project", "provenance_name", "filters")
    return {name: {"text": name, "vot.datatype": "char"} for name in names}


#: Usual answers by the end of the path.
USUAL: dict[str, Callable[[], Any]] = {
    "column_list": column_list,
    "search": lambda: search(*map(result, NAMES)),
    "post_list_products": products,
    "columnsconfig": caom_columns,
    "invoke": count,
}


def found_with(place: str, answer: Any, **own: Any) -> list[dict[str, Any]]:
    """List the datasets from a server that gives an odd answer in one place."""

    def reply(asked: Asked) -> Answer:
        (kind,) = [kind for kind in USUAL if asked.path.partition("?")[0].endswith(f"/{kind}")]
        given = answer if kind == place else USUAL[kind]()
        body = given if isinstance(given, str) else json.dumps(given)
        return Answer(200, body.encode(), {"Content-Type": "application/json"})

    with odd_server(reply) as server:
        mast = Mast(Services(mast=server.url, retries=1, backoff=0.001, timeout=5.0))
        return list(mast.datasets(Selection(**own)))


@pytest.fixture(autouse=True)
def _no_known_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """astroquery keeps CAOM's columns for the life of a process."""
    from astroquery.mast import Observations

    monkeypatch.setattr(type(Observations._portal_api_connection), "_column_configs", {})


def test_the_usual_answers(caplog: pytest.LogCaptureFixture) -> None:
    found = found_with("", None)
    assert [(row["dataset"], row["members"]) for row in found] == [
        ("ibohbf040", ["ibohbf0bq"]), ("ibohbf050", ["ibohbf1bq"])
    ]  # fmt: skip
    # 55927 is 2012-01-01.
    assert found[0]["start_time"] == pytest.approx(55927 + 0.5 / 86400, abs=1e-9)
    assert caplog.records == []


NOT_LISTS = ({}, [], None, 5, '"text"', {"detail": "Not found"}, {"msg": None}, {"Results": []}, {"PRODUCTS": []})
WRONG_SEARCH = {
    "results is null": search() | {"results": None},
    "results is an object": search() | {"results": {}},
    "results is missing.*it says: 'too many'": {"detail": "too many", "totalResults": 0},
    "totalResults is null": search() | {"totalResults": None},
    'totalResults is "many"': search(total="many"),
    "totalResults is -1": search(total=-1),
    "totalResults is 1.5": search(total=1.5),
    "totalResults is missing": {"results": [], "TotalResults": 0},
    "totalResults is true": search(total=True),
    "totalResults is 9223372036854775808": search(total=2**63),
    "totalResults is Infinity": '{"results": [], "totalResults": 1e999}',
    "a row is null": search(None),
    "a row is a list": search([]),
    "sci_data_set_name is missing": search({name.upper(): value for name, value in result("ibohbf040").items()}),
    "sci_data_set_name is null": search(result("ibohbf040") | {"sci_data_set_name": None}),
    "sci_data_set_name is 7": search(result("ibohbf040") | {"sci_data_set_name": 7}),
    "sci_start_time is 55927.5": search(result("ibohbf040", sci_start_time=55927.5)),
    'sci_start_time is "yesterday"': search(result("ibohbf040", sci_start_time="yesterday")),
    "sci_stop_time is a list": search(result("ibohbf040", sci_stop_time=[])),
    'sci_generation_date is "0001-01-01"': search(result("ibohbf040", sci_generation_date="0001-01-01")),
    "sci_pep_id is 9223372036854775808": search(result("ibohbf040", sci_pep_id=2**63)),
    'sci_pep_id is "many"': search(result("ibohbf040", sci_pep_id="many")),
    'sci_sun_alt is "high"': search(result("ibohbf040", sci_sun_alt="high")),
    "sci_sun_alt is NaN": search(result("ibohbf040", sci_sun_alt=float("nan"))),
    "sci_spec_1234 is a list": search(result("ibohbf040", sci_spec_1234=["F105W"])),
    "sci_asn_id is missing from every row": search(
        {name: value for name, value in result("ibohbf040").items() if name != "sci_asn_id"}
    ),
}  # fmt: skip


@pytest.mark.parametrize("answer", NOT_LISTS)
@pytest.mark.parametrize("place", ["column_list", "search", "post_list_products"])
def test_an_answer_without_its_list_is_an_error(place: str, answer: Any) -> None:
    with pytest.raises(UnexpectedAnswerError, match=r"^MAST: its answer for the .* does not have the expected form: "):
        found_with(place, answer)


@pytest.mark.parametrize("problem", WRONG_SEARCH)
def test_an_odd_answer_to_the_search_names_the_field(problem: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match=problem):
        found_with("search", WRONG_SEARCH[problem])


@pytest.mark.parametrize(
    ("problem", "odd"),
    [("dataset is null", {"dataset": None}), ("filename is null", {"filename": None}), ("dataset is missing", {}),
     ("filename is a list", {"filename": []}), ("filename is 5", {"filename": 5})],
)  # fmt: skip
def test_an_odd_product_list_names_the_field(problem: str, odd: dict[str, Any]) -> None:
    usual = {} if problem.endswith("missing") else {"dataset": "IBOHBF040", "filename": "ibohbfb7q_ima.fits"}
    with pytest.raises(UnexpectedAnswerError, match=problem):
        found_with("post_list_products", {"products": [usual | odd]})


def test_no_files_of_any_dataset_is_an_error() -> None:
    with pytest.raises(UnexpectedAnswerError, match="lists no exposures of any of 2 datasets"):
        found_with("post_list_products", {"products": []})


@pytest.mark.parametrize("place", ["column_list", "search", "post_list_products"])
@pytest.mark.parametrize("body", ["", "<html>in maintenance</html>", '{"results": [', DEEP, "1" * 5000])
def test_what_is_no_json_is_asked_for_again(place: str, body: str) -> None:
    with pytest.raises(BadDownloadError, match="^MAST: sent an answer that is not JSON"):
        found_with(place, body)


def test_a_cut_list_is_fetched_again() -> None:
    bodies = ['{"results": [{"sci_data', json.dumps(search(*map(result, NAMES)))]

    def reply(asked: Asked) -> Answer:
        (kind,) = [kind for kind in USUAL if asked.path.partition("?")[0].endswith(f"/{kind}")]
        body = bodies.pop(0) if kind == "search" and bodies else json.dumps(USUAL[kind]())
        return Answer(200, body.encode())

    with odd_server(reply) as server:
        mast = Mast(Services(mast=server.url, retries=1, backoff=0.001, timeout=5.0))
        assert len(list(mast.datasets(Selection()))) == 2


ODD_ROWS = {
    "null": None,
    "a list": [],
    "a number for a date": result("ibohbf060", sci_start_time=5),
    "no name": result("ibohbf060", sci_data_set_name=None),
    "a huge proposal": result("ibohbf060", sci_pep_id=2**63),
    "a list for a filter": result("ibohbf060", sci_spec_1234=[1]),
    "a name with control characters": result("ibohbf060", sci_targname="\x1b[31m"),
}


@pytest.mark.parametrize("kind", ODD_ROWS)
def test_an_odd_row_costs_that_row_and_is_said(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    found = found_with("search", search(*map(result, NAMES), ODD_ROWS[kind]))
    assert [row["dataset"] for row in found] == list(NAMES)
    assert "MAST: 1 of 3 rows of the search are left out: " in caplog.text


@pytest.mark.parametrize(
    ("own", "column", "value"),
    [
        ({"sci_sun_alt": None}, "sun_alt", None),
        ({"sci_pep_id": None}, "proposal_id", None),
        ({"sci_pep_id": "12099  "}, "proposal_id", 12099),
        ({"sci_start_time": None}, "start_time", None),
        ({"sci_start_time": "2012-01-01T02:00:00+02:00"}, "start_time", 55927.0),
        ({"sci_start_time": "2012-01-01 00:00:00+00:00"}, "start_time", 55927.0),
        ({"sci_start_time": "2012-01-01T00:00:00Z"}, "start_time", 55927.0),
        ({"sci_start_time": "20120101"}, "start_time", 55927.0),
        ({"sci_sun_alt": "12.5"}, "sun_alt", 12.5),
        ({"sci_targname": 4051}, "target_name", "4051"),
    ],
)
def test_what_is_unusual_but_clear_is_taken(own: dict[str, Any], column: str, value: Any) -> None:
    (row,) = rows_of([result("ibohbf040", **own)])
    assert row[column] == (pytest.approx(value, abs=1e-9) if isinstance(value, float) else value)


ODD_COUNTS: dict[str, Any] = {
    "no JSON": "<html>", "nothing": "", "an empty object": {}, "a list": [], "null": None, "a number": 5,
    "a detail": {"detail": "no"}, "an error": {"status": "ERROR", "msg": "timeout"}, "no data": count() | {"data": []},
    "null data": count() | {"data": None}, "words": count() | {"data": [{"Column1": "many"}]},
    "a null count": count() | {"data": [{"Column1": None}]}, "no fields": count() | {"fields": None},
    "null paging": count() | {"paging": {}},
    "endless pages": count() | {"paging": {"page": 1, "pagesFiltered": math.inf}},
    "many pages": count() | {"paging": {"page": 1, "pagesFiltered": 10**9}}, "deep": DEEP,
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD_COUNTS)
@pytest.mark.parametrize("place", ["invoke", "columnsconfig"])
def test_an_odd_second_opinion_is_a_warning(place: str, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    assert [row["dataset"] for row in found_with(place, ODD_COUNTS[kind])] == list(NAMES)
    assert "CAOM" in caplog.text


def test_nested_product_lists_are_flat() -> None:
    one = {"dataset": " IBOHBF040 ", "filename": "ibohbfb7q_ima.fits"}
    assert products_of({"products": [[one, one]]}) == [("ibohbf040", "ibohbfb7q_ima.fits")] * 2


def test_counts_as_text_are_read() -> None:
    assert search_answer({"results": [], "totalResults": " 7 "}) == ([], 7)


def test_all_errors_are_one_line() -> None:
    for answer in WRONG_SEARCH.values():
        with pytest.raises(ServiceError) as caught:
            found_with("search", answer)
        assert len(str(caught.value).splitlines()) == 1
        assert len(str(caught.value)) < 300


#: Values that take the place of others in answers.
VALUES: tuple[Any, ...] = (
    None, [], {}, "", "text", 0, -1, 1.5, 2**63, 10**400, 1e308, float("nan"), float("inf"), True, [[]], [None],
    {"a": 1}, "2012-13-45", "99999-01-01", "\ud800", "\x00", "x" * 10_000, "1e999", "\u0663", "\u00b2", "12099.0",
)  # fmt: skip


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the place of every value within an answer."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(each for key, item in inner for each in places(item, (*place, key)))]


def changed(answer: Any, draw: random.Random) -> Any:
    """Return an answer in which a value is another one, is missing, or has a name in other case."""
    place, answer = draw.choice(places(answer)), json.loads(json.dumps(answer))
    if not place:
        return draw.choice(VALUES)
    owner = answer
    for key in place[:-1]:
        owner = owner[key]
    value, kind = owner.pop(place[-1]), draw.choice(["other", "missing", "renamed"])
    if kind == "other":
        owner.insert(place[-1], draw.choice(VALUES)) if isinstance(owner, list) else owner.update(
            {place[-1]: draw.choice(VALUES)}
        )
    elif kind == "renamed" and isinstance(owner, dict):
        owner[place[-1].swapcase()] = value
    return answer


@pytest.mark.parametrize("seed", range(300))
def test_no_odd_answer_ends_in_a_traceback_or_drops_in_silence(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    draw = random.Random(seed)
    place = draw.choice(list(USUAL))
    answer = changed(USUAL[place](), draw)
    try:
        found = found_with(place, answer)
    except ServiceError as error:
        assert len(str(error).splitlines()) == 1
    else:
        complete = [row["dataset"] for row in found if row["members"]] == list(NAMES)
        assert complete or caplog.records
