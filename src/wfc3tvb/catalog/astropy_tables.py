"""Conversion of rows to astropy tables, and the formats that astropy writes: VOTable and FITS.

Neither FITS nor VOUnits defines the electron as a unit. A FITS file stores such a unit where astropy looks for units
that FITS cannot express (serialized columns in COMMENT cards), where TOPCAT looks (FITS-plus: a VOTable without data in
the primary HDU), and in the column's comment (TCOMM); with a TUNIT, astropy could not read any of these. A VOTable has
the unit unchanged; astropy reads it as an unknown unit unless it is given ``unit_format="generic"``.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
import warnings
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning
from astropy.io.votable import from_table
from astropy.io.votable.exceptions import W03, W50
from astropy.table import MaskedColumn, QTable
from astropy.table import Table as AstropyTable
from astropy.units import UnrecognizedUnit
from astropy.utils.exceptions import AstropyUserWarning

from wfc3tvb.catalog.views import RELATIONS, column_comment

#: All columns of the schema and of the derived views, by name; obscore has other types for some names of the schema.
COLUMNS = {
    column.name: column
    for table in sorted(RELATIONS.values(), key=lambda table: table.name != "obscore")
    for column in table.columns
}
_NULL = {"i": 0, "f": np.nan, "b": False, "U": ""}


def to_astropy(rows: pa.Table) -> AstropyTable:
    """Return `rows` as an astropy table with units and descriptions, nulls masked."""
    texts = flatten_nested(rows)
    return add_descriptions(AstropyTable({name: _masked(texts[name]) for name in texts.column_names}))


def add_descriptions(table: AstropyTable) -> AstropyTable:
    """Set unit and description of the columns that are in the schema, and return the table."""
    for name in table.colnames:
        if name in COLUMNS:
            table[name].unit = COLUMNS[name].unit or None
            table[name].description = COLUMNS[name].description
    return table


def write_votable(table: AstropyTable, path: Path | BytesIO, lists: Mapping[str, str] | None = None) -> None:
    """Write a VOTable, with the units of the schema and UCDs.

    Parameters
    ----------
    table : astropy.table.Table
        Result of `to_astropy`.
    path : Path or BytesIO
        File to write.
    lists : mapping, optional
        Columns that are lists in the file that the VOTable describes, with the VOTable datatype of their elements.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", W50)  # VOUnits has no electron; the unit is kept unchanged
        warnings.simplefilter("ignore", W03)  # astropy makes an ID from a name such as count(*), and keeps the name
        document = from_table(table)
        for field in document.get_first_table().fields:
            if field.name in COLUMNS:
                column = COLUMNS[field.name]
                field.ucd = column.ucd or None
                field.unit = UnrecognizedUnit(column.unit) if column.unit else None
            if lists and field.name in lists:
                field.datatype, field.arraysize = lists[field.name], "*"
        document.to_xml(path if isinstance(path, BytesIO) else str(path))


def fields_as_votable(table: AstropyTable, lists: Mapping[str, str] | None = None) -> str:
    """Return the text of a VOTable with the columns of a table, without data."""
    buffer = BytesIO()
    write_votable(table[:0], buffer, lists)
    return re.sub(r"<DATA>.*</DATA>", "", buffer.getvalue().decode("utf-8"), flags=re.DOTALL)


def write_fits(table: AstropyTable, path: Path) -> None:
    """Write a FITS binary table (FITS-plus); see the module's docstring for its units.

    FITS allows only ASCII: accents are removed, and other characters become question marks.
    """
    table.rename_columns(table.colnames, [_ascii(name) for name in table.colnames])
    for name in table.colnames:
        if table[name].dtype.kind == "U":
            values = np.array([_ascii(value) for value in table[name].filled("")], dtype=np.str_)
            table[name] = MaskedColumn(values, mask=table[name].mask, description=table[name].description)
        if table[name].dtype == np.bool_ and np.any(table[name].mask):  # astropy has no null for a FITS logical
            table[name] = table[name].astype(np.int16)
        if table[name].dtype.kind == "i":
            table[name].fill_value = np.iinfo(table[name].dtype).min
    fields = fields_as_votable(table).encode("utf-8")
    units = {name: str(table[name].unit) for name in table.colnames if _has_fits_name(table[name].unit)}
    for name in units:
        table[name].unit = None  # otherwise an integer column would become a quantity, which is a float
    hdu = _as_hdu(table)
    for number, name in enumerate(table.colnames, 1):
        if name in units:
            hdu.header.set(f"TUNIT{number}", units[name], after=f"TFORM{number}")
        if name in COLUMNS:
            hdu.header.set(f"TCOMM{number}", column_comment(COLUMNS[name]), after=f"TFORM{number}")
            hdu.header.set(f"TUCD{number}", COLUMNS[name].ucd, after=f"TFORM{number}")
    primary = fits.PrimaryHDU(np.frombuffer(fields, np.uint8))
    primary.header.set("VOTMETA", True, "table metadata in VOTable format", after="EXTEND")
    fits.HDUList([primary, hdu]).writeto(path, overwrite=True, checksum=True)
    _swap_cards(path, 4)


def _swap_cards(path: Path, number: int) -> None:
    """Swap a card of the primary header with the next: TOPCAT needs VOTMETA in the place where astropy puts EXTEND.

    The checksum, a sum of words of four bytes, stays valid.
    """
    with path.open("r+b") as file:
        file.seek(80 * number)
        first, second = file.read(80), file.read(80)
        file.seek(80 * number)
        file.write(second + first)


def _as_hdu(table: AstropyTable) -> fits.BinTableHDU:
    """Return the HDU that astropy makes of a table, with quantities and descriptions serialized in COMMENT cards."""
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The unit .* could not be saved in native FITS", AstropyUserWarning)
        warnings.filterwarnings("ignore", "It is strongly recommended that column names", VerifyWarning)  # count(*)
        QTable(table).write(buffer, format="fits")
        buffer.seek(0)
        with fits.open(buffer) as hdus:
            return hdus[1].copy()


def _ascii(text: str) -> str:
    """Return text without accents and control characters."""
    letters = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in letters)


def _has_fits_name(unit: Any) -> bool:
    """Return whether FITS has a name for a unit."""
    try:
        return unit is not None and bool(unit.to_string("fits"))
    except ValueError:
        return False


def json_value(value: Any) -> Any:
    """Return a value that JSON can represent: NaN and infinity become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: json_value(item) for key, item in value.items()}
    return [json_value(item) for item in value] if isinstance(value, list) else value


def flatten_nested(rows: pa.Table) -> pa.Table:
    """Return `rows` with lists joined to texts, and other nested values as JSON."""
    for index, field in enumerate(rows.schema):
        if pa.types.is_nested(field.type):
            texts = [None if v is None else _text(v) for v in rows[field.name].to_pylist()]
            rows = rows.set_column(index, field.name, pa.array(texts, pa.string()))
    return rows


def _text(value: Any) -> str:
    if isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in value):
        return ";".join(map(str, value))
    return json.dumps(json_value(value), default=str)


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
