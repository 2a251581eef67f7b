"""Cells of the explorer's tables as HTML, escaped: numbers, links, classes.

They are made here, because a macro of the templates takes ten times as long for the thousands of cells of a page.
"""

from __future__ import annotations

from functools import cache

from markupsafe import Markup, escape

from wfc3tvb.report.rendering import format_number
from wfc3tvb.schema import TVB_CLASSES
from wfc3tvb.web.links import Address, address_of

#: Length of a text above which its column is wide.
_LONG = 50
_NULL = '<span aria-label="null">&ndash;</span>'


def cell(column: str, value: object) -> Markup:
    """Return the cell of a column with a value as HTML, escaped."""
    kinds = _classes(column, value)
    mark = f' class="{kinds}"' if kinds else ""
    return Markup(f"<td{mark}>{_content(_address(column), value)}</td>")  # noqa: S704 (its parts are escaped)


def linked(column: str, value: object) -> Markup:
    """Return a value as HTML, escaped, with a link to the page of the exposure, visit or program that it names."""
    return Markup(_content(_address(column), value))  # noqa: S704 (its parts are escaped)


def _content(address: Address | None, value: object) -> str:
    if value is None:
        return _NULL
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return escape(format_number(value))
    if isinstance(value, list | tuple):
        return ", ".join(_part(address, str(part)) for part in value)
    return _part(address, str(value))


def _part(address: Address | None, text: str) -> str:
    to = address and address(text)
    return f'<a href="{escape(to)}">{escape(text)}</a>' if to else escape(text)


def _classes(column: str, value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    if isinstance(value, str):
        if column in ("tvb_class", "worst_class") and value in TVB_CLASSES:
            return value
        return "text" if len(value) > _LONG else ""
    return ""


@cache
def _address(column: str) -> Address | None:
    return address_of(column)
