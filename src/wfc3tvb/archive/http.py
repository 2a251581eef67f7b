"""HTTP client for ranges, files and lists: one connection pool, one retry policy, one translation of errors."""

from __future__ import annotations

import logging
import os
import random
import re
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
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, ResponseError, SSLError, TimeoutError
from urllib3.util import Retry, make_headers

from wfc3tvb.config import Services
from wfc3tvb.errors import MissingProductError, ServiceError, ServiceUnreachableError, ShortDownloadError
from wfc3tvb.system.network import SOCKS, proxy_of, tls_context

log = logging.getLogger(__name__)

T = TypeVar("T")
#: Statuses that are retried; a Retry-After that comes with them is honoured.
RETRIED = (429, 502, 503, 504)
#: Longest pause between attempts, and longest Retry-After that is honoured [s].
LONGEST_BACKOFF, LONGEST_RETRY_AFTER = 60.0, 900
#: Lengths and ranges refer to the file itself, so it must not be compressed in transit.
UNCOMPRESSED = {"Accept-Encoding": "identity"}
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
#: Number of files whose version is remembered, to notice one that is replaced while it is read.
_REMEMBERED = 64
_CHECK_NETWORK = "check the network, or try again later"


class BrokenBodyError(HTTPError):
    """A connection broke or stalled in the middle of a body."""


class NoRangesError(ServiceError):
    """A server did not answer a range request with that range."""

    retryable = False


def retry_policy(services: Services, method: str) -> Retry:
    """Return the retry policy: a doubling pause with jitter, or the pause that the server asks for.

    A 500 to a GET is a passing fault of a file server; to a POST it is MAST's answer to an invalid query.
    """
    return Retry(
        services.retries,
        status_forcelist=(*RETRIED, 500) if method == "GET" else RETRIED,
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
        self, service: str, method: str, url: str, *, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse:
        """Return a response with its whole body (`data`), whatever its status.

        Raises
        ------
        ServiceUnreachableError
            If there is no connection, no answer in time, or the service stays unavailable.
        ShortDownloadError
            If every response was cut off.
        """

        def whole() -> urllib3.BaseHTTPResponse:
            with self.request(method, url, body=body, headers=headers) as response:
                _body(response)
                return response

        return self.complete(service, whole)

    def get(self, service: str, url: str) -> bytes:
        """Return a small document; raises the errors of `send`, and of a status of 400 and above."""
        response = self.send(service, "GET", url)
        check_status(service, url, response.status)
        return response.data

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
            retries=retry_policy(self.services, method),
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
                return b""
            check_status(service, url, response.status)
            match = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if response.status != 206 or not match or int(match[1]) != start or int(match[2]) >= stop:
                raise NoRangesError(service, "does not support range requests", "")
            self._check_unchanged(service, url, start, response.headers.get("ETag", "") + match[3])
            body = _body(response)
        if len(body) != int(match[2]) + 1 - start:
            raise BrokenBodyError("the length differs from the announced one")
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
            raise ServiceError(service, f"{_file_of(urlsplit(url).path)} changed while it was read")

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


def _body(response: urllib3.BaseHTTPResponse) -> bytes:
    with reading_body():
        return response.data


@contextmanager
def reading_body() -> Iterator[None]:
    """Raise `BrokenBodyError` for a body that is cut off; the pool retries failed connections, but not these."""
    try:
        yield
    except (HTTPError, OSError) as error:
        raise BrokenBodyError(type(error).__name__) from error


@contextmanager
def translate_errors(service: str) -> Iterator[None]:
    """Turn urllib3's errors in the block into one line that names the service.

    Raises
    ------
    ServiceUnreachableError
        If there is no connection, no answer in time, or the service stays unavailable.
    ShortDownloadError
        If every response was cut off.
    """
    try:
        yield
    except BrokenBodyError as error:
        problem = f"every response was cut off ({error})"
        raise ShortDownloadError(service, problem, _CHECK_NETWORK) from error
    except HTTPError as error:
        reason = error.reason if isinstance(error, MaxRetryError) and error.reason else error
        raise _unreachable(service, reason) from error


def _unreachable(service: str, reason: BaseException) -> ServiceUnreachableError:
    if isinstance(reason, ResponseError):
        return ServiceUnreachableError(service, "unavailable on every attempt")
    # urllib3 makes NewConnectionError a subclass of TimeoutError, though nothing timed out.
    if isinstance(reason, TimeoutError) and not isinstance(reason, NewConnectionError):
        return ServiceUnreachableError(service, "no answer in time")
    if isinstance(reason, SSLError):
        remedy = "check the network; if a proxy has its own certificate, name it in REQUESTS_CA_BUNDLE"
        return ServiceUnreachableError(service, "no secure connection (SSLError)", remedy)
    return ServiceUnreachableError(service, f"no connection ({type(reason).__name__})", _CHECK_NETWORK)


def check_status(service: str, url: str, status: int) -> None:
    """Raise the error for a status of 400 and above.

    Raises
    ------
    MissingProductError
        If the file does not exist or is not public.
    ServiceError
        For any other status.
    """
    name = _file_of(url)
    if status == 404:
        raise MissingProductError(service, f"has no file {name}", "check the name, or try again later")
    if status in (401, 403):
        known = os.environ.get("MAST_API_TOKEN")
        owner = "check that MAST_API_TOKEN is valid and belongs to someone with access"
        remedy = owner if known else "set MAST_API_TOKEN if you have access to the data"
        raise MissingProductError(service, f"refused access to {name} (HTTP {status})", remedy)
    if status >= 400:
        raise ServiceError(service, f"answered HTTP {status}")


def _file_of(url: str) -> str:
    return re.split(r"[/=]|%2F", url)[-1]
