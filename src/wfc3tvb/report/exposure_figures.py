"""Figures of exposures: curves, and images and histograms before and after a repair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from wfc3tvb.errors import BadArgumentError
from wfc3tvb.models import Measurement, Row
from wfc3tvb.report.colors import BLUE, CLASS_COLORS, ORANGE, RED

Image = NDArray[np.floating[Any]]
#: Formats of a figure, and the metadata in its file.
FORMATS: dict[str, dict[str, str | None]] = {
    "png": {"Software": "wfc3tvb"},
    "pdf": {"Creator": "wfc3tvb", "CreationDate": None},
    "svg": {"Creator": "wfc3tvb", "Date": None},
}


@dataclass(frozen=True)
class Pane:
    """Image to show: its title, pixels [electron/s] and mask of good pixels."""

    title: str
    image: Image
    good: NDArray[np.bool_] | None = None

    def sky(self) -> Image:
        """Return the good, finite pixels."""
        keep = np.isfinite(self.image) if self.good is None else self.good & np.isfinite(self.image)
        return self.image[keep]


def plot(*measured: Measurement | Sequence[Measurement]) -> Figure:
    """Plot the curves of measured exposures, and return the figure; its ``savefig`` writes a file.

    Parameters
    ----------
    *measured : Measurement or sequence of Measurement
        One or more results of `measure`, or of `curves`; all curves share one scale [electron/s].

    Raises
    ------
    BadArgumentError
        If no exposure is given.
    """
    every = [one for each in measured for one in (each if isinstance(each, Sequence) else [each])]
    if not every:
        raise BadArgumentError("plot() needs at least one Measurement, as wfc3tvb.measure returns")
    return curves_figure(every)


def curves_figure(measured: Sequence[Measurement], columns: int = 3) -> Figure:
    """Plot the curves of several exposures in a grid, on one scale, with the Sun's altitude below each.

    Points are interval rates with their errors (small and grey where the interval is too short to be used), the line is
    the cumulative rate, and shading marks Earth's shadow.
    """
    columns = min(columns, len(measured))
    lines = -(-len(measured) // columns)
    sun = any(read["sun_alt"] is not None for one in measured for read in one.reads)
    figure = Figure(figsize=(3.6 * columns + 0.6, (3.4 if sun else 2.7) * lines + 0.5), layout="constrained")
    ratios = [3, 1] * lines if sun else [1] * lines
    axes = figure.subplots(len(ratios), columns, sharex=True, sharey="row", squeeze=False, height_ratios=ratios)
    for number in range(lines * columns):
        pair = axes[(number // columns) * (2 if sun else 1) :, number % columns][: 2 if sun else 1]
        if number >= len(measured):
            for axis in pair:
                axis.set_axis_off()
            continue
        _curve(pair[0], measured[number])
        pair[0].set_ylim(_scale(measured))
        if sun:
            _sun(pair[1], measured[number])
        if number + columns >= len(measured):
            pair[-1].xaxis.set_tick_params(labelbottom=True)
    axes.flat[0].legend(loc="best", fontsize=8, frameon=False)
    figure.supxlabel("time since the zeroth read [s]", fontsize=9)
    figure.supylabel("sky [electron/s]" + (", Sun altitude [deg]" if sun else ""), fontsize=9)
    return figure


def _sun(axis: Axes, one: Measurement) -> None:
    """Plot the Sun's altitude above the Earth's limb, on a scale of its possible values."""
    reads = [read for read in one.reads if read["sun_alt"] is not None]
    middle = [(read["t_start"] + read["t_end"]) / 2 for read in reads]
    axis.plot(middle, [read["sun_alt"] for read in reads], color=ORANGE, lw=1.5)
    axis.axhline(0, color="0.6", lw=0.5)
    axis.set_ylim(-90, 120)
    axis.set_yticks([-60, 0, 60])
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.25, lw=0.5)


def _scale(measured: Sequence[Measurement]) -> tuple[float, float]:
    """Return the limits of the common scale, which follow the used reads because short reads are mostly noise."""
    reads = [read for one in measured for read in one.reads if read["rate"] is not None]
    rates = [read["rate"] for read in reads if read["used"]] or [read["rate"] for read in reads] or [1.0]
    top, bottom = max(rates), min(0.0, *rates)
    return bottom - 0.05 * (top - bottom), top + 0.12 * (top - bottom) + 1e-6


def _curve(axis: Axes, one: Measurement) -> None:
    row = one.exposure
    reads = [read for read in one.reads if read["rate"] is not None]
    color = CLASS_COLORS[row["tvb_class"]]
    _points(axis, [read for read in reads if not read["used"]], fmt="o", ms=2, color="0.7", lw=0.5)
    _points(axis, [read for read in reads if read["used"]], fmt="o", ms=4, color=color, lw=1, label="between reads")
    cumulative = [read["cumulative_rate"] for read in reads]
    axis.plot([read["t_end"] for read in reads], cumulative, color=BLUE, lw=1.2, label="cumulative")
    for read in one.reads:
        if read["in_shadow"]:
            axis.axvspan(read["t_start"], read["t_end"], color="0.9", lw=0, zorder=0)
    verdict = row["tvb_class"] or "not scored"
    axis.set_title(f"{row['rootname']}  {row['filter'] or ''}  {verdict}", fontsize=9, color=color)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.25, lw=0.5)


def _points(axis: Axes, reads: Sequence[Row], **style: Any) -> None:
    middle = [(read["t_start"] + read["t_end"]) / 2 for read in reads]
    axis.errorbar(middle, [read["rate"] for read in reads], [read["rate_err"] for read in reads], **style)


def images_figure(panes: Sequence[Pane], *, limits: tuple[float, float] | None = None) -> Figure:
    """Draw images side by side, each above the histogram of its sky.

    Parameters
    ----------
    panes : sequence of Pane
        The images.
    limits : (low, high), optional
        Common stretch [electron/s]; by default `stretch` of each image.
    """
    figure = Figure(figsize=(4.2 * len(panes), 6.6), layout="constrained")
    axes = figure.subplots(2, len(panes), squeeze=False, height_ratios=(2, 1))
    for column, pane in enumerate(panes):
        low, high = limits or stretch(pane.sky())
        _image(axes[0, column], pane, low, high)
        _histogram(axes[1, column], pane, low, high)
    return figure


def zoom_figure(panes: Sequence[Pane], *, size: int = 200) -> Figure:
    """Draw the central `size` x `size` pixels of images at the same stretch."""
    low, high = common_stretch(panes)
    figure = Figure(figsize=(4.2 * len(panes), 4.4), layout="constrained")
    for axis, pane in zip(figure.subplots(1, len(panes), squeeze=False).flat, panes, strict=True):
        _image(axis, Pane(pane.title, central_square(pane.image, size)), low, high)
    return figure


def common_stretch(panes: Sequence[Pane]) -> tuple[float, float]:
    """Return limits that include the stretch of every image."""
    limits = [stretch(pane.sky()) for pane in panes]
    return min(low for low, _ in limits), max(high for _, high in limits)


def central_square(image: Image, size: int) -> Image:
    """Return the central square of an image."""
    y, x = (max(0, (n - size) // 2) for n in image.shape)
    return image[y : y + size, x : x + size]


def stretch(sky: Image) -> tuple[float, float]:
    """Return limits that show the whole sky, with any peaks below the median, and faint sources above it."""
    lowest, center, high = np.percentile(sky, [0.5, 50.0, 84.135]) if sky.size else (0.0, 0.0, 1.0)
    spread = max(high - center, 1e-4)
    return float(center - max(5 * spread, 1.2 * (center - lowest))), float(center + 5 * spread)


def _image(axis: Axes, pane: Pane, low: float, high: float) -> None:
    drawn = axis.imshow(pane.image, origin="lower", cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    axis.set_title(pane.title, fontsize=9)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.figure.colorbar(drawn, ax=axis, shrink=0.8, label="electron/s").ax.tick_params(labelsize=7)


def _histogram(axis: Axes, pane: Pane, low: float, high: float) -> None:
    sky = pane.sky()
    axis.hist(sky, bins=120, range=(low, high), color=BLUE)
    if sky.size:
        # The table of repairs has the level of the pixels without sources, which may differ slightly.
        axis.axvline(float(np.median(sky)), color=RED, lw=1, label="median")
        axis.legend(fontsize=8, frameon=False)
    axis.set_yticks([])
    axis.set_xlabel("electron/s", fontsize=8)
    axis.tick_params(labelsize=8)


def histograms_figure(pairs: Sequence[tuple[Pane, Pane]], columns: int = 3) -> Figure:
    """Draw the histograms of the sky before and after repair, one plot per exposure."""
    columns = min(columns, len(pairs))
    lines = -(-len(pairs) // columns)
    figure = Figure(figsize=(3.8 * columns, 2.5 * lines + 0.3), layout="constrained")
    axes = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axis in axes[len(pairs) :]:
        axis.set_axis_off()
    for axis, (before, after) in zip(axes, pairs, strict=False):
        limits = common_stretch((before, after))
        for pane, style in ((before, {"color": "0.75"}), (after, {"color": BLUE, "histtype": "step", "lw": 1.4})):
            label = pane.title.split()[-1]
            axis.hist(pane.sky(), bins=120, range=limits, density=True, label=label, **style)
        axis.set_title(before.title.split()[0], fontsize=9)
        axis.set_ylim(0, axis.get_ylim()[1] * 1.35)
        axis.legend(fontsize=7, frameon=False, loc="upper right")
        axis.set_yticks([])
        axis.tick_params(labelsize=8)
    figure.supxlabel("electron/s", fontsize=9)
    return figure


def save(figure: Figure, path: Path, dpi: int = 120) -> Path:
    """Write a figure in the format of the path's ending (`FORMATS`; PNG where it has none), and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The file has no date, so that the same rows give identical files.
    form = path.suffix[1:].lower() or "png"
    with rc_context({"svg.hashsalt": "wfc3tvb"}):
        figure.savefig(path, dpi=dpi, format=form, metadata=FORMATS[form])
    return path
