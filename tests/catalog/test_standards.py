"""Exports pass the validators of the field: votlint (STILTS), fitsverify, the rules of VOParquet, the list of UCDs."""

from __future__ import annotations

import datetime
import io
import shutil
import subprocess
import tracemalloc
import warnings
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.io import votable
from astropy.io.votable.exceptions import W50
from astropy.io.votable.ucd import parse_ucd
from astropy.table import QTable, Table
from deltalake import DeltaTable

from tests.helpers.rows import curve_rows
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.catalog.export import FORMATS, read_table, write_table
from wfc3tvb.catalog.formats.column_notes import COLUMNS
from wfc3tvb.catalog.formats.rows import Rows
from wfc3tvb.catalog.views import RELATIONS
from wfc3tvb.models import Measurement
from wfc3tvb.schema import TABLES, to_arrow

#: Names that a file format may stumble on: separators, quotes, a newline, letters beyond ASCII, XML, an empty text.
NAMES = ['A,B "C"', "O'Neil; line\nbreak", "B\u00f6ker \u03bb \U0001f52d", "<M & 31>", "NA", "12"]
#: Tables and views, and those that are also tested without rows.
ALL, EMPTY = sorted(RELATIONS), ("exposures", "reads", "runs")


def measurement(rootname: str) -> Measurement:
    exposure, reads = curve_rows(rootname, [100, 200, 300, 400], [1.0, 1.0, 1.1, 1.2])
    return Measurement(exposure | {"sky_mean": 1.2, "flagged": True, "affected_reads": [3, 4]}, reads)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Catalog of exposures with such names."""
    store = open_catalog(tmp_path_factory.mktemp("standards") / "catalog", mode="a")
    measured = [measurement(f"ibaaaa{k:02}q") for k in range(len(NAMES))]
    for one, name in zip(measured, NAMES, strict=True):
        one.exposure["target_name"] = name
    store.record(measured)
    store.update_views()
    return store


@pytest.fixture(scope="module")
def files(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with every table and view, and some without rows, as VOTable, FITS and Parquet."""
    out = tmp_path_factory.mktemp("files")
    for name in ALL:
        for ending, format in (("vot", "votable"), ("fits", "fits"), ("parquet", "parquet")):
            write_table(catalog.fetch(f"FROM {name}"), out / f"{name}.{ending}", format)
            if name in EMPTY:
                write_table(to_arrow(name, []), out / f"{name}-empty.{ending}", format)
    computed = catalog.fetch(
        'SELECT target_name AS t, sky_mean * 2 AS x, count(*) OVER () AS "count(*)" FROM exposures'
    )
    write_table(computed, out / "computed.vot", "votable")
    write_table(computed, out / "computed.fits", "fits")
    return out


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here (Debian: apt install {name})")
    return found


def votlint(path: Path) -> str:
    command = [tool("stilts"), "votlint", f"votable={path}", "ucd=true", "unit=true"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["exposures", "reads-empty", "visits", "computed", "runs-empty"])
def test_votlint_finds_no_error_and_no_warning(files: Path, name: str) -> None:
    assert votlint(files / f"{name}.vot") == ""


def test_fitsverify_finds_no_error_and_no_warning(files: Path) -> None:
    paths = sorted(files.glob("*.fits"))
    said = subprocess.run([tool("fitsverify"), "-q", *paths], capture_output=True, text=True, check=False).stdout
    assert len(said.splitlines()) == len(paths) > len(ALL)
    assert [line for line in said.splitlines() if not line.startswith("verification OK")] == []


