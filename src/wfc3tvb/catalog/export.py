"""Export of tables and results to files: Parquet, CSV, ECSV, JSON, VOTable, FITS."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet
from astropy.table import MaskedColumn, meta
from astropy.table import Table as AstropyTable

from wfc3tvb import __version__
from wfc3tvb.catalog.astropy_tables import (
    COLUMNS,
    add_descriptions,
    fields_as_votable,
    flatten_nested,
    json_value,
    to_astropy,
    write_fits,
    write_votable,
)  # fmt: skip
from wfc3tvb.errors import BadArgumentError, BadFileError
from wfc3tvb.schema import SCHEMA_VERSION, Column, arrow_type

#: VOTable datatypes of list elements other than text.
_VOTABLE_TYPES = {"int64": "long", "double": "double", "bool": "boolean"}
FORMATS = ("parquet", "csv", "ecsv", "json", "votable", "fits")


def write_table(rows: pa.Table, path: str | Path, format: str) -> Path:
    """Write a result to a file, replacing an existing one only when it is complete.

    Parameters
    ----------
    rows : pyarrow.Table
        A table of the catalog or the result of a query; columns with a name in the schema get its unit, description and
        UCD. Except in Parquet and JSON, lists become text joined by ``;``.
    path : str or Path
        The file.
    format : str
        One of `FORMATS`.

    Raises
    ------
    BadArgumentError
        If the format is unknown, or the folder does not exist.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise BadArgumentError(f"{path}: there is no folder {path.parent}; create it first")
    if path.exists() and not path.is_file():  # a pipe, a terminal
        _write(rows, path, format)
        return path
    part = path.with_name(f".part-{path.name}")
    try:
        _write(rows, part, format)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _write(rows: pa.Table, path: Path, format: str) -> None:
    if format == "parquet":
        pa.parquet.write_table(with_metadata(rows), path, compression="zstd", row_group_size=100_000)
    elif format == "csv":
        pa.csv.write_csv(flatten_nested(rows), path)
    elif format == "json":
        _write_json(rows, path)
    elif format == "ecsv":
        to_astropy(rows).write(path, format="ascii.ecsv", overwrite=True)
    elif format == "votable":
        write_votable(to_astropy(rows), path)
    elif format == "fits":
        write_fits(to_astropy(rows), path)
    else:
        raise BadArgumentError(f"unknown format {format!r}; choose one of {', '.join(FORMATS)}")


def format_of(path: Path) -> str:
    """Return the format for the ending of a file's name.

    Raises
    ------
    BadArgumentError
        If there is none.
    """
    endings = {f".{name}": name for name in FORMATS} | {".vot": "votable", ".xml": "votable", ".fit": "fits"}
    if path.suffix.lower() not in endings:
        raise BadArgumentError(f"{path}: no format has this ending; add --format {'|'.join(FORMATS)}")
    return endings[path.suffix.lower()]


def text_of(rows: pa.Table, format: str) -> str:
    """Return a result as text.

    Raises
    ------
    BadArgumentError
        If the format is binary, which needs a file.
    """
    if format in ("parquet", "fits"):
        raise BadArgumentError(f"{format} is not text; add --output FILE")
    with tempfile.TemporaryDirectory() as folder:
        return write_table(rows, Path(folder) / "result", format).read_text(encoding="utf-8")


def read_table(path: str | Path, format: str | None = None) -> AstropyTable:
    """Read a file of `write_table`, with units and descriptions, nulls masked.

    Parameters
    ----------
    path : str or Path
        The file.
    format : str, optional
        One of `FORMATS` except json; by default that of the ending.

    Returns
    -------
    astropy.table.Table
        ``QTable(table)`` converts its columns to quantities.

    Raises
    ------
    BadArgumentError
        If the format is unknown.
    BadFileError
        If the file does not exist, or is not of that format.
    """
    path = Path(path)
    format = format or format_of(path)
    if format not in _READERS:
        raise BadArgumentError(f"cannot read format {format!r}; choose one of {', '.join(_READERS)}")
    try:
        return _READERS[format](path)
    except (OSError, ValueError, IndexError, pa.ArrowException) as error:
        reason = str(error).strip().split("\n", 1)[0]
        raise BadFileError(
            path, f"cannot be read as {format} ({reason})", "check the file, or export it again"
        ) from error


