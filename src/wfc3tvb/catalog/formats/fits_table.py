"""FITS binary tables (FITS-plus).

FITS does not define the electron as a unit. A file stores such a unit where astropy looks for units that FITS cannot
express (serialized columns in COMMENT cards), where TOPCAT looks (FITS-plus: a VOTable without data in the primary
HDU), and in the column's comment (TCOMM); with a TUNIT, astropy could not read any of these.
"""

from __future__ import annotations

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
from astropy.table import MaskedColumn, QTable
from astropy.table import Table as AstropyTable
from astropy.utils.exceptions import AstropyUserWarning
from numpy.typing import NDArray

from wfc3tvb.catalog.formats.astropy_tables import add_descriptions
from wfc3tvb.catalog.formats.rows import Extent, Rows
from wfc3tvb.catalog.formats.votable import fields
from wfc3tvb.catalog.results import unique
from wfc3tvb.catalog.views import column_comment
from wfc3tvb.schema import Column

_BLOCK = 2880
#: Null of integer columns (TNULL), and of logical columns, which astropy can only read as integers.
_NULLS = {"i8": np.iinfo(np.int64).min, "i2": np.iinfo(np.int16).min}


def write(rows: Rows, path: Path) -> None:
    """Write a FITS binary table, batch by batch.

    FITS allows only ASCII: accents are removed, and other characters become question marks.
    """
    extent = Extent.of(flat := _ascii_rows(rows.flat()))
    flat = _without_null_logicals(flat, extent)
    dtype, meaning = _dtype(flat.schema, extent), fields(flat, lengths=extent.lengths)
    primary = fits.PrimaryHDU(np.frombuffer(meaning.encode("utf-8"), np.uint8))
    primary.header.set("VOTMETA", True, "table metadata in VOTable format", after="EXTEND")
    primary.add_checksum()
    header = _header(dtype, flat.columns)
    header["NAXIS2"] = flat.n_rows
    with path.open("wb") as file:
        primary.writeto(file)
        file.write(header.tostring().encode("ascii"))
        for batch in flat.read():
            file.write(_records(batch, dtype).tobytes())
        file.write(b"\0" * (-(dtype.itemsize * flat.n_rows) % _BLOCK))
    _add_checksum(path)
    _swap_cards(path, 4)


def _ascii_rows(rows: Rows) -> Rows:
    """Return rows whose texts are ASCII, and whose column names are letters, digits and underscores."""
    names = unique([re.sub(r"\W+", "_", _ascii(name)).strip("_") or "column" for name in rows.schema.names])
    kinds = [field.type if _is_number(field.type) else pa.string() for field in rows.schema]
    schema = pa.schema(list(zip(names, kinds, strict=True)))
    columns = {new: rows.columns[old] for new, old in zip(names, rows.schema.names, strict=True) if old in rows.columns}

    def read() -> Any:
        for batch in rows.read():
            yield pa.RecordBatch.from_arrays([_ascii_column(column) for column in batch.columns], schema=schema)

    return Rows(schema, read, rows.n_rows, columns)


def _without_null_logicals(rows: Rows, extent: Extent) -> Rows:
    """Return rows whose logical columns with nulls are integers, since astropy has no null for a FITS logical."""
    fields = [f.with_type(pa.int16()) if pa.types.is_boolean(f.type) and f.name in extent.with_nulls else f
              for f in rows.schema]  # fmt: skip
    schema = pa.schema(fields)
    return Rows(schema, lambda: (batch.cast(schema) for batch in rows.read()), rows.n_rows, rows.columns)


def _dtype(schema: pa.Schema, extent: Extent) -> np.dtype[Any]:
    """Return the type of a record in the file; a logical value is a byte."""
    return np.dtype([(f.name, _kind(f, extent)) for f in schema])


def _kind(field: pa.Field, extent: Extent) -> str:
    if pa.types.is_boolean(field.type):
        return "u1"
    if pa.types.is_integer(field.type):
        return ">i2" if field.type == pa.int16() else ">i8"
    return ">f8" if pa.types.is_floating(field.type) else f"S{extent.lengths[field.name]}"


