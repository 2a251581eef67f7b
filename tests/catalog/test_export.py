"""Exports read back with their values, nulls and units."""

from __future__ import annotations

import datetime
import io
import json
import shutil
import subprocess
import warnings
from pathlib import Path

import pandas as pd
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.io import fits, votable
from astropy.io.votable.exceptions import W50
from astropy.table import QTable, Table
from astropy.utils.metadata import MergeConflictWarning

from wfc3tvb.catalog.export import how_to_read, read_table, write_table
from wfc3tvb.catalog.queries import queries_markdown
from wfc3tvb.catalog.release import schema_markdown
from wfc3tvb.errors import BadArgumentError, BadFileError
from wfc3tvb.schema import QUALITY_FLAGS, TABLES, to_arrow


def rows() -> list[dict[str, object]]:
    empty = TABLES["exposures"].empty_row()
    return [
        empty
        | {
            "rootname": "ibaaaa01q",
            "flagged": True,
            "sky_mean": 1.25,
            "affected_reads": [3, 4],
            "jump_read": 7,
            "quality_flags": ["crowded", "scan"],
        },
        empty | {"rootname": "b", "quality_flags": []},
    ]


RATE = u.electron / u.s


def exported(tmp_path: Path, format: str) -> Path:
    return write_table(to_arrow("exposures", rows()), tmp_path / f"x.{format}", format)


@pytest.mark.parametrize("format", ["parquet", "ecsv", "votable", "fits", "csv"])
def test_every_format_reads_back_units_values_and_nulls(tmp_path: Path, format: str) -> None:
    table = read_table(exported(tmp_path, format))
    assert table.colnames == list(TABLES["exposures"].names)
    assert {c.name: c.unit for c in table.itercols() if c.unit} == {
        c.name: u.Unit(c.unit) for c in TABLES["exposures"].columns if c.unit
    }
    assert (
        table["sky_mean"].description == "mean sky rate over the exposure (interval rates weighted by their duration)"
    )
    assert table["flagged"][0] == 1
    assert table["flagged"].mask.tolist() == table["sky_mean"].mask.tolist() == [False, True]
    assert table["jump_read"].mask.tolist() == [False, True]
    assert table["jump_read"][0] == 7
    assert (table["sky_mean"].quantity[0].to_value("electron/min")) == 75.0
    assert str(table["rootname"][0]) == "ibaaaa01q"
    assert str(table["affected_reads"][0]) == "3;4"


@pytest.mark.parametrize("kind", [Table, QTable])
@pytest.mark.parametrize(
    ("format", "options"),
    [("fits", {}), ("ecsv", {"format": "ascii.ecsv"}), ("parquet", {}),
     ("votable", {"format": "votable", "unit_format": "generic"})],
)  # fmt: skip
def test_astropy_alone_finds_the_units(tmp_path: Path, format: str, options: dict[str, str], kind: type[Table]) -> None:
    table = kind.read(exported(tmp_path, format), **options)
    assert table["sky_mean"].unit == RATE
    assert table["sky_mean"][0] in (1.25, 1.25 * RATE)
    assert table["ra"].unit == u.deg
    assert table["sky_mean"].info.description.startswith("mean sky rate over the exposure")


