"""The loopback archive: MAST on one port, the public bucket on another, in a thread or in the foreground."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from wfc3tvb.simulate.archive.faults import Access, AccessLog, Faults
from wfc3tvb.simulate.archive.index import Index
from wfc3tvb.simulate.archive.mast import Mast
from wfc3tvb.simulate.archive.s3 import Bucket, error

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Archive:
    """A loopback archive that answers.

    Attributes
    ----------
    mast, s3 : str
        Addresses.
    faults : Faults
        May be changed while the archive runs.
    log : AccessLog
        Every request so far.
    config : Path
        Folder with ``astroquery.cfg``.
    """

    mast: str
    s3: str
    faults: Faults
    log: AccessLog
    config: Path

    def environment(self) -> dict[str, str]:
        """Return the environment variables that point astroquery, s3fs and this package here."""
        return {
            "WFC3TVB_MAST_URL": self.mast,
            "ASTROPY_CONFIG_DIR": str(self.config),
            "AWS_ENDPOINT_URL_S3": self.s3,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


class _Watched:
    """Counts the bytes an application sends, and shows the faults that hold for every request."""

    def __init__(self, app: App, service: str, faults: Faults, log: AccessLog) -> None:
        self.app, self.service, self.faults, self.log = app, service, faults, log

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == "/faults":
            await self.app(scope, receive, send)
            return
        status, sent = 0, 0

        async def count(message: MutableMapping[str, Any]) -> None:
            nonlocal status, sent
            status = message.get("status", status)
            sent += len(message.get("body", b""))
            await send(message)

        await asyncio.sleep(self.faults.latency)
        app = self._unavailable() if self.faults.take(f"{self.service}_503") else self.app
        query = scope.get("query_string", b"").decode()
        path = scope["path"] + ("?" + query if query else "")
        try:
            await app(scope, receive, count)
        finally:
            self.log.add(Access(self.service, scope["method"], path, status, sent))

    def _unavailable(self) -> App:
        after = self.faults.retry_after
        headers = {} if after is None else {"Retry-After": f"{after:g}"}
        return error("ServiceUnavailable", 503, headers)


def applications(index: Index, faults: Faults, log: AccessLog) -> tuple[App, App]:
    """Return the applications of MAST and of the bucket."""
    mast, bucket = Mast(index, faults), Bucket(index, faults)
    search = "/search/{mission}/api/v0.1"

    async def control(request: Request) -> Response:
        for name, value in (await request.json()).items():
            if name not in asdict(faults):
                return JSONResponse({"error": f"no fault is called {name}"}, 400)
            setattr(faults, name, set(value) if name == "missing" else value)
        return JSONResponse(asdict(faults) | {"missing": sorted(faults.missing)})

    routes = [
        Route("/search/util/api/v0.1/column_list", mast.column_list),
        Route(f"{search}/search", mast.search, methods=["POST"]),
        Route(f"{search}/post_list_products", mast.list_products, methods=["POST"]),
        Route(f"{search}/retrieve_product", mast.download),
        Route("/portal/Mashup/Mashup.asmx/columnsconfig", mast.columns_config, methods=["POST"]),
        Route("/api/v0/invoke", mast.invoke, methods=["POST"]),
        Route("/api/v0.1/Download/file", mast.download),
        Route("/whoami", mast.whoami),
        Route("/faults", control, methods=["POST"]),
    ]
    objects = [Route("/stpubdata", bucket.list_objects), Route("/stpubdata/", bucket.list_objects),
               Route("/stpubdata/{key:path}", bucket.get_object)]  # fmt: skip
    return (
        _Watched(Starlette(routes=routes), "mast", faults, log),
        _Watched(Starlette(routes=objects), "s3", faults, log),
    )


@contextmanager
def serve(
    folder: Path | Index,
    *,
    faults: Faults | None = None,
    log: Path | None = None,
    host: str = "127.0.0.1",
    ports: tuple[int, int] = (0, 0),
) -> Iterator[Archive]:
    """Serve a folder (or an index without files) over loopback while the context lasts.

    Parameters
    ----------
    folder : Path or Index
        Laid out like the public bucket: ``hst/public/<4>/<dataset>/<file>.fits``.
    faults : Faults, optional
        What goes wrong.
    log : Path, optional
        File of JSON lines, one a request.
    host, ports
        Where to listen; port 0 takes a free one. The first is MAST's, the second the bucket's.
    """
    index = folder if isinstance(folder, Index) else Index.from_folder(Path(folder))
    faults, access = faults or Faults(), AccessLog(log)
    sockets = [_listen(host, port) for port in ports]
    servers = [
        uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1))
        for app in applications(index, faults, access)
    ]
    threads = [
        threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        for server, sock in zip(servers, sockets, strict=True)
    ]
    mast, s3 = (f"http://{'localhost' if host == '127.0.0.1' else host}:{s.getsockname()[1]}" for s in sockets)
    with tempfile.TemporaryDirectory() as config:
        (Path(config) / "astroquery.cfg").write_text(f"[mast]\nserver = {mast}\n")
        for thread in threads:
            thread.start()
        try:
            while not all(server.started for server in servers):
                time.sleep(0.01)
            yield Archive(mast, s3, faults, access, Path(config))
        finally:
            for server in servers:
                server.should_exit = True
            for thread in threads:
                thread.join(10)
            for sock in sockets:
                sock.close()


def run(
    folder: Path, *, host: str = "127.0.0.1", ports: tuple[int, int] = (8800, 8801), ready: Callable[[Archive], None]
) -> None:
    """Serve a folder until interrupted; `ready` is called once it answers."""
    with serve(folder, host=host, ports=ports) as archive:
        ready(archive)
        threading.Event().wait()


def _listen(host: str, port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen(128)
    return sock
