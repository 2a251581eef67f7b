"""Documented queries: one SELECT per file in ``queries/*.sql``, described by the comment lines at its top.

The first comment line is a one-sentence description of the result. ``-- :name type = default | description`` declares a
parameter (required without ``= default``; ``int > 0`` and ``float > 0`` are also types); DuckDB receives values only as
parameters ``$name``.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from wfc3tvb.errors import QueryParameterError, UnknownQueryError

_PARAMETER = re.compile(
    r"--\s*:(?P<name>\w+) (?P<type>str|bool|(?:int|float)(?: > 0)?)(?: = (?P<default>[^|]*?))? *\| *(?P<text>.+)"
)
_TRUE, _FALSE = {"true", "yes", "1"}, {"false", "no", "0"}


@dataclass(frozen=True)
class Parameter:
    """Parameter of a documented query.

    Attributes
    ----------
    name : str
        Its name.
    type : str
        Type of its value: str, bool, int or float, with ``> 0`` where it must be positive.
    default : str or None
        Value that is taken where none is given; None where one is required.
    description : str
        What it means.
    """

    name: str
    type: str
    default: str | None
    description: str

    def value(self, given: object) -> object:
        """Convert `given` to the type of this parameter.

        Raises
        ------
        QueryParameterError
            If it is not of that type.
        """
        text = str(given).strip()
        try:
            return _convert(self.type, text)
        except ValueError as error:
            problem = f"parameter {self.name}: {text!r} is not of type {self.type}"
            raise QueryParameterError(problem) from error


@dataclass(frozen=True)
class Query:
    """Documented query.

    Attributes
    ----------
    name : str
        Name of its file without ``.sql``.
    title : str
        Description in one sentence.
    text : str
        Further documentation; may be empty.
    parameters : tuple of Parameter
        Parameters in the order of the file.
    sql : str
        The SELECT, with its comment lines.
    """

    name: str
    title: str
    text: str
    parameters: tuple[Parameter, ...]
    sql: str

    def values(self, given: Mapping[str, object]) -> dict[str, object]:
        """Return the value of every parameter: the given one, else the default.

        Raises
        ------
        QueryParameterError
            If a required parameter is missing, one is unknown, or a value is not of its type.
        """
        unknown = sorted(set(given) - {p.name for p in self.parameters})
        if unknown:
            raise QueryParameterError(f"query {self.name} has no parameter {unknown[0]}; {self._usage()}")
        missing = [p.name for p in self.parameters if p.default is None and p.name not in given]
        if missing:
            raise QueryParameterError(f"query {self.name} needs a value of {missing[0]}; {self._usage()}")
        return {p.name: p.value(given.get(p.name, p.default)) for p in self.parameters}

    def example(self, given: Mapping[str, str] | None = None) -> str:
        """Return the query with values for its parameters: given, default, or the example in the description (e.g.)."""
        text = "\n".join(line for line in self.sql.splitlines() if not _PARAMETER.match(line))
        for p in self.parameters:
            default = p.default if p.default is not None else p.description.rpartition("e.g. ")[2]
            example = (given or {}).get(p.name, default)
            value = "'" + example.replace("'", "''") + "'" if p.type == "str" else example
            text = re.sub(rf"\${p.name}\b", value.replace("\\", r"\\"), text)
        return text

    def _usage(self) -> str:
        names = ", ".join(p.name if p.default is None else f"{p.name}={p.default}" for p in self.parameters)
        return f"its parameters: {names}" if names else "it has no parameters"


def load(name: str) -> Query:
    """Return the documented query of that name.

    Raises
    ------
    UnknownQueryError
        If there is none; the error has similar names.
    """
    known = load_all()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        raise UnknownQueryError(name, tuple(near))
    return known[name]


@cache
def load_all() -> Mapping[str, Query]:
    """Return every documented query by name, in alphabetical order."""
    files = sorted(_folder().glob("*.sql"))
    return {path.stem: parse(path.stem, path.read_text(encoding="utf-8")) for path in files}


def queries_markdown() -> str:
    """Return the documented queries as the Markdown table in ``docs/catalog.md``."""
    names = {name: ", ".join(p.name for p in query.parameters) for name, query in load_all().items()}
    rows = (f"| {name} | {query.title} | {names[name]} |\n" for name, query in load_all().items())
    return "| query | answers | parameters |\n|---|---|---|\n" + "".join(rows)


def parse(name: str, sql: str) -> Query:
    """Parse the comments at the top of a query's file."""
    lines = sql.splitlines()
    head = lines[: next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))]
    found = [match for match in map(_PARAMETER.match, head) if match]
    parameters = tuple(Parameter(m["name"], m["type"], m["default"], m["text"]) for m in found)
    text = [line.removeprefix("--").strip() for line in head if not _PARAMETER.match(line)]
    return Query(name, text[0] if text else "", " ".join(text[1:]).strip(), parameters, sql)


def _folder() -> Path:
    """Return the folder of the queries: inside an installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "queries"
    return installed if installed.is_dir() else package.parents[1] / "queries"


def _convert(kind: str, text: str) -> object:
    if kind == "bool":
        if text.lower() not in _TRUE | _FALSE:
            raise ValueError(text)
        return text.lower() in _TRUE
    kind, positive, _ = kind.partition(" > 0")
    value: str | int | float = {"str": str, "int": int, "float": float}[kind](text)
    if positive and not (isinstance(value, int | float) and 0 < value < math.inf):
        raise ValueError(text)
    return value
