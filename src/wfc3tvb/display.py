"""Display of results in Python: one line (``repr``), and a table in notebooks (``_repr_html_``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from html import escape
from typing import Any

#: Longest text of a value [characters].
_LONGEST = 60


class Result:
    """Base of dataclasses whose display is short: arrays by their shape, long sequences by their length."""

    def __repr__(self) -> str:
        """Return the class with its short values."""
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in self._values())})"

    def _repr_html_(self) -> str:
        """Return the values as a table, for notebooks."""
        return html_table(self._values(), title=type(self).__name__)

    def _values(self) -> list[tuple[str, str]]:
        return [(field.name, brief(getattr(self, field.name))) for field in fields(self)]  # type: ignore[arg-type]


def brief(value: Any) -> str:
    """Return a value in at most 60 characters."""
    if hasattr(value, "shape") and value.shape:
        return f"<array of {' x '.join(map(str, value.shape))}>"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping | Sequence) and not isinstance(value, str):
        text = repr(value) if len(value) < 10 else ""
        return text if 0 < len(text) <= _LONGEST else f"<{len(value)} items>"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def html_table(rows: Iterable[Sequence[str]], header: Sequence[str] = (), *, title: str = "") -> str:
    """Return an HTML table of texts, with a caption."""
    head = f"<thead><tr>{_cells(header, 'th')}</tr></thead>" if header else ""
    body = "".join(f"<tr>{_cells(row, 'td')}</tr>" for row in rows)
    return f"<table><caption>{escape(title)}</caption>{head}<tbody>{body}</tbody></table>"


def _cells(texts: Sequence[str], tag: str) -> str:
    return "".join(f'<{tag} style="text-align: left">{escape(text)}</{tag}>' for text in texts)


def counted(n: int, name: str) -> str:
    """Return a number of things, with thousands separated: 1 exposure, 2,145 exposures."""
    return f"{n:,} {name}{'' if n == 1 else 's'}"
