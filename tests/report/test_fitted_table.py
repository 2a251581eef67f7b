"""Tables on terminals of every width: whole columns are left out, and no cell is cut."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from wfc3tvb.models import Row
from wfc3tvb.report import terminal
from wfc3tvb.schema import TABLES

NAMES = ("ibohbfb9q", "ibohbfbkq")


def exposure(name: str) -> Row:
    return TABLES["exposures"].empty_row() | {
        "rootname": name, "filter": "F105W", "samp_seq": "STEP200", "nsamp": 16, "exptime": 1599.231,
        "postarg1": 0.305, "postarg2": -0.03, "expstart": 56298.785208, "sky_mean": 1.5, "ratio_cumulative": 3.37,
        "tvb_score": 4.3, "tvb_class": "moderate", "tvb_kind": "persistence", "gain_mag": 1.8,
        "recommend": "mask_reads", "flagged": True,
    }  # fmt: skip


def product(name: str) -> Row:
    return TABLES["reprocessed"].empty_row() | {
        "rootname": name, "dataset": "ibohbf040", "kind": "flt", "method": "mask_reads", "sky_before": -1.631,
        "sky_after": 1.503, "noise_before": 0.1612, "noise_after": 0.0312, "noise_expected": 0.0307,
        "depth_gain_mag": 1.78, "exptime_factor": 26.5, "accepted": True, "accept_reason": "", "path": "drz/x.fits",
    }  # fmt: skip


def drawn(thing: Any, width: int) -> list[str]:
    console = Console(file=StringIO(), width=width, highlight=False)
    console.print(thing)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_a_wide_terminal_has_every_column() -> None:
    heading, *lines = drawn(terminal.exposures_table([exposure(name) for name in NAMES]), 200)
    assert heading.split() == [
        "rootname", "filter", "samp_seq", "nsamp", "exptime", "postarg1", "postarg2", "date", "sky", "ratio", "score",
        "class", "kind", "gain", "recommend",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines] == list(NAMES)


@pytest.mark.parametrize("width", range(46, 140, 7))
def test_no_cell_is_cut(width: int) -> None:
    lines = drawn(terminal.exposures_table([exposure(name) for name in NAMES]), width)
    assert max(map(len, lines)) <= width
    for name, line in zip(NAMES, lines[1:], strict=True):
        assert {name, "1.50", "moderate", "mask_reads"} <= set(line.split())
    assert not any("…" in line for line in lines)


def test_eighty_columns_keep_what_the_verdict_rests_on() -> None:
    heading = drawn(terminal.exposures_table([exposure(name) for name in NAMES]), 80)[0]
    assert heading.split() == ["rootname", "filter", "sky", "ratio", "score", "class", "kind", "gain", "recommend"]
    lines = drawn(terminal.repairs([product(name) for name in NAMES]), 80)
    assert lines[0].split() == ["product", "method", "sky", "[e-/s]", "noise", "[e-/s]", "limit", "mag", "ok"]
    assert lines[1].split()[:2] == ["ibohbfb9q_flt", "mask_reads"]


def test_a_narrow_terminal_has_a_list() -> None:
    lines = drawn(terminal.exposures_table([exposure(name) for name in NAMES], "ibohbf040"), 30)
    assert lines[:5] == ["ibohbf040", "ibohbfb9q", "  sky: 1.50", "  class: moderate", "  recommend: mask_reads"]


def test_what_became_of_a_repair_is_one_line() -> None:
    (line,) = drawn(terminal.repaired(product("ibohbfb9q")), 200)
    said = "accepted, as deep as 26.5 times the exposure (+1.78 mag); drz/x.fits"
    assert line == f"ibohbfb9q_flt by mask_reads: {said}"
    (line,) = drawn(terminal.repaired(product("ibohbfb9q") | {"accepted": False, "accept_reason": "chi^2 is 2"}), 200)
    assert line == "ibohbfb9q_flt: not accepted: chi^2 is 2"
