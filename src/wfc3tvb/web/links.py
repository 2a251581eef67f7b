"""Links from the cells of a result to the explorer's pages: visits, exposures, programs."""

from __future__ import annotations

import re
from collections.abc import Callable

#: Returns the address of the page for a value; empty where the value has none.
Address = Callable[[str], str]


def visit_of(name: str) -> str:
    """Return the address of the visit of a rootname, dataset, association or visit; empty if it is none of these."""
    return f"/visit/{name[:6].lower()}" if re.fullmatch(r"[iI][0-9a-zA-Z]{5}(?:[0-9a-zA-Z]{3})?", name) else ""


def exposure(name: str) -> str:
    """Return the address of an exposure on the page of its visit; empty if it is no rootname."""
    visit = visit_of(name)
    return f"{visit}#{name.lower()}" if visit and len(name) == 9 else ""


def program(number: str) -> str:
    """Return the address of a program; empty if it is no number."""
    return f"/program/{int(number)}" if re.fullmatch(r"[0-9]{1,7}", number) else ""


#: Names of columns, also in aliases (first_visit) and with a number (rootname_1), and where their values lead.
_KINDS: tuple[tuple[re.Pattern[str], Address], ...] = tuple(
    (re.compile(rf"(?:.*_)?(?:{columns})(?:_\d+)?", re.IGNORECASE), address)
    for columns, address in (
        ("rootnames?|members", exposure),
        ("visits?|datasets?|asn_ids?|key", visit_of),
        ("proposal_ids?|proposals?|programs?", program),
    )
)


def address_of(column: str) -> Address | None:
    """Return the function that gives the address for the values of a column; None where they have no pages."""
    return next((address for names, address in _KINDS if names.fullmatch(column)), None)
