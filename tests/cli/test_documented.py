"""The page of the command line names every environment variable, exit code and key of --json."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.helpers import known
from tests.helpers.small_archive import make_archive
from wfc3tvb.archive.local_folder import FolderArchive
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.cli import main
from wfc3tvb.cli.app import COMMANDS
from wfc3tvb.config import Selection
from wfc3tvb.suggest import CATALOG_VARIABLE
from wfc3tvb.survey.survey import survey
from wfc3tvb.system.network import CA_VARIABLES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "command-line.md").read_text()
SOURCES = [ast.parse(path.read_text()) for path in sorted((ROOT / "src" / "wfc3tvb").rglob("*.py"))]
#: Values of all constants of modules that are texts.
CONSTANTS = {
    ast.unparse(node.targets[0]): node.value.value
    for tree in SOURCES
    for node in tree.body
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
} | {"CATALOG_VARIABLE": CATALOG_VARIABLE}


def variables(tree: ast.Module) -> Iterator[str]:
    """Yield the environment variables that a module reads or sets, and every text that is named like one of ours."""
    for node in ast.walk(tree):
        name = _variable(node)
        if isinstance(name, ast.Constant):
            yield str(name.value)
        elif name is not None and ast.unparse(name) in CONSTANTS:
            yield CONSTANTS[ast.unparse(name)]


def _variable(node: ast.AST) -> ast.expr | None:
    if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("environ"):
        return node.slice
    if isinstance(node, ast.Compare) and ast.unparse(node.comparators[0]).endswith("environ"):
        return node.left
    if isinstance(node, ast.Call) and node.args:
        called = ast.unparse(node.func)
        return node.args[0] if called.endswith(("environ.get", "getenv")) or called == "_folder" else None
    if isinstance(node, ast.keyword) and node.arg == "envvar":
        return node.value
    ours = isinstance(node, ast.Constant) and re.fullmatch(r"WFC3TVB_[A-Z_]+", str(node.value))
    return node if ours else None  # type: ignore[return-value]


def test_every_environment_variable_is_on_the_page() -> None:
    found = {name for tree in SOURCES for name in variables(tree)} | set(CA_VARIABLES)
    assert {"WFC3TVB_CATALOG", "MAST_API_TOKEN", "CRDS_PATH", "iref", "WFC3TVB_PARENT", "CRDS_CONTEXT"} <= found
    assert [name for name in sorted(found) if f"`{name}`" not in PAGE] == []


def test_what_the_loopback_archive_sets_is_on_the_page() -> None:
    text = (ROOT / "src/wfc3tvb/loopback/server.py").read_text()
    names = re.findall(r'^ +"([A-Z][A-Z0-9_]+)": ', text, re.MULTILINE)
    assert {"WFC3TVB_MAST_URL", "CRDS_OBSERVATORY"} <= set(names)
    assert [name for name in names if f"`{name}`" not in PAGE] == []


def exit_codes(tree: ast.Module) -> Iterator[int]:
    """Yield the numbers with which a module may end the program."""
    for node in ast.walk(tree):
        ends = isinstance(node, ast.Call) and ast.unparse(node.func) in ("ctx.exit", "sys.exit", "os._exit")
        names = isinstance(node, ast.Assign) and re.match(r"exit_code$|EXIT_", ast.unparse(node.targets[0]))
        if ends or names:
            yield from (n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and type(n.value) is int)


def test_every_exit_code_is_on_the_page() -> None:
    found = {code for tree in SOURCES for code in exit_codes(tree)}
    assert {0, 1, 2, 130} <= found
    assert [code for code in sorted(found) if f"\n| {code} | " not in PAGE] == []


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documented")
    known.make(folder / "catalog").close()
    make_archive(folder / "files", size=24, nsamp=4)
    with open_catalog(folder / "surveyed", mode="a") as store:
        survey(store, Selection(filters=("all",)), source=FolderArchive(folder / "files"))
    return folder / "catalog"


def keys_of(section: str) -> set[str]:
    """Return the keys that a section of the page lists."""
    text = PAGE.partition(f"\n### {section}\n")[2].partition("\n### ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))


def printed(*arguments: object) -> list[dict[str, object]]:
    """Return the objects that a command prints with --json."""
    done = CliRunner().invoke(main, [*map(str, arguments), "--json"])
    assert done.exit_code in (0, 1), done.output
    value = json.loads(done.stdout)
    objects: list[dict[str, object]] = value if isinstance(value, list) else [value]
    return objects


@pytest.mark.slow
@pytest.mark.parametrize(
    ("section", "arguments"),
    [
        ("survey --dry-run", ("survey", "--source", "FILES", "--dry-run")),
        ("survey", ("survey", "--source", "FILES", "--filters", "all")),
        ("rescore", ("rescore", "--catalog", "SURVEYED")),
        ("systematic", ("systematic",)),
        ("systematic", ("null",)),
        ("reprocess --dry-run", ("reprocess", "--source", "FILES")),
        ("queries", ("queries",)),
        ("verify", ("verify",)),
        ("compact", ("compact",)),
        ("doctor, validate", ("doctor",)),
    ],
)
def test_keys_of_json_are_those_of_the_page(section: str, arguments: tuple[str, ...], catalog: Path) -> None:
    folders = {"FILES": catalog.parent / "files", "SURVEYED": catalog.parent / "surveyed"}
    words = [folders.get(word, word) for word in arguments]
    where = [] if words[0] in ("queries", "doctor", "rescore") else ["--catalog", catalog]
    objects = printed(*words, *where)
    assert objects
    for each in objects:
        assert set(each) == keys_of(section)


def test_rows_are_as_the_page_says(catalog: Path) -> None:
    assert "`exposure` has the columns" in PAGE
    for each in printed("show", "ibohbfb9q", "--catalog", catalog):
        assert set(each) == {"exposure", "reads", "repairs"}


def test_every_command_with_json_is_on_the_page() -> None:
    named = set(re.findall(r"[a-z]+", " ".join(re.findall(r"^### (.*)$", PAGE, re.MULTILINE))))
    text = PAGE.partition("\n## JSON\n")[2].partition("<!--")[0]
    named |= set(re.findall(r"`(\w+)`", text))
    with_json = {name for name, each in main.commands.items() for p in each.params if p.name == "as_json"} - {"null"}
    assert with_json - named == set()


def test_every_command_is_in_a_group() -> None:
    named = {name for names in COMMANDS.values() for name in names}
    assert {name for name, command in main.commands.items() if not command.hidden} <= named
    text = CliRunner().invoke(main, ["--help"], terminal_width=80).stdout
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert [group for group in COMMANDS if f"\n{group}:\n" not in text] == []
    assert "  null " not in text
    assert "..." not in text.partition("\nOptions:\n")[2]
