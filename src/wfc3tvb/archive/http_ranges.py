"""Ranges of files over HTTP: many at a time, over connections that all threads of a process share."""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import certifi
import requests
import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, ResponseError, TimeoutError

from wfc3tvb.archive.http import (
    AS_IT_IS,
    CONTENT_RANGE,
    RETRIED,
    BrokenBodyError,
    NoRangesError,
    answers,
    patience,
    persistently,
    refusal,
    token_of,
)
from wfc3tvb.config import Services
from wfc3tvb.errors import ServiceError, ServiceUnreachableError

#: Files whose version is remembered, to notice one that is replaced while it is read.
_REMEMBERED = 64


class Wire:
    """Connections to file servers, to each host never more at once than there may be.

    Parameters
    ----------
    services : Services
        How many connections, and how patient to be. The proxy and the certificates are those of the environment, as
        `requests` takes them.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._pool = ThreadPoolExecutor(services.connections, thread_name_prefix="wire")
        self._managers: dict[str | None, urllib3.PoolManager] = {}
        self._versions: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()
        weakref.finalize(self, _close, self._managers)

    def fetch(self, service: str, url: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return ranges ``[start, stop)`` of a file; of one beyond its end, what there is.

        Raises
        ------
        NoRangesError
            If the server does not answer with the range; nothing of the body is read.
        MissingProductError
            If there is no such file, or it is not public.
        ServiceUnreachableError, ServiceError
            If there is no answer, or another file than before.
        """

        def one(limits: tuple[int, int]) -> bytes:
            with answers(service), _reaching(service):
                return persistently(lambda: self._range(service, url, *limits), self._services)

        return list(self._pool.map(one, ranges))

    def get(self, service: str, url: str) -> bytes:
        """Return a small document; raises as `fetch`."""

        def whole() -> bytes:
            with self._asked(service, url) as response:
                return _body(response)

        with answers(service), _reaching(service):
            return persistently(whole, self._services)

    def _range(self, service: str, url: str, start: int, stop: int) -> bytes:
        with self._asked(service, url, {"Range": f"bytes={start}-{stop - 1}"}) as response:
            if response.status == 416:
                response.drain_conn()
                return b""
            match = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if response.status != 206 or not match or int(match[1]) != start or int(match[2]) >= stop:
                raise NoRangesError(service, "does not answer range requests", "")
            self._same(service, url, start, response.headers.get("ETag", "") + match[3])
            body = _body(response)
        if len(body) != int(match[2]) + 1 - start:
            raise BrokenBodyError("another length than announced")
        return body

    @contextmanager
    def _asked(
        self, service: str, url: str, headers: dict[str, str] | None = None
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """Yield the answer to a GET; what of it is not read is dropped with its connection."""
        headers = AS_IT_IS | token_of(url, self._services) | (headers or {})
        response = self._manager(url).request("GET", url, headers=headers, preload_content=False)
        done = False
        try:
            _check_served(service, url, response.status)
            yield response
            done = True
        finally:
            if not done:
                response.close()
            response.release_conn()

    def _same(self, service: str, url: str, start: int, version: str) -> None:
        """Raise `ServiceError` where a file is not the one whose beginning was read."""
        with self._lock:
            known = version if start == 0 else self._versions.get(url, version)
            self._versions[url] = version
            self._versions.move_to_end(url)
            while len(self._versions) > _REMEMBERED:
                self._versions.popitem(last=False)
        if known != version:
            raise ServiceError(service, f"{urlsplit(url).path.rpartition('/')[2]} changed while it was read")

    def _manager(self, url: str) -> urllib3.PoolManager:
        """Return the connections that lead to a place, directly or by the proxy of the environment."""
        proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
        with self._lock:
            if proxy not in self._managers:
                self._managers[proxy] = _connections(self._services, proxy)
            return self._managers[proxy]


def _close(managers: dict[str | None, urllib3.PoolManager]) -> None:
    for manager in managers.values():
        manager.clear()


def _connections(services: Services, proxy: str | None) -> urllib3.PoolManager:
    options: dict[str, Any] = {
        "maxsize": services.connections,
        "block": True,
        "retries": patience(services, (*RETRIED, 500)),
        "timeout": services.timeout,
        "ca_certs": os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or certifi.where(),
    }
    return urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)


def _check_served(service: str, url: str, status: int) -> None:
    if status >= 400 and status != 416:
        raise refusal(service, url, status)


def _body(response: urllib3.BaseHTTPResponse) -> bytes:
    try:
        return response.read()
    except (HTTPError, OSError) as error:
        raise BrokenBodyError(type(error).__name__) from error


@contextmanager
def _reaching(service: str) -> Iterator[None]:
    """Turn what urllib3 raises in the block into one line that names the service."""
    try:
        yield
    except MaxRetryError as error:
        problem = {
            ResponseError: "answers 'unavailable' to every try",
            TimeoutError: "does not answer in time",
        }
        found = next((text for kind, text in problem.items() if isinstance(error.reason, kind)), None)
        raise ServiceUnreachableError(service, found or f"no connection ({type(error.reason).__name__})") from error
    except HTTPError as error:
        raise ServiceUnreachableError(service, f"no connection ({type(error).__name__})") from error
