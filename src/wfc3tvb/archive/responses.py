"""Check what a server answers: status, length, encoding, and whether a body is the FITS file that was asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, ResponseError, SSLError, TimeoutError

from wfc3tvb.errors import (
    BadDownloadError,
    BadFileError,
    FailingServiceError,
    MissingProductError,
    NotFitsError,
    ServiceError,
    ServiceUnreachableError,
    ShortDownloadError,
    SlowServiceError,
    TruncatedFileError,
)
from wfc3tvb.fits.blocks import BLOCK
from wfc3tvb.fits.hdus import read_fits

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_CHECK_NETWORK = "check the network, or try again later"
#: The first bytes of every FITS file.
_SIMPLE = b"SIMPLE  ="
#: No file of the archive is longer; a header that says so is wrong [byte].
_LONGEST_FILE = 2**40
#: Bytes read at a time.
_CHUNK = 1 << 20


class BrokenBodyError(HTTPError):
    """A connection broke or stalled in the middle of a body, or the body is another one than was announced."""


class NotTheFileError(BrokenBodyError):
    """A response is complete but is not the file that was asked for, e.g. a page that says the site is in repair."""


class NoRangesError(ServiceError):
    """A server did not answer a range request with that range."""

    retryable = False


def check_status(service: str, url: str, status: int) -> None:
    """Raise the error for a status of 400 and above.

    Raises
    ------
    MissingProductError
        If the file does not exist or is not public.
    ServiceError
        For any other status.
    """
    name = file_of(url)
    if status == 404:
        raise MissingProductError(service, f"has no file {name}", "check the name, or try again later")
    if status in (401, 403):
        known = os.environ.get("MAST_API_TOKEN")
        owner = "check that MAST_API_TOKEN is valid and belongs to someone with access"
        remedy = owner if known else "set MAST_API_TOKEN if you have access to the data"
        refused = MissingProductError(service, f"refused access to {name} (HTTP {status})", remedy)
        refused.refused = True
        raise refused
    if status >= 400:
        raise ServiceError(service, f"answered HTTP {status}")


def check_holds_file(response: urllib3.BaseHTTPResponse) -> None:
    """Raise `NotTheFileError` if a response of a status below 400 cannot hold a file as it is in the archive."""
    if response.status not in (200, 206):
        raise NotTheFileError(f"HTTP {response.status} without a file")
    if (encoding := response.headers.get("Content-Encoding", "identity").lower()) != "identity":
        raise NotTheFileError(f"compressed ({encoding[:20]}), though the file itself was requested")


def check_fits_start(data: bytes) -> None:
    """Raise `NotTheFileError` if the first bytes of a body are not those of a FITS file."""
    if not data.startswith(_SIMPLE):
        kind = "HTML" if data[:200].lstrip().lower().startswith((b"<!doctype", b"<html")) else "not FITS"
        raise NotTheFileError(f"{kind} instead of the file" if data else "an empty body instead of the file")


def check_fits_file(path: Path) -> None:
    """Raise `NotTheFileError` if a downloaded file is not FITS, or is cut short where its length was not announced.

    Whole blocks and NEXTEND extensions (both are in every file of the archive) are what shows a cut between two parts.
    """
    with path.open("rb") as file:
        check_fits_start(file.read(200))
    try:
        primary, *extensions = read_fits(path)
        announced = int(primary.header.number("NEXTEND", 0))
    except (NotFitsError, TruncatedFileError) as error:
        raise NotTheFileError(f"a file that {error.problem}") from error
    except BadFileError:
        return  # whoever reads it says what is wrong
    if path.stat().st_size % BLOCK or len(extensions) < announced:
        raise NotTheFileError("a file that ends before its last extension")


def range_of(response: urllib3.BaseHTTPResponse) -> re.Match[str] | None:
    """Return the groups first byte, last byte and length of the range that a response holds; None if it is another."""
    plain = response.headers.get("Content-Encoding", "identity").lower() == "identity"
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return match if response.status == 206 and plain else None


def stated_length(response: urllib3.BaseHTTPResponse) -> int | None:
    """Return the length of the body that a response states [byte]; None if it states none that makes sense."""
    text = response.headers.get("Content-Length", "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 and int(text) < _LONGEST_FILE else None


def read_exactly(response: urllib3.BaseHTTPResponse, length: int) -> bytes:
    """Return a body of a known length; no more than that is ever read."""
    with reading_body():
        body = response.read(length, decode_content=False)
    if len(body) != length:
        raise BrokenBodyError("the length differs from the announced one")
    return body


def read_body(response: urllib3.BaseHTTPResponse, longest: int) -> bytes:
    """Return a body, unpacked; raises `BrokenBodyError` if it breaks off or is longer than `longest`."""
    body = bytearray()
    with reading_body():
        while chunk := response.read(_CHUNK):
            body += chunk
            if len(body) > longest:
                raise BrokenBodyError(f"it is longer than {longest // 1_000_000} MB")
    return bytes(body)


@contextmanager
def reading_body() -> Iterator[None]:
    """Raise `BrokenBodyError` for a body that is cut off; the pool retries failed connections, but not these."""
    try:
        yield
    except BrokenBodyError:
        raise
    except (HTTPError, OSError, OverflowError) as error:
        raise BrokenBodyError(type(error).__name__) from error


@contextmanager
def translate_errors(service: str) -> Iterator[None]:
    """Turn urllib3's errors in the block into one line that names the service.

    Raises
    ------
    ServiceUnreachableError
        If there is no connection, no answer in time, or the service stays unavailable.
    BadDownloadError
        If every response was something else than the file.
    ShortDownloadError
        If every response was cut off.
    """
    try:
        yield
    except NotTheFileError as error:
        raise BadDownloadError(service, f"sent {error}, on every attempt") from error
    except BrokenBodyError as error:
        problem = f"every response was cut off ({error})"
        raise ShortDownloadError(service, problem, _CHECK_NETWORK) from error
    except HTTPError as error:
        reason = error.reason if isinstance(error, MaxRetryError) and error.reason else error
        raise _unreachable(service, reason) from error


def _unreachable(service: str, reason: BaseException) -> ServiceUnreachableError:
    if isinstance(reason, ResponseError):
        text = str(reason)
        if "too many 504" in text:
            return SlowServiceError(service, "no answer in time (HTTP 504)")
        if "too many 500" in text:
            return FailingServiceError(service, "answered HTTP 500 on every attempt")
        return ServiceUnreachableError(service, "unavailable on every attempt")
    # urllib3 makes NewConnectionError a subclass of TimeoutError, though nothing timed out.
    if isinstance(reason, TimeoutError) and not isinstance(reason, NewConnectionError):
        return SlowServiceError(service, "no answer in time")
    if isinstance(reason, SSLError):
        remedy = "check the network; if a proxy has its own certificate, name it in REQUESTS_CA_BUNDLE"
        return ServiceUnreachableError(service, "no secure connection (SSLError)", remedy)
    return ServiceUnreachableError(service, f"no connection ({type(reason).__name__})", _CHECK_NETWORK)


def file_of(url: str) -> str:
    """Return the name of the file that an address ends with."""
    return re.split(r"[/=]|%2F", url)[-1]
