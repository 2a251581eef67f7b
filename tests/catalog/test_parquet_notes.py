"""What Parquet files say about their columns is made once, and kept for later processes."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from wfc3tvb.catalog.formats import parquet
from wfc3tvb.catalog.formats.rows import Rows
from wfc3tvb.schema import TABLES, arrow_schema


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(parquet, "folder_for", lambda source: tmp_path)
    return tmp_path


def notes(table: str = "runs") -> dict[str, str]:
    """Return the notes of a table without rows, as a new process finds or makes them."""
    parquet._described.cache_clear()
    columns = {column.name: column for column in TABLES[table].columns}
    return parquet.notes(Rows(arrow_schema(table), lambda: iter(()), 0, columns))


def never(schema: bytes, columns: object) -> dict[str, str]:
    raise AssertionError("made again")


def test_notes_are_made_once_for_the_same_columns(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {table: notes(table) for table in ("runs", "failures")}
    assert len(list(kept.glob("notes-*.json"))) == 2
    assert 'name="run_id"' in made["runs"]["IVOA.VOTable-Parquet.content"]
    monkeypatch.setattr(parquet, "_made", never)
    assert {table: notes(table) for table in made} == made


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_damaged_notes_are_made_again(kept: Path, content: bytes) -> None:
    made = notes()
    (path,) = kept.glob("notes-*.json")
    path.write_bytes(content)
    assert notes() == made
    assert path.read_bytes() != content


@pytest.mark.parametrize("changed", ["description", "version"])
def test_other_columns_and_versions_have_notes_of_their_own(
    kept: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    notes()
    if changed == "version":
        monkeypatch.setattr(parquet, "__version__", "99.0")
        assert notes()["wfc3tvb.package_version"] == "99.0"
    else:
        parquet._described.cache_clear()
        rows = Rows(pa.schema([("run_id", pa.string())]), lambda: iter(()), 0, {})
        assert "identifier" not in parquet.notes(rows)["IVOA.VOTable-Parquet.content"]
    assert len(list(kept.glob("notes-*.json"))) == 2


@pytest.mark.parametrize("folder", [None, Path("/proc/none")])
def test_notes_are_made_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch, folder: Path | None) -> None:
    expected = notes()
    monkeypatch.setattr(parquet, "folder_for", lambda source: folder)
    assert notes() == expected
