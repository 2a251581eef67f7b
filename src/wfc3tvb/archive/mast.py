"""List datasets and their members at MAST, through astroquery.

The MAST search API (`astroquery.mast.MastMissions`) is queried in time windows small enough for one answer, and the
number of datasets is compared with CAOM (`astroquery.mast.Observations`), a second opinion that may fail. Both list
associations and single exposures; the members come from the product lists.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from inspect import signature
from itertools import chain
from typing import Any, TypeVar

from astropy.table import Table
from astropy.time import Time
from astroquery.exceptions import InvalidQueryError, NoResultsWarning
from astroquery.mast import MastMissions, Observations

from wfc3tvb.archive.astroquery_session import configure_session, translate_request_errors
from wfc3tvb.archive.http import client_of
from wfc3tvb.archive.mast_answers import check_columns, columns_of, search_answer
from wfc3tvb.archive.mast_products import PRODUCTS_AT_A_TIME, ProductLists, batched, exposures_of
from wfc3tvb.archive.mast_rows import (
    COLUMNS,
    INSTRUMENT_CRITERIA,
    criteria_of,
    is_infrared,
    passes,
    rows_of,
    window_of,
)
from wfc3tvb.config import Selection, Services
from wfc3tvb.dates import DAY
from wfc3tvb.display import counted as number_of
from wfc3tvb.errors import (
    FailingServiceError,
    RejectedQueryError,
    ServiceError,
    SlowServiceError,
    TruncatedQueryError,
    UnexpectedAnswerError,
    UnknownDatasetError,
)
from wfc3tvb.identifiers import visit_of
from wfc3tvb.models import Row

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Most rows in one answer of the search API.
MAX_ROWS = 5000
#: Longest time for CAOM's count, with all of its polls [s].
_CAOM_SECONDS = 120.0
#: Whether astroquery can ask for a number of datasets alone (from 0.4.12), and length of windows that are counted [d].
_COUNTS = "count_only" in signature(MastMissions.query_criteria_async).parameters
_LONG = 366.0
#: Names in one search.
_NAMES_AT_A_TIME = 200


class Mast:
    """Client of MAST; one per thread, since astroquery's clients are not thread-safe.

    Parameters
    ----------
    services : Services, optional
        Address of MAST, timeouts and retries. Public data need no token; ``MAST_API_TOKEN`` is used if it is set.
    """

    def __init__(self, services: Services | None = None) -> None:
        self.services = services or Services()
        self._missions = MastMissions(mission="hst")
        self._observations = Observations.__class__()
        self._product_lists = ProductLists(self._missions)
        # CAOM is a second opinion, and not waited for long.
        hasty = replace(self.services, retries=min(self.services.retries, 1))
        configure_session(self._missions._session, client_of(self.services))
        configure_session(self._observations._session, client_of(hasty))
        self._point_at(self.services.mast.rstrip("/"))

    def _point_at(self, server: str) -> None:
        """Set the addresses that astroquery copies from its configuration when it is imported."""
        for client in (self._missions, self._observations):
            portal, service = client._portal_api_connection, client._service_api_connection
            portal.TIMEOUT = _CAOM_SECONDS
            portal.MAST_REQUEST_URL = f"{server}/api/v0/invoke"
            portal.COLUMNS_CONFIG_URL = f"{server}/portal/Mashup/Mashup.asmx/columnsconfig"
            portal.MAST_DOWNLOAD_URL = service.MAST_DOWNLOAD_URL = f"{server}/api/v0.1/Download/file"
            service.SERVICE_URL, service.MISSIONS_DOWNLOAD_URL = server, f"{server}/search/"
        self._missions.mission = "hst"

    def datasets(self, selection: Selection) -> Iterator[Row]:
        """Yield the rows of `datasets` that match a selection, members included, in order of time.

        Raises
        ------
        UnknownDatasetError
            If MAST does not know one of the ids.
        TruncatedQueryError
            If MAST returns fewer rows than it counts.
        UnexpectedAnswerError
            If MAST lists datasets, but no exposures of any.
        ServiceError
            If MAST does not answer.
        """
        found = self._named(selection) if selection.ids else self._listed(selection)
        for batch in batched(found, PRODUCTS_AT_A_TIME):
            members = self.members({row["dataset"] for row in batch})
            # A product of part of an association may have no product list.
            members |= self.members({row["asn_id"] for row in batch if row["asn_id"]} - set(members))
            empty = 0
            for row in batch:
                exposures = exposures_of(row, members)
                if not exposures:
                    empty += 1
                    log.warning("MAST lists no exposures of %s", row["dataset"])
                yield row | {"members": exposures}
            if empty == len(batch):
                raise UnexpectedAnswerError("MAST", f"lists no exposures of any of {number_of(empty, 'dataset')}")

    def members(self, names: Iterable[str]) -> dict[str, list[str]]:
        """Return the exposures of datasets; see `wfc3tvb.archive.mast_products.ProductLists.members`."""
        return self._product_lists.members(names)

    def count_caom(self, selection: Selection) -> int:
        """Return CAOM's number of datasets for a selection without ids, Hubble Advanced Products left out.

        Raises
        ------
        ServiceError
            If MAST does not answer, or its answer is not the expected one.
        """
        criteria: dict[str, Any] = {"instrument_name": ["WFC3/IR"], "project": ["HST"]}
        if filters := selection.wanted_filters:
            criteria["filters"] = list(filters)
        if selection.proposals:
            criteria["proposal_id"] = [str(proposal) for proposal in selection.proposals]
        if selection.start is not None or selection.end is not None:
            criteria["t_min"] = list(window_of(selection))
        count = self._observations.query_criteria_count
        with translate_request_errors(), warnings.catch_warnings():
            warnings.simplefilter("ignore", NoResultsWarning)  # an answer without a count is an error already
            try:
                return int(count(provenance_name=["CALWF3"], **criteria))
            except InvalidQueryError:
                # Some versions of the service lack the column; `project` alone leaves out almost all of these products.
                return int(count(**criteria))

    def _compare_with_caom(self, selection: Selection, n_listed: int) -> None:
        """Log a warning if CAOM counts another number of datasets, or does not answer: it is a second opinion."""
        try:
            n_caom = self.count_caom(selection)
        except ServiceError as error:
            log.warning("CAOM, which checks the number of datasets, did not answer as expected (%s)", error)
            return
        if n_caom != n_listed:
            log.warning("MAST's search lists %d datasets, CAOM %d; the search's list is used", n_listed, n_caom)

    def _listed(self, selection: Selection) -> Iterator[Row]:
        """Yield the datasets of a selection without ids; log a warning if CAOM counts another number."""
        seen: set[str] = set()
        for row in self._rows(selection):
            if row["dataset"] not in seen:
                seen.add(row["dataset"])
                yield row
        self._compare_with_caom(selection, len(seen))

    def _rows(self, selection: Selection) -> Iterator[Row]:
        """Yield the rows of a selection, by the first criterion for the instrument that MAST takes and finds any by."""
        refused: ServiceError | None = None
        for instrument in INSTRUMENT_CRITERIA:
            rows = self._in_window(criteria_of(selection, instrument), *window_of(selection))
            try:
                first = next(rows, None)
            except (RejectedQueryError, FailingServiceError) as error:
                refused = refused or error
                continue
            if first is not None:
                yield from _infrared(chain([first], rows), expected=instrument is INSTRUMENT_CRITERIA[0])
                return
        if refused:
            raise refused

    def _in_window(self, criteria: dict[str, Any], start: float, end: float, patience: int = 3) -> Iterator[Row]:
        """Yield the rows of a time window, which is halved until its rows fit into one answer that comes in time.

        A window whose answer does not come in time is halved at most `patience` times.
        """
        window = "..".join(Time([start, end], format="mjd").strftime("%Y-%m-%d %H:%M:%S"))
        wanted = criteria | {"sci_start_time": window}
        try:
            # The rows of a window that must be halved would be fetched in vain.
            counts_first = _COUNTS and end - start > _LONG
            total = self._ask(wanted, count_only=True)[1] if counts_first else 0
            counted = counts_first and not 0 < total <= MAX_ROWS
            rows, n_missing, total = ([], 0, total) if counted else self._search(wanted)
        except SlowServiceError:
            if not patience or end - start < 1:
                raise
            rows, n_missing, total, patience = [], 0, MAX_ROWS + 1, patience - 1
        if total <= MAX_ROWS:
            if n_missing > 0:
                between = window.replace("..", " and ")
                problem = (
                    f"returned {total - n_missing} of the {number_of(total, 'dataset')} it counts between {between}"
                )
                raise TruncatedQueryError("MAST", problem, "try again later, or for a shorter time (start to end)")
            yield from rows
        elif end - start < 1 / DAY:
            raise TruncatedQueryError("MAST", f"counts {number_of(total, 'dataset')} within one second at {window}", "")
        else:
            middle = (start + end) / 2
            yield from self._in_window(criteria, start, middle, patience)
            yield from self._in_window(criteria, middle, end, patience)

    def _named(self, selection: Selection) -> list[Row]:
        """Return the datasets of the ids: associations (or the parts MAST lists them by), exposures, alone or members.

        Headers name the association (ASN_ID: IC6G07020), MAST may list only its parts (IC6G07021, or IBYG0202A).
        """
        found: dict[str, Row] = {}
        for names in batched(sorted(set(selection.ids)), _NAMES_AT_A_TIME):
            found |= self._whole({"sci_data_set_name": [name.upper() for name in names]})
        rest = [name for name in selection.ids if name not in found]
        for visit in sorted({visit_of(name) for name in rest}):
            rows = self._whole({"sci_data_set_name": f"{visit.upper()}*"})
            members = self.members(rows) if rows else {}
            for name in [name for name in rest if visit_of(name) == visit]:
                parts = [dataset for dataset, row in rows.items() if row["asn_id"] == name]
                owners = parts or [dataset for dataset, exposures in members.items() if name in exposures][:1]
                if not owners:
                    raise UnknownDatasetError(name, "MAST")
                found |= {owner: rows[owner] for owner in owners}
        return [row for row in sorted(found.values(), key=lambda r: r["start_time"] or 0) if passes(row, selection)]

    def _whole(self, criteria: dict[str, Any]) -> dict[str, Row]:
        """Return all rows of one search, by the name of the dataset."""
        rows, n_missing, total = self._search(criteria)
        if n_missing > 0:
            raise TruncatedQueryError(
                "MAST", f"returned {total - n_missing} of the {number_of(total, 'dataset')} it counts", "give fewer ids"
            )
        return {row["dataset"]: row for row in rows}

    def _search(self, criteria: dict[str, Any]) -> tuple[list[Row], int, int]:
        """Return the rows of one search, the number of rows that the answer lacks, and MAST's count of them."""
        results, total = self._ask(criteria)
        check_columns(results, COLUMNS)
        return rows_of(results), total - len(results), total

    def _ask(self, criteria: dict[str, Any], **options: Any) -> tuple[list[Any], int]:
        """Return the answer to one search: its rows, unchecked, and MAST's count of them."""
        self._know_columns()
        with translate_request_errors():
            response = self._missions.query_criteria_async(
                limit=MAX_ROWS,
                select_cols=list(COLUMNS),
                sort_by=["sci_start_time", "sci_data_set_name"],
                **options,
                **criteria,
            )
        return search_answer(response.json())

    def _know_columns(self) -> None:
        """Fetch the column names once, through our session: astroquery itself would set no timeout."""
        if not self._missions.columns.get("hst"):
            url = f"{self.services.mast.rstrip('/')}/search/util/api/v0.1/column_list"
            with translate_request_errors():
                response = self._missions._session.get(url, params={"mission": "hst"})
                response.raise_for_status()
            rows = columns_of(response.json())
            self._missions.columns["hst"] = Table(rows=rows, names=("name", "data_type", "description"))


def _infrared(rows: Iterable[Row], *, expected: bool) -> Iterator[Row]:
    """Yield the rows of WFC3/IR; log a warning if others were not `expected`."""
    others = 0
    for row in rows:
        if is_infrared(row):
            yield row
        else:
            others += 1
    if others and expected:
        log.warning("MAST's search lists %d datasets of other instruments; they are left out", others)


_thread = threading.local()


def mast_of(services: Services) -> Mast:
    """Return this thread's client for `services`."""
    clients: dict[Services, Mast] = _thread.__dict__.setdefault("clients", {})
    if services not in clients:
        clients[services] = Mast(services)
    return clients[services]
