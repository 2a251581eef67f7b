"""HTTP as the archive needs it: timeouts, retries with jittered back-off, whole bodies or an error.

astroquery 0.4.11 sets no socket timeout, never retries and takes a short body for a whole one; its sessions get
their manners here.
"""

from __future__ import annotations

import base64
import logging
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from wfc3tvb.config import Services
from wfc3tvb.errors import MissingProductError, ServiceError, ServiceUnreachableError, ShortDownloadError
from wfc3tvb.system.files import checksum

log = logging.getLogger(__name__)

T = TypeVar("T")
#: Answers that may be different in a while; a Retry-After that comes with them is honoured.
RETRIED = (429, 502, 503, 504)
#: Longest pause of ours, and longest that a server may ask for [s].
LONGEST_BACKOFF, LONGEST_RETRY_AFTER = 60.0, 900
_CHUNK = 1 << 16
_MD5 = re.compile(r"[0-9a-f]{32}")
#: Lengths and ranges are those of the file, so it must not be compressed on the way.
AS_IT_IS = {"Accept-Encoding": "identity"}
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class BrokenBodyError(requests.ConnectionError):
    """A connection broke, or fell silent, in the middle of a body."""


class NoRangesError(ServiceError):
    """A server answers a range request with something else than the range."""

    retryable = False


def patience(services: Services, statuses: tuple[int, ...] = RETRIED) -> Retry:
    """Return how requests are tried again: after a doubling, jittered pause, or what the server asks for."""
    return Retry(
        services.retries,
        status_forcelist=statuses,
        allowed_methods=None,
        backoff_factor=services.backoff,
        backoff_jitter=services.backoff,
        backoff_max=LONGEST_BACKOFF,
        retry_after_max=LONGEST_RETRY_AFTER,
    )


class _PatientAdapter(HTTPAdapter):
    """Retries what may pass, and never waits for ever."""

    def __init__(self, services: Services) -> None:
        self._timeout = services.timeout
        super().__init__(max_retries=patience(services), pool_maxsize=services.connections)

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        """Send a request, with a timeout if none is given."""
        if options.get("timeout") is None:
            options["timeout"] = self._timeout
        return super().send(request, **options)


def harden(session: requests.Session, services: Services) -> requests.Session:
    """Give a session timeouts, retries and, for MAST alone, the token of ``MAST_API_TOKEN``; return it."""
    for scheme in ("http://", "https://"):
        session.mount(scheme, _PatientAdapter(services))
    if token := os.environ.get("MAST_API_TOKEN"):
        host = urlsplit(services.mast).hostname or ""
        # The cookie jar writes names without a dot as name.local.
        domain = host if "." in host else f"{host}.local"
        session.cookies.set("mast_token", token, domain=domain)
    return session


def token_of(url: str, services: Services) -> dict[str, str]:
    """Return the header with the token of ``MAST_API_TOKEN``, for MAST alone."""
    token = os.environ.get("MAST_API_TOKEN")
    own = urlsplit(url).netloc == urlsplit(services.mast).netloc
    return {"Cookie": f"mast_token={token}"} if token and own else {}


@contextmanager
def answers(service: str) -> Iterator[None]:
    """Turn what `requests` raises in the block into one line that names the service.

    Raises
    ------
    ServiceUnreachableError
        If there is no connection, no answer in time, or only refusals to serve.
    ShortDownloadError
        If every answer broke off.
    MissingProductError
        If the file is not there or not public.
    ServiceError
        If it answers what it should not.
    """
    try:
        yield
    except requests.HTTPError as error:
        url, status = ("", 0) if error.response is None else (error.response.url, error.response.status_code)
        raise refusal(service, url, status) from error
    except requests.exceptions.RetryError as error:
        raise ServiceUnreachableError(service, "answers 'unavailable' to every try") from error
    except requests.Timeout as error:
        raise ServiceUnreachableError(service, "does not answer in time") from error
    except requests.exceptions.JSONDecodeError as error:
        raise ServiceError(service, "answered something that is not JSON") from error
    except BrokenBodyError as error:
        problem = f"every answer broke off before its end ({error})"
        raise ShortDownloadError(service, problem, "check the network, or try again later") from error
    except requests.RequestException as error:
        remedy = "check the network, or try again later"
        raise ServiceUnreachableError(service, f"no connection ({type(error).__name__})", remedy) from error


