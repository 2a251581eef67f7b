"""Draw small plots as SVG, for inclusion in pages: the page's style gives their colours, light or dark."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from math import ceil, floor, isfinite, log10

from markupsafe import Markup, escape

#: Space of the labels around a plot [pixel]: left, top, right, bottom.
_MARGIN = (44.0, 22.0, 10.0, 34.0)
_SCHEME = re.compile(r":root\s*\{(.*?)\}", re.DOTALL)
_VARIABLE = re.compile(r"--([\w-]+):\s*([^;}]+)")

_USE = re.compile(r"var\(--([\w-]+)\)")

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """Axis of a plot: its first and last value, where these are drawn [pixel], and what it shows."""

    low: float
    high: float
    start: float
    stop: float
    label: str = ""

    def __call__(self, value: float) -> float:
        """Return where a value is drawn [pixel]."""
        return self.start + (value - self.low) * (self.stop - self.start) / (self.high - self.low)

    def ticks(self, n: int = 5) -> list[float]:
        """Return about `n` round values."""
        return round_values(self.low, self.high, n)


def round_values(low: float, high: float, n: int = 5) -> list[float]:
    """Return about `n` multiples of 1, 2 or 5 times a power of ten between two values."""
    step = 10 ** floor(log10((high - low) / n))
    step *= next(m for m in (1, 2, 5, 10) if (high - low) / (m * step) <= n)
    return [number * step for number in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


def limits(values: Iterable[float], *, zero: bool = False, margin: float = 0.06) -> tuple[float, float]:
    """Return limits around values that leave a margin, and differ even where the values do not."""
    found = [value for value in values if isfinite(value)] or [0.0, 1.0]
    low, high = min(found), max(found)
    low = min(low, 0.0) if zero else low
    space = margin * ((high - low) or abs(high) or 1.0)
    return (low if zero and low == 0 else low - space), high + space


@dataclass
class Plot:
    """Plot of one pair of axes.

    Parameters
    ----------
    x, y : (low, high)
        First and last values of the axes.
    labels : (str, str), optional
        Labels of the axes.
    title : str, optional
        Text above the plot.
    size : (width, height), optional
        Size of the whole drawing [pixel]; a page scales it.
    margin : (left, top, right, bottom), optional
        Space around the plot [pixel].
    """

    x: tuple[float, float]
    y: tuple[float, float]
    labels: tuple[str, str] = ("", "")
    title: str = ""
    size: tuple[int, int] = (360, 230)
    margin: tuple[float, float, float, float] = _MARGIN
    parts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        left, top, right, bottom = self.margin
        width, height = self.size
        self.across = Axis(*self.x, left, width - right, self.labels[0])
        self.up = Axis(*self.y, height - bottom, top, self.labels[1])

    def at(self, point: Point) -> str:
        """Return where a point is drawn, as in the data of a path."""
        return f"{self.across(point[0]):.1f},{self.up(point[1]):.1f}"

    def line(self, points: Sequence[Point], name: str) -> None:
        """Draw a line through points; `name` is its class in the style."""
        if points:
            self._path("M" + "L".join(map(self.at, points)), f"line {name}")

    def dots(self, points: Iterable[Point], name: str) -> None:
        """Draw points, as one path of lines without length and with round ends."""
        if data := "".join(f"M{self.at(point)}h0" for point in points):
            self._path(data, f"dots {name}")

    def marks(self, points: Iterable[tuple[float, float, float]], name: str, hints: Iterable[str]) -> None:
        """Draw points with their errors, and a hint that a browser shows for each."""
        data = []
        for (x, y, error), hint in zip(points, hints, strict=True):
            ends = f"M{self.at((x, y - error))}V{self.up(y + error):.1f}"
            data.append(f'<g><title>{escape(hint)}</title><path class="error" d="{ends}"/>'
                        f'<path class="dots" d="M{self.at((x, y))}h0"/></g>')  # fmt: skip
        if data:
            self.parts.append(f'<g class="{name}">{"".join(data)}</g>')

    def band(self, points: Sequence[tuple[float, float, float]], name: str) -> None:
        """Fill the area between two values at every x."""
        if points:
            above = [self.at((x, high)) for x, _, high in points]
            below = [self.at((x, low)) for x, low, _ in reversed(points)]
            self._path("M" + "L".join(above + below) + "Z", f"band {name}")

    def stairs(self, edges: Sequence[float], heights: Sequence[float], name: str) -> None:
        """Draw the outline of a histogram, down to zero at both ends."""
        steps = "".join(f"V{self.up(height):.1f}H{self.across(edge):.1f}"
                        for height, edge in zip(heights, edges[1:], strict=True))  # fmt: skip
        self._path(f"M{self.at((edges[0], 0.0))}{steps}V{self.up(0.0):.1f}", name)

    def shade(self, start: float, end: float, name: str = "shade") -> None:
        """Shade the whole height between two values of x."""
        left, right = (min(max(self.across(value), self.across.start), self.across.stop) for value in (start, end))
        height = self.up.start - self.up.stop
        self.parts.append(f'<rect class="{name}" x="{left:.1f}" y="{self.up.stop:.1f}" width="{right - left:.1f}" '
                          f'height="{height:.1f}"/>')  # fmt: skip

    def bar(self, x: tuple[float, float], y: tuple[float, float], name: str, hint: str = "") -> None:
        """Fill a rectangle between two values of x and of y."""
        left, right = self.across(x[0]), self.across(x[1])
        bottom, top = self.up(y[0]), self.up(y[1])
        self.parts.append(f'<rect class="bar {name}" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
                          f'height="{max(bottom - top, 0):.1f}"><title>{escape(hint)}</title></rect>')  # fmt: skip

    def text(self, x: float, y: float, text: str, *, anchor: str = "middle", name: str = "label") -> None:
        """Write a text at a place of the drawing [pixel]."""
        self.parts.append(f'<text class="{name}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>')

    def axes(self, *, across: Sequence[tuple[float, str]] | None = None, n_up: int = 5) -> None:
        """Draw grid, ticks and labels of both axes; call it first, so that all else lies above.

        Parameters
        ----------
        across : sequence of (value, text), optional
            Ticks of the x axis; by default round values.
        n_up : int, optional
            About how many ticks the y axis gets.
        """
        left, right, bottom, top = self.across.start, self.across.stop, self.up.start, self.up.stop
        grid, heights = [], self.up.ticks(n_up)
        for value, text in tick_texts(heights):
            grid.append(f"M{left:.1f},{self.up(value):.1f}H{right:.1f}")
            self.text(left - 5, self.up(value) + 3.5, text, anchor="end")
        for value, text in tick_texts(self.across.ticks()) if across is None else across:
            grid.append(f"M{self.across(value):.1f},{bottom:.1f}v3")
            self.text(self.across(value), bottom + 14, text)
        self._path("".join(grid), "grid")
        self._path(f"M{left:.1f},{top:.1f}V{bottom:.1f}H{right:.1f}", "frame")
        self.text((left + right) / 2, bottom + 28, self.across.label)
        if self.title:
            self.text(left, top - 8, self.title, anchor="start", name="title")
        if self.up.label:
            turned = f'transform="translate(11 {(top + bottom) / 2:.1f}) rotate(-90)"'
            self.parts.append(f'<text class="label" {turned} text-anchor="middle">{escape(self.up.label)}</text>')

    def svg(self, described: str = "") -> Markup:
        """Return the drawing for a page; `described` is read to people who do not see it."""
        return drawing(self.parts, self.size, described or self.title)

    def _path(self, data: str, name: str) -> None:
        self.parts.append(f'<path class="{name}" d="{data}"/>')


def drawing(parts: Iterable[str], size: tuple[int, int], described: str) -> Markup:
    """Return an SVG element of parts."""
    width, height = size
    head = f'<svg class="plot" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
    return Markup(f'{head} aria-label="{escape(described)}">{"".join(parts)}</svg>')  # noqa: S704 (parts are escaped)


def tick_texts(values: Sequence[float]) -> list[tuple[float, str]]:
    """Return values with their texts, all with the decimals that their distance needs, and zero without a sign."""
    step = min((b - a for a, b in zip(values, values[1:], strict=False)), default=1.0)
    decimals = max(0, -floor(log10(step) + 1e-9)) if step else 0
    return [(value, f"{value:z.{decimals}f}") for value in values]


def standalone(drawings: Sequence[Markup], size: tuple[int, int], *, columns: int = 3) -> str:
    """Return a whole SVG file with drawings of one size side by side, in their own light or dark colours."""
    width, height = size
    columns = min(columns, len(drawings))
    lines = -(-len(drawings) // columns)
    placed = (
        svg.replace(
            "<svg ", f'<svg x="{n % columns * width}" y="{n // columns * height}" width="{width}" height="{height}" ', 1
        )  # fmt: skip
        for n, svg in enumerate(map(str, drawings))
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {columns * width} {lines * height}">'
    return f"{head}<style>{_own_style()}</style>{''.join(placed)}</svg>\n"


@cache
def _own_style() -> str:
    """Return the style of plots without variables, which drawing programs do not know."""
    templates = files("wfc3tvb.report") / "templates"
    pages, rules = ((templates / name).read_text(encoding="utf-8") for name in ("style.css", "figures.css"))
    light, dark = ({name: value for found in _SCHEME.findall(css) for name, value in _VARIABLE.findall(found)}
                   for css in _by_scheme(pages, rules))  # fmt: skip
    plain = _SCHEME.sub("", rules.partition("@media")[0])
    return f"{_coloured(plain, light)} @media (prefers-color-scheme: dark) {{ {_coloured(plain, light | dark)} }}"


def _coloured(style: str, colors: dict[str, str]) -> str:
    """Return a style with values in place of its variables, and the colour of the page."""
    return f"svg {{ background: {colors['paper']}; }} " + _USE.sub(lambda found: colors[found[1]], style)


def _by_scheme(*styles: str) -> tuple[str, str]:
    """Return the parts of styles before and after their block for the dark scheme begins, each joined."""
    parts = [style.partition("@media (prefers-color-scheme: dark)") for style in styles]
    return "".join(light for light, _, _ in parts), "".join(dark for _, _, dark in parts)
