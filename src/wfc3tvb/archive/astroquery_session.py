"""Send astroquery's requests by the package's client, and turn what astroquery raises into one line.

astroquery 0.4.11 sets no socket timeout, never retries and takes a short body for a whole one. It needs sessions of
`requests`; these keep the form, and every byte goes through `wfc3tvb.archive.http.HttpClient`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from astroquery.exceptions import InvalidQueryError, RemoteServiceError
from astroquery.exceptions import TimeoutError as QueryTimeoutError
from requests.adapters import HTTPAdapter

from wfc3tvb.archive.http import HttpClient, check_status
from wfc3tvb.errors import ServiceError, ServiceUnreachableError

#: Seconds to wait before asking again for a long answer, at first and at most.
_POLL = 0.2, 5.0


def configure_session(session: requests.Session, client: HttpClient) -> requests.Session:
    """Let a session send by a client, carry the token of ``MAST_API_TOKEN`` to MAST alone, and poll with pauses."""
    for scheme in ("http://", "https://"):
        session.mount(scheme, _ClientAdapter(client))
    if token := os.environ.get("MAST_API_TOKEN"):
        host = urlsplit(client.services.mast).hostname or ""
        # The cookie jar writes names without a dot as name.local.
        domain = host if "." in host else f"{host}.local"
        session.cookies.set("mast_token", token, domain=domain)
    session.hooks["response"].append(_Poll())
    return session


class _ClientAdapter(HTTPAdapter):
    """Gives a session the answers of a client, their bodies whole."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        super().__init__()

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Send a request; timeouts, proxies and certificates are the client's.

        Raises
        ------
        ServiceError
            See `wfc3tvb.archive.http.HttpClient.send`.
        """
        method, url = str(request.method), str(request.url)
        headers = {name: str(value) for name, value in request.headers.items()}
        answer = self._client.send("MAST", method, url, body=request.body, headers=headers)
        response = self.build_response(request, answer)
        response._content, response._content_consumed = answer.data, True
        return response


class _Poll:
    """Waits before astroquery asks again for an answer that is still being made; it would ask without a pause."""

    def __init__(self) -> None:
        self._pause = _POLL[0]

    def __call__(self, response: requests.Response, **options: Any) -> None:
        if not response.url.endswith("/api/v0/invoke"):
            return
        if b'"EXECUTING"' in response.content[:200]:
            time.sleep(self._pause)
            self._pause = min(2 * self._pause, _POLL[1])
        else:
            self._pause = _POLL[0]


@contextmanager
def translate_request_errors() -> Iterator[None]:
    """Turn what astroquery and `requests` raise of an answer into one line that names MAST.

    Raises
    ------
    ServiceUnreachableError
        If the answer was not finished in time.
    ServiceError
        If it is not what it should be; a status of 400 and above as `wfc3tvb.archive.http.check_status`.
    """
    try:
        yield
    except requests.HTTPError as error:
        if error.response is not None:
            check_status("MAST", error.response.url, error.response.status_code)
        raise ServiceError("MAST", "refused the request") from error
    except requests.exceptions.JSONDecodeError as error:
        raise ServiceError("MAST", "answered something that is not JSON") from error
    except requests.RequestException as error:
        raise ServiceError("MAST", f"cannot be asked ({type(error).__name__})") from error
    except InvalidQueryError as error:
        raise ServiceError("MAST", "refused the query as invalid", "run: wfc3tvb doctor --live") from error
    except QueryTimeoutError as error:
        raise ServiceUnreachableError("MAST", "did not finish its answer in time") from error
    except RemoteServiceError as error:
        raise ServiceError("MAST", f"failed on the query ({' '.join(str(error).split())[:200]})") from error
