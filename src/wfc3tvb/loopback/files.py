"""Serve files over HTTP, with byte ranges and simulated faults."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from wfc3tvb.loopback.faults import Faults

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
#: Bytes sent at a time, over a link of limited rate and otherwise.
_CHUNK, _WHOLE_CHUNK = 1 << 16, 1 << 20
#: Size below which files are served with a checksum [byte].
_CHECKED = 16_000_000


def file_response(request: Request, path: Path, faults: Faults) -> Response:
    """Answer a GET or HEAD for a file: 200, 206 or 416."""
    if faults.take("pages"):
        return HTMLResponse("<!DOCTYPE html><html><body>The archive is in maintenance.</body></html>")
    size = path.stat().st_size
    start, stop, status = 0, size, 200
    match = None if faults.no_ranges else _RANGE.fullmatch(request.headers.get("range", ""))
    if match and any(match.groups()):
        first, last = match.groups()
        start = int(first) if first else max(size - int(last), 0)
        stop = min(int(last) + 1, size) if first and last else size
        status = 206
        if start >= size:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    headers = {
        "Content-Length": str(stop - start),
        "Content-Type": "application/fits",
        "ETag": f'"{size:x}-{path.stat().st_mtime_ns:x}"',
        "Last-Modified": "Wed, 01 Jan 2020 00:00:00 GMT",
    }
    if not faults.no_ranges:
        headers["Accept-Ranges"] = "bytes"
    if status == 200 and size < _CHECKED:
        data = path.read_bytes() + (b"?" if path.name in faults.wrong_checksum else b"")
        headers["Content-MD5"] = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
    if status == 206:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    cut = faults.cut_after if faults.take("cut_times") else None
    return StreamingResponse(_body(path, start, stop, cut, faults), status, headers)


async def _body(path: Path, start: int, stop: int, cut: int | None, faults: Faults) -> AsyncIterator[bytes]:
    end = stop if cut is None else min(stop, start + cut)
    step = _CHUNK if faults.bytes_per_second else _WHOLE_CHUNK
    with path.open("rb") as file:
        file.seek(start)
        while start < end:
            chunk = file.read(min(step, end - start))
            start += len(chunk)
            if pause := faults.seconds_for(len(chunk)):
                await asyncio.sleep(pause)
            yield chunk
