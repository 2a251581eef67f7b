"""What the package depends on: licences, the bill of materials, advisories, reasons for upper bounds."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tools import advisories, supply

ROOT = Path(__file__).resolve().parents[2]
BILL: dict[str, Any] = json.loads(supply.SBOM.read_text())
PARTS = {part["name"]: part for part in BILL["components"]}


class Stated(Distribution):
    """A distribution with given metadata."""

    def __init__(self, **about: str) -> None:
        self.about = Message()
        self.about["Name"] = "example"
        for name, value in about.items():
            self.about[name.replace("_", "-")] = value

    @property
    def metadata(self) -> Message:  # type: ignore[override]
        return self.about

    def read_text(self, filename: str) -> str | None:
        return None

    def locate_file(self, path: Any) -> Any:
        return path


# --- licences ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("about", "licence"),
    [
        ({"License_Expression": "MIT AND Zlib"}, "MIT AND Zlib"),
        ({"License": "Apache Software License 2.0"}, "Apache-2.0"),
        ({"License": "BSD 3-Clause License"}, "BSD-3-Clause"),
        ({"Classifier": "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)"}, "MPL-2.0"),
        ({"Classifier": "License :: OSI Approved :: GNU Lesser General Public License v3"}, "LGPL-3.0-or-later"),
        ({"Classifier": "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"}, "GPL"),
        ({"License": "free for friends"}, "unknown"),
    ],
)
def test_a_licence_is_read_from_the_metadata(about: dict[str, str], licence: str) -> None:
    assert supply.licence_of(Stated(**about)) == licence


def test_a_licence_is_read_from_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Redistributions in binary form must reproduce ...\n  The name of AURA\n may not be used to\n endorse"
    monkeypatch.setattr(supply, "licence_text", lambda package: text)
    assert supply.licence_of(Stated(Classifier="License :: OSI Approved :: BSD License")) == "BSD-3-Clause"
    assert supply.licence_of(Stated()) == "BSD-3-Clause"
    assert supply.licence_of(Stated(License="MIT")) == "MIT"


@pytest.mark.parametrize(
    ("licence", "verdict"),
    [
        ("MIT", "permissive"),
        ("GPL-2.0-or-later OR Artistic-1.0", "permissive"),
        ("(MIT AND MPL-2.0)", "copyleft of its own files"),
        ("GPL-3.0-or-later", None),
        ("MIT AND GPL-3.0-only", None),
        ("AGPL-3.0-only OR unknown", None),
        ("unknown", None),
    ],
)
def test_what_goes_with_our_licence(licence: str, verdict: str | None) -> None:
    assert supply.verdict(licence) == verdict


def test_every_dependency_has_a_licence_that_goes_with_ours() -> None:
    for name, part in PARTS.items():
        (stated,) = part["licenses"]
        licence = stated.get("expression") or stated["license"].get("id") or stated["license"]["name"]
        assert supply.verdict(licence) is not None, (name, licence)


def test_the_page_lists_every_package_once() -> None:
    page = supply.PAGE.read_text()
    generated = page[page.index(supply.BEGIN) : page.index(supply.END)]
    for name, part in PARTS.items():
        assert len(re.findall(rf"[ ]{re.escape(name)} {re.escape(part['version'])}[, ]", generated)) == 1, name


# --- the bill of materials ---------------------------------------------------------------------------------------


def test_the_bill_has_the_fields_that_cyclonedx_requires() -> None:
    assert (BILL["bomFormat"], BILL["specVersion"], BILL["version"]) == ("CycloneDX", "1.6", 1)
    assert BILL["metadata"]["component"]["name"] == "wfc3tvb"
    for part in PARTS.values():
        assert {"type", "name", "version", "bom-ref", "purl", "licenses", "scope"} == set(part)
        assert part["scope"] in supply.SCOPES
        assert part["purl"] == f"pkg:pypi/{part['name']}@{part['version']}"
    references = [part["bom-ref"] for part in BILL["components"]]
    assert len(set(references)) == len(references) > 150


def test_the_graph_joins_every_component_to_the_package() -> None:
    graph = {node["ref"]: node["dependsOn"] for node in BILL["dependencies"]}
    assert set(graph) == {"wfc3tvb", *PARTS}
    reached, todo = set(), ["wfc3tvb"]
    while todo:
        name = todo.pop()
        todo += [need for need in graph[name] if need not in reached]
        reached.add(name)
    assert reached == set(graph)


def test_the_bill_is_that_of_the_pinned_versions() -> None:
    """Where this fails after a change of dependencies: `make supply`."""
    pins = supply.constraints()
    assert {name: pins.get(name) for name in PARTS} == {name: part["version"] for name, part in PARTS.items()}
    for scope, requirements in supply.direct().items():
        for requirement in requirements:
            found = PARTS[canonicalize_name(requirement.name)]["scope"]
            assert list(supply.SCOPES).index(found) <= list(supply.SCOPES).index(scope), requirement.name


def test_the_bill_names_no_address() -> None:
    assert not re.search(r"https?:|file:|\w+\.(org|com|io)\b", supply.SBOM.read_text())


# --- bounds ------------------------------------------------------------------------------------------------------


def test_an_upper_bound_has_its_reason_beside_it() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)
    extras = project["project"]["optional-dependencies"].values()
    lines = [*project["build-system"]["requires"], *project["project"]["dependencies"], *sum(extras, [])]
    bounded = [
        line for line in lines if {one.operator for one in Requirement(line).specifier} & {"<", "<=", "==", "~="}
    ]
    assert bounded, "none left: drop this test's example"
    for requirement in bounded:
        (line,) = [line for line in text.splitlines() if f'"{requirement}"' in line]
        assert re.search(r"# \w+ .{15,}", line), f"{line.strip()}: say why"


# --- advisories --------------------------------------------------------------------------------------------------


class Database(BaseHTTPRequestHandler):
    """A database of vulnerabilities that knows one of click 8.5.1, or answers nonsense."""

    nonsense = False

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        results = [{"vulns": [{"id": "EX-1"}]} if one["package"]["name"] == "click" else {} for one in asked]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"[]" if self.nonsense else json.dumps({"results": results}).encode())

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def database() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Database)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_versions_are_read_from_constraints() -> None:
    assert advisories.pinned("# words\nclick==8.5.1\n\nPyYAML==6.0.4  # why\n") == [
        ("click", "8.5.1"),
        ("PyYAML", "6.0.4"),
    ]


def test_a_known_vulnerability_is_named(database: str) -> None:
    found = advisories.advisories(database, [("numpy", "2.4.6"), ("click", "8.5.1")])
    assert found == {("click", "8.5.1"): ["EX-1"]}


def asked(address: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "advisories.py"), address]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_exit_status_says_what_is_known(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done = asked(database)
    assert (done.returncode, done.stdout.splitlines()[0][:6]) == (1, "click ")
    monkeypatch.setattr(Database, "nonsense", True)
    assert asked(database).returncode == 2
    gone = asked("http://127.0.0.1:1")
    assert (gone.returncode, gone.stderr) == (2, "")
    assert gone.stdout == "vulnerabilities not checked: no answer from http://127.0.0.1:1 (ConnectionError)\n"
