"""Access control, security headers and memory limit of the explorer."""

from __future__ import annotations

import base64
import hmac
import re
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

_COOKIE = "wfc3tvb-token"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; "
    "img-src data: blob: 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: Addresses that run a statement or answer programs, and must not be opened by other sites. Links of other sites to
#: pages may be followed; the console then shows the statement in its address, and does not run it.
_SAME_ORIGIN_ONLY = re.compile(r"/download/*|/(?:api|tap)/.+", re.DOTALL)
#: Longest path of an address; statements are in the query [characters].
_LONGEST_PATH = 1000
Next = Callable[[Request], Awaitable[Response]]


class Guard(BaseHTTPMiddleware):
    """Middleware that requires the token, and sets headers that keep malicious cell contents from running."""

    def __init__(self, app: Any, token: str | None) -> None:
        super().__init__(app)
        self.token = token

    async def dispatch(self, request: Request, call_next: Next) -> Response:
        """Pass a request on, or refuse it."""
        odd = _is_odd(request)
        given = "" if odd else request.query_params.get("token", "")
        if odd:
            answer: Response = _refusal(request, *odd)
        elif _is_cross_site(request):
            answer = _refusal(request, "this request came from another site; open the address yourself", 403)
        elif self.token and self._is_token(given) and request.method == "GET":
            answer = RedirectResponse(request.url.remove_query_params("token"))
            answer.set_cookie(_COOKIE, self.token, httponly=True, samesite="strict")
        elif self.token and not self._has_token(request):
            answer = _refusal(request, "a token is needed; open the address that wfc3tvb serve printed, or send "
                              "the header Authorization: Bearer TOKEN", 403)  # fmt: skip
        else:
            answer = await call_next(request)
        answer.headers.update(_HEADERS)
        return answer

    def _has_token(self, request: Request) -> bool:
        """Return whether a request has the token, as browsers send it (a cookie) or as programs do (a header)."""
        return self._is_token(_in_header(request)) or self._is_token(request.cookies.get(_COOKIE, ""))

    def _is_token(self, given: str) -> bool:
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())


def _in_header(request: Request) -> str:
    """Return the token in a header: of HTTP Bearer, or the password of HTTP Basic, which TOPCAT sends; else empty."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return text.strip()
    try:
        return base64.b64decode(text, validate=True).decode().partition(":")[2] if scheme.lower() == "basic" else ""
    except ValueError:
        return ""


def _refusal(request: Request, reason: str, status: int) -> Response:
    """Return the answer to a request that is refused: text, or JSON where a program asked."""
    path = request.scope["path"]
    if path.startswith("/api/"):
        return JSONResponse({"error": {"status": status, "message": reason}}, status)
    if path.startswith("/tap") and "token" in reason:  # TAP's clients ask for a password then
        reason = "a token is needed; give it as password, with any user name"
        return Response(reason + "\n", 401, {"WWW-Authenticate": 'Basic realm="wfc3tvb"'})
    return Response(reason + "\n", status)


def _is_odd(request: Request) -> tuple[str, int] | None:
    """Return reason and status to refuse an address that is not one: too long, or not ASCII where it must be encoded.

    Starlette fails on these: on bytes that are not UTF-8, and on the digits of long numbers.
    """
    if len(request.scope["path"]) > _LONGEST_PATH:
        return "the path of the address is too long", 414
    if not request.scope["query_string"].isascii():
        return "the query of the address is not encoded (RFC 3986)", 400
    return None


def came_by_a_link(request: Request) -> bool:
    """Return whether a page of another origin made the request.

    Browsers state the origin of a request in headers that pages cannot change; other programs do not send them.
    """
    return request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none")


def _is_cross_site(request: Request) -> bool:
    """Return whether a page of another origin made the request, other than by a link that a user may follow."""
    if not came_by_a_link(request):
        return False
    headers = request.headers
    is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return not is_link or _SAME_ORIGIN_ONLY.fullmatch(request.url.path) is not None


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
