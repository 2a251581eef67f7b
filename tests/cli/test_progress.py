"""Progress in a log, and commands whose reader leaves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.helpers import known
from wfc3tvb.cli.progress import _InLog


def lines_of(log: _InLog, lines: list[str], *, number: int) -> list[str]:
    """Return the first lines that a log gets, with short intervals."""
    ended = Event()
    clock = Thread(target=log.watch, args=(ended,), kwargs={"first": 0.01, "later": 0.01})
    clock.start()
    try:
        for _ in range(500):
            if len(lines) >= number:
                break
            ended.wait(0.01)
    finally:
        ended.set()
        clock.join()
    return lines[:number]


def test_a_log_has_what_is_done_and_what_is_left() -> None:
    lines: list[str] = []
    log = _InLog("reprocess", lines.append)
    log("fetch", 4, 4)
    log("repair", 1, 4, failed=1)
    log.stages["repair"].began -= 300.0
    first, second = lines_of(log, lines, number=2)
    assert first == "repair: 1 of 4, 1 failed, 5 min so far, about 15 min left"
    assert second == first


def test_a_silent_command_is_at_work() -> None:
    lines: list[str] = []
    (line,) = lines_of(_InLog("export", lines.append), lines, number=1)
    assert re.match(r"export: working, \d\.\d s so far", line)


def test_a_stage_without_a_total_counts() -> None:
    lines: list[str] = []
    log = _InLog("survey", lines.append)
    log("list", 30)
    (line,) = lines_of(log, lines, number=1)
    assert line.startswith("list: 30 done, ")


@pytest.mark.slow
def test_a_command_whose_reader_leaves_ends_its_work(tmp_path: Path) -> None:
    known.make(tmp_path / "catalog").close()
    command = [sys.executable, "-m", "wfc3tvb", "export", str(tmp_path / "out"), "--catalog", str(tmp_path / "catalog")]
    reader, writer = os.pipe()
    os.close(reader)  # nobody reads the first line
    with os.fdopen(writer, "wb") as stdout:
        done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out" / "SHA256SUMS").is_file()


#: What a command does that prints while bars are drawn.
TALKING = """
from wfc3tvb.cli.app import print_text, show
from wfc3tvb.cli.progress import progress_bars
with progress_bars() as progress:
    progress("survey", 1, 5)
    show("first")
    progress("survey", 3, 5)
    progress.line("second")
    progress("visits", 1, 2)
    print_text("third", fg="red", err=True)
    progress("visits", 2, 2)
    show("fourth")
show("fifth")
"""


def screen(output: str) -> list[str]:
    """Return the lines that a terminal shows after this output, which moves the cursor up and erases lines."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", output):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part.startswith("\x1b") and part[-1] == "A":
            row -= int(part[2:-1])
        elif part == "\x1b[2K":
            lines[row] = ""
        elif not part.startswith(("\x1b", "\r")):
            lines[row] += part
    return lines


@pytest.mark.slow
def test_nothing_that_is_said_is_overwritten_by_the_bars() -> None:
    main, child = os.openpty()
    env = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    done = subprocess.Popen([sys.executable, "-c", TALKING], stdout=child, stderr=child, env=env)
    os.close(child)
    output = b""
    while part := _read(main):
        output += part
    os.close(main)
    assert done.wait() == 0
    lines = [line.strip() for line in screen(output.decode())]
    assert lines[:4] == ["first", "second", "third", "fourth"]
    assert [line.split()[0] for line in lines[4:] if line] == ["survey", "visits", "fifth"]


def _read(terminal: int) -> bytes:
    """Return what comes from a terminal; nothing at its end, for which Linux has an error."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""
