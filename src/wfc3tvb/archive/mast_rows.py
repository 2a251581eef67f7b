"""Search criteria for MAST, and rows of `datasets` and members made from its answers."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from astropy.time import Time

from wfc3tvb.archive.mast_answers import date_of, good_rows, name_of, number_of, proposal_of, row_of, text_of
from wfc3tvb.config import Selection
from wfc3tvb.errors import BadArgumentError
from wfc3tvb.identifiers import is_association, is_dataset_name, split_filename
from wfc3tvb.instrument import find_filter
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
#: Criteria that select the instrument: the usual one, and one for a MAST that refuses it or finds nothing by it. The
#: second finds UVIS, too.
INSTRUMENT_CRITERIA: tuple[Mapping[str, str], ...] = (
    {"sci_instrument_config": "WFC3/IR"},
    {"sci_instrume": "WFC3"},
)
#: Columns of `datasets` that hold dates, and MAST's.
_DATES = {
    "start_time": "sci_start_time", "stop_time": "sci_stop_time", "generation_date": "sci_generation_date",
}  # fmt: skip
_MEMBER = re.compile(r"ima|raw|flt")


def criteria_of(selection: Selection, instrument: Mapping[str, str] = INSTRUMENT_CRITERIA[0]) -> dict[str, Any]:
    """Return the criteria for the search API, without the time window."""
    criteria: dict[str, Any] = dict(instrument)
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
        raise BadArgumentError("the end is earlier than the start")
    return start, end


def passes(row: Row, selection: Selection) -> bool:
    """Return True if a dataset named by an id also matches the rest of the selection."""
    filters, start = selection.wanted_filters, row["start_time"]
    return (
        is_infrared(row)
        and (not filters or bool(set(filters) & _filters(row)))
        and (not selection.proposals or row["proposal_id"] in selection.proposals)
        and (selection.start is None or start is None or start >= selection.start)
        and (selection.end is None or start is None or start <= selection.end)
    )


def is_infrared(row: Row) -> bool:
    """Return True for a dataset of WFC3/IR; where MAST leaves its configuration empty, its filters tell."""
    if row["instrument_config"] is not None:
        return str(row["instrument_config"]).upper() == "WFC3/IR"
    return any(find_filter(name) is not None for name in _filters(row))


def _filters(row: Row) -> set[str]:
    return set((row["filters"] or "").split(";"))


def rows_of(results: Sequence[Any]) -> list[Row]:
    """Return rows of `datasets` with the aperture added and the members still empty; MAST pads strings with blanks.

    Raises
    ------
    UnexpectedAnswerError
        If every row has an odd field; otherwise such rows are left out, which a warning says.
    """
    found = good_rows(results, _row, "the search")
    for name in _DATES:
        known = [row[name] for row in found if row[name]]
        mjds = iter(Time(known, scale="utc").mjd.tolist() if known else ())
        for row in found:
            row[name] = next(mjds) if row[name] else None
    return found


def _row(result: Any) -> Row:
    """Return a row of `datasets`, its dates still as text."""
    fields = row_of(result)
    name = name_of(fields, "sci_data_set_name")
    return (
        TABLES["datasets"].empty_row()
        | {
            "dataset": name,
            "asn_id": _association(name, text_of(fields, "sci_asn_id")),
            "instrument_config": text_of(fields, "sci_instrument_config"),
            "filters": text_of(fields, "sci_spec_1234"),
            "proposal_id": proposal_of(fields, "sci_pep_id"),
            "pi": text_of(fields, "sci_pi_last_name"),
            "target_name": text_of(fields, "sci_targname"),
            "sun_alt": number_of(fields, "sci_sun_alt"),
            "members": [],
            "aperture": text_of(fields, "sci_aper_1234"),
        }
        | {key: date_of(fields, column) for key, column in _DATES.items()}
    )


def _association(name: str, stated: str | None) -> str | None:
    """Return the association of a dataset; MAST also lists products of parts of one (ic6g07021 of ic6g07020)."""
    if stated is not None and is_dataset_name(stated):
        return stated.lower()
    return name if is_association(name) else None


def exposure_of(name: str) -> str | None:
    """Return the exposure that a file belongs to; None for names that are not those of WFC3 files."""
    try:
        root, suffix = split_filename(name)
    except BadArgumentError:
        if "/" in name or not name.isprintable() or len(name) > 100:
            log.warning("MAST lists a file with the unsafe name %r; ignored", name[:60])
        return None
    return root if _MEMBER.fullmatch(suffix) and not is_association(root) else None
