"""Search form of the explorer's lists, translated into SQL: with bound values, or as a statement to edit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

from wfc3tvb.catalog.views import literal
from wfc3tvb.errors import BadArgumentError
from wfc3tvb.schema import TVB_CLASSES
from wfc3tvb.web.listings import EXPOSURES, Listing


@dataclass(frozen=True)
class Search:
    """Search in one of the lists.

    Attributes
    ----------
    listing : Listing
        The list.
    text : str
        Program number, rootname, visit, association, or part of a target name.
    tvb_class : str
        One of the classes, or empty.
    filter : str
        A filter, or empty.
    flagged : str
        ``yes`` for flagged exposures only, or empty.
    cone : str
        ``ra, dec, radius`` [deg], or empty.
    sort : str
        A column; with a leading ``-`` in descending order.
    page : str
        Number of the page, from 1.
    """

    listing: Listing = EXPOSURES
    text: str = ""
    tvb_class: str = ""
    filter: str = ""
    flagged: str = ""
    cone: str = ""
    sort: str = EXPOSURES.sort
    page: str = "1"

    @classmethod
    def from_query(cls, query: Mapping[str, str], listing: Listing = EXPOSURES) -> Search:
        """Read a search from the query string of an address.

        Raises
        ------
        BadArgumentError
            If a value is invalid.
        """
        start = cls(listing, sort=listing.sort)
        found = replace(start, **{name: query.get(name, getattr(start, name)).strip() for name in _FIELDS})
        if found.sort.lstrip("-") not in listing.columns:
            columns = ", ".join(listing.columns)
            raise BadArgumentError(f"cannot sort by {found.sort[:40]!r}; choose one of {columns}")
        if found.tvb_class and found.tvb_class not in TVB_CLASSES:
            raise BadArgumentError(f"unknown class {found.tvb_class[:40]!r}; choose one of {', '.join(TVB_CLASSES)}")
        if not re.fullmatch(r"0*[1-9][0-9]{0,5}", found.page[:40]) or len(found.page) > 40:
            raise BadArgumentError(f"{found.page[:40]!r} is not a page number; pages are numbered from 1")
        if found.cone and "cone" not in listing.conditions:
            raise BadArgumentError(f"{listing.relation} cannot be searched by a cone; search exposures")
        found.center()
        return found

    def center(self) -> tuple[float, float, float] | None:
        """Return right ascension, declination and radius [deg] of the cone; None where there is none.

        Raises
        ------
        BadArgumentError
            If it is not three numbers within their ranges.
        """
        if not self.cone:
            return None
        try:
            ra, dec, radius = (float(part) for part in self.cone.replace(",", " ").split())
        except ValueError as error:
            raise BadArgumentError(f"{self.cone[:40]!r} is not a cone; write: ra, dec, radius in degrees") from error
        if not (-360 <= ra <= 360 and -90 <= dec <= 90 and 0 < radius <= 180):
            problem = f"{self.cone[:40]!r} is not a cone"
            raise BadArgumentError(f"{problem}; dec must be from -90 to 90 and radius above 0, at most 180 degrees")
        return ra, dec, radius

    @property
    def is_restricted(self) -> bool:
        """Whether it has any condition."""
        return any(getattr(self, name) for name in self.listing.conditions)

    def sql(self, limit: int) -> str:
        """Return the SELECT for the rows of the page, `limit` at most."""
        return f"{self._select()} {self._page(limit)}"

    def keys(self, limit: int) -> str:
        """Return the SELECT for the keys of the rows of the page, `limit` at most."""
        return f"{self._select(columns=self.listing.key)} {self._page(limit)}"

    def count(self) -> str:
        """Return the SELECT for the number of rows found."""
        return f"SELECT count(*) AS n FROM {self.listing.relation}{self._where()}"

    def values(self) -> dict[str, Any]:
        """Return the values of the parameters in `sql` and `count`."""
        bound = [name for name in ("text", "tvb_class", "filter") if name in self.listing.conditions]
        values: dict[str, Any] = {name: getattr(self, name) for name in bound if getattr(self, name)}
        if center := self.center():
            values |= dict(zip(("ra", "dec", "radius"), center, strict=True))
        return values

    def statement(self) -> str:
        """Return the SELECT for all rows found, with the values in it, as a statement that anyone can edit and run."""
        values = {name: literal(value) if isinstance(value, str) else repr(value)
                  for name, value in self.values().items()}  # fmt: skip
        return re.sub(r"\$(\w+)", lambda match: values[match[1]], self._select("\n"))

    def _select(self, space: str = " ", columns: Sequence[str] = ()) -> str:
        order = f"{self.sort.lstrip('-')} {'DESC' if self.sort.startswith('-') else 'ASC'} NULLS LAST"
        select = f"SELECT {', '.join(columns or self.listing.columns)}{space}FROM {self.listing.relation}"
        return f"{select}{self._where(space)}{space}ORDER BY {', '.join((order, *self.listing.key))}"

    def _page(self, limit: int) -> str:
        return f"LIMIT {limit} OFFSET {(int(self.page) - 1) * limit}"

    def _where(self, space: str = " ") -> str:
        """Return the WHERE clause, empty where there is no condition."""
        found = [sql for name, sql in self.listing.conditions.items() if getattr(self, name)]
        return f"{space}WHERE {f'{space}AND '.join(found)}" if found else ""

    def sorted_by(self, column: str) -> str:
        """Return the address of the search sorted by a column, in reverse order where it is so sorted already."""
        return self.address(sort=f"-{column}" if self.sort == column else column, page="1")

    def other_page(self, pages: int) -> str:
        """Return the address of the page that is so many pages later, or earlier if negative."""
        return self.address(page=str(int(self.page) + pages))

    def address(self, **changes: str) -> str:
        """Return the address of this search with some fields changed; it is short, and can be shared."""
        query = self.query(**changes)
        return self.listing.address + (f"?{query}" if query else "")

    def query(self, **changes: str) -> str:
        """Return the query string of this search, with some fields changed."""
        start = Search(self.listing, sort=self.listing.sort)
        values = {name: changes.get(name, getattr(self, name)) for name in _FIELDS}
        return urlencode({name: value for name, value in values.items() if value != getattr(start, name)})


_FIELDS = tuple(field.name for field in fields(Search) if field.name != "listing")
