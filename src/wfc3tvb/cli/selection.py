"""Selection of datasets that the options of `survey` give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfc3tvb.errors import BadArgumentError

if TYPE_CHECKING:
    from wfc3tvb.config import Selection


def selection_of(given: dict[str, Any]) -> tuple[Selection, bool]:
    """Return the selection that the options give, and whether it restricts anything.

    Raises
    ------
    BadArgumentError
        If a filter is unknown, a date cannot be read, or the end is before the start.
    """
    from wfc3tvb.config import Selection
    from wfc3tvb.identifiers import dataset_name

    names, start, end = _filters(given["filters"]), _mjd(given["start"]), _mjd(given["end"])
    if start is not None and end is not None and end < start:
        raise BadArgumentError(f"--end {given['end']} is before --start {given['start']}; swap them")
    ids = tuple(dataset_name(text) for text in given["ids"])
    restricted = bool(ids or given["proposals"] or start or end or given["limit"])
    return Selection(ids, tuple(given["proposals"]), names, start, end, given["limit"]), restricted


def _filters(text: str | None) -> tuple[str, ...] | None:
    """Return the filters of a comma-separated list; ("all",) for any."""
    from wfc3tvb.instrument import FILTERS, find_filter

    if text is None:
        return None
    if text.strip().lower() == "all":
        return ("all",)
    names = tuple(name.strip().upper() for name in text.split(","))
    if unknown := [name for name in names if find_filter(name) is None]:
        raise BadArgumentError(
            f"--filters: {unknown[0]!r} is not a WFC3/IR filter; choose all, or from {', '.join(FILTERS)}"
        )
    return names


def _mjd(text: str | None) -> float | None:
    """Return the MJD of a date, which may itself be an MJD."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    from astropy.time import Time

    try:
        return float(Time(text, scale="utc").mjd)
    except ValueError as error:
        raise BadArgumentError(f"{text!r} is not a date; write 2013-01-06, 2013-01-06T18:00:00 or an MJD") from error
