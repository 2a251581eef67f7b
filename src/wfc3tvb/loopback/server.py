"""Run the loopback archive: MAST and CRDS on one port, the public bucket on another, in threads."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from wfc3tvb.loopback.crds import PREFIX, Crds
from wfc3tvb.loopback.crds_mappings import CONTEXT
from wfc3tvb.loopback.faults import Access, AccessLog, Faults
from wfc3tvb.loopback.index import Index
from wfc3tvb.loopback.mast import Mast
from wfc3tvb.loopback.s3 import Bucket, error

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Archive:
    """A running loopback archive.

    Attributes
    ----------
    mast, s3, crds : str
        Addresses.
    faults : Faults
        May be changed while the archive runs.
    log : AccessLog
        All requests so far.
    config : Path
        Folder with ``astroquery.cfg`` and an empty CRDS cache; removed when the archive stops.
    context : str
        The CRDS context of the folder's references.
    """

    mast: str
    s3: str
    crds: str
    faults: Faults
    log: AccessLog
    config: Path
    context: str = CONTEXT

    def environment(self) -> dict[str, str]:
        """Return the environment variables that point astroquery, s3fs, crds and this package here.

        They must be set before astroquery and crds are imported. ``CRDS_PATH`` is a cache of this archive alone, so
        that none of its files get into a real cache.
        """
        return {
            "WFC3TVB_MAST_URL": self.mast,
            "ASTROPY_CONFIG_DIR": str(self.config),
            "AWS_ENDPOINT_URL_S3": self.s3,
            "AWS_EC2_METADATA_DISABLED": "true",
            "CRDS_SERVER_URL": self.crds,
            "CRDS_OBSERVATORY": "hst",
            "CRDS_CONTEXT": self.context,
            "CRDS_PATH": str(self.config / "crds_cache"),
        }


class _Watched:
    """Wrapper of an application that counts the bytes sent and simulates the faults common to all requests."""

    def __init__(self, app: App, service: str, faults: Faults, log: AccessLog) -> None:
        self.app, self.service, self.faults, self.log = app, service, faults, log

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == "/faults":
            await self.app(scope, receive, send)
            return
        query = scope.get("query_string", b"").decode()
        path = scope["path"] + ("?" + query if query else "")
        service = "crds" if scope["path"].startswith(PREFIX) else self.service
        status, sent, length, logged, began = 0, 0, -1, False, time.time()

        def note() -> None:
            nonlocal logged
            if not logged:
                self.log.add(Access(service, scope["method"], path, status, sent, began, time.time()))
            logged = True

        async def count(message: MutableMapping[str, Any]) -> None:
            nonlocal status, sent, length
            if message["type"] == "http.response.start":
                status = message["status"]
                length = int(dict(message["headers"]).get(b"content-length", -1))
            sent += len(message.get("body", b""))
            ends = message["type"] == "http.response.body" and not message.get("more_body")
            if sent == length or ends:
                # Logged before the last byte is sent, so that a client with the answer finds it in the log.
                note()
            await send(message)

        await asyncio.sleep(self.faults.latency + (self.faults.crds_delay if service == "crds" else 0))
        app = self._unavailable() if self.faults.take(f"{service}_503") else self.app
        try:
            await app(scope, receive, count)
        finally:
            note()

    def _unavailable(self) -> App:
        after = self.faults.retry_after
        headers = {} if after is None else {"Retry-After": f"{after:g}"}
        return error("ServiceUnavailable", 503, headers)


def applications(index: Index, crds: Crds, faults: Faults, log: AccessLog) -> tuple[App, App]:
    """Return the applications of MAST and CRDS, and of the bucket."""
    mast, bucket = Mast(index, faults), Bucket(index, faults)
    search = "/search/{mission}/api/v0.1"

    async def control(request: Request) -> Response:
        for name, value in (await request.json()).items():
            if name not in asdict(faults) or name.startswith("_"):
                return JSONResponse({"error": f"no fault is called {name}"}, 400)
            setattr(faults, name, set(value) if isinstance(value, list) else value)
        return JSONResponse({n: sorted(v) if isinstance(v, set) else v for n, v in asdict(faults).items()})

    routes = [
        Route("/search/util/api/v0.1/column_list", mast.column_list),
        Route(f"{search}/search", mast.search, methods=["POST"]),
        Route(f"{search}/post_list_products", mast.list_products, methods=["POST"]),
        Route(f"{search}/retrieve_product", mast.download),
        Route("/portal/Mashup/Mashup.asmx/columnsconfig", mast.columns_config, methods=["POST"]),
        Route("/api/v0/invoke", mast.invoke, methods=["POST"]),
        Route("/api/v0.1/Download/file", mast.download),
        Route("/whoami", mast.whoami),
        Route(PREFIX + "/json/{method}/{id}/", crds.call, methods=["POST"]),
        Route(PREFIX + "/mappings/hst/{name}", crds.get_file),
        Route(PREFIX + "/references/hst/{name}", crds.get_file),
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
        Laid out like the public bucket: ``hst/public/<4>/<dataset>/<file>.fits``, and ``references/<file>.fits``.
    faults : Faults, optional
        Faults to simulate.
    log : Path, optional
        File of JSON lines, one per request.
    host, ports
        Address to listen on; port 0 takes a free one. The first port serves MAST and CRDS, the second the bucket.
    """
    index = folder if isinstance(folder, Index) else Index.from_folder(Path(folder))
    faults, access = faults or Faults(), AccessLog(log)
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        stack.callback(access.close)
        config = Path(scratch)
        references = config / "none" if isinstance(folder, Index) else Path(folder) / "references"
        crds = Crds(references, config, faults)
        sockets = [stack.enter_context(_listen(host, port)) for port in ports]
        name = "localhost" if host == "127.0.0.1" else host
        mast, s3 = (f"http://{name}:{sock.getsockname()[1]}" for sock in sockets)
        crds.url = mast + PREFIX
        # From 0.4.12 on, astroquery looks for files in the cloud first, through a fixed address.
        (config / "astroquery.cfg").write_text(f"[mast]\nserver = {mast}\nenable_cloud_dataset = False\n")
        with _running(applications(index, crds, faults, access), sockets):
            yield Archive(mast, s3, crds.url, faults, access, config)


@contextmanager
def _running(apps: tuple[App, ...], sockets: list[socket.socket]) -> Iterator[None]:
    """Run each application on its socket, in a separate thread."""
    servers = [
        # uvicorn logs a cut download as an error, though here it is deliberate.
        uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1))
        for app in apps
    ]
    threads = [
        threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        for server, sock in zip(servers, sockets, strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        while not all(server.started for server in servers):
            time.sleep(0.01)
        yield
    finally:
        for server in servers:
            server.should_exit = True
        for thread in threads:
            thread.join(10)


def _listen(host: str, port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only on sockets that name their protocol.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen(128)
    return sock
