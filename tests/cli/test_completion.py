"""Completion in bash, zsh and fish, by the environment variables that the scripts of the shells set."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.helpers import known
from wfc3tvb.catalog.queries import load_all
from wfc3tvb.cli import main
from wfc3tvb.instrument import FILTERS


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completion") / "catalog"
    known.make(folder).close()
    return folder


def complete(line: str, catalog: Path, *, shell: str = "bash") -> list[str]:
    """Return the lines that a shell's script gets for a command whose last word is to be completed."""
    words = line.split(" ")
    number = {"COMP_CWORD": words[-1] if shell == "fish" else str(len(words) - 1)}
    env = {"_WFC3TVB_COMPLETE": f"{shell}_complete", "COMP_WORDS": line, "WFC3TVB_CATALOG": str(catalog)} | number
    return CliRunner().invoke(main, [], env=env, prog_name="wfc3tvb").stdout.splitlines()


def names(line: str, catalog: Path) -> list[str]:
    return [each.partition(",")[2] for each in complete(line, catalog) if each]


def test_the_three_shells(catalog: Path) -> None:
    about = load_all()["my_visit"].title
    assert complete("wfc3tvb query my_v", catalog) == ["plain,my_visit"]
    assert complete("wfc3tvb query my_v", catalog, shell="zsh") == ["plain", "my_visit", about]
    fish = complete("wfc3tvb query my_v", catalog, shell="fish")
    assert fish == [f"plain,my_visit\t{about}"] or fish == ["plain", "my_visit", about]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(shell: str) -> None:
    env = {"_WFC3TVB_COMPLETE": f"{shell}_source"}
    script = CliRunner().invoke(main, [], env=env, prog_name="wfc3tvb").stdout
    assert "_wfc3tvb_completion" in script
    assert f"_WFC3TVB_COMPLETE={shell}_complete" in script


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("wfc3tvb show ibohbfb7", ["ibohbfb7q"]),
        ("wfc3tvb show IBOHBFB7", ["IBOHBFB7Q"]),
        ("wfc3tvb show ibohb", ["ibohbf", "ibohbf040", "ibohbfb7q", "ibohbfb9q", "ibohbfbdq"]),
        ("wfc3tvb show zz", []),
        ("wfc3tvb reprocess --id ibohbf0", ["ibohbf040"]),
        ("wfc3tvb survey --proposal 1", ["12442"]),
        ("wfc3tvb query my_visit --param ", ["visit=ibohbf"]),
        ("wfc3tvb query excess_by_latitude --param s", ["step=5"]),
        ("wfc3tvb query nothing --param ", []),
        ("wfc3tvb simulate out --preset sc", ["scattered"]),
        ("wfc3tvb sql x --format v", ["votable"]),
        ("wfc3tvb export out --format f", ["fits"]),
        ("wfc3tvb survey --filters F105W,f11", ["F105W,F110W"]),
        ("wfc3tvb reprocess --source m", ["m", "mast"]),
        ("wfc3tvb sy", ["systematic"]),
        ("wfc3tvb nu", []),
    ],
)
def test_values(line: str, found: list[str], catalog: Path) -> None:
    assert names(line, catalog) == found


def test_fish_keeps_texts_with_commas() -> None:
    env = {"_WFC3TVB_COMPLETE": "fish_source"}
    assert 'string split --max 1 ","' in CliRunner().invoke(main, [], env=env, prog_name="wfc3tvb").stdout


def test_all_queries_and_filters(catalog: Path) -> None:
    assert names("wfc3tvb query ", catalog) == list(load_all())
    assert names("wfc3tvb survey --filters ", catalog) == [*FILTERS, "all"]


def test_the_option_names_the_catalog(catalog: Path, tmp_path: Path) -> None:
    assert names("wfc3tvb show ibohbfb7", tmp_path / "none") == []
    assert names(f"wfc3tvb show --catalog {catalog} ibohbfb7", tmp_path / "none") == ["ibohbfb7q"]
