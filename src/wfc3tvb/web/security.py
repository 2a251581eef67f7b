"""Access control, security headers and memory limit of the explorer."""

from __future__ import annotations

import base64
import hmac
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

_COOKIE = "wfc3tvb-token"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src data: blob: "
    "'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: Addresses that run a statement, and must not be opened by other sites; links to other pages may be.
_SAME_ORIGIN_ONLY = ("/sql", "/download", "/tap")
Next = Callable[[Request], Awaitable[Response]]


class Guard(BaseHTTPMiddleware):
    """Middleware that requires the token, and sets headers that keep malicious cell contents from running."""

    def __init__(self, app: Any, token: str | None) -> None:
        super().__init__(app)
        self.token = token

    async def dispatch(self, request: Request, call_next: Next) -> Response:
        """Pass a request on, or refuse it."""
        given = request.query_params.get("token", "")
        if _is_cross_site(request):
            answer: Response = Response("this request came from another site; open the address yourself\n", 403)
        elif self.token and self._is_token(given) and request.method == "GET":
            answer = RedirectResponse(request.url.remove_query_params("token"))
            answer.set_cookie(_COOKIE, self.token, httponly=True, samesite="strict")
        elif self.token and not any(map(self._is_token, (request.cookies.get(_COOKIE, ""), _password(request)))):
            answer = _refusal(request)
        else:
            answer = await call_next(request)
        answer.headers.update(_HEADERS)
        return answer

    def _is_token(self, given: str) -> bool:
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())


def _password(request: Request) -> str:
    """Return the password of HTTP Basic authentication, as TOPCAT sends it, or a bearer token; empty without any."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return text.strip()
    try:
        return base64.b64decode(text, validate=True).decode().partition(":")[2] if scheme.lower() == "basic" else ""
    except ValueError:
        return ""


def _refusal(request: Request) -> Response:
    """Return the answer to a request without the token; programs that query tables are asked for a password."""
    if _is_below(request, "/tap"):
        text = "a token is needed; give the one that wfc3tvb serve printed as password, with any user name\n"
        return Response(text, 401, {"WWW-Authenticate": 'Basic realm="wfc3tvb"'})
    return Response("a token is needed; open the address that wfc3tvb serve printed\n", 403)


def _is_below(request: Request, *paths: str) -> bool:
    """Return whether the address of a request is one of some paths, or below one."""
    return any(request.url.path == path or request.url.path.startswith(f"{path}/") for path in paths)


def _is_cross_site(request: Request) -> bool:
    """Return whether a page of another origin made the request, other than by a link that a user may follow.

    Browsers state the origin of a request in headers that pages cannot change; other programs do not send them.
    """
    site, headers = request.headers.get("sec-fetch-site", "none"), request.headers
    if site in ("same-origin", "none"):
        return False
    is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return not is_link or _is_below(request, *_SAME_ORIGIN_ONLY)


def limit_memory(n_bytes: int) -> None:
    """Limit the memory of this process to `n_bytes`: a request that needs more fails, and the server continues.

    DuckDB's own limit does not count the size of a single value (``repeat('x', 4000000000)``); the system's does. Where
    the system has no such limit (macOS), only DuckDB's applies.
    """
    if sys.platform != "linux":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = n_bytes if hard == resource.RLIM_INFINITY else min(n_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
