"""Send astroquery's requests through the package's HTTP client, and turn astroquery's errors into one line.

astroquery 0.4.11 sets no socket timeout, never retries and accepts a truncated body as complete. It needs sessions of
`requests`; it gets them, but every byte goes through `wfc3tvb.archive.http.HttpClient`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from astroquery.exceptions import InvalidQueryError, RemoteServiceError
from astroquery.exceptions import TimeoutError as QueryTimeoutError
from numpy.ma import MAError
from requests.adapters import HTTPAdapter

from wfc3tvb.archive.http import HttpClient
from wfc3tvb.archive.responses import NotTheFileError, check_status
from wfc3tvb.errors import RejectedQueryError, ServiceError, SlowServiceError, UnexpectedAnswerError

#: What astroquery raises for answers of another form than it expects.
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, MAError, RuntimeError, TypeError, ValueError)
#: Pauses between polls for a query that is still running: the first and the longest [s].
_POLL = 0.2, 5.0
#: Ends of the addresses of CAOM's portal.
_PORTAL = ("/api/v0/invoke", "/columnsconfig")


def configure_session(session: requests.Session, client: HttpClient) -> requests.Session:
    """Make a session send through a client, present ``MAST_API_TOKEN`` to MAST only, and pause between polls."""
    for scheme in ("http://", "https://"):
        session.mount(scheme, _ClientAdapter(client))
    if token := os.environ.get("MAST_API_TOKEN"):
        host = urlsplit(client.services.mast).hostname or ""
        # The cookie jar stores host names without a dot as name.local.
        domain = host if "." in host else f"{host}.local"
        session.cookies.set("mast_token", token, domain=domain)
    session.hooks["response"].append(_Poll())
    return session


class _ClientAdapter(HTTPAdapter):
    """Transport adapter that sends a session's requests through a client and returns complete responses."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        super().__init__()

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Send a request with the client's timeouts, proxies and certificates.

        Raises
        ------
        ServiceError
            See `wfc3tvb.archive.http.HttpClient.send`.
        """
        method, url = str(request.method), str(request.url)
        headers = {name: str(value) for name, value in request.headers.items()}
        answer, body = self._client.send("MAST", method, url, body=request.body, headers=headers, check=_check_json)
        response = self.build_response(request, answer)
        response._content, response._content_consumed = body, True
        response.encoding = "utf-8"  # that of JSON; requests would guess it, which takes minutes for some texts
        return response


def _check_json(status: int, body: bytes) -> None:
    """Raise `NotTheFileError` for an answer that is cut off, or is a page: all of MAST's answers here are JSON."""
    if status >= 400:
        return
    try:
        json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotTheFileError("an answer that is not JSON, or is cut off") from error


class _Poll:
    """Response hook that pauses while a query is still running; astroquery would poll without a pause.

    It also ends a count that has more than one page: astroquery would fetch as many as an answer announces.
    """

    def __init__(self) -> None:
        self._pause = _POLL[0]

    def __call__(self, response: requests.Response, **options: Any) -> None:
        if not response.url.endswith(_PORTAL):
            return
        if b'"EXECUTING"' in response.content[:200]:
            time.sleep(self._pause)
            self._pause = min(2 * self._pause, _POLL[1])
        else:
            self._pause = _POLL[0]
            _check_pages(response.content)


def _check_pages(body: bytes) -> None:
    """Raise `UnexpectedAnswerError` if an answer of CAOM, of which only counts are asked for, has several pages."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return  # of an answer with an error status, which astroquery reports
    paging = answer.get("paging") if isinstance(answer, dict) else None
    pages = paging.get("pagesFiltered") if isinstance(paging, dict) else None
    if isinstance(pages, int | float) and not pages <= 1:
        raise UnexpectedAnswerError("MAST", f"its answer for CAOM's count has {str(pages)[:20]} pages")


@contextmanager
def translate_request_errors() -> Iterator[None]:
    """Turn the errors of astroquery and `requests` into one line that names MAST.

    Raises
    ------
    SlowServiceError
        If MAST did not finish its answer in time.
    UnexpectedAnswerError
        If astroquery cannot read the answer.
    ServiceError
        If MAST refuses the request; for a status of 400 and above see
        `wfc3tvb.archive.responses.check_status`.
    """
    try:
        yield
    except requests.HTTPError as error:
        if error.response is not None:
            check_status("MAST", error.response.url, error.response.status_code)
        raise ServiceError("MAST", "refused the request") from error
    except requests.RequestException as error:
        raise ServiceError("MAST", f"the request failed ({type(error).__name__})") from error
    except InvalidQueryError as error:
        raise RejectedQueryError("MAST", "rejected the query as invalid", "run: wfc3tvb doctor --live") from error
    except (TimeoutError, QueryTimeoutError) as error:
        raise SlowServiceError("MAST", "did not finish its answer in time") from error
    except RemoteServiceError as error:
        raise ServiceError("MAST", f"the query failed ({' '.join(str(error).split())[:200]})") from error
    except _UNREADABLE as error:
        problem = f"its answer does not have the expected form ({type(error).__name__} in astroquery)"
        raise UnexpectedAnswerError(
            "MAST", problem, "try again later; if it stays, run: wfc3tvb doctor --live"
        ) from error
