"""A server that gives any answer: statuses, headers and bodies that no well-behaved server would send."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.helpers.served import run_server


@dataclass(frozen=True)
class Asked:
    """A request: method, path with query, headers, body."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """An answer; without a Content-Length of its own it ends when the connection is closed."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class OddServer(ThreadingHTTPServer):
    """Answers with what a function makes of each request, and keeps the requests."""

    daemon_threads = True

    def __init__(self, reply: Callable[[Asked], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply, self.asked = reply, list[Asked]()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, OddServer)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = Asked(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        server.asked.append(asked)
        answer = server.reply(asked)
        self.send_response(answer.status)
        for name, value in (answer.headers | {"Connection": "close"}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)
        self.close_connection = True

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def odd_server(reply: Callable[[Asked], Answer]) -> Iterator[OddServer]:
    """Run a server that answers with `reply` of each request."""
    with run_server(OddServer(reply)) as server:
        yield server
