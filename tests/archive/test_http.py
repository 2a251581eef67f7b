"""Lists, files and CRDS use the same proxy and trust the same certificates."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from tests.helpers.proxies import listening_proxy, own_certificate
from tests.helpers.served import run_server
from wfc3tvb.archive.astroquery_session import configure_session
from wfc3tvb.archive.http import HttpClient
from wfc3tvb.config import Services
from wfc3tvb.errors import BadArgumentError, MissingProductError, ServiceError, ServiceUnreachableError
from wfc3tvb.references.crds import operational_context
from wfc3tvb.system.network import CA_VARIABLES, ca_environment, proxy_environment, proxy_of

PATIENCE = Services(retries=1, backoff=0.01, timeout=10.0)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*CA_VARIABLES, "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class Server(ThreadingHTTPServer):
    """Answers ``{}``, and keeps what was asked: the line's target and the login for a proxy."""

    def __init__(self, statuses: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses, self.asked = statuses, []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.asked.append((self.path, self.headers.get("Proxy-Authorization")))
        self.send_response(server.statuses.pop(0) if server.statuses else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running(*statuses: int, certificate: Path | None = None) -> Iterator[Server]:
    server = Server(list(statuses))
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with run_server(server):
        yield server


def ask(url: str) -> list[object]:
    """Ask for a file and, as astroquery does, for a list."""
    client = HttpClient(PATIENCE)
    return [client.get("S3", url), configure_session(requests.Session(), client).get(url).json()]


def test_both_go_by_the_proxy_with_its_login(monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as proxy:
        monkeypatch.setenv("http_proxy", f"http://me:a%40b@127.0.0.1:{proxy.server_port}")
        assert ask("http://archive.invalid/x.fits") == [b"{}", {}]
    # Base64 of "me:a@b".
    assert proxy.asked == [("http://archive.invalid/x.fits", "Basic bWU6YUBi")] * 2


def test_both_leave_out_the_proxy_for_what_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.0/8")
    assert proxy_of("http://archive.invalid/") == "http://127.0.0.1:9"
    with running() as server:
        assert ask(f"http://127.0.0.1:{server.server_port}/x") == [b"{}", {}]


def test_both_go_by_a_socks_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("socks")
    with running() as server, listening_proxy(f"http://127.0.0.1:{server.server_port}", socks=True) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert ask("http://archive.invalid/x.fits") == [b"{}", {}]
    assert proxy.asked and set(proxy.asked) == {"archive.invalid"}


def test_a_socks_proxy_without_its_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5h://me:secret@proxy:1080")
    monkeypatch.setitem(sys.modules, "socks", None)
    expected = "^proxy socks5h://proxy:1080: SOCKS proxies need PySocks: pip install pysocks$"
    with pytest.raises(BadArgumentError, match=expected):
        HttpClient(PATIENCE).get("S3", "https://archive.invalid/x.fits")
    with pytest.raises(BadArgumentError, match=expected):
        operational_context(Services(crds="https://crds.invalid"))
    monkeypatch.setenv("HTTPS_PROXY", "gopher://proxy")
    with pytest.raises(BadArgumentError, match="^proxy gopher://proxy: give http://, https://, socks5://"):
        HttpClient(PATIENCE).get("S3", "https://archive.invalid/x.fits")


def test_a_child_process_takes_the_same_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_environment("https://crds.invalid")["NO_PROXY"] == "*"
    monkeypatch.setenv("ALL_PROXY", "proxy:3128")
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8")
    assert proxy_environment("https://crds.invalid")["https_proxy"] == "http://proxy:3128"
    assert proxy_environment("https://10.1.2.3")["NO_PROXY"] == "*"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own_certificate(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("name", CA_VARIABLES)
def test_both_trust_the_certificates_of_the_environment(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with running(certificate=certificate) as server:
        url = f"https://localhost:{server.server_port}/x"
        with pytest.raises(ServiceUnreachableError, match=r"^S3: no secure connection .*REQUESTS_CA_BUNDLE"):
            HttpClient(PATIENCE).get("S3", url)
        monkeypatch.setenv(name, str(certificate))
        assert ask(url) == [b"{}", {}]
    assert ca_environment() == {"SSL_CERT_FILE": str(certificate)}


def test_certificates_that_are_not_there_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path / "none.pem"))
    with pytest.raises(BadArgumentError, match="^CURL_CA_BUNDLE=.*none.pem: no certificates found there"):
        HttpClient(PATIENCE).get("S3", "https://localhost:9/")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    assert ca_environment() == {"SSL_CERT_DIR": str(tmp_path)}


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_bad_moment_passes_for_both(status: int) -> None:
    with running(status, 200, status, 200) as server:
        assert ask(f"http://127.0.0.1:{server.server_port}/x") == [b"{}", {}]
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (404, MissingProductError, "^S3: has no file x.fits; check the name"),
        (403, MissingProductError, r"^S3: refused access to x.fits \(HTTP 403\); set MAST_API_TOKEN"),
        (400, ServiceError, "^S3: answered HTTP 400"),
    ],
)
def test_refusals(status: int, error: type[ServiceError], message: str) -> None:
    with running(status) as server, pytest.raises(error, match=message):
        HttpClient(PATIENCE).get("S3", f"http://127.0.0.1:{server.server_port}/x.fits")