def _header(dtype: np.dtype[Any], columns: Mapping[str, Column]) -> fits.Header:
    """Return the header of the table: astropy's, with units, descriptions and UCDs in cards."""
    table = add_descriptions(AstropyTable({name: _template(dtype[name]) for name in dtype.names or ()}), columns)
    units = {name: str(table[name].unit) for name in table.colnames if _has_fits_name(table[name].unit)}
    for name in units:
        table[name].unit = None  # otherwise an integer column would become a quantity, which is a float
    header = _astropy_header(table)
    header.set("LONGSTRN", "OGIP 1.0", "long texts are continued", before="TTYPE1")
    for number, name in enumerate(table.colnames, 1):
        if name in units:
            header.set(f"TUNIT{number}", units[name], after=f"TFORM{number}")
        if name in columns:
            header.set(f"TCOMM{number}", column_comment(columns[name]), after=f"TFORM{number}")
            header.set(f"TUCD{number}", columns[name].ucd, after=f"TFORM{number}")
    return header


def _template(kind: np.dtype[Any]) -> MaskedColumn:
    """Return a column of one null, from which astropy makes the cards of a column."""
    if kind.kind == "u":
        return MaskedColumn([False], mask=[False])
    column = MaskedColumn(np.zeros(1, kind.newbyteorder("=")), mask=[True])
    if kind.kind == "i":
        column.fill_value = _NULLS[kind.str[1:]]
    return column


def _astropy_header(table: AstropyTable) -> fits.Header:
    """Return the header that astropy makes of a table, with quantities and descriptions serialized in COMMENT cards."""
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The unit .* could not be saved in native FITS", AstropyUserWarning)
        QTable(table).write(buffer, format="fits")
        buffer.seek(0)
        with fits.open(buffer) as hdus:
            return hdus[1].header.copy()


def _records(batch: pa.RecordBatch, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a batch as records of the file."""
    records = np.zeros(batch.num_rows, dtype)
    for name in dtype.names or ():
        records[name] = _values(batch.column(name), dtype[name])
    return records


def _values(column: pa.Array, kind: np.dtype[Any]) -> NDArray[Any]:
    if pa.types.is_floating(column.type):
        return np.asarray(column.cast(pa.float64()).fill_null(np.nan))
    if kind.kind == "i":
        return np.asarray(column.cast(pa.int64()).fill_null(int(_NULLS[kind.str[1:]])))
    if pa.types.is_boolean(column.type):
        return np.where(np.asarray(column), ord("T"), ord("F"))
    return np.array(column.fill_null("").to_pylist(), dtype=kind)


def _add_checksum(path: Path) -> None:
    """Add the checksums of the table, whose bytes astropy maps instead of reading them."""
    with fits.open(path, mode="update", memmap=True) as hdus:
        hdus[1].add_checksum()


def _swap_cards(path: Path, number: int) -> None:
    """Swap a card of the primary header with the next: TOPCAT needs VOTMETA in the place where astropy puts EXTEND.

    The checksum, a sum of words of four bytes, stays valid.
    """
    with path.open("r+b") as file:
        file.seek(80 * number)
        first, second = file.read(80), file.read(80)
        file.seek(80 * number)
        file.write(second + first)


def _ascii(text: str) -> str:
    """Return text without accents and control characters."""
    letters = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in letters)


def _ascii_column(column: pa.Array) -> pa.Array:
    """Return a column whose texts, and values of types that FITS does not have, are ASCII texts."""
    if _is_number(column.type):
        return column
    texts = [None if value is None else str(value) for value in column.to_pylist()]
    return pa.array([text if text is None or _is_plain(text) else _ascii(text) for text in texts], pa.string())


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _has_fits_name(unit: Any) -> bool:
    """Return whether FITS has a name for a unit."""
    try:
        return unit is not None and bool(unit.to_string("fits"))
    except ValueError:
        return False