def refusal(service: str, url: str, status: int) -> ServiceError:
    """Return the error that a status of 400 and above means."""
    name = _file_of(url)
    if status == 404:
        return MissingProductError(service, f"has no file {name}", "check the name, or ask again later")
    if status in (401, 403):
        known = os.environ.get("MAST_API_TOKEN")
        remedy = "is MAST_API_TOKEN that of its owner, and valid?" if known else "set MAST_API_TOKEN if you may have it"
        return MissingProductError(service, f"does not give out {name} (HTTP {status})", remedy)
    return ServiceError(service, f"answered HTTP {status}" if status else "refused the request")


def _file_of(url: str) -> str:
    return re.split(r"[/=]|%2F", url)[-1]


def persistently(work: Callable[[], T], services: Services) -> T:
    """Call `work` again, after a jittered pause, while a connection breaks in the middle of a body."""
    for attempt in range(services.retries):
        try:
            return work()
        except BrokenBodyError as error:
            log.info("connection broke (%s); trying again", error)
            pause = services.backoff * (2**attempt + random.random())
            time.sleep(min(pause, LONGEST_BACKOFF))
    return work()


@contextmanager
def _reading_body() -> Iterator[None]:
    """Tell a body that broke off, which the adapter does not retry, from a connection that never came about."""
    try:
        yield
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise BrokenBodyError(type(error).__name__) from error


def download(session: requests.Session, url: str, path: Path, *, service: str, services: Services) -> int:
    """Fetch a file whole: to a temporary name beside `path`, checked for its length, then renamed.

    A broken connection is taken up where it broke, if the server can and the file is the same.

    Parameters
    ----------
    session : requests.Session
        Hardened; see `harden`.
    url : str
        Its address.
    path : Path
        Where it goes; the folder is made.
    service : str
        What errors call the server.
    services : Services
        How patient to be.

    Returns
    -------
    int
        Bytes received.

    Raises
    ------
    ShortDownloadError
        If the file came short, or damaged, at every try.
    ServiceError
        See `answers`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    transfer = _Transfer(session, url, part)
    try:
        with answers(service):
            try:
                persistently(transfer, services)
            except BrokenBodyError as error:
                problem = f"{path.name} came short, {transfer.received} of {transfer.length or 'unknown'} bytes"
                if "checksum" in str(error):
                    problem = f"{path.name} came damaged: another checksum than announced"
                raise ShortDownloadError(service, problem) from error
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return transfer.received


class _Transfer:
    """A download that may be called again to go on where it broke."""

    def __init__(self, session: requests.Session, url: str, part: Path) -> None:
        self.session, self.url, self.part = session, url, part
        self.length = self.received = 0
        self._tag = self._md5 = ""

    def __call__(self) -> None:
        rest = {"Range": f"bytes={self.received}-", "If-Range": self._tag} if self.received and self._tag else {}
        with self.session.get(self.url, headers=rest | AS_IT_IS, stream=True) as response:
            response.raise_for_status()
            match = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if response.status_code == 206 and (not match or int(match[1]) != self.received):
                self._tag = ""
                raise BrokenBodyError("another range than asked for")
            if response.status_code != 206:
                self.received = 0
                self.length = int(response.headers.get("Content-Length", 0))
                self._tag, self._md5 = response.headers.get("ETag", ""), _stated_md5(response)
            with self.part.open("r+b" if self.received else "wb") as file, _reading_body():
                file.seek(self.received)
                for chunk in response.iter_content(_CHUNK):
                    file.write(chunk)
                    self.received += len(chunk)
        if self.length and self.received != self.length:
            raise BrokenBodyError("another length than announced")
        if self._md5 and checksum(self.part, "md5") != self._md5:
            self.received = 0
            raise BrokenBodyError("another checksum than announced")


def _stated_md5(response: requests.Response) -> str:
    """Return the checksum that a server states of a whole file (Content-MD5; the ETag of S3), in hexadecimal."""
    if stated := response.headers.get("Content-MD5"):
        try:
            return base64.b64decode(stated, validate=True).hex()
        except ValueError:
            return ""
    tag = response.headers.get("ETag", "").strip('"')
    plain = "x-amz-server-side-encryption-aws-kms-key-id" not in response.headers
    # That of a file put there in parts has a dash.
    return tag if response.headers.get("Server") == "AmazonS3" and plain and _MD5.fullmatch(tag) else ""
