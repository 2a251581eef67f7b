"""How pages are made: Jinja templates that escape everything, and how numbers look in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from wfc3tvb.catalog.views import RELATIONS, column_comment
from wfc3tvb.schema import TVB_CLASSES

_COMMENTS = {c.name: column_comment(c) for table in RELATIONS.values() for c in table.columns}


def environment() -> Environment:
    """Return the environment of the report's and the explorer's templates."""
    made = Environment(
        loader=PackageLoader("wfc3tvb.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    made.filters["number"] = number
    made.globals |= {"describe": describe, "numeric": numeric, "class_names": TVB_CLASSES, "up": ""}
    return made


def number(value: float) -> str:
    """Return a number for people: four digits, dates and other large numbers to the fourth decimal."""
    return f"{value:.4f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"


def numeric(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    """Say whether a column holds numbers."""
    first = next((row[name] for row in rows if row[name] is not None), None)
    return isinstance(first, int | float) and not isinstance(first, bool)


def describe(name: str) -> str:
    """Return description and unit of a column of that name; empty where there is none."""
    return _COMMENTS.get(name, "")
