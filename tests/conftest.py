"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of measured facts and golden cases kept beside the repository; skips where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("WFC3TVB_SHARED", default))
    if not folder.is_dir():
        pytest.skip(f"no shared data in {folder}; set WFC3TVB_SHARED to its data folder")
    return folder
