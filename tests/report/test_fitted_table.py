"""Tables on terminals of every width: whole columns are left out, and no cell is cut."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pyarrow as pa
import pytest
from rich.console import Console, Group
from rich.text import Text

from wfc3tvb.models import Row
from wfc3tvb.report import terminal
from wfc3tvb.report.fitted_table import FittedColumn, FittedTable
from wfc3tvb.report.result_table import relation
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
    console.print(Group(thing), crop=False)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_a_wide_terminal_has_every_column() -> None:
    heading, *lines = drawn(terminal.exposures_table([exposure(name) for name in NAMES]), 200)
    assert heading.split() == [
        "rootname", "filter", "samp_seq", "nsamp", "exptime", "postarg1", "postarg2", "date", "sky", "ratio", "score",
        "class", "kind", "gain", "recommend",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines] == list(NAMES)


@pytest.mark.parametrize("width", range(80, 140, 7))
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


@pytest.mark.parametrize("width", range(30, 80, 7))
def test_below_eighty_columns_is_a_list_of_the_same(width: int) -> None:
    lines = drawn(terminal.exposures_table([exposure(name) for name in NAMES], "ibohbf040"), width)
    assert max(map(len, lines)) <= width
    assert [line for line in lines if not line.startswith("  ")] == ["ibohbf040", *NAMES]
    values = [value for line in lines[2 : lines.index(NAMES[1])] for value in line.strip().split("; ")]
    assert values == [
        "filter F105W", "sky 1.50", "ratio 3.37", "score 4.3", "class moderate", "kind persistence", "gain 1.80",
        "recommend mask_reads",
    ]  # fmt: skip


def test_long_texts_are_folded_and_not_cut() -> None:
    text = "one two three four five six seven eight nine ten eleven twelve"
    columns = [FittedColumn("name", [Text("ibohbfb9q")]), FittedColumn("why", [Text(text)], is_folded=True)]
    first, *others = drawn(FittedTable(columns, [None]), 80)[1:]
    assert (first, others) == (f"ibohbfb9q  {text}", [])
    first, *others = drawn(FittedTable(columns, [None], narrowest=40), 40)[1:]
    assert len(others) > 1
    assert " ".join(" ".join([first, *others]).split()) == f"ibohbfb9q {text}"


def read(number: int, rate: float, median: float | None) -> Row:
    return TABLES["reads"].empty_row() | {
        "read": number, "t_end": 100.0 * number, "used": True, "rate": rate, "rate_err": 0.01,
        "cumulative_median": median, "sun_alt": -5.0, "in_shadow": True,
    }  # fmt: skip


def test_curves_of_several_exposures_have_one_scale() -> None:
    low, high = [read(1, 1.0, None)], [read(1, 4.0, None)]
    top = terminal.largest_rate([low, high])
    assert top == 4.0
    assert [drawn(terminal.curve(reads, top=top), 80)[1].count("█") for reads in (low, high)] == [7, 28]


def test_pstat_is_marked_beside_the_rates() -> None:
    heading, line = drawn(terminal.curve([read(1, 2.0, 1.0)]), 80)
    assert "pstat ◆" in heading
    bar = line[heading.index("0 ... 2.00 e-/s") :].split(" ")[0]
    assert bar == "█" * 13 + "◆" + "█" * 14
    assert "1.000" in line
    assert "pstat" not in drawn(terminal.curve([read(1, 2.0, None)]), 80)[0]


@pytest.mark.parametrize("width", [58, 79, 80, 200])
def test_a_curve_fits_and_is_never_cut(width: int) -> None:
    lines = drawn(terminal.curve([read(n, 2.0, None) for n in range(1, 16)]), width)
    assert len(lines) == 16
    assert max(map(len, lines)) <= width
    assert all("█" * 28 in line and "2.000" in line for line in lines[1:])


def test_a_query_keeps_the_verdict_and_drops_whole_columns() -> None:
    row = exposure("ibohbfb9q") | {"target_name": "GOODS-N", "proposal_id": 12442, "quality_flags": ["subarray"]}
    table = pa.Table.from_pylist([row])
    names, units, line = drawn(relation(table), 80)
    heading = " ".join(word for word in f"{names} {units}".split() if not word.startswith("["))
    assert "[e-/s]" in units
    assert {"rootname", "sky_mean", "tvb_class", "tvb_kind", "recommend"} <= set(heading.split())
    assert {"ibohbfb9q", "1.500", "moderate", "persistence", "mask_reads"} <= set(line.split())
    assert set(heading.split()) <= set(table.column_names)


def test_what_became_of_a_repair_is_one_line() -> None:
    (line,) = drawn(terminal.repaired(product("ibohbfb9q")), 200)
    assert line == "ibohbfb9q_flt by mask_reads: accepted, +1.78 mag (26.5 times the exposure)"
    (line,) = drawn(terminal.repaired(product("ibohbfb9q") | {"accepted": False, "accept_reason": "chi^2 is 2"}), 200)
    assert line == "ibohbfb9q_flt by mask_reads: not accepted: chi^2 is 2"
    long = product("ibohbfb9q") | {"path": "/a/" + "long " * 40 + "path.fits"}
    assert drawn(terminal.place(long), 80) == [f"  {long['path']}"]
