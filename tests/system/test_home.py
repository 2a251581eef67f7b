"""Users without a home folder: a container's unknown user id, or HOME naming nothing."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from wfc3tvb.config import Services
from wfc3tvb.system.home import ensure_home


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Take the home folder away, and return the folder of temporary files."""
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_home_that_exists_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ensure_home() == tmp_path
    assert os.environ["HOME"] == str(tmp_path)


def test_a_user_without_a_home_gets_the_same_one_again(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = ensure_home()
    assert home.parent == nowhere
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert os.environ["HOME"] == str(home)
    monkeypatch.setenv("HOME", "/nowhere")
    assert ensure_home() == home


def test_a_home_that_someone_else_made_is_not_taken(nowhere: Path) -> None:
    (nowhere / "elsewhere").mkdir()
    (nowhere / f"wfc3tvb-home-{os.getuid()}").symlink_to(nowhere / "elsewhere")
    assert list((nowhere / "elsewhere").iterdir()) == []
    assert ensure_home().resolve() not in (nowhere / "elsewhere", nowhere / f"wfc3tvb-home-{os.getuid()}")


def test_the_cache_of_crds_is_in_that_home(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRDS_PATH", raising=False)
    assert Services().crds_path == nowhere / f"wfc3tvb-home-{os.getuid()}" / "crds_cache"
