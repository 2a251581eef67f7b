"""List datasets and their members at MAST, through astroquery.

The MAST search API (`astroquery.mast.MastMissions`) is queried in time windows small enough for one answer, and the
number of datasets is compared with CAOM (`astroquery.mast.Observations`). Both list associations and single exposures;
the members come from the product lists.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from astropy.table import Table
from astropy.time import Time
from astroquery.exceptions import InvalidQueryError
from astroquery.mast import MastMissions, Observations

from wfc3tvb.archive.astroquery_session import configure_session, translate_request_errors
from wfc3tvb.archive.http import client_of
from wfc3tvb.archive.mast_rows import COLUMNS, criteria_of, exposure_of, passes, rows_of, window_of
from wfc3tvb.config import Selection, Services
from wfc3tvb.dates import DAY
from wfc3tvb.errors import ServiceError, TruncatedQueryError, UnknownDatasetError
from wfc3tvb.identifiers import visit_of
from wfc3tvb.models import Row

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Most rows in one answer of the search API.
MAX_ROWS = 5000
#: Datasets in one request for products (the API accepts 1000).
PRODUCTS_AT_A_TIME = 500
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
        for client in (self._missions, self._observations):
            configure_session(client._session, client_of(self.services))
        self._point_at(self.services.mast.rstrip("/"))

    def _point_at(self, server: str) -> None:
        """Set the addresses that astroquery copies from its configuration when it is imported."""
        for client in (self._missions, self._observations):
            portal, service = client._portal_api_connection, client._service_api_connection
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
        ServiceError
            If MAST does not answer.
        """
        found = self._named(selection) if selection.ids else self._listed(selection)
        for batch in _batched(found, PRODUCTS_AT_A_TIME):
            members = self.members({name for row in batch for name in (row["dataset"], row["asn_id"]) if name})
            for row in batch:
                # A product of part of an association may have no product list; a single exposure is its own member.
                lone = [] if row["asn_id"] else [row["dataset"]]
                exposures = members.get(row["dataset"]) or members.get(row["asn_id"] or "") or lone
                if not exposures:
                    log.warning("MAST lists no exposures of %s", row["dataset"])
                yield row | {"members": exposures}

    def members(self, names: Iterable[str]) -> dict[str, list[str]]:
        """Return the exposures of datasets (at most 1000), sorted; datasets without exposures are left out.

        Raises
        ------
        ServiceError
            If MAST does not answer, or its answer is not the expected one.
        """
        wanted = sorted(names)
        with translate_request_errors():
            answer = self._missions.get_product_list_async([name.upper() for name in wanted])
            products = self._missions._extract_products(answer)
        found: dict[str, set[str]] = {}
        for product in products:
            if root := exposure_of(product):
                found.setdefault(str(product["dataset"]).strip().lower(), set()).add(root)
        return {name: sorted(found[name]) for name in wanted if name in found}

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
        with translate_request_errors():
            try:
                return int(count(provenance_name=["CALWF3"], **criteria))
            except InvalidQueryError:
                # Some versions of the service lack the column; `project` alone leaves out almost all of these products.
                return int(count(**criteria))

    def _listed(self, selection: Selection) -> Iterator[Row]:
        """Yield the datasets of a selection without ids; log a warning if CAOM counts another number."""
        seen: set[str] = set()
        for row in self._in_window(criteria_of(selection), *window_of(selection)):
            if row["dataset"] not in seen:
                seen.add(row["dataset"])
                yield row
        n_caom = self.count_caom(selection)
        if n_caom != len(seen):
            log.warning("MAST's search lists %d datasets, CAOM %d; the search's list is used", len(seen), n_caom)

    def _in_window(self, criteria: dict[str, Any], start: float, end: float) -> Iterator[Row]:
        """Yield the rows of a time window, which is halved until its rows fit into one answer."""
        window = "..".join(Time([start, end], format="mjd").strftime("%Y-%m-%d %H:%M:%S"))
        rows, total = self._search(criteria | {"sci_start_time": window})
        if total <= MAX_ROWS:
            if len(rows) < total:
                between = window.replace("..", " and ")
                problem = f"returned {len(rows)} of the {total} datasets it counts between {between}"
                raise TruncatedQueryError("MAST", problem, "try again later, or with --start and --end closer together")
            yield from rows
        elif end - start < 1 / DAY:
            raise TruncatedQueryError("MAST", f"counts {total} datasets within one second at {window}", "")
        else:
            middle = (start + end) / 2
            yield from self._in_window(criteria, start, middle)
            yield from self._in_window(criteria, middle, end)

    def _named(self, selection: Selection) -> list[Row]:
        """Return the datasets of the ids, which may be associations, single exposures, or members of associations."""
        found: dict[str, Row] = {}
        for names in _batched(sorted(set(selection.ids)), _NAMES_AT_A_TIME):
            found |= self._whole({"sci_data_set_name": [name.upper() for name in names]})
        rest = [name for name in selection.ids if name not in found]
        for visit in sorted({visit_of(name) for name in rest}):
            rows = self._whole({"sci_data_set_name": f"{visit.upper()}*"})
            members = self.members(rows) if rows else {}
            for name in [name for name in rest if visit_of(name) == visit]:
                owners = [dataset for dataset, exposures in members.items() if name in exposures]
                if not owners:
                    raise UnknownDatasetError(name, "MAST")
                found[owners[0]] = rows[owners[0]]
        return [row for row in sorted(found.values(), key=lambda r: r["start_time"] or 0) if passes(row, selection)]

    def _whole(self, criteria: dict[str, Any]) -> dict[str, Row]:
        """Return all rows of one search, by the name of the dataset."""
        rows, total = self._search(criteria)
        if len(rows) < total:
            raise TruncatedQueryError(
                "MAST", f"returned {len(rows)} of the {total} datasets it counts", "give fewer ids"
            )
        return {row["dataset"]: row for row in rows}

    def _search(self, criteria: dict[str, Any]) -> tuple[list[Row], int]:
        """Return the rows of one search, and MAST's count of them."""
        with translate_request_errors():
            self._know_columns()
            response = self._missions.query_criteria_async(
                limit=MAX_ROWS,
                select_cols=list(COLUMNS),
                sort_by=["sci_start_time", "sci_data_set_name"],
                **criteria,
            )
            answer = response.json()
            try:
                return rows_of(answer["results"]), int(answer["totalResults"])
            except (KeyError, TypeError, ValueError) as error:
                raise ServiceError("MAST", f"its answer does not have the expected form ({error})") from error

    def _know_columns(self) -> None:
        """Fetch the column names once, through our session: astroquery itself would set no timeout."""
        if not self._missions.columns.get("hst"):
            url = f"{self.services.mast.rstrip('/')}/search/util/api/v0.1/column_list"
            response = self._missions._session.get(url, params={"mission": "hst"})
            response.raise_for_status()
            rows = [(c["column_name"], c["qual_type"], c["description"]) for c in response.json()]
            self._missions.columns["hst"] = Table(rows=rows, names=("name", "data_type", "description"))


_thread = threading.local()


def mast_of(services: Services) -> Mast:
    """Return this thread's client for `services`."""
    clients: dict[Services, Mast] = _thread.__dict__.setdefault("clients", {})
    if services not in clients:
        clients[services] = Mast(services)
    return clients[services]


def _batched(items: Iterable[T], n: int) -> Iterator[tuple[T, ...]]:
    iterator = iter(items)
    while batch := tuple(islice(iterator, n)):
        yield batch
