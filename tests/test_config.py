"""Settings: where they come from, and which of two options decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from wfc3tvb.cli.survey import _settings
from wfc3tvb.config import MeasureSettings, Services


def test_iref_is_the_environments_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("iref", "/references/")
    assert Services().iref == Path("/references")
    assert Services(iref=Path("/others")).iref == Path("/others")
    monkeypatch.setenv("iref", "")
    assert Services().iref is None
    monkeypatch.delenv("iref")
    assert Services().iref is None


@pytest.mark.parametrize(
    ("rows", "precision", "expected"),
    [
        (None, None, None),
        (20, None, 20),
        (None, 0.0009, 79),
        (100, 0.0009, 100),
        (8, 0.0009, 79),
        (None, 1.0, 8),
        (None, 1e-12, 1014),
        (1014, 1.0, 1014),
    ],
)
def test_precision_takes_no_fewer_rows_than_asked_for(
    rows: int | None, precision: float | None, expected: int | None
) -> None:
    given = {"rows": rows, "precision": precision, "fast": False, "pstat": False, "iref": None, "systematic": None}
    assert _settings(given) == MeasureSettings(rows=expected)
    assert _settings(given | {"systematic": 0.012}).systematic == 0.012


def test_folders_of_the_environment_are_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # child processes run elsewhere
    monkeypatch.setenv("CRDS_PATH", "cache")
    monkeypatch.setenv("iref", "references/")
    monkeypatch.setenv("CRDS_SERVER_URL", "")
    assert Services().crds_path == tmp_path / "cache"
    assert Services().iref == tmp_path / "references"
    assert Services().crds == "https://hst-crds.stsci.edu"
