"""Run the blocks of the how-to pages, and write into the pages what the commands print.

``python tools/how_to_pages.py DEMO [PAGE ...]`` runs the pages against the archive of a finished demo, as
tests/test_how_to.py does, and replaces the printed lines. A line ``...`` in a page stands for lines left out; a command
whose output has one keeps its lines.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "how-to"
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)
LEFT_OUT = "..."
#: Folder that the pages show, in place of those of the run.
PLACE = "/home/me"
#: What differs from run to run: durations, sizes, the day, and how lines are folded.
VARYING = [
    (re.compile(r"\b\d+(\.\d+)? (s|min|ms)\b"), "<time>"),
    (re.compile(r"\b\d+(\.\d+)? (kB|MB|GB)\b"), "<size>"),
    (re.compile(r"\b20\d\d-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(\.\d+)?Z?"), "<now>"),
    (re.compile(r"\s+"), " "),
]


@dataclass(frozen=True)
class Step:
    """One command, or one block of Python, with the lines that the page shows after it."""

    command: list[str]
    shown: list[str]


def steps(page: Path) -> Iterator[Step]:
    """Yield the steps of a page, in order."""
    for language, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "python":
            yield Step([sys.executable, "-c", text], [])
        else:
            yield from _commands(text)


def _commands(text: str) -> Iterator[Step]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        n_lines = 1 + next((i for i, line in enumerate(lines) if not line.endswith("\\")), 0)
        yield Step(["bash", "-c", "\n".join(lines[:n_lines])], lines[n_lines:])


def prepare(folder: Path, demo: Path) -> None:
    """Lay out the folder that the pages start in: the demo, whose catalog may be written, in the folder ``demo``."""
    (folder / "demo").mkdir()
    for name in ("archive", "products", "report"):
        (folder / "demo" / name).symlink_to(demo / name)
    shutil.copytree(demo / "catalog", folder / "demo" / "catalog")


def run(step: Step, folder: Path, environment: dict[str, str]) -> list[str]:
    """Run a step in a folder, in a terminal of 100 columns, and return what it printed."""
    names = os.environ | {"COLUMNS": "100", "NO_COLOR": "1", "MPLBACKEND": "agg"} | environment
    path = f"{Path(sys.executable).parent}{os.pathsep}{names['PATH']}"
    done = subprocess.run(
        step.command, cwd=folder, env=names | {"PATH": path}, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{step.command[-1]}\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}")
    printed = done.stdout
    for place in (folder.resolve(), Path(environment["CRDS_PATH"]).parent):
        printed = printed.replace(str(place), PLACE)
    return [line.rstrip() for line in printed.rstrip().splitlines()]


def same(shown: list[str], printed: list[str]) -> bool:
    """Tell whether a page shows what was printed, apart from what differs from run to run."""
    parts = re.split(rf"^{re.escape(LEFT_OUT)}$", "\n".join(shown), flags=re.MULTILINE)
    pattern = ".*".join(re.escape(fixed(part)) for part in parts)
    return re.fullmatch(pattern, fixed("\n".join(printed)), re.DOTALL) is not None


def fixed(text: str) -> str:
    """Return a text without what differs from run to run, on one line: where lines are folded depends on the folder."""
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    return text.strip()


def rewrite(page: Path, folder: Path, environment: dict[str, str]) -> None:
    """Run a page, and replace the lines that it shows after each command."""
    text = page.read_text(encoding="utf-8")
    position = 0
    for step in steps(page):
        printed = run(step, folder, environment)
        if step.command[0] != "bash":
            continue
        old = "\n".join(["$ " + step.command[-1], *step.shown]) + "\n"
        kept = any(line.strip() == LEFT_OUT for line in step.shown)
        new = old if kept else "\n".join(["$ " + step.command[-1], *printed]).rstrip("\n") + "\n"
        position = text.index(old, position)
        text = text[:position] + new + text[position + len(old) :]
        position += len(new)
        if kept and not same(step.shown, printed):
            print(f"{page.name}: {step.command[-1]}\n" + "\n".join(printed), file=sys.stderr)
    page.write_text(text, encoding="utf-8")


def main(demo: Path, names: list[str]) -> None:
    """Rewrite the pages named, by default all."""
    from wfc3tvb.loopback import serve

    for page in sorted(FOLDER.glob("*.md")):
        if names and page.stem not in names:
            continue
        with tempfile.TemporaryDirectory() as folder, serve(demo / "archive") as archive:
            prepare(Path(folder), demo.resolve())
            rewrite(page, Path(folder), archive.environment())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
