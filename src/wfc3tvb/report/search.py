"""What a person asks the explorer for, as SQL with values bound."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from wfc3tvb.errors import BadArgumentError
from wfc3tvb.schema import TVB_CLASSES

COLUMNS = (
    "rootname", "visit", "proposal_id", "target_name", "filter", "samp_seq", "exptime", "expstart", "ra", "dec",
    "sky_mean", "ratio_cumulative", "tvb_score", "tvb_class", "tvb_kind", "recommend", "flagged",
)  # fmt: skip


@dataclass(frozen=True)
class Search:
    """A search of exposures.

    Attributes
    ----------
    text : str
        Program number, rootname, visit, association, or part of a target name.
    tvb_class : str
        One of the classes, or empty.
    cone : str
        ``ra, dec, radius`` [deg], or empty.
    sort : str
        A column; with a leading ``-`` downwards.
    """

    text: str = ""
    tvb_class: str = ""
    cone: str = ""
    sort: str = "-tvb_score"

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Search:
        """Read a search from an address.

        Raises
        ------
        BadArgumentError
            If a value makes no sense.
        """
        found = cls(*(query.get(name, default).strip() for name, default in _DEFAULTS.items()))
        if found.sort.lstrip("-") not in COLUMNS:
            raise BadArgumentError(f"{found.sort[:40]!r} is no column to sort by")
        if found.tvb_class and found.tvb_class not in TVB_CLASSES:
            raise BadArgumentError(f"{found.tvb_class[:40]!r} is no class; take one of {', '.join(TVB_CLASSES)}")
        found.center()
        return found

    def center(self) -> tuple[float, float, float] | None:
        """Return right ascension, declination and radius [deg] of the cone."""
        if not self.cone:
            return None
        try:
            ra, dec, radius = (float(part) for part in self.cone.replace(",", " ").split())
        except ValueError as error:
            raise BadArgumentError(f"{self.cone[:40]!r} is no cone; write: ra, dec, radius in degrees") from error
        return ra, dec, radius

    def sql(self, limit: int) -> str:
        """Return the SELECT."""
        where = ["true"]
        if self.text:
            where.append(
                "(lower($text) IN (rootname, visit, asn_id, dataset) OR CAST(proposal_id AS VARCHAR) = $text"
                " OR contains(lower(target_name), lower($text)))"
            )
        if self.tvb_class:
            where.append("tvb_class = $tvb_class")
        if self.cone:
            # Haversine: exact at any separation.
            where.append(
                "2 * asin(sqrt(sin(radians(dec - $dec) / 2) ** 2 + cos(radians(dec)) * cos(radians($dec))"
                " * sin(radians(ra - $ra) / 2) ** 2)) <= $radius"
            )
        order = f"{self.sort.lstrip('-')} {'DESC' if self.sort.startswith('-') else 'ASC'} NULLS LAST, rootname"
        return f"SELECT {', '.join(COLUMNS)} FROM exposures WHERE {' AND '.join(where)} ORDER BY {order} LIMIT {limit}"

    def values(self) -> dict[str, Any]:
        """Return the values that the SELECT binds."""
        values: dict[str, Any] = {name: getattr(self, name) for name in ("text", "tvb_class") if getattr(self, name)}
        if center := self.center():
            values |= {"ra": center[0], "dec": center[1], "radius": math.radians(center[2])}
        return values

    def sorted_by(self, column: str) -> str:
        """Return the address of the same search sorted by a column; downwards where it is sorted by it upwards."""
        own = {name: getattr(self, name) for name in _DEFAULTS}
        return "/?" + urlencode(own | {"sort": f"-{column}" if self.sort == column else column})


_DEFAULTS = {"text": "", "tvb_class": "", "cone": "", "sort": "-tvb_score"}
