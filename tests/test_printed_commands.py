"""Commands that messages suggest can be pasted into a shell, whatever the folder is called."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from wfc3tvb import suggest
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.catalog.compaction import advice
from wfc3tvb.cli import main
from wfc3tvb.errors import DamagedCatalogError, NoCatalogError
from wfc3tvb.schema import TABLES
from wfc3tvb.survey.survey import _next_command

FOLDER = Path("/data/my catalog's $HOME; rm")


@pytest.mark.parametrize(
    ("made", "option"),
    [
        (lambda folder: NoCatalogError(folder).for_shell(), "--catalog"),
        (lambda folder: str(DamagedCatalogError(folder, "a file is missing")), "--catalog"),
        (lambda folder: _next_command(SimpleNamespace(folder=folder), "ibohbf040", 1), "--catalog"),  # type: ignore[arg-type]
        (lambda folder: _next_command(SimpleNamespace(folder=folder), None, 0), "--catalog"),  # type: ignore[arg-type]
        (lambda folder: advice(folder, [SimpleNamespace(n_small=10**6, table="reads")]), "--catalog"),  # type: ignore[list-item]
    ],
)
def test_a_folder_is_one_word(made: Callable[[Path], Any], option: str) -> None:
    message = made(FOLDER)
    words = shlex.split(message[message.index("wfc3tvb ") :])
    assert words[words.index(option) + 1] == str(FOLDER)


def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["measure", str(tmp_path)])
    assert done.exit_code == 2
    assert done.stderr == f"wfc3tvb: {tmp_path}: is a folder; give its files, or survey it (--source)\n"


def test_what_show_prints(tmp_path: Path) -> None:
    folder = tmp_path / "two words"
    row = TABLES["exposures"].empty_row()
    row |= {"rootname": "ibaaaa01q", "visit": "ibaaaa", "dataset": "ibaaaa01q", "filter": "F105W", "flagged": False}
    with open_catalog(folder, mode="a") as catalog:
        catalog.replace("exposures", [row, row | {"rootname": "ibaaaa02q", "flagged": False}])
    done = CliRunner().invoke(main, ["show", "ibaaaa", "--catalog", str(folder)])
    assert done.exit_code == 0, done.output
    words = shlex.split(done.output.splitlines()[-1])
    assert words == ["next:", "wfc3tvb", "show", "ibaaaa02q", "--catalog", str(folder)]


@pytest.mark.parametrize(
    ("variable", "folder", "option"),
    [
        (None, "tvb-catalog", ""),
        (None, "mine", " --catalog mine"),
        (None, "two words", " --catalog 'two words'"),
        ("mine", "mine", ""),
        ("mine", "tvb-catalog", " --catalog tvb-catalog"),
    ],
)
def test_the_default_catalog_is_not_repeated(
    variable: str | None, folder: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if variable is None:
        monkeypatch.delenv("WFC3TVB_CATALOG", raising=False)
    else:
        monkeypatch.setenv("WFC3TVB_CATALOG", variable)
    for place in (folder, tmp_path / folder):
        assert suggest.catalog_option(place) == option
    assert suggest.command("show", "ibohbf040", catalog=folder) == f"wfc3tvb show ibohbf040{option}"


def test_a_catalog_elsewhere_has_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert suggest.catalog_option(tmp_path / "tvb-catalog") == f" --catalog {tmp_path / 'tvb-catalog'}"
