"""Who may see the explorer, what a page of it may do, and how much memory it may take."""

from __future__ import annotations

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
#: Pages that run what their address says: never for a page of another origin. The others may be led to by a link.
_OWN = ("/sql", "/download")
Next = Callable[[Request], Awaitable[Response]]


class Guard(BaseHTTPMiddleware):
    """Asks for the token where there is one, and sets the headers that keep a hostile cell harmless."""

    def __init__(self, app: Any, token: str | None) -> None:
        super().__init__(app)
        self.token = token

    async def dispatch(self, request: Request, call_next: Next) -> Response:
        """Let a request pass, or not."""
        given = request.query_params.get("token", "")
        if _sent_by_another(request):
            answer: Response = Response("a page of another site asked for this; open the address yourself\n", 403)
        elif self.token and self._fits(given) and request.method == "GET":
            answer = RedirectResponse(request.url.remove_query_params("token"))
            answer.set_cookie(_COOKIE, self.token, httponly=True, samesite="strict")
        elif self.token and not self._fits(request.cookies.get(_COOKIE, "")):
            answer = Response("a token is needed: open the address that wfc3tvb serve printed\n", 403)
        else:
            answer = await call_next(request)
        answer.headers.update(_HEADERS)
        return answer

    def _fits(self, given: str) -> bool:
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())


def _sent_by_another(request: Request) -> bool:
    """Say whether a page of another origin sends a request that it may not: all but a person's following its link.

    Browsers say where a request comes from, and no page can keep them from it; programs other than browsers do not.
    """
    site, headers = request.headers.get("sec-fetch-site", "none"), request.headers
    if site in ("same-origin", "none"):
        return False
    followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return not followed or request.url.path.rstrip("/") in _OWN


def limit_memory(n_bytes: int) -> None:
    """Keep this process from taking more memory than `n_bytes`: what asks for more fails, and the rest goes on.

    DuckDB's own limit does not count what a single value takes (``repeat('x', 4000000000)``); the system's does.
    Where there is no such limit (Windows, macOS), DuckDB's stays alone.
    """
    if sys.platform != "linux":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = n_bytes if hard == resource.RLIM_INFINITY else min(n_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
