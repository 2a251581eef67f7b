"""The lists of the explorer that can be searched (exposures, visits, programs): their columns and SQL conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Listing:
    """List of rows of one relation.

    Attributes
    ----------
    relation : str
        Table or view.
    address : str
        Address of its page.
    noun : str
        What a row is, in the singular.
    columns : tuple of str
        Columns that are shown.
    sort : str
        Column by which it is sorted at first; with a leading ``-`` in descending order.
    key : tuple of str
        Columns that identify a row, and decide between rows that are equal in `sort`.
    conditions : mapping of str to str
        SQL condition for every field of the form; values are ``$name``.
    """

    relation: str
    address: str
    noun: str
    columns: tuple[str, ...]
    sort: str
    key: tuple[str, ...]
    conditions: Mapping[str, str]


#: Separation from a position, by the haversine: exact at any separation.
_CONE = (
    "2 * asin(sqrt(sin(radians(dec - $dec) / 2) ** 2 + cos(radians(dec)) * cos(radians($dec))"
    " * sin(radians(ra - $ra) / 2) ** 2)) <= radians($radius)"
)

EXPOSURES = Listing(
    "exposures", "/", "exposure",
    ("rootname", "visit", "tvb_class", "tvb_kind", "recommend", "flagged", "tvb_score", "sky_mean", "ratio_cumulative",
     "filter", "samp_seq", "exptime", "proposal_id", "target_name", "expstart", "ra", "dec"),
    "-tvb_score", ("rootname",),
    {
        "text": "(lower($text) IN (rootname, visit, asn_id, dataset) OR CAST(proposal_id AS VARCHAR) = $text"
        " OR contains(lower(target_name), lower($text)))",
        "tvb_class": "tvb_class = $tvb_class",
        "filter": "filter = upper($filter)",
        "flagged": "flagged",
        "cone": _CONE,
    },
)  # fmt: skip

VISITS = Listing(
    "visits", "/visits", "visit",
    ("visit", "filter", "worst_class", "n_exposures", "n_flagged", "n_inspect", "excess_visit", "sky_min", "sky_max",
     "tvb_score", "sun_alt_max", "exptime", "proposal_id", "target_name", "expstart"),
    "-tvb_score", ("visit", "filter"),
    {
        "text": "(visit = lower($text) OR CAST(proposal_id AS VARCHAR) = $text"
        " OR contains(lower(target_name), lower($text)))",
        "tvb_class": "worst_class = $tvb_class",
        "filter": "filter = upper($filter)",
        "flagged": "n_flagged > 0",
    },
)  # fmt: skip

PROGRAMS = Listing(
    "programs", "/programs", "program",
    ("proposal_id", "pi", "filters", "worst_class", "n_visits", "n_exposures", "n_flagged", "frac_flagged", "exptime",
     "exptime_flagged", "expstart", "expend"),
    "-n_flagged", ("proposal_id",),
    {
        "text": "(CAST(proposal_id AS VARCHAR) = $text OR contains(lower(pi), lower($text)))",
        "tvb_class": "worst_class = $tvb_class",
        "filter": "list_contains(filters, upper($filter))",
        "flagged": "n_flagged > 0",
    },
)  # fmt: skip
