"""Cells of the explorer's tables lead to the pages of exposures, visits and programs, and are escaped."""

from __future__ import annotations

import pytest

from wfc3tvb.web.cells import cell


@pytest.mark.parametrize(
    ("column", "value", "address"),
    [
        ("rootname", "ibohbfb9q", "/visit/ibohbf#ibohbfb9q"),
        ("rootname", "IBOHBFB9Q", "/visit/ibohbf#ibohbfb9q"),
        ("rootname_1", "ibohbfb9q", "/visit/ibohbf#ibohbfb9q"),
        ("worst_rootname", "ibohbfb9q", "/visit/ibohbf#ibohbfb9q"),
        ("visit", "ibohbf", "/visit/ibohbf"),
        ("asn_id", "ibohbf040", "/visit/ibohbf"),
        ("dataset", "ibohbf040", "/visit/ibohbf"),
        ("key", "ibohbf040", "/visit/ibohbf"),
        ("Proposal_ID", 12442, "/program/12442"),
        ("program", "12442", "/program/12442"),
    ],
)
def test_names_are_links(column: str, value: object, address: str) -> None:
    assert f'<a href="{address}">{value}</a>' in cell(column, value)


@pytest.mark.parametrize(
    ("column", "value"),
    [("rootname", "hello"), ("rootname", '"><script>'), ("visit", "../../etc"), ("visit", "ibohb"), ("visit", 7.5),
     ("visit", None), ("filter", "ibohbf"), ("proposal_id", -1), ("proposal_id", True), ("key", "a b"),
     ("n_visits", 12), ("visit", "ibohbf/x"), ("proposal_id", "1" * 30)],
)  # fmt: skip
def test_others_are_not(column: str, value: object) -> None:
    assert "<a" not in cell(column, value)


def test_each_name_of_a_list_is_a_link() -> None:
    found = cell("rootnames", ["ibohbfb7q", "ibohbfb9q"])
    assert found.count("<a href=") == 2
    assert "</a>, <a" in found


def test_cells_are_escaped() -> None:
    assert cell("target_name", "<b>&") == "<td>&lt;b&gt;&amp;</td>"
    assert "<i>" not in cell("rootnames", ["<i>"])


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, '<td><span aria-label="null">&ndash;</span></td>'), (True, "<td>yes</td>"), (False, "<td>no</td>"),
     (1, '<td class="number">1</td>'), (0.123456, '<td class="number">0.1235</td>'), ([], "<td></td>")],
)  # fmt: skip
def test_values_as_people_read_them(value: object, shown: str) -> None:
    assert cell("any", value) == shown


def test_classes_have_their_colour() -> None:
    assert cell("worst_class", "severe") == '<td class="severe">severe</td>'
    assert cell("target_name", "severe") == "<td>severe</td>"
