"""Jinja environment of the pages, which escapes all values, and the format of numbers in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from wfc3tvb.catalog.views import RELATIONS, column_comment
from wfc3tvb.report.sentences import counted
from wfc3tvb.schema import TVB_CLASSES

_COMMENTS = {c.name: column_comment(c) for table in RELATIONS.values() for c in table.columns}


def environment() -> Environment:
    """Return the Jinja environment for the templates of the report and the explorer."""
    jinja = Environment(
        loader=PackageLoader("wfc3tvb.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    jinja.filters |= {"number": format_number, "counted": counted}
    jinja.globals |= {"describe": describe, "numeric": numeric, "class_names": TVB_CLASSES, "up": "", "fingerprint": ""}
    jinja.globals["icon"] = quote(icon(), safe="/:= ")
    return jinja


@cache
def _templates() -> Environment:
    return environment()


def render(template: str, **context: Any) -> str:
    """Return a page made from a template of the report."""
    return _templates().get_template(template).render(**context)


@cache
def icon() -> str:
    """Return the icon of all pages, an SVG."""
    return (files("wfc3tvb.report") / "templates" / "favicon.svg").read_text(encoding="utf-8").strip()


def format_number(value: float) -> str:
    """Format a number with four digits, or with four decimals where it is as large as a date; zero has no sign."""
    return f"{value:.4f}" if 1e4 <= abs(value) < 1e9 else f"{value:z.4g}"


def numeric(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    """Return whether a column contains numbers."""
    first = next((row[name] for row in rows if row[name] is not None), None)
    return isinstance(first, int | float) and not isinstance(first, bool)


def describe(name: str) -> str:
    """Return description and unit of the column with this name; empty where the schema has none."""
    return _COMMENTS.get(name, "")
