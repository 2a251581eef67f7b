"""Export of tables and results to files: Parquet, CSV, ECSV, JSON, VOTable, FITS."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
from astropy.table import MaskedColumn
from astropy.table import Table as AstropyTable

from wfc3tvb.catalog.formats import fits_table, parquet, text, votable
from wfc3tvb.catalog.formats.astropy_tables import to_astropy
from wfc3tvb.catalog.formats.column_notes import COLUMNS
from wfc3tvb.catalog.formats.rows import Rows
from wfc3tvb.errors import BadArgumentError, BadFileError
from wfc3tvb.system.files import atomic_write

FORMATS = ("parquet", "csv", "ecsv", "json", "votable", "fits")

#: DuckDB's memory while whole tables are written in the order of their keys: sorting larger ones uses a scratch file.
MEMORY = "512MB"


def write_table(rows: pa.Table | Rows, path: str | Path, format: str, *, units: bool = False) -> Path:
    """Write a result to a file, replacing an existing one only when it is complete.

    Parameters
    ----------
    rows : pyarrow.Table or Rows
        A table of the catalog or the result of a query; columns of the schema, also renamed ones, have its unit,
        description and UCD, and computed columns have none. Rows of another origin have them by name. Except in Parquet
        and JSON, lists become text joined by ``;``.
    path : str or Path
        The file.
    format : str
        One of `FORMATS`.
    units : bool, optional
        Whether the headings of CSV have units, as in ``sky_mean [electron/s]``. CSV has the names alone otherwise;
        Parquet, ECSV, VOTable and FITS always have units in places of their own.

    Raises
    ------
    BadArgumentError
        If the format is unknown, or the folder does not exist.
    """
    path = Path(path)
    rows = rows if isinstance(rows, Rows) else Rows.of_table(rows)
    if not path.parent.is_dir():
        raise BadArgumentError(f"{path}: there is no folder {path.parent}; create it first")
    if path.exists() and not path.is_file():  # a pipe, a terminal
        with tempfile.TemporaryDirectory() as folder, path.open("wb") as out:
            out.write(write_table(rows, Path(folder) / "result", format, units=units).read_bytes())
        return path
    with atomic_write(path) as part:
        _write(rows, part, format, units=units)
    return path


def _write(rows: Rows, path: Path, format: str, *, units: bool) -> None:
    if format not in _WRITERS:
        raise BadArgumentError(f"unknown format {format!r}; choose one of {', '.join(FORMATS)}")
    if units and format == "csv":
        text.write_csv(rows, path, units=True)
    else:
        _WRITERS[format](rows, path)


def format_of(path: Path) -> str:
    """Return the format for the ending of a file's name.

    Raises
    ------
    BadArgumentError
        If there is none.
    """
    endings = {f".{name}": name for name in FORMATS} | {".vot": "votable", ".xml": "votable", ".fit": "fits"}
    if path.suffix.lower() not in endings:
        raise BadArgumentError(
            f"{path}: no format has this ending; choose one of {', '.join(FORMATS)} (parameter format)"
        )
    return endings[path.suffix.lower()]


def text_of(rows: pa.Table, format: str, *, units: bool = False) -> str:
    """Return a result as text; `units` as in `write_table`.

    Raises
    ------
    BadArgumentError
        If the format is binary, which needs a file.
    """
    if format in ("parquet", "fits"):
        raise BadArgumentError(f"{format} is not text; write it to a file (parameter output)")
    with tempfile.TemporaryDirectory() as folder:
        return write_table(rows, Path(folder) / "result", format, units=units).read_text(encoding="utf-8")


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
        "csv": f"{call}, which takes units and descriptions from the schema, since CSV has no place for them",
        "json": f'json.load(open("{name}")); units and descriptions are only in the README',
    }[format]


def _read_fits(path: Path) -> AstropyTable:
    return AstropyTable.read(path, format="fits", hdu=1, character_as_bytes=False)


_WRITERS: Mapping[str, Callable[[Rows, Path], None]] = {
    "parquet": parquet.write,
    "csv": text.write_csv,
    "ecsv": text.write_ecsv,
    "json": text.write_json,
    "votable": votable.write,
    "fits": fits_table.write,
}
_READERS: Mapping[str, Callable[[Path], AstropyTable]] = {
    "parquet": lambda path: to_astropy(pyarrow.parquet.read_table(path)),
    "csv": lambda path: to_astropy(text.read_csv(path)),
    "ecsv": lambda path: AstropyTable.read(path, format="ascii.ecsv"),
    "votable": lambda path: _no_empty_texts(votable.read(path)),
    "fits": lambda path: _no_empty_texts(_read_fits(path)),
}


def _no_empty_texts(table: AstropyTable) -> AstropyTable:
    """Mask empty texts except lists: VOTable and FITS have no null text, and the catalog has no empty text."""
    for name in table.colnames:
        if name in COLUMNS and COLUMNS[name].type == "str":
            column = MaskedColumn(table[name])
            column.mask |= column.filled("") == ""
            table[name] = column
    return table
