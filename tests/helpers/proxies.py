"""Proxies on this machine, HTTP and SOCKS 5, that send everything to one server and keep what was asked for."""

from __future__ import annotations

import socket
import socketserver
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest


class HttpProxy(ThreadingHTTPServer):
    """Answers every request with what `target` answers to the path."""

    def __init__(self, target: str, certificate: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Forward)
        self.target, self.asked = target, []
        self.url = f"http://127.0.0.1:{self.server_port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.url = f"https://localhost:{self.server_port}"


class _Forward(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, HttpProxy)
        server.asked.append(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
        kind = {"Content-Type": self.headers.get("Content-Type", "application/json")}
        request = urllib.request.Request(server.target + urlsplit(self.path).path, body, kind)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request) as answer:
            data = answer.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


class SocksProxy(socketserver.ThreadingTCPServer):
    """SOCKS 5 without login, which connects to `target` whatever host is asked for."""

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Socks)
        parts = urlsplit(target)
        self.target, self.asked = (parts.hostname, parts.port), []
        self.url = f"socks5h://127.0.0.1:{self.server_address[1]}"


class _Socks(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server, ours = self.server, self.request
        assert isinstance(server, SocksProxy)
        ours.recv(ours.recv(2)[1])
        ours.sendall(b"\x05\x00")
        _, _, _, kind = ours.recv(4)
        name = ours.recv(ours.recv(1)[0]).decode() if kind == 3 else socket.inet_ntoa(ours.recv(4))
        ours.recv(2)
        server.asked.append(name)
        with socket.create_connection(server.target) as theirs:
            ours.sendall(b"\x05\x00\x00\x01" + bytes(6))
            threading.Thread(target=_copy, args=(theirs, ours), daemon=True).start()
            _copy(ours, theirs)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@contextmanager
def listening_proxy(
    target: str, *, socks: bool = False, certificate: Path | None = None
) -> Iterator[HttpProxy | SocksProxy]:
    """Yield a proxy to a server; its `url` goes into the environment, `asked` is what came through.

    With a certificate it is a copy of the server that speaks HTTPS.
    """
    target = target.rstrip("/")
    with SocksProxy(target) if socks else HttpProxy(target, certificate) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def own_certificate(folder: Path) -> Path:
    """Return certificate and key of this machine, signed by itself."""
    path = folder / "own.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
               "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{path}.key", "-out", str(path)]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl")
    path.write_text(path.read_text() + Path(f"{path}.key").read_text())
    return path
