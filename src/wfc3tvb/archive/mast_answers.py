"""Check MAST's answers against the form that is relied on; an error names the field that is wrong.

The only place that looks into them. An answer without the expected lists and counts is an error: it must never pass for
"no exposures". An odd row of a list costs that row, and a warning says so; if every row is odd, it is an error.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from wfc3tvb.errors import UnexpectedAnswerError
from wfc3tvb.identifiers import LARGEST_PROPOSAL

log = logging.getLogger(__name__)

T = TypeVar("T")
#: More datasets than any archive has.
_MOST = 10**9
_NAME = re.compile(r"[a-z0-9]{9}")
#: Years of dates that make sense.
_YEARS = range(1970, 2130)
#: Longest text of a field that is kept, and of one that is quoted in a message.
_LONGEST, _QUOTED = 200, 60


class OddFieldError(Exception):
    """A field of an answer is missing or has an unexpected value."""


class Product(NamedTuple):
    """A file of a dataset."""

    dataset: str
    filename: str


def search_answer(answer: Any) -> tuple[list[Any], int]:
    """Return the rows of a search, still unchecked, and the number of datasets that MAST counts.

    Raises
    ------
    UnexpectedAnswerError
        If the answer has no list of results or no count.
    """
    fields = _object(answer, "the search")
    found = _list(fields, "results", "the search")
    if (total := whole_number(fields.get("totalResults"), least=0, most=_MOST)) is None:
        raise _unexpected("the search", f"totalResults is {_quoted(fields, 'totalResults')}")
    return found, total


def check_columns(rows: Sequence[Any], columns: Sequence[str]) -> None:
    """Check that the columns that were requested of a search are in its rows.

    Raises
    ------
    UnexpectedAnswerError
        If a column is in none of them, e.g. because it has another name now.
    """
    found = {name for row in rows if isinstance(row, dict) for name in row}
    if rows and found and (missing := [name for name in columns if name not in found]):
        raise _unexpected("the search", f"{missing[0]} is missing from every row")


def products_of(answer: Any) -> list[Product]:
    """Return the files in an answer to a request for products, which may be nested one list deep.

    Raises
    ------
    UnexpectedAnswerError
        If the answer has no list of products, or none of them names its dataset and its file.
    """
    found = _list(_object(answer, "the product list"), "products", "the product list")
    flat = [one for each in found for one in (each if isinstance(each, list) else [each])]
    return good_rows(flat, _product, "the product list")


def columns_of(answer: Any) -> list[tuple[str, str, str]]:
    """Return name, type and description of the columns of the search.

    Raises
    ------
    UnexpectedAnswerError
        If the answer is not a list of columns with names.
    """
    if not isinstance(answer, list) or not answer:
        raise _unexpected("the list of columns", f"it is {_kind(answer)}, not a list of columns")
    return good_rows(answer, _column, "the list of columns")


def good_rows(rows: Sequence[Any], read: Callable[[Any], T], what: str) -> list[T]:
    """Return what `read` makes of every row; rows with an odd field are left out, which a warning says.

    Raises
    ------
    UnexpectedAnswerError
        If all rows are odd.
    """
    found, odd = [], []
    for row in rows:
        try:
            found.append(read(row))
        except OddFieldError as error:
            odd.append(str(error))
    if odd and not found:
        raise _unexpected(what, odd[0])
    if odd:
        log.warning("MAST: %d of %d rows of %s are left out: %s", len(odd), len(rows), what, odd[0])
    return found


def text_of(row: Mapping[str, Any], name: str) -> str | None:
    """Return a text of a row without its padding; None if it is null, blank or absent; numbers become text."""
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise OddFieldError(f"{name} is {_quoted(row, name)}")
    text = str(value).strip()
    if len(text) > _LONGEST or not text.isprintable():
        raise OddFieldError(f"{name} is {_quoted(row, name)}")
    return text or None


def number_of(row: Mapping[str, Any], name: str) -> float | None:
    """Return a number of a row, None if it is null or blank."""
    value = row.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not -1e6 < number < 1e6:
        raise OddFieldError(f"{name} is {_quoted(row, name)}")
    return number


def proposal_of(row: Mapping[str, Any], name: str) -> int | None:
    """Return a proposal number of a row, None if it is null or blank."""
    value = row.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    number = whole_number(value, least=0, most=LARGEST_PROPOSAL)
    if number is None:
        raise OddFieldError(f"{name} is {_quoted(row, name)}")
    return number


def date_of(row: Mapping[str, Any], name: str) -> str | None:
    """Return a date of a row as ISO text in UTC, None if it is null or blank."""
    value = row.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        date = datetime.fromisoformat(value.strip())
        date = date.astimezone(UTC) if date.tzinfo else date
    except (AttributeError, TypeError, ValueError, OverflowError):
        raise OddFieldError(f"{name} is {_quoted(row, name)}, not a date") from None
    if date.year not in _YEARS:
        raise OddFieldError(f"{name} is {_quoted(row, name)}, not a date of an observation")
    return date.replace(tzinfo=None).isoformat(" ")


def whole_number(value: Any, *, least: int, most: int) -> int | None:
    """Return a whole number within limits, also from text or a float; None for anything else."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most else None


