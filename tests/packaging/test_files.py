"""The recipe for conda, the container files and the examples for clusters agree with the package."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from wfc3tvb import __version__

ROOT = Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
#: Names of conda-forge that are not those of PyPI.
CONDA_NAMES = {"python-duckdb": "duckdb", "matplotlib-base": "matplotlib"}


@pytest.fixture(scope="module")
def recipe() -> dict[str, Any]:
    """Return the recipe for conda, its variables filled in."""
    text = (PACKAGING / "conda" / "recipe.yaml").read_text()
    context = yaml.safe_load(text)["context"]
    filled = re.sub(r"\$\{\{ (\w+) \}\}", lambda match: str(context.get(match[1], match[0])), text)
    return yaml.safe_load(filled)  # type: ignore[no-any-return]


def requirements(lines: list[str]) -> dict[str, str]:
    """Return name and versions of requirements, however they are spaced."""
    pairs = (re.fullmatch(r"([\w.-]+?) *([<>=].*)?", line) for line in lines)
    return {CONDA_NAMES.get(pair[1], pair[1]): pair[2] or "" for pair in pairs if pair}


def test_conda_installs_what_pip_installs_and_calwf3(recipe: dict[str, Any]) -> None:
    found = requirements(recipe["requirements"]["run"])
    assert found.pop("python") == PROJECT["requires-python"]
    assert found.pop("hstcal")
    assert found.pop("__unix") == ""
    assert found == requirements(PROJECT["dependencies"])


def test_conda_builds_with_what_pip_builds_with(recipe: dict[str, Any]) -> None:
    system = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]
    found = requirements(recipe["requirements"]["host"])
    assert {name: versions for name, versions in found.items() if name not in ("python", "pip")} == requirements(
        system["requires"]
    )


def test_conda_names_the_version_the_command_and_the_license(recipe: dict[str, Any]) -> None:
    assert recipe["package"] == {"name": PROJECT["name"], "version": __version__}
    (command,) = recipe["build"]["python"]["entry_points"]
    assert command == f"wfc3tvb = {PROJECT['scripts']['wfc3tvb']}"
    assert recipe["about"]["license"] == PROJECT["license"]
    assert (ROOT / recipe["about"]["license_file"]).is_file()


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile, continued lines joined."""
    text = re.sub(r"\\\n", " ", (PACKAGING / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def test_the_dockerfile_is_made_of_known_instructions() -> None:
    words = [word for word, _ in instructions()]
    assert words[0] == "FROM"
    assert set(words) <= {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "VOLUME", "EXPOSE", "ENTRYPOINT", "CMD"}
    assert dict(instructions())["ENTRYPOINT"] == '["wfc3tvb"]'


def test_the_containers_have_a_python_that_is_tested() -> None:
    images = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    definition = (PACKAGING / "wfc3tvb.def").read_text()
    images += re.findall(r"^From: (\S+)", definition, re.MULTILINE)
    assert len(images) == 3
    assert set(images) == {"python:3.11-slim"}


def test_the_containers_install_pinned_versions() -> None:
    for name in ("Dockerfile", "wfc3tvb.def"):
        assert re.search(r"pip install .*-c \S*constraints\.txt .*\[cluster\]", (PACKAGING / name).read_text())


def test_the_apptainer_definition_has_the_sections_it_needs() -> None:
    sections = re.findall(r"^%(\w+)", (PACKAGING / "wfc3tvb.def").read_text(), re.MULTILINE)
    assert sections == ["files", "post", "environment", "runscript", "test", "labels"]


def test_kubernetes_starts_dask_of_this_version() -> None:
    cluster = yaml.safe_load((PACKAGING / "cluster" / "kubernetes.yaml").read_text())
    assert (cluster["apiVersion"], cluster["kind"]) == ("kubernetes.dask.org/v1", "DaskCluster")
    worker, scheduler = cluster["spec"]["worker"], cluster["spec"]["scheduler"]
    containers = [*worker["spec"]["containers"], *scheduler["spec"]["containers"]]
    assert {container["image"] for container in containers} == {f"wfc3tvb:{__version__}"}
    assert [container["command"] for container in containers] == [["dask", "worker"], ["dask", "scheduler"]]
    served = {port["name"]: port["containerPort"] for port in scheduler["spec"]["containers"][0]["ports"]}
    assert {port["targetPort"]: port["port"] for port in scheduler["service"]["ports"]} == served
    assert scheduler["service"]["selector"]["dask.org/cluster-name"] == cluster["metadata"]["name"]