@pytest.mark.parametrize("name", [*ALL, *(f"{name}-empty" for name in EMPTY)])
def test_parquet_keeps_the_rules_of_voparquet(files: Path, name: str) -> None:
    # IVOA Note "Parquet in the VO" 1.0: two keys; a VOTable without data, one FIELD with a datatype for each column.
    schema, stored = (read(files / f"{name}.parquet") for read in (pq.read_schema, pq.read_metadata))
    keys = [key.decode() for key in stored.metadata if key.startswith(b"IVOA.VOTable-Parquet")]
    assert sorted(keys) == ["IVOA.VOTable-Parquet.content", "IVOA.VOTable-Parquet.version"]
    assert stored.metadata[b"IVOA.VOTable-Parquet.version"] == b"1.0"
    content = stored.metadata[b"IVOA.VOTable-Parquet.content"]
    assert b"<DATA" not in content
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", W50)
        (table,) = votable.parse(io.BytesIO(content)).iter_tables()
    assert [field.name for field in table.fields] == schema.names
    kinds = {"string": "unicodeChar", "int64": "long", "double": "double", "bool": "boolean"}
    for field, kind in zip(table.fields, schema.types, strict=True):
        assert field.datatype == kinds[str(getattr(kind, "value_type", kind))], field.name


@pytest.mark.slow
def test_votlint_accepts_the_votable_in_a_parquet_file(files: Path, tmp_path: Path) -> None:
    content = pq.read_metadata(files / "exposures.parquet").metadata[b"IVOA.VOTable-Parquet.content"]
    (tmp_path / "x.vot").write_bytes(content)
    assert votlint(tmp_path / "x.vot") == ""