def name_of(row: Mapping[str, Any], name: str) -> str:
    """Return the name of a dataset in a row, lower case."""
    value = row.get(name)
    text = value.strip().lower() if isinstance(value, str) else ""
    if not _NAME.fullmatch(text):
        raise OddFieldError(f"{name} is {_quoted(row, name)}")
    return text


def row_of(value: Any) -> Mapping[str, Any]:
    """Return a row as a mapping from names of columns."""
    if not isinstance(value, dict):
        raise OddFieldError(f"a row is {_kind(value)}, not an object")
    return value


def _product(value: Any) -> Product:
    row = row_of(value)
    texts = [row.get(name) for name in Product._fields]
    for name, text in zip(Product._fields, texts, strict=True):
        if not isinstance(text, str) or not text.strip():
            raise OddFieldError(f"{name} is {_quoted(row, name)}")
    return Product(str(texts[0]).strip().lower(), str(texts[1]))


def _column(value: Any) -> tuple[str, str, str]:
    row = row_of(value)
    name = text_of(row, "column_name")
    if name is None:
        raise OddFieldError(f"column_name is {_quoted(row, 'column_name')}")
    return name, text_of(row, "qual_type") or "", str(row.get("description") or "")


def _object(answer: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(answer, dict):
        raise _unexpected(what, f"it is {_kind(answer)}, not an object")
    return answer


def _list(fields: Mapping[str, Any], name: str, what: str) -> list[Any]:
    found = fields.get(name)
    if not isinstance(found, list):
        said = fields.get("detail") or fields.get("message") or fields.get("msg")
        quote = f" (it says: {str(said)[:_QUOTED]!r})" if said else ""
        raise _unexpected(what, f"{name} is {_quoted(fields, name)}{quote}")
    return found


def _unexpected(what: str, problem: str) -> UnexpectedAnswerError:
    remedy = "try again later; if it stays, run: wfc3tvb doctor --live"
    return UnexpectedAnswerError("MAST", f"its answer for {what} does not have the expected form: {problem}", remedy)


def _quoted(row: Mapping[str, Any], name: str) -> str:
    """Return a value for a message, as JSON and in few characters."""
    if name not in row:
        return "missing"
    value = row[name]
    if isinstance(value, list | dict):
        return _kind(value)
    if isinstance(value, int) and abs(value) > 10**_QUOTED:
        return "a huge number"
    text = json.dumps(value)
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}..."


def _kind(value: Any) -> str:
    """Return the kind of a JSON value in words."""
    if value is None:
        return "null"
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return next((words for kind, words in kinds.items() if isinstance(value, kind)), "a number")
