"""What `docs/explorer-security.md` promises: who is let in, and what pages of other sites can do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.testclient import TestClient

from tests.helpers import known
from wfc3tvb.web.app import application

LINK = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
SCRIPT = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"}
FRAME = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}
#: Another port of this machine is another site, too.
NEIGHBOUR = {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
RUN = "q=SELECT 6 * 7 AS answer"
STATEMENTS = [f"/sql?{RUN}", f"/download?{RUN}", f"/api/sql.json?{RUN}"]
PAGES = ["/", "/visits", "/programs", "/program/12442", "/visit/ibohbf", "/statistics", "/api"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("security") / "catalog"
    known.make(folder).close()
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with TestClient(application(folder), base_url="http://localhost") as client:
        yield client


@pytest.mark.parametrize("address", [*STATEMENTS, *PAGES])
def test_other_sites_cannot_embed_or_read_anything(client: TestClient, address: str) -> None:
    for headers in (SCRIPT, FRAME, NEIGHBOUR):
        assert client.get(address, headers=headers).status_code == 403
    answer = client.get(address)
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("address", PAGES)
def test_links_of_other_sites_to_pages_may_be_followed(client: TestClient, address: str) -> None:
    assert client.get(address, headers=LINK).status_code == 200


def test_a_link_of_another_site_shows_a_statement_without_running_it(client: TestClient) -> None:
    page = client.get(f"/sql?{RUN}", headers=LINK)
    assert page.status_code == 200
    assert "SELECT 6 * 7 AS answer" in page.text
    assert "has not been run" in page.text
    assert "42" not in re.findall(r"<td[^>]*>([^<]*)</td>", page.text)
    assert "42" in re.findall(r"<td[^>]*>([^<]*)</td>", client.get(f"/sql?{RUN}").text)


@pytest.mark.parametrize(
    "address", [f"/download?{RUN}", f"/api/sql.json?{RUN}", "/api/exposures.json", "/api//sql.json"]
)
def test_links_of_other_sites_run_nothing_else(client: TestClient, address: str) -> None:
    assert client.get(address, headers=LINK).status_code == 403


def test_a_token_is_needed_where_there_is_one(folder: Path) -> None:
    app = application(folder, token="secret", hosts=("*",))
    for headers, status in (
        ({}, 403), ({"authorization": "Bearer wrong"}, 403), ({"authorization": "Basic secret"}, 403),
        ({"authorization": "Bearer"}, 403), ({"authorization": "Bearer secret"}, 200),
        ({"authorization": "bearer  secret "}, 200), ({"cookie": "wfc3tvb-token=secret"}, 200),
        ({"cookie": "wfc3tvb-token=wrong"}, 403),
    ):  # fmt: skip
        with TestClient(app, base_url="http://shared") as client:
            for address in ("/", "/api/catalog.json", "/static/explorer.js", "/favicon.ico", "/nothing"):
                found = client.get(address, headers=headers).status_code
                assert found == (404 if status == 200 and address == "/nothing" else status), (headers, address)
    with TestClient(app, base_url="http://shared") as client:
        assert client.get("/api/catalog.json").json()["error"]["status"] == 403


def test_the_token_leaves_the_address_and_is_hidden_from_scripts(folder: Path) -> None:
    app = application(folder, token="secret", hosts=("*",))
    with TestClient(app, base_url="http://shared", follow_redirects=False) as client:
        answer = client.get("/?text=goods&token=secret")
    assert "token" not in answer.headers["location"]
    assert "text=goods" in answer.headers["location"]
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_no_other_host_name_reaches_the_explorer(folder: Path) -> None:
    with TestClient(application(folder), base_url="http://evil.example") as client:
        for address in ("/", "/api/catalog.json", "/static/plotly.js"):
            assert client.get(address).status_code == 400


@pytest.mark.parametrize("address", ["/", "/sql", "/download", "/api/sql.json", "/visit/ibohbf"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_but_reading(client: TestClient, address: str, method: str) -> None:
    assert client.request(method, address).status_code == 405


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/%2e%2e/style.css", "/static/..%2fstyle.css", "/thumbnail/../../etc/passwd.png",
     "/thumbnail/..%2f..%2fetc%2fpasswd.png"],
)  # fmt: skip
def test_no_file_can_be_named(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_pages_load_nothing_from_elsewhere(client: TestClient) -> None:
    for address in [*PAGES, "/sql"]:
        text = client.get(address).text
        loaded = re.findall(r"<(?:script|link|img|source)[^>]+(?:src|href|srcset)=[\"']([^\"']+)", text)
        assert all(one.startswith("/") and not one.startswith("//") for one in loaded), loaded
        assert not re.findall(r"<script(?![^>]*src=)", text)
        assert not re.findall(r"\son\w+=", text)


@pytest.mark.parametrize("path", ["/program/", "/visit/", "/api/"])
def test_addresses_that_are_too_long(client: TestClient, path: str) -> None:
    """Numbers of thousands of digits are an error in Python."""
    answer = client.get(path + "9" * 5000)
    assert answer.status_code == 414
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_query_that_is_not_encoded(client: TestClient) -> None:
    """A client of its own may send any bytes; httpx would encode them."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"q=\xe9", "scheme": "http",
        "headers": [(b"host", b"localhost")], "server": ("localhost", 80), "http_version": "1.1", "root_path": "",
    }  # fmt: skip
    anyio.run(client.app, scope, receive, send)
    assert sent[0]["status"] == 400
    assert b"not encoded" in sent[1]["body"]
