"""Commands in unusual environments: other encodings, Python without docstrings, addresses of other machines."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.small_archive import make_archive

pytestmark = pytest.mark.slow


def wfc3tvb(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with other environment variables."""
    command = [sys.executable, "-m", "wfc3tvb", *map(str, arguments)]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of a survey by a Python without docstrings."""
    folder = tmp_path_factory.mktemp("files")
    make_archive(folder, size=24, nsamp=4)
    done = wfc3tvb("survey", "--source", folder, "--catalog", folder / "catalog", PYTHONOPTIMIZE="2")
    assert done.returncode == 0, done.stderr
    assert "6 exposures measured" in done.stdout
    return folder / "catalog"


@pytest.mark.parametrize(
    ("form", "encoding"), [("table", "latin-1"), ("csv", "latin-1"), ("json", "latin-1"), ("table", "ascii")]
)
def test_characters_that_the_output_lacks_are_escaped(catalog: Path, form: str, encoding: str) -> None:
    text = "SELECT '→ ☃' AS x"
    done = wfc3tvb("sql", text, "--format", form, "--catalog", catalog, PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert r"\u2192 \u2603" in done.stdout


def test_an_error_in_another_encoding_is_one_line(catalog: Path) -> None:
    done = wfc3tvb("sql", "SELECT '→' FROM", "--catalog", catalog, PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("--help",), ("survey", "--help"), ("doctor",)])
def test_python_without_docstrings_shows_help(command: tuple[str, ...]) -> None:
    done = wfc3tvb(*command, PYTHONOPTIMIZE="2")
    assert "Traceback" not in done.stderr
    assert "None" not in done.stdout


def test_python_without_docstrings_lists_nothing_in_one_line(tmp_path: Path) -> None:
    done = wfc3tvb("survey", "--id", "ibohbf040", "--catalog", tmp_path / "catalog", PYTHONOPTIMIZE="2")
    assert done.returncode == 2
    assert done.stderr.startswith("wfc3tvb: astroquery cannot be imported without docstrings")
    assert len(done.stderr.splitlines()) == 1


def test_children_have_docstrings() -> None:
    code = (
        "import os, subprocess, sys; from wfc3tvb.system.children import environment_of_child; "
        "sys.exit(subprocess.call([sys.executable, '-c', 'import stwcs, drizzlepac'], "
        "env=os.environ | environment_of_child(), stderr=subprocess.DEVNULL))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONOPTIMIZE": "2"}, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("host", ["203.0.113.7", "no-such-host.invalid", "a b", "2001:db8::1", "x" * 300, "h\xf6st..x"])
def test_an_address_of_another_machine_is_one_line(catalog: Path, host: str) -> None:
    done = wfc3tvb("serve", "--host", host, "--port", 0, "--catalog", catalog)
    assert done.returncode == 2
    assert done.stderr.startswith("wfc3tvb: cannot listen at --host ")
    assert len(done.stderr.splitlines()) == 1


def test_a_port_in_use_is_one_line(catalog: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = wfc3tvb("serve", "--port", taken.getsockname()[1], "--catalog", catalog)
    assert done.returncode == 2
    assert done.stderr.endswith("choose another port\n")
