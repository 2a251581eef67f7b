"""Changes of the code: a swapped operator, a changed number, a condition turned round, one at a time."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "wfc3tvb"
#: Tables of numbers that a study has fitted: a change of one is another fit, no fault that a test could know.
_FITTED = {SOURCE / "score" / "cause_weights.py"}
#: Decorators of compiled functions.
_COMPILED = {"compiled", "vectorized"}
_SWAPS: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult, ast.FloorDiv: ast.Mult, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
_NAMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """A module with one change.

    Attributes
    ----------
    path : Path
        The module.
    number, line : int
        Which of its changes, and the line of code.
    change : str
        What is changed.
    lines : frozenset of int
        Lines of the statement that is changed.
    in_function : bool
        Whether it is executed when a function is called, and not at import.
    in_kernel : bool
        Whether the function is compiled.
    """

    path: Path
    number: int
    line: int
    change: str
    lines: frozenset[int]
    in_function: bool
    in_kernel: bool

    @property
    def text(self) -> str:
        """The line of code, without the spaces around it."""
        return self.path.read_text(encoding="utf-8").splitlines()[self.line - 1].strip()


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
        if isinstance(node, ast.keyword) and node.arg == "strict":
            continue  # says that two lengths are the same; where they are, it makes no difference
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
    """Return all mutants of a room, or of one module."""
    place = SOURCE / room
    found = []
    for path in [place] if place.is_file() else sorted(set(place.rglob("*.py")) - _FITTED):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        spans, inner, kernels = _statements(tree), _in_functions(tree), _in_functions(tree, only_kernels=True)
        found += [
            Mutant(path, i, line, how, spans[id(node)] | {line}, id(node) in inner, id(node) in kernels)
            for i, (node, how) in enumerate(places(tree))
            for line in [node.lineno]  # type: ignore[attr-defined]
        ]
    return found


def _statements(tree: ast.Module) -> dict[int, frozenset[int]]:
    """Return the lines of the innermost statement around every node; of one with a body, those of its head."""
    spans = {}
    for statement in ast.walk(tree):  # outer statements come first
        if isinstance(statement, ast.stmt):
            body = getattr(statement, "body", None)
            end = body[0].lineno - 1 if body else statement.end_lineno or statement.lineno
            lines = frozenset(range(statement.lineno, max(end, statement.lineno) + 1))
            spans |= {id(node): lines for node in ast.walk(statement)}
    return spans


def _in_functions(tree: ast.Module, *, only_kernels: bool = False) -> set[int]:
    """Return the nodes that are executed only when a function is called, or only when a compiled one is."""
    inner: set[int] = set()
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.Lambda):
            names = {getattr(one, "id", "") for one in getattr(function, "decorator_list", ())}
            if only_kernels and not names & _COMPILED:
                continue
            body = function.body if isinstance(function.body, list) else [function.body]
            inner |= {id(node) for part in body for node in ast.walk(part)}
    return inner
