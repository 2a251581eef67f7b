"""Who may see the explorer, and what a page of it may do."""

from __future__ import annotations

import hmac
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
}
Next = Callable[[Request], Awaitable[Response]]


class Guard(BaseHTTPMiddleware):
    """Asks for the token where there is one, and sets the headers that keep a hostile cell harmless."""

    def __init__(self, app: Any, token: str | None) -> None:
        super().__init__(app)
        self.token = token

    async def dispatch(self, request: Request, call_next: Next) -> Response:
        """Let a request pass, or not."""
        given = request.query_params.get("token", "")
        if self.token and self._fits(given) and request.method == "GET":
            answer: Response = RedirectResponse(request.url.remove_query_params("token"))
            answer.set_cookie(_COOKIE, self.token, httponly=True, samesite="strict")
        elif self.token and not self._fits(request.cookies.get(_COOKIE, "")):
            answer = Response("a token is needed: open the address that wfc3tvb serve printed\n", 403)
        else:
            answer = await call_next(request)
        answer.headers.update(_HEADERS)
        return answer

    def _fits(self, given: str) -> bool:
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())
