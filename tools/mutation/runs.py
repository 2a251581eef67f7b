"""Runs of the tests on a mutant, in a copy of a process that has the tests loaded or only the libraries."""

from __future__ import annotations

import ast
import gc
import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest
from tools.mutation.changes import ROOT, Mutant, changed
from tools.mutation.tests import TestMap, in_a_child, mapped, modules_of, run_items

Report = Callable[[Mutant, str], None]
#: What becomes of a mutant, besides the name of the test that notices it.
SURVIVED, ENDLESS = "", "does not end"


class Loaded:
    """Plugin of pytest that runs, once all tests are loaded, the mutants whose change is in a function."""

    def __init__(self, room: str, mutants: list[Mutant], report: Report) -> None:
        self._room, self._mutants, self._report = room, mutants, report
        self.map = TestMap()

    def pytest_runtestloop(self, session: Any) -> bool:
        """Run the tests without a change, then the mutants."""
        for module in modules_of(self._room):
            importlib.import_module(module)
        made = mapped(session, self._room)
        if isinstance(made, str):
            print(made, file=sys.stderr, flush=True)
            pytest.exit(made, returncode=1)
        self.map = made
        functions = [one for one in gc.get_objects() if isinstance(one, FunctionType)]
        items = {item.nodeid: item for item in session.items}
        for mutant in self._mutants:
            names = made.of(mutant)
            chosen = [items[name] for name in names]
            found = tried(mutant, made, names, partial(_swapped, mutant, functions, session, chosen))
            self._report(mutant, found)
        return True


def tried(mutant: Mutant, made: TestMap, names: list[str], run: Callable[[], Any]) -> str:
    """Return which test notices a mutant, if one does."""
    if not names:
        return SURVIVED
    limit = made.limit(mutant, names)
    answer = in_a_child(run, cpu=limit, wall=20 * limit + 60)
    if answer is None:
        return ENDLESS
    made.kills[str(answer).partition("::")[0]] += bool(answer)
    return str(answer)


def _swapped(mutant: Mutant, functions: list[FunctionType], session: Any, items: list[Any]) -> str:
    """Give the functions of a module their changed code, and run tests."""
    new = {(code.co_qualname, code.co_firstlineno): code for code in _codes(_compiled(mutant))}
    for function in functions:
        code = function.__code__
        if code.co_filename == str(mutant.path):
            function.__code__ = new[code.co_qualname, code.co_firstlineno]
    return run_items(session, items) or SURVIVED


def _compiled(mutant: Mutant) -> CodeType:
    tree = changed(ast.parse(mutant.path.read_text(encoding="utf-8")), mutant.number)
    return compile(tree, str(mutant.path), "exec", flags=0, dont_inherit=True)


def _codes(code: CodeType) -> list[CodeType]:
    """Return the code of a module and of all functions in it."""
    return [code, *(found for part in code.co_consts if isinstance(part, CodeType) for found in _codes(part))]


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


class _Failed:
    """Plugin of pytest that remembers the test that fails."""

    name = SURVIVED

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.name = report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.name = report.nodeid


def anew(mutant: Mutant, names: list[str], options: list[str]) -> str:
    """Run tests on a mutant that is imported in place of its module, which must not be loaded yet."""
    failed = _Failed()
    sys.meta_path.insert(0, _Finder(mutant.path, _compiled(mutant)))
    status = pytest.main([*options, "-x", *(str(ROOT / name) for name in names)], plugins=[failed])
    return failed.name or (SURVIVED if status == 0 else f"pytest ends with {status}")
