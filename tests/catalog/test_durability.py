"""A commit is on the disk before it counts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.schema import TABLES


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files and folders that were synchronized, in order."""
    found: list[Path] = []
    fsync = os.fsync

    def note(number: int) -> None:
        found.append(Path(f"/proc/self/fd/{number}").readlink())
        fsync(number)

    monkeypatch.setattr(os, "fsync", note)
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="reads /proc")
def test_data_then_log_then_folders_are_synchronized(tmp_path: Path, synced: list[Path]) -> None:
    with open_catalog(tmp_path / "catalog", mode="w") as catalog:
        synced.clear()
        row = TABLES["failures"].empty_row() | {"key": "ibohbfb9q", "stage": "fetch", "failed_at": 1.0}
        catalog.append("failures", [row])
    place = tmp_path / "catalog" / "failures"
    newest = max((place / "_delta_log").glob("*.json"))
    data = max(place.rglob("*.parquet"), key=lambda path: path.stat().st_mtime)
    assert synced.index(data) < synced.index(newest) < synced.index(place / "_delta_log")
    assert data.parent in synced
