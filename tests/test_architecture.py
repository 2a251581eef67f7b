"""The architecture: imports point down, modules and functions stay readable, only the command line prints."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src" / "wfc3tvb"
PLAN = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["wfc3tvb"]
#: Floor of each room; a module imports only from its own room or from lower floors.
FLOORS = {room: floor for floor, rooms in enumerate(PLAN["floors"]) for room in rooms}
MOST_MODULES_IN_A_ROOM = 22
NOT_PURE = {"pathlib", "os", "logging", "astropy.io", "pyarrow", "duckdb", "deltalake", "requests", "subprocess"}


def modules() -> Iterator[tuple[str, Path, ast.Module]]:
    """Yield room, path and syntax tree of every module."""
    for path in sorted(SRC.rglob("*.py")):
        relative = path.relative_to(SRC)
        room = relative.parts[0].removesuffix(".py")
        if room != "__init__":
            yield room, path, ast.parse(path.read_text())


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield the dotted names that a module imports, wherever in it; not those for type checkers only."""
    checked_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in checked_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_room_has_a_floor_and_every_floor_its_rooms() -> None:
    assert {room for room, _, _ in modules()} == set(FLOORS)


def test_imports_point_down() -> None:
    wrong = [
        f"{path.relative_to(SRC)} imports {name}"
        for room, path, tree in modules()
        for name in imported(tree)
        if (target := room_of(name)) in FLOORS and target != room and FLOORS[target] >= FLOORS[room]
    ]
    assert wrong == []


def test_no_room_is_crowded() -> None:
    rooms = Counter(path.parent for path in SRC.rglob("*.py"))
    assert {str(room.relative_to(SRC)): n for room, n in rooms.items() if n > MOST_MODULES_IN_A_ROOM} == {}


def room_of(name: str) -> str:
    """Return the room that a dotted name belongs to; nothing where it is not of this package."""
    parts = name.split(".")
    return parts[1] if parts[0] == "wfc3tvb" and len(parts) > 1 else ""


def test_pure_rooms_touch_no_files_and_no_network() -> None:
    wrong = [
        f"{path.relative_to(SRC)} imports {name}"
        for room, path, tree in modules()
        if room in PLAN["pure"]
        for name in imported(tree)
        if any(name == bad or name.startswith(bad + ".") for bad in NOT_PURE)
    ]
    assert wrong == []


def test_only_the_command_line_prints_and_no_except_is_broad() -> None:
    wrong = []
    for room, path, tree in modules():
        for node in ast.walk(tree):
            broad = (
                isinstance(node, ast.ExceptHandler)
                and (node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException"))
                and path.name != "attempts.py"  # a bug in one item becomes its row
            )
            prints = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print" and room != "cli"
            echoes = (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("echo", "secho")
                and room != "cli"
            )
            if broad or prints or echoes:
                wrong.append(f"{path.relative_to(SRC)}:{node.lineno}")
    assert wrong == []


def test_no_circles_between_modules() -> None:
    graph: dict[str, set[str]] = {}
    for _, path, tree in modules():
        name = ".".join(path.relative_to(SRC.parent).with_suffix("").parts).removesuffix(".__init__")
        graph[name] = {i for i in imported(tree) if i.startswith("wfc3tvb.")}
    known = set(graph)
    edges = {
        name: {m for i in targets for m in (i, i.rpartition(".")[0]) if m in known and m != name}
        for name, targets in graph.items()
    }
    seen: dict[str, int] = {}

    def visit(node: str, path: tuple[str, ...]) -> None:
        if node in path:
            pytest.fail("circle: " + " -> ".join([*path[path.index(node) :], node]))
        if node in seen:
            return
        for target in edges[node]:
            visit(target, (*path, node))
        seen[node] = 1

    for node in edges:
        visit(node, ())


def test_functions_and_modules_stay_short() -> None:
    """Lines of code, docstrings, comments and blanks not counted: at most 45 a function, 300 a module."""
    long = []
    for _, path, tree in modules():
        source = path.read_text().splitlines()
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef):
                n, most = code_lines(node, source), 300 if isinstance(node, ast.Module) else 45
                long += [f"{path.relative_to(SRC)} {getattr(node, 'name', '')}: {n}"] if n > most else []
    assert long == []


def code_lines(node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef, source: list[str]) -> int:
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    told: set[int] = set()
    for inner in ast.walk(node):
        if isinstance(inner, documented) and ast.get_docstring(inner) is not None:
            told |= set(range(inner.body[0].lineno, (inner.body[0].end_lineno or 0) + 1))
    first, last = (1, len(source)) if isinstance(node, ast.Module) else (node.lineno, node.end_lineno or 0)
    lines = ((k, source[k - 1].strip()) for k in range(first, last + 1))
    return sum(k not in told and bool(text) and not text.startswith("#") for k, text in lines)


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, wfc3tvb.cli; print(*[m for m in sys.modules if '.' not in m])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"numpy", "astropy", "duckdb", "pandas", "pyarrow", "numba", "matplotlib", "scipy", "joblib", "requests"}
    assert heavy.isdisjoint(loaded)
