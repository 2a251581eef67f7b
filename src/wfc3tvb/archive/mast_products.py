"""Product lists of MAST: the exposures of datasets, asked for in as large pieces as MAST answers."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from astroquery.mast import MastMissions

from wfc3tvb.archive.astroquery_session import translate_request_errors
from wfc3tvb.archive.mast_answers import Product, products_of
from wfc3tvb.archive.mast_rows import exposure_of
from wfc3tvb.errors import MissingProductError, ServiceError, ServiceUnreachableError
from wfc3tvb.models import Row

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Datasets in one request for products (the API accepts 1000).
PRODUCTS_AT_A_TIME = 500
#: Parts into which a request is divided if MAST refuses it.
_SMALLER = 10


class ProductLists:
    """Requests for product lists through a client of astroquery."""

    def __init__(self, missions: MastMissions) -> None:
        self._missions = missions
        self._at_a_time = PRODUCTS_AT_A_TIME

    def members(self, names: Iterable[str]) -> dict[str, list[str]]:
        """Return the exposures of datasets (at most 1000), sorted; datasets without exposures are left out.

        Names that an answer leaves out are asked for again, fewer at a time, in case it was cut.

        Raises
        ------
        ServiceError
            If MAST does not answer, or its answer is not the expected one.
        """
        wanted = sorted(names)
        found = self._exposures(wanted)
        missing = [name for name in wanted if name not in found]
        at_a_time = len(missing)
        while missing and at_a_time > 1:
            at_a_time = max(at_a_time // _SMALLER, 1)
            for some in batched(missing, at_a_time):
                found |= self._exposures(some)
            missing = [name for name in missing if name not in found]
        return {name: sorted(found[name]) for name in wanted if name in found}

    def _exposures(self, names: Sequence[str]) -> dict[str, set[str]]:
        """Return the exposures in the product lists of datasets; a refused request is repeated for fewer of them."""
        found: dict[str, set[str]] = {}
        rest = list(names)
        while rest:
            some = rest[: self._at_a_time]
            try:
                products = self._products(some)
            except ServiceError as error:
                if len(some) == 1 or type(error) in (ServiceUnreachableError, MissingProductError):
                    raise
                self._at_a_time = max(len(some) // _SMALLER, 1)
                log.info("%s; asking for %d product lists at a time", error, self._at_a_time)
                continue
            rest = rest[len(some) :]
            for product in products:
                if root := exposure_of(product.filename):
                    found.setdefault(product.dataset, set()).add(root)
        return found

    def _products(self, names: Sequence[str]) -> list[Product]:
        with translate_request_errors():
            answers = self._missions.get_product_list_async([name.upper() for name in names])
        # One answer, or a list of them, by the version of astroquery.
        return [
            one for each in (answers if isinstance(answers, list) else [answers]) for one in products_of(each.json())
        ]


def exposures_of(row: Row, members: Mapping[str, list[str]]) -> list[str]:
    """Return the exposures of a dataset: those in its product list or its association's, or itself."""
    if not row["asn_id"]:
        return members.get(row["dataset"]) or [row["dataset"]]
    found = members.get(row["dataset"]) or members.get(row["asn_id"]) or []
    # The name of a part may look like that of an exposure (ibyg0202a of ibyg02020).
    return [root for root in found if root != row["dataset"]]


def batched(items: Iterable[T], n: int) -> Iterator[tuple[T, ...]]:
    """Yield items in tuples of `n`, the last of which may be shorter."""
    iterator = iter(items)
    while batch := tuple(islice(iterator, n)):
        yield batch
