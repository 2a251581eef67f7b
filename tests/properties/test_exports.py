"""Any text and any number, written in each format and read back."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.properties.draw import texts
from wfc3tvb.catalog.export import read_table, write_table

Rows = Sequence[tuple[str | None, float | None, int | None, bool | None]]
rows = st.lists(
    st.tuples(
        st.none() | texts,
        st.none() | st.floats(),
        st.none() | st.integers(-(2**63) + 1, 2**63 - 1),
        st.none() | st.booleans(),
    ),
    min_size=1,
    max_size=6,
)
HARD: Rows = [
    ('comma, "quote"; \\ ', 1e-320, 2**53 + 1, True), ("two\nlines\r\nthree\rfour", -0.0, -1, None),
    ("", None, 0, False),
    ("\u00e9\u4e2d\U0001f52d]]>&amp;<TD>", math.inf, None, True), (None, math.nan, 7, None), (" a ", 0.1, 1, True),
    ("nan", 1e308, 2**62, False), ("\x00\x01\x1b", 5e-324, 3, True), ("a\x0bb\u2028c\x85", 1.0, 4, True),
    ("NULL", 1.0, 4, True), ("#1", 1.0, 5, True), ("\n\nend\n\n", 1.0, 6, True), ("x\n # y", 1.0, 7, True),
]  # fmt: skip


def table_of(found: Rows) -> pa.Table:
    words, floats, whole, logical = zip(*found, strict=True)
    return pa.table({
        "target_name": pa.array(words, pa.string()), "x": pa.array(floats, pa.float64()),
        "n": pa.array(whole, pa.int64()), "yes": pa.array(logical, pa.bool_()),
    })  # fmt: skip


def back(found: Rows, folder: Path, format: str) -> dict[str, list[Any]]:
    """Return the columns of a table after it was written and read."""
    table = read_table(write_table(table_of(found), folder / f"x.{format}", format), format)
    columns = {name: np.ma.asarray(table[name]).tolist() for name in table.colnames}
    columns["yes"] = [None if value is None else bool(value) for value in columns["yes"]]
    return columns


def same(found: list[Any], expected: list[Any]) -> bool:
    """Compare values to the last bit, except the sign of zero and what a NaN is."""
    pairs = zip(found, expected, strict=True)
    return all(a == b or (isinstance(a, float) and isinstance(b, float) and a != a and b != b) for a, b in pairs)


def check(columns: dict[str, list[Any]], found: Rows, text: Any, number: Any = lambda value: value) -> None:
    words, floats, whole, logical = (list(column) for column in zip(*found, strict=True))
    assert same(columns["x"], [number(value) for value in floats])
    assert columns["n"] == whole
    assert columns["yes"] == logical
    assert columns["target_name"] == [text(word) for word in words]


@given(rows)
@example(HARD)
def test_parquet(tmp_path: Path, found: Rows) -> None:
    check(back(found, tmp_path, "parquet"), found, lambda text: text)


def _one_line(text: str) -> str:
    """Return a text with blanks for line ends."""
    return re.sub("\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", " ", text)


@given(rows)
@example(HARD)
def test_ecsv(tmp_path: Path, found: Rows) -> None:
    """Astropy's reader has no line end, no empty text, and drops most blanks at the ends of a text, in quotes too."""

    def text(word: str | None) -> str | None:
        return _one_line(word or "").strip() or None

    columns = back(found, tmp_path, "ecsv")
    columns["target_name"] = [text(word) for word in columns["target_name"]]
    check(columns, found, text)


@given(rows)
@example(HARD)
def test_csv_has_all_texts_and_twelve_digits(tmp_path: Path, found: Rows) -> None:
    columns = back(found, tmp_path, "csv")
    words, floats, whole, logical = zip(*found, strict=True)
    assert columns["target_name"] == list(words)
    assert columns["n"] == list(whole)
    assert columns["yes"] == list(logical)
    for a, b in zip(columns["x"], floats, strict=True):
        assert (a is None) == (b is None)
        assert a is None or a == pytest.approx(b, rel=1e-11, abs=0, nan_ok=True)


@given(rows)
@example(HARD)
def test_votable_has_all_that_xml_can_represent(tmp_path: Path, found: Rows) -> None:
    """XML has no control characters, VOTable no null text but the empty one; astropy drops blanks at the ends."""

    def text(word: str | None) -> str | None:
        kept = "".join(c if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff") else "?" for c in word or "")
        return kept.strip(" \t\r\n") or None

    check(back(found, tmp_path, "votable"), found, text, null_for_nan)


@given(rows)
@example(HARD)
def test_fits_has_the_ascii_of_texts(tmp_path: Path, found: Rows) -> None:
    """FITS has no null of floats but NaN, and texts end where blanks begin."""

    def text(word: str | None) -> str | None:
        plain = unicodedata.normalize("NFKD", word or "")
        letters = (c for c in plain if not unicodedata.combining(c))
        kept = "".join(c if c.isascii() and c.isprintable() else "?" for c in letters).rstrip(" ")
        return kept or None

    check(back(found, tmp_path, "fits"), found, text, null_for_nan)


@given(rows)
@example(HARD)
def test_json(tmp_path: Path, found: Rows) -> None:
    path = write_table(table_of(found), tmp_path / "x.json", "json")
    read = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    names = ("target_name", "x", "n", "yes")
    known = [(a, b if b is not None and math.isfinite(b) else None, c, d) for a, b, c, d in found]
    assert [tuple(row[name] for name in names) for row in read] == known


def null_for_nan(value: float | None) -> float | None:
    """Return what formats without a null of floats give back, for which NaN is one."""
    return None if value is None or math.isnan(value) else value
