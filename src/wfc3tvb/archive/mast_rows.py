"""Search criteria for MAST, and rows of `datasets` and members made from its answers."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

from astropy.time import Time

from wfc3tvb.config import Selection
from wfc3tvb.errors import BadArgumentError
from wfc3tvb.identifiers import is_association, is_dataset_name, split_filename
from wfc3tvb.models import Row
from wfc3tvb.schema import TABLES

log = logging.getLogger(__name__)

#: WFC3 was installed on 14 May 2009 [MJD].
FIRST_LIGHT = 54965.0
#: Columns to request.
COLUMNS = (
    "sci_data_set_name", "sci_asn_id", "sci_instrument_config", "sci_spec_1234", "sci_aper_1234", "sci_pep_id",
    "sci_pi_last_name", "sci_targname", "sci_start_time", "sci_stop_time", "sci_sun_alt", "sci_generation_date",
)  # fmt: skip
_DATES = ("sci_start_time", "sci_stop_time", "sci_generation_date")
_MEMBER = re.compile(r"ima|raw|flt")


def criteria_of(selection: Selection) -> dict[str, Any]:
    """Return the criteria for the search API, without the time window."""
    criteria: dict[str, Any] = {"sci_instrument_config": "WFC3/IR"}
    if filters := selection.wanted_filters:
        criteria["sci_spec_1234"] = list(filters)
    if selection.proposals:
        criteria["sci_pep_id"] = list(selection.proposals)
    return criteria


def window_of(selection: Selection) -> tuple[float, float]:
    """Return the window of start times of a selection [MJD]; raises BadArgumentError if it ends before it starts."""
    start = FIRST_LIGHT if selection.start is None else selection.start
    end = float(Time.now().mjd) + 1 if selection.end is None else selection.end
    if end < start:
        raise BadArgumentError("--end is earlier than --start")
    return start, end


def passes(row: Row, selection: Selection) -> bool:
    """Return True if a dataset named by an id also matches the rest of the selection."""
    filters, start = selection.wanted_filters, row["start_time"]
    return (
        row["instrument_config"] == "WFC3/IR"
        and (not filters or bool(set(filters) & set((row["filters"] or "").split(";"))))
        and (not selection.proposals or row["proposal_id"] in selection.proposals)
        and (selection.start is None or start is None or start >= selection.start)
        and (selection.end is None or start is None or start <= selection.end)
    )


def rows_of(results: Sequence[dict[str, Any]]) -> list[Row]:
    """Return rows of `datasets` with the aperture added and the members still empty; MAST pads strings with blanks."""
    dates = {name: _mjds([result.get(name) for result in results]) for name in _DATES}
    return [_row(result, {name: dates[name][i] for name in _DATES}) for i, result in enumerate(results)]


def _row(result: dict[str, Any], dates: dict[str, float | None]) -> Row:
    name = str(result["sci_data_set_name"]).strip().lower()
    proposal, sun = result.get("sci_pep_id"), result.get("sci_sun_alt")
    return TABLES["datasets"].empty_row() | {
        "dataset": name,
        "asn_id": _association(name, _text(result.get("sci_asn_id"))),
        "instrument_config": _text(result.get("sci_instrument_config")),
        "filters": _text(result.get("sci_spec_1234")),
        "proposal_id": None if proposal is None else int(proposal),
        "pi": _text(result.get("sci_pi_last_name")),
        "target_name": _text(result.get("sci_targname")),
        "start_time": dates["sci_start_time"],
        "stop_time": dates["sci_stop_time"],
        "sun_alt": None if sun is None else float(sun),
        "generation_date": dates["sci_generation_date"],
        "members": [],
        "aperture": _text(result.get("sci_aper_1234")),
    }


def _association(name: str, stated: str | None) -> str | None:
    """Return the association of a dataset; MAST also lists products of parts of one (ic6g07021 of ic6g07020)."""
    if stated is not None and is_dataset_name(stated):
        return stated.lower()
    return name if is_association(name) else None


def _mjds(texts: Sequence[str | None]) -> list[float | None]:
    """Convert ISO dates to MJD [UTC]; an empty one becomes None."""
    known = [text.strip().replace("T", " ") for text in texts if text]
    found = iter(Time(known, scale="utc").mjd.tolist() if known else ())
    return [next(found) if text else None for text in texts]


def _text(value: Any) -> str | None:
    return (str(value).strip() or None) if value is not None else None


def exposure_of(product: dict[str, Any]) -> str | None:
    """Return the exposure that a product belongs to; None for names that are not those of WFC3 files."""
    name = str(product.get("filename"))
    try:
        root, suffix = split_filename(name)
    except BadArgumentError:
        if "/" in name or not name.isprintable() or len(name) > 100:
            log.warning("MAST lists a file with the unsafe name %r; ignored", name[:60])
        return None
    return root if _MEMBER.fullmatch(suffix) and not is_association(root) else None
