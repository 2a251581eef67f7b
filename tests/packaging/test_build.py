"""The wheel and the source distribution: built, installed and run, with all that a user gets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from wfc3tvb import __version__
from wfc3tvb.cli import main

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def build(folder: Path, kind: str, out: Path) -> Path:
    """Build a distribution of a folder as pip does, without a network."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(out)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = out.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder into which pip has installed the wheel alone."""
    folder = tmp_path_factory.mktemp("installed")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        str(folder),
        str(wheel),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def run(installed: Path, *arguments: str) -> str:
    """Run a command of the installed package in a folder that is not the checkout."""
    environment = os.environ | {"PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "wfc3tvb", *arguments]
    done = subprocess.run(command, cwd=installed, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_source_distribution_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    source = build(ROOT, "sdist", tmp_path / "sdist")
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    again = build(tmp_path / f"wfc3tvb-{__version__}", "wheel", tmp_path / "again")
    assert {(entry.filename, entry.CRC) for entry in entries(again)} == {
        (entry.filename, entry.CRC) for entry in entries(wheel)
    }


def entries(wheel: Path) -> list[zipfile.ZipInfo]:
    """Return the files of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.infolist()


def test_everything_that_the_package_reads_is_inside(wheel: Path) -> None:
    inside = {entry.filename for entry in entries(wheel)}
    package = ROOT / "src" / "wfc3tvb"
    files = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert {f"wfc3tvb/{path.relative_to(package).as_posix()}" for path in files} <= inside
    assert {f"wfc3tvb/queries/{path.name}" for path in (ROOT / "queries").glob("*.sql")} <= inside


def test_the_wheel_is_small(wheel: Path) -> None:
    """docs/install.md says its size."""
    assert wheel.stat().st_size < 2.5e6


def test_the_installed_command_runs(installed: Path) -> None:
    assert run(installed, "--version").split()[-1] == __version__
    listed = json.loads(run(installed, "queries", "--json"))
    assert len(listed) == len(list((ROOT / "queries").glob("*.sql")))


def test_there_is_a_man_page_for_every_command(installed: Path) -> None:
    pages = {path.stem for path in (installed / "share" / "man" / "man1").glob("*.1")}
    shown = [name for name, command in main.commands.items() if not command.hidden]
    assert pages == {"wfc3tvb", *(f"wfc3tvb-{name}" for name in shown)}
    page = (installed / "share" / "man" / "man1" / "wfc3tvb-survey.1").read_text()
    assert r"wfc3tvb\-survey \- Measure, score and store new or changed exposures." in page
    assert ".nf\nExample:\n" in page
    assert "\b" not in page


def test_completion_is_installed_where_the_shells_look(installed: Path) -> None:
    bash = installed / "share" / "bash-completion" / "completions" / "wfc3tvb"
    assert "complete -o nosort -F _wfc3tvb_completion wfc3tvb" in bash.read_text()
    assert (installed / "share" / "zsh" / "site-functions" / "_wfc3tvb").read_text().startswith("#compdef wfc3tvb")
    assert "wfc3tvb" in (installed / "share" / "fish" / "vendor_completions.d" / "wfc3tvb.fish").read_text()
