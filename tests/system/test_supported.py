"""Systems: one line on Windows, and memory in the same unit everywhere."""

from __future__ import annotations

import resource
import sys
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import wfc3tvb
from wfc3tvb.cli import main
from wfc3tvb.errors import UnsupportedSystemError
from wfc3tvb.system.memory import children_peak_mb, peak_mb


@pytest.mark.parametrize("command", [["doctor"], ["survey", "--all"], ["queries"]])
def test_windows_gets_one_line(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    result = CliRunner().invoke(main, command)
    said = "wfc3tvb: the package runs on Linux and macOS, not on Windows; use WSL there (wsl --install)\n"
    assert (result.exit_code, result.output) == (2, said)


def test_public_names_say_so_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delitem(vars(wfc3tvb), "read_drz", raising=False)
    with pytest.raises(UnsupportedSystemError, match="Linux and macOS, not on Windows"):
        _ = wfc3tvb.read_drz


@pytest.mark.parametrize("peak", [peak_mb, children_peak_mb])
@pytest.mark.parametrize(("platform", "maxrss"), [("linux", 512 * 1024), ("darwin", 512 * 1024 * 1024)])
def test_peak_memory_is_in_megabytes(peak: object, platform: str, maxrss: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=maxrss))
    assert callable(peak)
    assert peak() == 512.0
