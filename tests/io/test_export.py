"""Exports read back with their values, nulls and units."""

from __future__ import annotations

import datetime
import io
import json
import warnings
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import votable
from astropy.io.votable.exceptions import W50
from astropy.table import Table
from astropy.units import UnitsWarning

from wfc3tvb.errors import BadArgumentError
from wfc3tvb.io.export import write_table
from wfc3tvb.io.release import schema_markdown
from wfc3tvb.schema import QUALITY_FLAGS, TABLES, to_arrow


def rows() -> list[dict[str, object]]:
    empty = TABLES["exposures"].empty_row()
    return [
        empty | {"rootname": "ibaaaa01q", "flagged": True, "sky_mean": 1.25, "affected_reads": [3, 4]},
        empty | {"rootname": "b"},
    ]


@pytest.mark.parametrize("format, reader", [("ecsv", "ascii.ecsv"), ("votable", "votable"), ("fits", "fits")])
def test_astropy_reads_units_values_and_nulls(tmp_path: Path, format: str, reader: str) -> None:
    path = write_table(to_arrow("exposures", rows()), tmp_path / "x", format)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnitsWarning)  # FITS and VOTable list no electron; the text is kept
        warnings.simplefilter("ignore", W50)
        table = Table.read(path, format=reader)
    assert table["sky_mean"].unit.to_string().replace(" ", "") == "electron/s"
    assert table["flagged"][0] == 1
    assert table["flagged"].mask.tolist() == table["sky_mean"].mask.tolist() == [False, True]
    assert table["sky_mean"][0] == 1.25
    assert str(table["rootname"][0]) == "ibaaaa01q"
    assert str(table["affected_reads"][0]) == "3;4"


def test_parquet_keeps_units_lists_and_versions(tmp_path: Path) -> None:
    found = pq.read_table(write_table(to_arrow("exposures", rows()), tmp_path / "x.parquet", "parquet"))
    assert found.to_pylist() == rows()
    assert found.schema.field("sky_mean").metadata[b"unit"] == b"electron/s"
    assert b"wfc3tvb.schema_version" in found.schema.metadata


def test_csv_and_unknown_format(tmp_path: Path) -> None:
    path = write_table(to_arrow("exposures", rows()), tmp_path / "x.csv", "csv")
    assert len(path.read_text().splitlines()) == 3
    with pytest.raises(BadArgumentError, match="parquet"):
        write_table(to_arrow("exposures", rows()), tmp_path / "x", "xls")


def test_pandas_and_polars_read_parquet(tmp_path: Path) -> None:
    path = write_table(to_arrow("exposures", rows()), tmp_path / "x.parquet", "parquet")
    assert pd.read_parquet(path)["sky_mean"].tolist()[0] == 1.25
    polars = pytest.importorskip("polars")
    assert polars.read_parquet(path)["sky_mean"].to_list() == [1.25, None]


def test_the_docs_describe_every_column() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "catalog.md").read_text(encoding="utf-8")
    assert schema_markdown() in text
    assert all(f"| {flag} | {meaning} |" in text for flag, meaning in QUALITY_FLAGS.items())


def test_json_and_csv_take_dates_structs_and_what_is_no_number(tmp_path: Path) -> None:
    moment = datetime.date(2013, 1, 6)
    table = pa.table({"d": [moment], "s": [{"a": 1}], "x": [float("nan")], "l": [[1.5, None]]})
    text = write_table(table, tmp_path / "x.json", "json").read_text()
    assert json.loads(text) == [{"d": "2013-01-06", "s": {"a": 1}, "x": None, "l": [1.5, None]}]
    assert '"{""a"": 1}"' in write_table(table, tmp_path / "x.csv", "csv").read_text()


def test_parquet_is_voparquet(tmp_path: Path) -> None:
    path = write_table(to_arrow("exposures", rows()), tmp_path / "x.parquet", "parquet")
    content = pq.read_schema(path).metadata[b"IVOA.VOTable-Parquet.content"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", W50)
        fields = {f.name: f for f in votable.parse(io.BytesIO(content)).get_first_table().fields}
    assert list(fields) == list(TABLES["exposures"].names)
    assert str(fields["sky_mean"].unit).replace(" ", "") == "electron/s"
    assert fields["sky_mean"].ucd == "phot.count;obs.sky"
    assert b"<DATA>" not in content
