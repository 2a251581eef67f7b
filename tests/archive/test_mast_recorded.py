"""Requests to MAST and the parsing of its answers, against recorded answers."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from astropy.time import Time

from tests.helpers.recorded import DATA
from wfc3tvb.archive.mast import Mast
from wfc3tvb.archive.mast_answers import products_of
from wfc3tvb.archive.mast_rows import COLUMNS, criteria_of, exposure_of, rows_of
from wfc3tvb.config import Selection
from wfc3tvb.loopback.mast import MISSION_COLUMNS

FULL = Selection(filters=("F105W",), proposals=(12099,), start=56000.0)


@pytest.fixture
def recorded() -> Any:
    return lambda name: json.loads((DATA / "archive" / name).read_text())


def test_every_column_we_name_is_one_that_mast_lists(recorded: Any) -> None:
    listed = {column["column_name"] for column in recorded("mission_columns.json")}
    assert set(COLUMNS) <= listed
    assert set(criteria_of(FULL)) | {"sci_start_time"} <= listed
    assert set(MISSION_COLUMNS) <= listed


def test_caom_criteria_are_of_the_kinds_that_caom_has(recorded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    mast = Mast()
    portal = mast._observations._portal_api_connection
    config = recorded("columnsconfig.json")

    def know(service: str, fetch_name: str | None = None) -> None:
        portal._column_configs[service] = config

    def answer(service: str, params: dict[str, Any], **options: Any) -> list[Any]:
        asked.append(params)
        return [type("Answer", (), {"json": lambda self: recorded("countsResp.json")})()]

    monkeypatch.setattr(portal, "_column_configs", {})
    monkeypatch.setattr(portal, "_get_col_config", know)
    monkeypatch.setattr(portal, "service_request_async", answer)
    # The recorded configuration has no provenance_name: it is left out.
    assert mast.count_caom(FULL) == 599
    filters = {f["paramName"]: f["values"] for f in asked[0]["filters"]}
    assert filters["instrument_name"] == ["WFC3/IR"]
    assert filters["filters"] == ["F105W"]
    assert filters["proposal_id"] == ["12099"]
    assert filters["t_min"][0]["min"] == 56000.0


def test_rows_of_another_instrument_are_read(recorded: Any) -> None:
    results = recorded("mission_results.json")["results"]
    (first, *_) = rows_of(results)
    assert first["dataset"] == "w1dg8d06t"
    assert first["asn_id"] is None
    assert first["filters"] == "F785LP"
    assert first["start_time"] == pytest.approx(Time("1993-09-24T21:00:16.633").mjd, abs=1e-9)
    assert first["generation_date"] is None
    assert first["sun_alt"] is None


def test_products_of_another_instrument_are_left_out(recorded: Any) -> None:
    assert {exposure_of(product.filename) for product in products_of(recorded("mission_products.json"))} == {None}


def test_23284_real_datasets() -> None:
    text = gzip.decompress((DATA / "archive" / "wfc3ir_datasets_2009_2014.csv.gz").read_bytes()).decode()
    names = ("data_set_name", "start_time", "stop_time", "spec_1234", "pep_id", "asn_id")
    rows = rows_of([
        {f"sci_{name}": value for name, value in zip(names, line.split(","), strict=True)}
        for line in text.splitlines()[1:]
    ])  # fmt: skip
    assert len(rows) == 23_284
    assert all(54965 < row["start_time"] < row["stop_time"] + 1e-9 for row in rows)
    # 610 of them are products of a part of an association, which has another name.
    assert sum(row["asn_id"] not in (None, row["dataset"]) for row in rows) == 610
    assert sum(row["asn_id"] is None for row in rows) == 16_033
