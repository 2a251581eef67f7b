"""Change the code in small ways, one at a time, and see whether a test notices: the mutation score of rooms.

``python -m tools.mutation [ROOM ...] [--sample 60] [--seed N] [--whole]``. A mutant is a swapped operator, a
changed number, a condition turned round. For each, the tests of its module run (of its room where it has none, or
with ``--whole``) until one fails. They must pass without a change. Where they take longer than the limit, ten times
what they take without a change, the mutant counts as noticed: it does not end.

mutmut 3 leaves decorated functions out, and with them every kernel; cosmic-ray changes files in place and starts
Python anew for each mutant. Here a process that has the libraries loaded is forked, and only its import of the one
module differs. Rooms with kernels run in plain Python (NUMBA_DISABLE_JIT).
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import importlib.machinery
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import CodeType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "wfc3tvb"
#: Room, and its folders or files of tests.
ROOMS = {
    "score": ("tests/score",),
    "repair/methods": (
        "tests/repair/test_methods.py",
        "tests/repair/test_optimal.py",
        "tests/properties/test_ramps.py",
    ),
    "curve": ("tests/curve",),
    "calibration": ("tests/calibration",),
}
#: Tables of numbers that a study has fitted: a change of one is another fit, no fault that a test could know.
_FITTED = {SOURCE / "score" / "cause_weights.py"}
#: Rooms whose code is compiled.
_KERNELS = ("curve", "calibration")
_SWAPS: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult, ast.FloorDiv: ast.Mult, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
_NAMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """A module with one change."""

    path: Path
    number: int
    line: int
    change: str


def places(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Yield the nodes of a module that can be changed, and how, in a fixed order; annotations are left out."""
    for node in _code(tree):
        match node:
            case ast.Compare(ops=[operator]) | ast.BinOp(op=operator) | ast.BoolOp(op=operator) if (
                type(operator) in _SWAPS
            ):
                yield node, f"{type(operator).__name__} -> {_SWAPS[type(operator)].__name__}"
            case ast.UnaryOp(op=ast.Not() | ast.USub()):
                yield node, f"{type(node.op).__name__} left out"
            case ast.Constant(value=bool(value)):
                yield node, f"{value} -> {not value}"
            case ast.Constant(value=int(value) | float(value)):
                yield node, f"{value!r} -> {_other(value)!r}"
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in _NAMES:
                yield node, f"{name} -> {_NAMES[name]}"
            case ast.IfExp():
                yield node, "branches swapped"


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """Walk through what is executed."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list") or _is_for_types(node):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child
                yield from _code(child)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _other(value: float) -> float:
    return value + 1 if isinstance(value, int) else value * 1.25 or 1.0


def changed(tree: ast.Module, number: int) -> ast.Module:
    """Return a module with the change of a number."""
    made = copy.deepcopy(tree)
    node: Any = next(node for i, (node, _) in enumerate(places(made)) if i == number)
    match node:
        case ast.Compare():
            node.ops = [_SWAPS[type(node.ops[0])]()]
        case ast.BinOp() | ast.BoolOp():
            node.op = _SWAPS[type(node.op)]()
        case ast.UnaryOp():
            node.op = ast.UAdd() if isinstance(node.op, ast.USub) else node.op
            if isinstance(node.op, ast.Not):
                node.operand = ast.UnaryOp(ast.Not(), node.operand)
        case ast.Constant():
            node.value = not node.value if isinstance(node.value, bool) else _other(node.value)
        case ast.Name():
            node.id = _NAMES[node.id]
        case ast.Attribute():
            node.attr = _NAMES[node.attr]
        case ast.IfExp():
            node.body, node.orelse = node.orelse, node.body
    return ast.fix_missing_locations(made)


def mutants(room: str) -> list[Mutant]:
    """Return all mutants of a room."""
    found = []
    for path in sorted(set((SOURCE / room).rglob("*.py")) - _FITTED):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [Mutant(path, i, node.lineno, how) for i, (node, how) in enumerate(places(tree))]  # type: ignore[attr-defined]
    return found


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:
        return self._code


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the changed module in place of the one in the file."""

    def __init__(self, path: Path, code: CodeType) -> None:
        self._path, self._code = path, code
        self._name = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name != self._name:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None:
            spec.loader = _Loader(name, str(self._path), self._code)
        return spec


