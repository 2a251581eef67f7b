"""Read the parameters of a request from its address and its body."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request

from wfc3tvb.errors import BadArgumentError

#: Largest body of a request [byte].
_LARGEST_BODY = 2**20
#: Message where the memory of the process is exhausted.
TOO_LARGE = "the result takes too much memory; select less"


async def request_pairs(request: Request) -> list[tuple[str, str]]:
    """Return the parameters of a request, those of its address and of its body.

    Raises
    ------
    BadArgumentError
        If the body is too long, or not the form of a web page without files.
    """
    pairs = list(request.query_params.multi_items())
    if request.method != "POST":
        return pairs
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST_BODY:
            raise BadArgumentError(f"the request is longer than {_LARGEST_BODY} bytes")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != "application/x-www-form-urlencoded":
        raise BadArgumentError(f"{kind[:60] or 'a body without a type'} is not supported; send a form without files")
    return pairs + parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