def test_parqlint_finds_nothing(files: Path) -> None:
    command = [tool("stilts"), "parqlint", str(files / "exposures.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "No such task" in done.stderr:
        pytest.skip("this STILTS has no parqlint (it came with version 3.5)")
    assert "ERROR" not in done.stdout
    assert "WARNING" not in done.stdout


def test_ucds_are_words_of_the_list() -> None:
    for table in RELATIONS.values():
        for column in table.columns:
            assert parse_ucd(column.ucd, check_controlled_vocabulary=True), f"{table.name}.{column.name}"


@pytest.mark.parametrize("format", FORMATS)
def test_any_name_comes_back(catalog: Catalog, tmp_path: Path, format: str) -> None:
    rows = catalog.fetch("SELECT target_name, rootname, sky_mean AS sky FROM exposures ORDER BY rootname")
    path = write_table(rows, tmp_path / f"x.{format}", format)
    table = pd.read_json(path) if format == "json" else read_table(path)
    plain = {NAMES[1]: "O'Neil; line?break", NAMES[2]: "Boker ? ?"} if format == "fits" else {}
    plain |= {NAMES[1]: "O'Neil; line break"} if format == "ecsv" else {}
    assert list(map(str, table["target_name"])) == [plain.get(name, name) for name in NAMES]


@pytest.mark.parametrize("name", [*ALL, *(f"{name}-empty" for name in EMPTY)])
def test_astropy_pandas_polars_and_duckdb_read_every_table(files: Path, name: str) -> None:
    table = RELATIONS[name.removesuffix("-empty")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", W50)
        read = [Table.read(files / f"{name}.vot", unit_format="generic"), Table.read(files / f"{name}.fits"),
                QTable.read(files / f"{name}.parquet")]  # fmt: skip
    for each in read:
        assert {c.name: u.Unit(c.unit) for c in table.columns if c.unit and c.type == "float"} == {
            c.name: each[c.name].unit for c in table.columns if c.unit and c.type == "float"
        }
    frame, other = pd.read_parquet(files / f"{name}.parquet"), polars.read_parquet(files / f"{name}.parquet")
    found = duckdb.sql(f"FROM '{files / name}.parquet'")
    assert list(frame.columns) == other.columns == found.columns == list(table.names)
    assert len(frame) == other.height == found.count("*").fetchall()[0][0] == len(read[0])


def test_astropy_reads_the_files_of_the_live_catalog(catalog: Catalog) -> None:
    for name in ("exposures", "reads"):
        (uri,) = DeltaTable(str(catalog.folder / name)).file_uris()
        table = QTable.read(uri.removeprefix("file://"))
        assert len(table) == catalog.snapshots[name].n_rows
        units = {c.name: u.Unit(c.unit) for c in TABLES[name].columns if c.unit and c.type == "float"}
        assert {column: table[column].unit for column in units} == units
    assert table["rate"].info.description == "interval rate of the sky"


def test_files_are_noted_once_and_stay_right(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "catalog", mode="a") as store:
        for k in range(3):
            store.record([measurement(f"ibaaaa{k:02}q"), measurement("ibaaaa00q")])
            store.update_views()
        once = store.snapshots["exposures"]
        store.update_views()
        assert store.snapshots["exposures"].version == once.version
        assert all(path.name.startswith("noted-") for path in once.files)
        assert store.sql("SELECT rootname FROM exposures ORDER BY rootname").fetchall() == [
            ("ibaaaa00q",), ("ibaaaa01q",), ("ibaaaa02q",)
        ]  # fmt: skip
    with open_catalog(tmp_path / "catalog", mode="r+") as store:
        store.replace("exposures", [], keys=["ibaaaa01q"])
        assert store.sql("SELECT count(*) FROM exposures").fetchall() == [(2,)]


@pytest.mark.parametrize("format", FORMATS)
def test_columns_of_dates_and_of_nulls_alone_are_written(tmp_path: Path, format: str) -> None:
    columns = {"n": pa.nulls(2), "d": pa.array([datetime.date(2013, 1, 6), None]), "t": pa.array([[1.5], None])}
    path = write_table(pa.table(columns), tmp_path / f"x.{format}", format)
    if format != "json":
        assert str(read_table(path)["d"][0]) == "2013-01-06"


def test_csv_has_quotes_where_needed_and_the_digits_of_the_errors(tmp_path: Path) -> None:
    table = pa.table(
        {
            "rate": [1.23456789, -0.00012345678, None], "rate_err": [0.0123, 0.0, 0.05],
            "expstart": [56298.123456789012] * 3,
            "ra": [189.123456789] * 3, "sky_mean": [0.123456789, 1e-9, float("nan")], "x": [0.1 + 0.2, 1e22, 2.0],
            "t": ["a b", 'say "a,b"', ""], "flagged": [True, None, False], "jump_read": [3, None, 4],
        }
    )  # fmt: skip
    assert write_table(table, tmp_path / "x.csv", "csv").read_text().splitlines() == [
        "rate,rate_err,expstart,ra,sky_mean,x,t,flagged,jump_read",
        "1.2346,0.0123,56298.12345679,189.123457,0.1234568,0.3,a b,true,3",
        '-0.0001234568,0,56298.12345679,189.123457,1e-9,1e+22,"say ""a,b""",,',
        ',0.05,56298.12345679,189.123457,nan,2,"",false,4',
    ]


@pytest.mark.slow
@pytest.mark.parametrize("format", ["parquet", "csv", "ecsv", "votable", "fits"])
def test_a_million_rows_take_little_memory(tmp_path: Path, format: str) -> None:
    # 10^6 rows of 20 columns are 160 MB in memory; of 2 columns as texts, more than 100 MB.
    n_columns = 20 if format in ("parquet", "fits") else 2
    names = [c.name for c in TABLES["exposures"].columns if c.type == "float"][:n_columns]
    batch = pa.RecordBatch.from_arrays([pa.array(np.linspace(0.1, 100, 10_000))] * n_columns, names=names)
    n_batches, pool = 100, pa.default_memory_pool()

    def read() -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(batch.schema, (batch for _ in range(n_batches)))

    before = pool.bytes_allocated()
    rows = Rows.of_query(read, n_batches * batch.num_rows, {name: COLUMNS[name] for name in names})
    tracemalloc.start()
    path = write_table(rows, tmp_path / f"x.{format}", format)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak + pool.bytes_allocated() - before < 50e6
    assert path.stat().st_size > 1e6
