"""Search form of the explorer, translated into SQL with bound values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

from wfc3tvb.errors import BadArgumentError
from wfc3tvb.schema import TVB_CLASSES

COLUMNS = (
    "rootname", "visit", "tvb_class", "tvb_kind", "recommend", "flagged", "tvb_score", "sky_mean", "ratio_cumulative",
    "filter", "samp_seq", "exptime", "proposal_id", "target_name", "expstart", "ra", "dec",
)  # fmt: skip


@dataclass(frozen=True)
class Search:
    """Search for exposures.

    Attributes
    ----------
    text : str
        Program number, rootname, visit, association, or part of a target name.
    tvb_class : str
        One of the classes, or empty.
    filter : str
        A filter, or empty.
    flagged : str
        ``yes`` for exposures to be repaired only, or empty.
    cone : str
        ``ra, dec, radius`` [deg], or empty.
    sort : str
        A column; with a leading ``-`` in descending order.
    page : str
        Number of the page, from 1.
    """

    text: str = ""
    tvb_class: str = ""
    filter: str = ""
    flagged: str = ""
    cone: str = ""
    sort: str = "-tvb_score"
    page: str = "1"

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Search:
        """Read a search from the query string of an address.

        Raises
        ------
        BadArgumentError
            If a value is invalid.
        """
        found = cls(*(query.get(name, default).strip() for name, default in _DEFAULTS.items()))
        if found.sort.lstrip("-") not in COLUMNS:
            raise BadArgumentError(f"cannot sort by {found.sort[:40]!r}; choose one of {', '.join(COLUMNS)}")
        if found.tvb_class and found.tvb_class not in TVB_CLASSES:
            raise BadArgumentError(f"unknown class {found.tvb_class[:40]!r}; choose one of {', '.join(TVB_CLASSES)}")
        if not re.fullmatch(r"0*[1-9][0-9]{0,5}", found.page[:40]) or len(found.page) > 40:
            raise BadArgumentError(f"{found.page[:40]!r} is not a page number; pages are numbered from 1")
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

    def where(self) -> str:
        """Return the SQL condition of the search."""
        where = ["true"]
        if self.text:
            where.append(
                "(lower($text) IN (rootname, visit, asn_id, dataset) OR CAST(proposal_id AS VARCHAR) = $text"
                " OR contains(lower(target_name), lower($text)))"
            )
        if self.tvb_class:
            where.append("tvb_class = $tvb_class")
        if self.filter:
            where.append("upper(filter) = upper($filter)")
        if self.flagged:
            where.append("flagged")
        if self.cone:
            # Haversine: exact at any separation.
            where.append(
                "2 * asin(sqrt(sin(radians(dec - $dec) / 2) ** 2 + cos(radians(dec)) * cos(radians($dec))"
                " * sin(radians(ra - $ra) / 2) ** 2)) <= $radius"
            )
        return " AND ".join(where)

    def sql(self, limit: int) -> str:
        """Return the SELECT for the rows of the page, `limit` at most."""
        order = f"{self.sort.lstrip('-')} {'DESC' if self.sort.startswith('-') else 'ASC'} NULLS LAST, rootname"
        page = f"LIMIT {limit} OFFSET {(int(self.page) - 1) * limit}"
        return f"SELECT {', '.join(COLUMNS)} FROM exposures WHERE {self.where()} ORDER BY {order} {page}"

    def count(self) -> str:
        """Return the SELECT for the number of exposures found."""
        return f"SELECT count(*) AS n FROM exposures WHERE {self.where()}"

    def values(self) -> dict[str, Any]:
        """Return the values of the parameters in `sql` and `count`."""
        bound = ("text", "tvb_class", "filter")
        values: dict[str, Any] = {name: getattr(self, name) for name in bound if getattr(self, name)}
        if center := self.center():
            values |= {"ra": center[0], "dec": center[1], "radius": math.radians(center[2])}
        return values

    def sorted_by(self, column: str) -> str:
        """Return the address of the search sorted by a column, in reverse order where it is so sorted already."""
        return self.address(sort=f"-{column}" if self.sort == column else column, page="1")

    def other_page(self, pages: int) -> str:
        """Return the address of the page that is so many pages later, or earlier if negative."""
        return self.address(page=str(int(self.page) + pages))

    def address(self, **changes: str) -> str:
        """Return the address of this search with some fields changed."""
        fields = asdict(self) | changes
        return "/?" + urlencode({name: value for name, value in fields.items() if value != _DEFAULTS[name]})


_DEFAULTS = asdict(Search())