def how_to_read(name: str, format: str) -> str:
    """Return the Python expressions that read a file with its units."""
    call = f'wfc3tvb.read_table("{name}")'
    return {
        "parquet": f'{call}, pandas.read_parquet("{name}"), Table.read("{name}")',
        "votable": f'{call} or Table.read("{name}", format="votable", unit_format="generic"); without "generic" '
        "astropy reads electron/s as an unknown unit, which cannot be converted",
        "fits": f'{call} or Table.read("{name}")',
        "ecsv": f'{call} or Table.read("{name}", format="ascii.ecsv")',
        "csv": f"{call}, which takes units and descriptions from the schema, since the file has none",
        "json": f'json.load(open("{name}")); units and descriptions are only in the README',
    }[format]


def with_metadata(rows: pa.Table) -> pa.Table:
    """Return `rows` with unit, description and UCD on every column of the schema, and the versions.

    The file's metadata have them also as a VOTable without data (VOParquet, IVOA Note 1.0) for TOPCAT, and in the form
    of astropy's Parquet files, so that ``Table.read`` finds units and the lengths of texts.
    """
    fields = [field.with_metadata(_metadata(COLUMNS[field.name])) if field.name in COLUMNS else field
              for field in rows.schema]  # fmt: skip
    empty = to_astropy(rows.slice(0, 0))
    lists = {f.name: _VOTABLE_TYPES.get(str(f.type.value_type), "unicodeChar") for f in rows.schema
             if pa.types.is_list(f.type)}  # fmt: skip
    notes = {"wfc3tvb.schema_version": SCHEMA_VERSION, "wfc3tvb.package_version": __version__}
    notes |= {"IVOA.VOTable-Parquet.version": "1.0", "IVOA.VOTable-Parquet.content": fields_as_votable(empty, lists)}
    notes |= {"table_meta_yaml": "\n".join(meta.get_yaml_from_table(empty))} | _text_lengths(rows)
    return rows.cast(pa.schema(fields, metadata=notes))


_READERS: Mapping[str, Callable[[Path], AstropyTable]] = {
    "parquet": lambda path: to_astropy(pa.parquet.read_table(path)),
    "csv": lambda path: to_astropy(_read_csv(path)),
    "ecsv": lambda path: AstropyTable.read(path, format="ascii.ecsv"),
    "votable": lambda path: _no_empty_texts(
        add_descriptions(AstropyTable.read(path, format="votable", unit_format="generic"))
    ),
    "fits": lambda path: _no_empty_texts(AstropyTable.read(path, format="fits", hdu=1, character_as_bytes=False)),
}


def _no_empty_texts(table: AstropyTable) -> AstropyTable:
    """Mask empty texts except lists: VOTable and FITS have no null text, and the catalog has no empty text."""
    for name in table.colnames:
        if name in COLUMNS and COLUMNS[name].type == "str":
            column = MaskedColumn(table[name])
            column.mask |= column.filled("") == ""
            table[name] = column
    return table


def _write_json(rows: pa.Table, path: Path) -> None:
    """Write rows as JSON, some thousands at a time, because Python objects take much memory."""
    before = "["
    with path.open("w", encoding="utf-8") as file:
        for batch in rows.to_batches(max_chunksize=5000):
            for row in batch.to_pylist():
                file.write(f"{before}\n{json.dumps(json_value(row), indent=1, default=str, allow_nan=False)}")
                before = ","
        file.write("[]\n" if before == "[" else "\n]\n")


def _read_csv(path: Path) -> pa.Table:
    types = {name: arrow_type(c.type) for name, c in COLUMNS.items() if not c.type.endswith("[]")}
    options = {"column_types": types, "strings_can_be_null": True, "quoted_strings_can_be_null": False}
    return pa.csv.read_csv(path, convert_options=pa.csv.ConvertOptions(**options))


def _text_lengths(rows: pa.Table) -> dict[str, str]:
    """Return the length of the longest text in every text column, under the keys that astropy looks for."""
    lengths = {}
    for field in rows.schema:
        column = rows[field.name]
        if pa.types.is_list(field.type):
            column = pa.compute.list_flatten(column)
        if pa.types.is_string(column.type):
            longest = pa.compute.max(pa.compute.utf8_length(column)).as_py()
            lengths[f"table::len::{field.name}"] = str(max(longest or 1, 1))
    return lengths


def _metadata(column: Column) -> dict[str, str]:
    return {"unit": column.unit, "description": column.description, "ucd": column.ucd}
