"""Files are written completely or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wfc3tvb.system.files import atomic_write, checksum, remove_old, remove_unfinished


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_takes_its_name_when_it_is_whole(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "x.txt"
    path.write_text("before")
    with atomic_write(path, durable=durable) as part:
        part.write_text("abc")
        assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]
    assert path.read_text() == "abc"
    assert checksum(path, "sha1") == "a9993e364706816aba3e25717850c26c9cd0d89d"


def test_what_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("before")
    with pytest.raises(OSError, match="full"), atomic_write(path) as part:
        part.write_text("half")
        raise OSError("full")
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]
    assert path.read_text() == "before"


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "x.fits") as part:
        part.write_text("half")
        left = part.rename(tmp_path / part.name.replace(".part", "1.part"))
        part.write_text("whole")
    assert left.exists()
    remove_unfinished(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["x.fits"]


def test_only_old_leftovers_are_removed(tmp_path: Path) -> None:
    for name in (".views-a", ".views-b", "other-c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
    (tmp_path / ".views-d").write_text("x")
    for name in (".views-a", ".views-d", "other-c"):
        os.utime(tmp_path / name, (0, 0))
    remove_old(tmp_path, ".views-*", hours=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".views-b", "other-c"]
