"""VOTable: the file, and the VOTable without data that describes the columns of Parquet and FITS files.

The standard of units in the VO does not have the electron. A VOTable has the unit unchanged; astropy reads it as an
unknown unit unless it is given ``unit_format="generic"``.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from astropy.io.votable import from_table
from astropy.io.votable.exceptions import W03, W50
from astropy.io.votable.tree import Field
from astropy.table import Table as AstropyTable
from astropy.units import UnrecognizedUnit

from wfc3tvb.catalog.formats.astropy_tables import to_astropy
from wfc3tvb.catalog.formats.rows import Rows

#: VOTable datatypes of the elements of lists other than text.
_LIST_TYPES = {"int64": "long", "double": "double", "bool": "boolean"}
_EMPTY_DATA = re.compile(r"\s*<DATA>.*</DATA>", re.DOTALL)
#: Descriptions, which astropy wraps.
_WRAPPED = re.compile(r"(?<=<DESCRIPTION>).*?(?=</DESCRIPTION>)", re.DOTALL)
#: Characters that XML 1.0 cannot represent.
_NOT_XML = "[^\\t\\n\\r\\x20-\\x{D7FF}\\x{E000}-\\x{FFFD}\\x{10000}-\\x{10FFFF}]"


def write(rows: Rows, path: Path) -> None:
    """Write a VOTable (TABLEDATA), with units and UCDs; null is an empty cell."""
    flat = rows.flat()
    head, tail = _without_data(fields(flat)).split("</TABLE>")
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{head.rstrip()}\n   <DATA>\n    <TABLEDATA>\n")
        for batch in flat.read():
            file.writelines(_lines(batch))
        file.write(f"    </TABLEDATA>\n   </DATA>\n  </TABLE>{tail}")


def fields(rows: Rows, *, lengths: Mapping[str, int] | None = None, lists: bool = False) -> str:
    """Return the text of a VOTable with the columns of `rows`, without data.

    Parameters
    ----------
    rows : Rows
        The rows.
    lengths : mapping, optional
        Lengths of the texts in the file that the VOTable describes; astropy's reader of VOParquet needs them.
    lists : bool, optional
        Whether lists are arrays in that file; else they are text. VOTable has no arrays of texts of varying length:
        such lists are declared as text in either case.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", W50)  # VOUnits has no electron; the unit is kept unchanged
        warnings.simplefilter("ignore", W03)  # astropy makes an ID from a name such as count(*), and keeps the name
        document = from_table(to_astropy(pa.Table.from_batches([], rows.schema)))
        for field, kind in zip(document.get_first_table().fields, rows.schema.types, strict=True):
            column = rows.columns.get(field.name)
            if column:
                field.ucd = column.ucd or None
                field.unit = UnrecognizedUnit(column.unit) if column.unit else None
            field.datatype, field.arraysize = _type(field, kind, lists=lists)
            if lengths and field.arraysize == "*" and pa.types.is_string(kind):
                field.arraysize = str(lengths[field.name])
        buffer = BytesIO()
        document.to_xml(buffer)
    return _WRAPPED.sub(lambda found: " ".join(found[0].split()), _without_data(buffer.getvalue().decode("utf-8")))


def _type(field: Field, kind: pa.DataType, *, lists: bool) -> tuple[str, str | None]:
    """Return VOTable's type and size of a column."""
    if pa.types.is_boolean(kind):
        return "boolean", None
    if kind == pa.int16():
        return "short", None
    if lists and pa.types.is_list(kind):
        return _LIST_TYPES.get(str(kind.value_type), "unicodeChar"), "*"
    return field.datatype, "*" if field.datatype == "unicodeChar" else None


def read(path: Path) -> AstropyTable:
    """Read a VOTable with the electron as a unit."""
    return AstropyTable.read(path, format="votable", unit_format="generic")


def _without_data(text: str) -> str:
    return _EMPTY_DATA.sub("\n  ", text)


def _lines(batch: pa.RecordBatch) -> Iterator[str]:
    """Yield the rows of a batch as XML."""
    cells = [_cells(column) for column in batch.columns]
    joined = pc.binary_join_element_wise(*cells, "</TD><TD>") if cells else pa.array([""] * batch.num_rows)
    for text in joined.to_pylist():
        yield f"     <TR><TD>{text}</TD></TR>\n"


def _cells(column: pa.Array) -> pa.Array:
    """Return the values of a column as VOTable writes them."""
    if pa.types.is_floating(column.type):
        texts = column.cast(pa.string())
        for ours, theirs in (("nan", "NaN"), ("-inf", "-Inf"), ("inf", "+Inf")):
            texts = pc.if_else(pc.equal(texts, ours), theirs, texts)
        return pc.fill_null(texts, "")
    if pa.types.is_string(column.type):
        texts = pc.replace_substring_regex(column, _NOT_XML, "?")
        for ours, theirs in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\r", "&#13;")):
            texts = pc.replace_substring(texts, ours, theirs)
        return pc.fill_null(texts, "")
    return pc.fill_null(column.cast(pa.string()), "")