def tests_of(path: Path, room: str, *, whole: bool) -> tuple[str, ...]:
    """Return the tests that should notice a change of a module."""
    names = {path.stem, path.parent.name} if room == "calibration" else {path.stem}
    own = [str(found) for test in ROOMS[room] for name in names for found in ROOT.glob(f"{test}/test_{name}*.py")]
    return tuple(own) if own and not whole else tuple(str(ROOT / test) for test in ROOMS[room])


def is_noticed(mutant: Mutant | None, tests: tuple[str, ...], seconds: float) -> bool:
    """Return whether a test fails on a mutant (None: on no change), or takes too long."""
    child = os.fork()
    if child == 0:
        os.setsid()
        os._exit(_tested(mutant, tests))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status != 0
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def _tested(mutant: Mutant | None, tests: tuple[str, ...]) -> int:
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    if mutant:
        tree = changed(ast.parse(mutant.path.read_text(encoding="utf-8")), mutant.number)
        sys.meta_path.insert(0, _Finder(mutant.path, compile(tree, str(mutant.path), "exec")))
    import pytest

    options = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow and not compiled", "--hypothesis-seed=0"]
    return int(pytest.main([*options, *tests]) not in (0, 5))


def unchanged_seconds(tests: tuple[str, ...]) -> float:
    """Return how long tests take without a change; ends the program if they fail."""
    began = time.monotonic()
    if is_noticed(None, tests, 900):
        sys.exit(f"tests fail, or take 15 minutes, without a change: {' '.join(tests)}")
    return time.monotonic() - began


def try_room(room: str, *, sample: int, seed: int, whole: bool) -> None:
    """Try a sample of the mutants of a room; print those that no test notices, and the score."""
    every = mutants(room)
    chosen = sorted(Random(f"{seed} {room}").sample(every, min(sample, len(every))), key=lambda one: str(one.path))
    noticed, usual = 0, dict[tuple[str, ...], float]()
    for mutant in chosen:
        tests = tests_of(mutant.path, room, whole=whole)
        if tests not in usual:
            usual[tests] = unchanged_seconds(tests)
        if is_noticed(mutant, tests, 10 * usual[tests] + 10):
            noticed += 1
        else:
            print(f"{mutant.path.relative_to(ROOT)}:{mutant.line}: {mutant.change}", flush=True)
    share = 100 * noticed / len(chosen)
    print(f"| {room} | {len(every):,} | {len(chosen)} | {noticed} | {share:.0f} % |", flush=True)


def main() -> None:
    """Try the rooms, each in a process of its own: kernels are compiled in some and not in others."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description=__doc__)
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=f"one of {', '.join(ROOMS)}; by default all")
    parser.add_argument("--sample", type=int, default=60, help="mutants of each room")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    parser.add_argument("--whole", action="store_true", help="run all tests of the room")
    given = parser.parse_args()
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.path[:0] = [str(ROOT), str(ROOT / "src")]
    os.chdir(ROOT)
    print(f"seed {given.seed}", flush=True)
    for room in given.rooms or ROOMS:
        child = os.fork()
        if child == 0:
            os.environ |= {"NUMBA_DISABLE_JIT": "1"} if room in _KERNELS else {}
            import astropy.io.fits  # noqa: F401 (loaded once, before the forks)
            import numpy as np  # noqa: F401
            import scipy.special  # noqa: F401

            try_room(room, sample=given.sample, seed=given.seed, whole=given.whole)
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