def test_fits_is_whole_and_tells_topcat_the_rest(tmp_path: Path) -> None:
    path = exported(tmp_path, "fits")
    with fits.open(path, checksum=True) as hdus:
        hdus.verify("exception")
        cards = [path.read_bytes()[start : start + 8].decode().strip() for start in range(0, 400, 80)]
        assert cards == ["SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "VOTMETA"]
        assert hdus[0].header["BITPIX"] == 8
        fields = votable.parse(io.BytesIO(hdus[0].data.tobytes()), unit_format="generic").get_first_table().fields
        names = [column.name for column in hdus[1].columns]
        assert [field.name for field in fields] == names
        number = names.index("sky_mean") + 1
        assert fields[number - 1].unit == RATE
        assert hdus[1].header[f"TCOMM{number}"].endswith("[electron/s]")
        assert hdus[1].header[f"TUCD{number}"] == "instr.skyLevel"


def test_votable_needs_generic_units_as_the_docs_say(tmp_path: Path) -> None:
    path = exported(tmp_path, "votable")
    unit = Table.read(path, format="votable")["sky_mean"].unit
    assert str(unit) == str(RATE)
    with pytest.raises(u.UnitConversionError):
        unit.to("electron/min")
    assert 'unit_format="generic"' in how_to_read("x.vot", "votable")


@pytest.mark.parametrize("format", ["votable", "fits"])
def test_null_texts_are_masked_where_the_format_has_none(tmp_path: Path, format: str) -> None:
    table = read_table(exported(tmp_path, format))
    assert table["target_name"].mask.tolist() == [True, True]
    assert table["rootname"].mask.tolist() == [False, False]


def test_fits_takes_texts_beyond_ascii(tmp_path: Path) -> None:
    table = pa.table({"pi": ["B\u00f6ker", "\u03bb", None], "\u00fc": [1, 2, 3]})
    found = read_table(write_table(table, tmp_path / "x.fits", "fits"))
    assert found.colnames == ["pi", "u"]
    assert found["pi"].tolist() == ["Boker", "?", None]


@pytest.mark.skipif(shutil.which("stilts") is None, reason="no STILTS (TOPCAT's reader) here")
@pytest.mark.parametrize("format", ["votable", "fits"])
def test_topcat_reads_units_ucds_and_descriptions(tmp_path: Path, format: str) -> None:
    command = ["stilts", "tpipe", f"in={exported(tmp_path, format)}", "cmd=meta name units ucd description", "ofmt=csv"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert any(line.startswith("sky_mean,electron/s,instr.skyLevel,mean sky rate over the") for line in lines)
    assert len(lines) == 1 + len(TABLES["exposures"].names)


def test_the_result_of_a_query_reads_back(tmp_path: Path) -> None:
    table = pa.table({"filter": ["F105W", None], "sky_mean": [1.0, 2.0], "n": [1, None], "mean_excess": [0.1, None]})
    for format in ("parquet", "ecsv", "votable", "fits"):
        found = read_table(write_table(table, tmp_path / "x", format), format)
        assert found["sky_mean"].unit == RATE
        assert found["mean_excess"].unit is None
        assert found["n"].mask.tolist() == [False, True]


@pytest.mark.parametrize("format", ["parquet", "ecsv", "votable", "fits"])
def test_an_empty_table_keeps_its_columns(tmp_path: Path, format: str) -> None:
    found = read_table(write_table(to_arrow("reads", []), tmp_path / "x", format), format)
    assert len(found) == 0
    assert found["rate"].unit == RATE


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.fits").write_text("no FITS")
    (tmp_path / "x.parquet").write_text("no Parquet")
    for name, word in (("x.fits", "fits"), ("x.parquet", "parquet"), ("none.vot", "votable"), ("none.csv", "csv")):
        with pytest.raises(BadFileError, match=word):
            read_table(tmp_path / name)
    with pytest.raises(BadArgumentError, match="ending"):
        read_table(tmp_path / "x.xls")
    with pytest.raises(BadArgumentError, match="json"):
        read_table(tmp_path / "x.json")


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
    assert polars.read_parquet(path)["sky_mean"].to_list() == [1.25, None]


def test_the_docs_describe_every_column() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "catalog.md").read_text(encoding="utf-8")
    assert schema_markdown() in text
    assert queries_markdown() in text
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
    assert fields["sky_mean"].ucd == "instr.skyLevel"
    assert (fields["affected_reads"].datatype, fields["affected_reads"].arraysize) == ("long", "*")
    assert b"<DATA>" not in content


def test_astropy_reads_voparquet_with_its_units(tmp_path: Path) -> None:
    known = {c.name: False for c in TABLES["exposures"].columns if c.type == "bool"}
    some = [row | known | {"affected_reads": row["affected_reads"] or []} for row in rows()]
    path = write_table(to_arrow("exposures", some), tmp_path / "x.parquet", "parquet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MergeConflictWarning)  # astropy wraps the descriptions of one of the two
        table = Table.read(path, format="parquet.votable")
    assert table["sky_mean"].unit.to_string() == "electron / s"
    assert table["affected_reads"][0].tolist() == [3, 4]
    assert table["quality_flags"][0].tolist() == ["crowded", "scan"]
