"""One file per table, for programs that do not speak SQL: Parquet, CSV, ECSV, JSON, VOTable, FITS."""

from __future__ import annotations

import json
import math
import re
import tempfile
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from astropy.io import fits
from astropy.io.votable import from_table
from astropy.io.votable.exceptions import W50
from astropy.table import MaskedColumn
from astropy.table import Table as AstropyTable

from wfc3tvb import __version__
from wfc3tvb.errors import BadArgumentError
from wfc3tvb.io.views import RELATIONS
from wfc3tvb.schema import SCHEMA_VERSION, Column

FORMATS = ("parquet", "csv", "ecsv", "json", "votable", "fits")
_COLUMNS = {column.name: column for table in RELATIONS.values() for column in table.columns}
_NULL = {"i": 0, "f": np.nan, "b": False, "U": ""}


def write_table(rows: pa.Table, path: str | Path, format: str) -> Path:
    """Write a result to a file, in place of one that is there.

    Parameters
    ----------
    rows : pyarrow.Table
        A table of the catalog or the result of a query; columns with a name of the schema carry its unit,
        description and UCD. Lists become text joined by ``;`` but in Parquet and JSON.
    path : str or Path
        The file.
    format : str
        One of `FORMATS`.

    Raises
    ------
    BadArgumentError
        If the format is unknown, or the folder is not there.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise BadArgumentError(f"{path}: there is no folder {path.parent}; make it first")
    if format == "parquet":
        pa.parquet.write_table(with_metadata(rows), path, compression="zstd", row_group_size=100_000)
    elif format == "csv":
        pa.csv.write_csv(_flat(rows), path)
    elif format == "json":
        text = json.dumps([_plain(row) for row in rows.to_pylist()], indent=1, default=str, allow_nan=False)
        path.write_text(text + "\n", encoding="utf-8")
    elif format == "ecsv":
        to_astropy(rows).write(path, format="ascii.ecsv", overwrite=True)
    elif format == "votable":
        _write_votable(to_astropy(rows), path)
    elif format == "fits":
        _write_fits(to_astropy(rows), path)
    else:
        raise BadArgumentError(f"{format!r} is no format; take one of {', '.join(FORMATS)}")
    return path


def format_of(path: Path) -> str:
    """Return the format that a file's ending means.

    Raises
    ------
    BadArgumentError
        If it means none.
    """
    endings = {f".{name}": name for name in FORMATS} | {".vot": "votable", ".xml": "votable", ".fit": "fits"}
    if path.suffix.lower() not in endings:
        raise BadArgumentError(f"{path}: the ending tells no format; add --format {'|'.join(FORMATS)}")
    return endings[path.suffix.lower()]


def text_of(rows: pa.Table, format: str) -> str:
    """Return a result as text.

    Raises
    ------
    BadArgumentError
        If the format is binary: those need a file.
    """
    if format in ("parquet", "fits"):
        raise BadArgumentError(f"{format} is not text; add --output FILE")
    with tempfile.TemporaryDirectory() as folder:
        return write_table(rows, Path(folder) / "result", format).read_text(encoding="utf-8")


def with_metadata(rows: pa.Table) -> pa.Table:
    """Return `rows` with unit, description and UCD on every column that the schema knows, and the versions.

    The file's metadata hold the same as a VOTable without data (VOParquet, IVOA Note 1.0), which TOPCAT reads.
    """
    fields = [field.with_metadata(_metadata(_COLUMNS[field.name])) if field.name in _COLUMNS else field
              for field in rows.schema]  # fmt: skip
    versions = {"wfc3tvb.schema_version": SCHEMA_VERSION, "wfc3tvb.package_version": __version__}
    described = {"IVOA.VOTable-Parquet.version": "1.0", "IVOA.VOTable-Parquet.content": _fields_as_votable(rows)}
    return rows.cast(pa.schema(fields, metadata=versions | described))


def to_astropy(rows: pa.Table) -> AstropyTable:
    """Return `rows` as an astropy table: units and descriptions set, nulls masked."""
    flat = _flat(rows)
    table = AstropyTable({name: _masked(flat[name]) for name in flat.column_names})
    for name in table.colnames:
        if name in _COLUMNS:
            table[name].unit = _COLUMNS[name].unit or None
            table[name].description = _COLUMNS[name].description
    return table


def _write_votable(table: AstropyTable, path: Path | BytesIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", W50)  # VOUnits has no electron; the unit is kept as it stands
        document = from_table(table)
        for field in document.get_first_table().fields:
            field.ucd = _COLUMNS[field.name].ucd or None if field.name in _COLUMNS else None
        document.to_xml(path if isinstance(path, BytesIO) else str(path))


def _fields_as_votable(rows: pa.Table) -> str:
    """Return the columns of `rows` as the text of a VOTable without data."""
    buffer = BytesIO()
    _write_votable(to_astropy(rows.slice(0, 0)), buffer)
    return re.sub(r"<DATA>.*</DATA>", "", buffer.getvalue().decode("utf-8"), flags=re.DOTALL)


def _write_fits(table: AstropyTable, path: Path) -> None:
    """Write a FITS binary table; units as they stand, as HST's own files have ELECTRONS/S, which FITS does not list."""
    units = {name: str(table[name].unit or "").replace(" ", "") for name in table.colnames}
    for name in table.colnames:
        table[name].unit = None
        if table[name].dtype == np.bool_ and np.any(table[name].mask):  # a FITS logical cannot be null for astropy
            table[name] = table[name].astype(np.int16)
        if table[name].dtype.kind == "i":
            table[name].fill_value = np.iinfo(table[name].dtype).min
    hdu = fits.table_to_hdu(table)
    for number, name in enumerate(table.colnames, 1):
        if units[name]:
            hdu.header.set(f"TUNIT{number}", units[name], after=f"TFORM{number}")
        if name in _COLUMNS:
            hdu.header.set(f"TCOMM{number}", _COLUMNS[name].description, after=f"TFORM{number}")
            hdu.header.set(f"TUCD{number}", _COLUMNS[name].ucd, after=f"TFORM{number}")
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, overwrite=True, checksum=True)


def _metadata(column: Column) -> dict[str, str]:
    return {"unit": column.unit, "description": column.description, "ucd": column.ucd}


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold: what is no number becomes null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _flat(rows: pa.Table) -> pa.Table:
    """Return `rows` with lists joined to text, and other nested values as JSON."""
    for index, field in enumerate(rows.schema):
        if pa.types.is_nested(field.type):
            texts = [None if v is None else _text(v) for v in rows[field.name].to_pylist()]
            rows = rows.set_column(index, field.name, pa.array(texts, pa.string()))
    return rows


def _text(value: Any) -> str:
    if isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in value):
        return ";".join(map(str, value))
    return json.dumps(_plain(value), default=str)


def _masked(column: pa.ChunkedArray) -> MaskedColumn:
    values: list[Any] = column.to_pylist()
    kind = _kind(column.type)
    filled = [_NULL[kind] if value is None else value for value in values]
    dtype = {"i": np.int64, "f": np.float64, "b": np.bool_, "U": np.str_}[kind]
    data: Any = np.array([str(v) for v in filled] if kind == "U" else filled, dtype=dtype)
    return MaskedColumn(data, mask=[value is None for value in values])


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "b"
    return "i" if pa.types.is_integer(kind) else "f" if pa.types.is_floating(kind) else "U"
