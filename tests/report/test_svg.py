"""Plots drawn as SVG: places, ticks, and a file of its own."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from wfc3tvb.report.svg import Plot, limits, round_values, standalone, tick_texts


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (-90, 110, [-50, 0, 50, 100]),
        (0.013, 0.017, [0.013, 0.014, 0.015, 0.016, 0.017]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert round_values(low, high) == pytest.approx(expected)


def test_zero_has_no_sign() -> None:
    assert tick_texts([-0.5, -1e-17, 0.5]) == [(-0.5, "-0.5"), (-1e-17, "0.0"), (0.5, "0.5")]
    assert [text for _, text in tick_texts([-50, 0, 50])] == ["-50", "0", "50"]


def test_limits_differ_where_the_values_do_not() -> None:
    low, high = limits([3.0, 3.0])
    assert low < 3.0 < high
    assert limits([], zero=True)[0] == 0.0
    assert limits([0.2, float("nan"), 1.0], zero=True, margin=0.1) == (0.0, pytest.approx(1.1))


def test_values_are_drawn_where_the_axes_say() -> None:
    plot = Plot((0.0, 10.0), (0.0, 1.0), size=(120, 110), margin=(10, 5, 10, 5))
    assert plot.at((0.0, 0.0)) == "10.0,105.0"
    assert plot.at((5.0, 0.5)) == "60.0,55.0"
    assert plot.at((10.0, 1.0)) == "110.0,5.0"
    plot.shade(-5.0, 5.0)
    assert 'x="10.0"' in plot.parts[-1]
    assert 'width="50.0"' in plot.parts[-1]


def test_texts_are_escaped() -> None:
    plot = Plot((0.0, 1.0), (0.0, 1.0), ("<x>", ""), "a & b")
    plot.axes()
    plot.marks([(0.5, 0.5, 0.1)], "none", ['"<b>"'])
    text = str(plot.svg('"></svg>'))
    assert ElementTree.fromstring(text).tag.endswith("svg")
    assert "<b>" not in text
    assert "&lt;x&gt;" in text


def test_a_file_has_its_own_colours_and_no_variables() -> None:
    plot = Plot((0.0, 1.0), (0.0, 1.0))
    plot.line([(0.0, 0.0), (1.0, 1.0)], "blue")
    text = standalone([plot.svg("one"), plot.svg("two")], plot.size, columns=1)
    root = ElementTree.fromstring(text)
    assert root.attrib["viewBox"] == "0 0 360 460"
    assert [child.attrib["y"] for child in root if child.tag.endswith("svg")] == ["0", "230"]
    assert "var(" not in text
    assert "prefers-color-scheme: dark" in text
    light, dark = text.split("@media", 1)
    assert ".blue { color: #0067a3; }" in light
    assert ".blue { color: #62b4ee; }" in dark
