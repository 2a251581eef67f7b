"""HTTP client for ranges, files and lists: one pool of connections, one retry policy, one reading of errors."""

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
from wfc3tvb.system.network import proxy_of, tls_context

log = logging.getLogger(__name__)

T = TypeVar("T")
#: Answers that may be different in a while; a Retry-After that comes with them is honoured.
RETRIED = (429, 502, 503, 504)
#: Longest pause of ours, and longest that a server may ask for [s].
LONGEST_BACKOFF, LONGEST_RETRY_AFTER = 60.0, 900
#: Lengths and ranges are those of the file, so it must not be compressed on the way.
UNCOMPRESSED = {"Accept-Encoding": "identity"}
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
#: Files whose version is remembered, to notice one that is replaced while it is read.
_REMEMBERED = 64
_CHECK_NETWORK = "check the network, or try again later"


class BrokenBodyError(HTTPError):
    """A connection broke, or fell silent, in the middle of a body."""


class NoRangesError(ServiceError):
    """A server answers a range request with something else than the range."""

    retryable = False


def retry_policy(services: Services, method: str) -> Retry:
    """Return how requests are tried again: after a doubling, jittered pause, or what the server asks for.

    A 500 to a GET is a file server's bad moment; to a POST it is what MAST says of an invalid query.
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
    """Connections to the archive's servers, to each host never more at once than there may be; safe to share.

    Parameters
    ----------
    services : Services
        How many connections, and how patient to be. Proxy and certificates are those of the environment; the token of
        ``MAST_API_TOKEN`` goes to MAST alone.
    """

    def __init__(self, services: Services) -> None:
        self.services = services
        self._threads = ThreadPoolExecutor(services.connections, thread_name_prefix="http")
        self._pools: dict[tuple[str, str], urllib3.PoolManager] = {}
        self._versions: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()
        weakref.finalize(self, _close, self._pools)

    def ranges(self, service: str, url: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return ranges ``[start, stop)`` of a file, several fetched at a time; of one beyond its end, what there is.

        Raises
        ------
        NoRangesError
            If the server does not answer with the range; nothing of the body is read.
        MissingProductError, ServiceError
            As `send`; also if the file is another one than before.
        """

        def fetch(limits: tuple[int, int]) -> bytes:
            return self.complete(service, lambda: self._range(service, url, *limits))

        return list(self._threads.map(fetch, ranges))

    def send(
        self, service: str, method: str, url: str, *, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse:
        """Return an answer with its whole body (`data`), whatever its status.

        Raises
        ------
        ServiceUnreachableError
            If there is no connection, no answer in time, or only refusals to serve.
        ShortDownloadError
            If every answer broke off.
        """

        def whole() -> urllib3.BaseHTTPResponse:
            with self.request(method, url, body=body, headers=headers) as response:
                _body(response)
                return response

        return self.complete(service, whole)

    def get(self, service: str, url: str) -> bytes:
        """Return a small document; raises as `send`, and where the status is an error."""
        response = self.send(service, "GET", url)
        check_status(service, url, response.status)
        return response.data

    @contextmanager
    def request(
        self, method: str, url: str, *, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """Yield an answer whose body is to be read; what of it is not read is dropped with its connection."""
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
        """Call `work` again, after a jittered pause, while a connection breaks in the middle of a body.

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
                raise NoRangesError(service, "does not answer range requests", "")
            self._check_unchanged(service, url, start, response.headers.get("ETag", "") + match[3])
            body = _body(response)
        if len(body) != int(match[2]) + 1 - start:
            raise BrokenBodyError("another length than announced")
        return body

    def _check_unchanged(self, service: str, url: str, start: int, version: str) -> None:
        """Raise `ServiceError` where a file is not the one whose beginning was read."""
        with self._lock:
            known = version if start == 0 else self._versions.get(url, version)
            self._versions[url] = version
            self._versions.move_to_end(url)
            while len(self._versions) > _REMEMBERED:
                self._versions.popitem(last=False)
        if known != version:
            raise ServiceError(service, f"{_file_of(urlsplit(url).path)} changed while it was read")

    def _pool(self, url: str) -> urllib3.PoolManager:
        """Return the connections that lead to a host, directly or by the proxy of the environment."""
        host = urlsplit(url)[:2]
        with self._lock:
            if host not in self._pools:
                self._pools[host] = _connections(self.services, url)
            return self._pools[host]


_clients: dict[tuple[Services, int], HttpClient] = {}
_lock = threading.Lock()


def client_of(services: Services) -> HttpClient:
    """Return this process's client for `services`, made once; all its threads share the connections."""
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
        options["ssl_context"] = tls_context()  # made once: every connection of its own would read the certificates
    if not proxy:
        return urllib3.PoolManager(**options)
    parts = urlsplit(proxy)
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
    return urllib3.ProxyManager(
        proxy,
        proxy_headers=make_headers(proxy_basic_auth=login),
        proxy_ssl_context=options.get("ssl_context"),
        **options,
    )


def token_of(url: str, services: Services) -> dict[str, str]:
    """Return the header with the token of ``MAST_API_TOKEN``, for MAST alone."""
    token = os.environ.get("MAST_API_TOKEN")
    is_mast = urlsplit(url).netloc == urlsplit(services.mast).netloc
    return {"Cookie": f"mast_token={token}"} if token and is_mast else {}


def _body(response: urllib3.BaseHTTPResponse) -> bytes:
    with reading_body():
        return response.data


@contextmanager
def reading_body() -> Iterator[None]:
    """Tell a body that broke off, which the pool does not retry, from a connection that never came about."""
    try:
        yield
    except (HTTPError, OSError) as error:
        raise BrokenBodyError(type(error).__name__) from error


@contextmanager
def translate_errors(service: str) -> Iterator[None]:
    """Turn what urllib3 raises in the block into one line that names the service.

    Raises
    ------
    ServiceUnreachableError
        If there is no connection, no answer in time, or only refusals to serve.
    ShortDownloadError
        If every answer broke off.
    """
    try:
        yield
    except BrokenBodyError as error:
        problem = f"every answer broke off before its end ({error})"
        raise ShortDownloadError(service, problem, _CHECK_NETWORK) from error
    except HTTPError as error:
        reason = error.reason if isinstance(error, MaxRetryError) and error.reason else error
        raise _unreachable(service, reason) from error


def _unreachable(service: str, reason: BaseException) -> ServiceUnreachableError:
    if isinstance(reason, ResponseError):
        return ServiceUnreachableError(service, "answers 'unavailable' to every try")
    if isinstance(reason, TimeoutError) and not isinstance(reason, NewConnectionError):  # a subclass, for no reason
        return ServiceUnreachableError(service, "does not answer in time")
    if isinstance(reason, SSLError):
        remedy = "check the network; a proxy's own certificate goes into REQUESTS_CA_BUNDLE"
        return ServiceUnreachableError(service, "no secure connection (SSLError)", remedy)
    return ServiceUnreachableError(service, f"no connection ({type(reason).__name__})", _CHECK_NETWORK)


def check_status(service: str, url: str, status: int) -> None:
    """Raise the error that a status of 400 and above means.

    Raises
    ------
    MissingProductError
        If the file is not there or not public.
    ServiceError
        If the server refuses otherwise.
    """
    name = _file_of(url)
    if status == 404:
        raise MissingProductError(service, f"has no file {name}", "check the name, or ask again later")
    if status in (401, 403):
        known = os.environ.get("MAST_API_TOKEN")
        remedy = "is MAST_API_TOKEN that of its owner, and valid?" if known else "set MAST_API_TOKEN if you may have it"
        raise MissingProductError(service, f"does not give out {name} (HTTP {status})", remedy)
    if status >= 400:
        raise ServiceError(service, f"answered HTTP {status}")


def _file_of(url: str) -> str:
    return re.split(r"[/=]|%2F", url)[-1]
