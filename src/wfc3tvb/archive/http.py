"""HTTP client for ranges, files and lists: one connection pool, one retry policy, one translation of errors."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry, make_headers

from wfc3tvb.archive.responses import (
    BrokenBodyError,
    NoRangesError,
    check_fits_start,
    check_holds_file,
    check_status,
    file_of,
    range_of,
    read_body,
    read_exactly,
    stated_length,
    translate_errors,
)
from wfc3tvb.config import Services
from wfc3tvb.errors import ServiceError
from wfc3tvb.system.network import SOCKS, proxy_of, tls_context

log = logging.getLogger(__name__)

T = TypeVar("T")
#: Statuses that are retried; a Retry-After that comes with them is honoured. MAST answers 500 to an invalid search as
#: well as to a passing fault, and only the second ends with time.
RETRIED = (429, 500, 502, 503, 504)
#: Longest pause between attempts, and longest Retry-After that is honoured [s].
LONGEST_BACKOFF, LONGEST_RETRY_AFTER = 60.0, 900
#: Lengths and ranges refer to the file itself, so it must not be compressed in transit.
UNCOMPRESSED = {"Accept-Encoding": "identity"}
#: No list or other document is longer [byte]; a compressed one may unpack to any length.
LONGEST_DOCUMENT = 256_000_000
#: Number of files whose version is remembered, to notice one that is replaced while it is read.
_REMEMBERED = 64


class _Patience(Retry):
    """Retry policy that takes any Retry-After: one that is no pause (garbage, negative) leaves the usual pause."""

    def parse_retry_after(self, retry_after: str) -> float:
        """Return the pause that a server asks for [s]; 0 if it asks for none."""
        try:
            seconds = float(retry_after)
        except ValueError:
            try:
                return super().parse_retry_after(retry_after)
            except (InvalidHeader, OverflowError, ValueError):
                return 0.0
        return min(seconds, self.retry_after_max) if seconds > 0 else 0.0


def retry_policy(services: Services) -> Retry:
    """Return the retry policy: a doubling pause with jitter, or the pause that the server asks for."""
    return _Patience(
        services.retries,
        status_forcelist=RETRIED,
        allowed_methods=None,
        backoff_factor=services.backoff,
        backoff_jitter=services.backoff,
        backoff_max=LONGEST_BACKOFF,
        retry_after_max=LONGEST_RETRY_AFTER,
    )


class HttpClient:
    """Client of the archive's servers, with a limit on the connections to each host; safe to share among threads.

    Parameters
    ----------
    services : Services
        Number of connections, timeouts and retries. Proxy and certificates are taken from the environment; the token
        in ``MAST_API_TOKEN`` is sent to MAST only.
    """

    def __init__(self, services: Services) -> None:
        self.services = services
        self._threads = ThreadPoolExecutor(services.connections, thread_name_prefix="http")
        self._pools: dict[tuple[str, str], urllib3.PoolManager] = {}
        self._versions: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()
        weakref.finalize(self, _close, self._pools)

    def ranges(self, service: str, url: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return ranges ``[start, stop)`` of a file, fetched several at a time; one past the end comes back shorter.

        Raises
        ------
        NoRangesError
            If the server does not answer with the range; its body is not read.
        MissingProductError, ServiceError
            See `send`; also if the file has been replaced since its beginning was read.
        """

        def fetch(limits: tuple[int, int]) -> bytes:
            return self.complete(service, lambda: self._range(service, url, *limits))

        return list(self._threads.map(fetch, ranges))

    def send(
        self,
        service: str,
        method: str,
        url: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        check: Callable[[int, bytes], None] | None = None,
    ) -> tuple[urllib3.BaseHTTPResponse, bytes]:
        """Return a response, whatever its status, and its whole body.

        `check` is given status and body; if it raises `BrokenBodyError`, the request is sent again.

        Raises
        ------
        ServiceUnreachableError
            If there is no connection, no answer in time, or the service stays unavailable.
        ShortDownloadError
            If every response was cut off, or longer than any document is.
        """

        def whole() -> tuple[urllib3.BaseHTTPResponse, bytes]:
            with self.request(method, url, body=body, headers=headers) as response:
                content = read_body(response, LONGEST_DOCUMENT)
                if check is not None:
                    check(response.status, content)
                return response, content

        return self.complete(service, whole)

    def get(self, service: str, url: str) -> bytes:
        """Return a small document; raises the errors of `send`, and of a status of 400 and above."""
        response, body = self.send(service, "GET", url)
        check_status(service, url, response.status)
        return body

    @contextmanager
    def request(
        self, method: str, url: str, *, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """Yield a response whose body is still to be read; an unread rest is dropped together with its connection."""
        response = self._pool(url).request(
            method,
            url,
            body=body,
            headers=token_of(url, self.services) | dict(headers or {}),
            retries=retry_policy(self.services),
            preload_content=False,
        )
        try:
            yield response
        finally:
            response.close()
            response.release_conn()

    def complete(self, service: str, work: Callable[[], T]) -> T:
        """Call `work`, again after a pause with jitter if a connection breaks in the middle of a body.

        Raises
        ------
        ServiceError
            See `translate_errors`.
        """
        with translate_errors(service):
            for attempt in range(self.services.retries):
                try:
                    return work()
                except BrokenBodyError as error:
                    log.info("connection broke (%s); trying again", error)
                    pause = self.services.backoff * (2**attempt + random.random())
                    time.sleep(min(pause, LONGEST_BACKOFF))
            return work()

    def _range(self, service: str, url: str, start: int, stop: int) -> bytes:
        with self.request("GET", url, headers=UNCOMPRESSED | {"Range": f"bytes={start}-{stop - 1}"}) as response:
            if response.status == 416:
                response.drain_conn()
                if not start:
                    check_fits_start(b"")
                return b""
            check_status(service, url, response.status)
            match = range_of(response)
            if not match or int(match[1]) != start or not start <= int(match[2]) < stop:
                check_holds_file(response)
                raise NoRangesError(service, "does not support range requests", "")
            length = int(match[2]) + 1 - start
            if stated_length(response) not in (None, length):
                raise BrokenBodyError("the length differs from the announced one")
            self._check_unchanged(service, url, start, response.headers.get("ETag", "") + match[3])
            body = read_exactly(response, length)
        if not start:
            check_fits_start(body)
        return body

    def _check_unchanged(self, service: str, url: str, start: int, version: str) -> None:
        """Raise `ServiceError` if a file was replaced after its beginning was read."""
        with self._lock:
            known = version if start == 0 else self._versions.get(url, version)
            self._versions[url] = version
            self._versions.move_to_end(url)
            while len(self._versions) > _REMEMBERED:
                self._versions.popitem(last=False)
        if known != version:
            raise ServiceError(service, f"{file_of(urlsplit(url).path)} changed while it was read")

    def _pool(self, url: str) -> urllib3.PoolManager:
        """Return the connections to a host, direct or through the proxy of the environment."""
        host = urlsplit(url)[:2]
        with self._lock:
            if host not in self._pools:
                self._pools[host] = _connections(self.services, url)
            return self._pools[host]


_clients: dict[tuple[Services, int], HttpClient] = {}
_lock = threading.Lock()


def client_of(services: Services) -> HttpClient:
    """Return this process's client for `services`; it is made once and its threads share the connections."""
    key = (services, os.getpid())
    with _lock:
        if key not in _clients:
            _clients[key] = HttpClient(services)
        return _clients[key]


def _close(pools: Mapping[Any, urllib3.PoolManager]) -> None:
    for pool in pools.values():
        pool.clear()


def _connections(services: Services, url: str) -> urllib3.PoolManager:
    proxy = proxy_of(url)
    options: dict[str, Any] = {"maxsize": services.connections, "block": True, "timeout": services.timeout}
    if "https" in (urlsplit(url).scheme, urlsplit(proxy or "").scheme):
        options["ssl_context"] = tls_context()  # shared: otherwise each connection would load the certificates again
    if not proxy:
        return urllib3.PoolManager(**options)
    parts = urlsplit(proxy)
    if parts.scheme in SOCKS:
        from urllib3.contrib.socks import SOCKSProxyManager

        return SOCKSProxyManager(proxy, **options)
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
    return urllib3.ProxyManager(
        proxy,
        proxy_headers=make_headers(proxy_basic_auth=login),
        proxy_ssl_context=options.get("ssl_context"),
        **options,
    )


def token_of(url: str, services: Services) -> dict[str, str]:
    """Return the header with the token in ``MAST_API_TOKEN``; empty for any server but MAST."""
    token = os.environ.get("MAST_API_TOKEN")
    is_mast = urlsplit(url).netloc == urlsplit(services.mast).netloc
    return {"Cookie": f"mast_token={token}"} if token and is_mast else {}
