"""Write results and errors as VOTables in the layout of DALI 1.1: status first, and a mark after rows that are cut off.

The cells are joined by Arrow, column by column: a hundred thousand rows take a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa
import pyarrow.compute as pc

from wfc3tvb.catalog.formats.rows import flat_schema, flatten_nested
from wfc3tvb.schema import Column
from wfc3tvb.web.tap.metadata import datatype

MEDIA_TYPE = "application/x-votable+xml"
_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE type="results">
"""
_TAIL = "</RESOURCE>\n</VOTABLE>\n"
#: Characters that XML 1.0 cannot hold.
_NOT_XML = "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x{fffe}\\x{ffff}]"
_OVERFLOW = '<INFO name="QUERY_STATUS" value="OVERFLOW">more rows match; raise MAXREC</INFO>\n'


def result_document(rows: pa.Table, known: Mapping[str, Column], *, overflow: bool = False) -> bytes:
    """Return a result as a VOTable.

    Parameters
    ----------
    rows : pyarrow.Table
        The rows.
    known : mapping
        Columns of the tables that the query reads, by name.
    overflow : bool, optional
        Whether more rows match.
    """
    rows = flat_table(rows)
    fields = "\n".join(_field(field, known.get(field.name)) for field in rows.schema)
    head = f'{_HEAD}<INFO name="QUERY_STATUS" value="OK"/>\n<TABLE>\n{fields}\n<DATA><TABLEDATA>\n'
    end = f"</TABLEDATA></DATA>\n</TABLE>\n{_OVERFLOW if overflow else ''}{_TAIL}"
    lines = _lines(rows)
    return b"".join([head.encode(), *(text.as_py().encode() for text in lines), end.encode()])


def flat_table(rows: pa.Table) -> pa.Table:
    """Return rows with lists joined to texts, and other nested values as JSON."""
    return pa.Table.from_batches(map(flatten_nested, rows.to_batches()), flat_schema(rows.schema))


def error_document(message: str) -> bytes:
    """Return the document of an error."""
    shown = "".join(c if c >= " " or c in "\n\t" else "?" for c in message)
    return f'{_HEAD}<INFO name="QUERY_STATUS" value="ERROR">{escape(shown)}</INFO>\n{_TAIL}'.encode(errors="replace")


def _field(field: pa.Field, known: Column | None) -> str:
    """Return the FIELD of a column: its type from the result, the rest from the schema where the name is there."""
    kind, size, xtype = datatype(known or Column(field.name, "", "", ""))
    kind, size = _TYPES.get(str(field.type), (kind if kind == "char" else "char", "*"))
    attributes = {"name": field.name, "datatype": kind, "arraysize": size, "xtype": xtype if kind == "char" else ""}
    if known is not None:
        attributes |= {"unit": known.unit, "ucd": known.ucd, "utype": known.utype}
    text = " ".join(f"{name}={quoteattr(value)}" for name, value in attributes.items() if value)
    about = f"<DESCRIPTION>{escape(known.description)}</DESCRIPTION>" if known is not None else ""
    return f"<FIELD {text}>{about}</FIELD>"


_TYPES = {
    "int8": ("short", ""), "int16": ("short", ""), "int32": ("int", ""), "int64": ("long", ""), "uint8": ("short", ""),
    "uint16": ("int", ""), "uint32": ("long", ""), "float": ("float", ""), "double": ("double", ""),
    "bool": ("boolean", ""),
}  # fmt: skip


def _lines(rows: pa.Table) -> pa.ChunkedArray:
    """Return the rows of the table, a text each."""
    if not rows.num_columns or not rows.num_rows:
        return pa.chunked_array([[]], pa.large_string())
    cells = [_cells(column).cast(pa.large_string()) for column in rows.columns]
    middle = pc.binary_join_element_wise(
        *cells, pa.scalar("</TD><TD>", pa.large_string()), null_handling="replace", null_replacement=""
    )
    ends = (pa.scalar(text, pa.large_string()) for text in ("<TR><TD>", "</TD></TR>\n", ""))
    first, last, empty = ends
    return pc.binary_join_element_wise(first, middle, last, empty)


def _cells(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the cells of a column as text of XML, null where they are null."""
    kind = column.type
    if pa.types.is_floating(kind):
        text = column.cast(pa.string())
        for name, other in (("nan", "NaN"), ("-inf", "-Inf"), ("inf", "+Inf")):
            text = pc.if_else(pc.equal(text, name), other, text)
        return text
    text = column.cast(pa.string())
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return text
    text = pc.replace_substring_regex(text, _NOT_XML, "?")
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\r", "&#13;")):
        text = pc.replace_substring(text, character, entity)
    return text
