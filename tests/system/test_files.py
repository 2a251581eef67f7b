"""Files are written completely or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from wfc3tvb.system.files import (
    atomic_write,
    checksum,
    remove_old,
    remove_tree,
    remove_unfinished,
    replace_folder,
    write_text,
)


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


def test_the_first_error_is_reported_and_not_that_of_tidying_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError("another")

    with pytest.raises(OSError, match="full"), atomic_write(tmp_path / "x.txt"):
        monkeypatch.setattr(Path, "unlink", fail)
        raise OSError("full")


def test_a_text_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_text(tmp_path / "x.txt", "before")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "x.txt", "after ä", encoding="ascii")
    assert (tmp_path / "x.txt").read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


def test_a_folder_stays_if_the_new_one_cannot_take_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new, folder = tmp_path / ".x.part", tmp_path / "x"
    for place, text in ((folder, "before"), (new, "after")):
        place.mkdir()
        (place / "file").write_text(text)
    real = Path.rename
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", lambda path, to: real(path, to) if path != new else _fail())
        with pytest.raises(OSError, match="disk"):
            replace_folder(new, folder)
    assert (folder / "file").read_text() == "before"
    # What a killed run left of an earlier replacement is no hindrance.
    (tmp_path / ".x.old").mkdir()
    (tmp_path / ".x.old" / "file").write_text("long before")
    replace_folder(new, folder)
    assert (folder / "file").read_text() == "after"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def _fail() -> None:
    raise OSError("disk")


def test_a_folder_is_removed_in_a_second_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, real, failures = tmp_path / "x", os.unlink, iter([OSError("once")])
    folder.mkdir()
    (folder / "file").write_text("x")

    def unlink(*arguments: Any, **options: Any) -> None:
        for error in failures:
            raise error
        real(*arguments, **options)

    monkeypatch.setattr(os, "unlink", unlink)
    remove_tree(folder)
    assert not folder.exists()
    remove_tree(folder)


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
