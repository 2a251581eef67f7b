"""The how-to pages: every block runs as written, and prints what the page shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools import how_to_pages

from wfc3tvb.loopback import serve

README = how_to_pages.ROOT / "README.md"
PAGES = sorted(how_to_pages.FOLDER.glob("*.md"))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_prints_what_the_page_shows(page: Path, demo: Path, tmp_path: Path) -> None:
    how_to_pages.prepare(tmp_path, demo)
    with serve(demo / "archive") as archive:
        for step in how_to_pages.steps(page):
            printed = how_to_pages.run(step, tmp_path, archive.environment())
            if step.command[0] == "bash":
                assert how_to_pages.same(step.shown, printed), step.command[-1] + "\n" + "\n".join(printed)


def test_there_is_a_page_for_every_task() -> None:
    assert len(PAGES) == 7


def test_a_changed_number_is_a_difference() -> None:
    shown = ["ibohbfb9q  severe   4.27", "...", "it took 3.2 s"]
    assert how_to_pages.same(shown, ["ibohbfb9q severe 4.27", "left", "out", "it", "took 12 s"])
    assert not how_to_pages.same(shown, ["ibohbfb9q severe 4.28", "left", "out", "it", "took 12 s"])
    assert not how_to_pages.same(shown, ["ibohbfb9q severe 4.27", "left", "out"])


def test_lines_left_out_at_the_beginning_and_at_the_end() -> None:
    assert how_to_pages.same(["...", "last"], ["first", "last"])
    assert how_to_pages.same(["first", "..."], ["first", "last"])
    assert how_to_pages.same(["..."], [])
    assert not how_to_pages.same(["...", "last"], ["first", "other"])


@pytest.mark.slow
def test_the_blocks_of_the_readme(demo: Path, tmp_path: Path) -> None:
    """The first table, the everyday commands and the block of Python, in a folder with the files that they name."""
    how_to_pages.prepare(tmp_path, demo)
    for kind in ("ima", "raw"):
        (path,) = (demo / "archive" / "hst").rglob(f"ibohbfb9q_{kind}.fits")
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "my").mkdir()
    (tmp_path / "my" / "references").symlink_to(demo / "archive" / "references")
    installing = ("make ", "pip ", "wfc3tvb doctor")
    steps = [step for step in how_to_pages.steps(README) if not step.command[-1].startswith(installing)]
    assert len(steps) == 7
    with serve(demo / "archive") as archive:
        for step in steps:
            printed = how_to_pages.run(step, tmp_path, archive.environment() | {"COLUMNS": "140"})
            if step.shown:
                assert how_to_pages.same(step.shown, printed), "\n".join(printed)
