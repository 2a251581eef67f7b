"""Figures of exposures: their curves, and histograms of their sky before and after a repair."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wfc3tvb.errors import BadArgumentError
from wfc3tvb.models import Measurement, Row
from wfc3tvb.report.colors import BLUE, CLASS_COLORS, GREEN, ORANGE
from wfc3tvb.report.comparison import Comparison, Pane, compare

#: Formats of a figure, and the metadata in its file.
FORMATS: dict[str, dict[str, str | None]] = {
    "png": {"Software": "wfc3tvb"},
    "pdf": {"Creator": "wfc3tvb", "CreationDate": None},
    "svg": {"Creator": "wfc3tvb", "Date": None},
}


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
    the cumulative rate, and shading marks Earth's shadow. Cumulative medians, where there are any, are diamonds: the
    curve that STScI's notebook draws from wfc3tools.pstat.
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
    if known := [read for read in reads if read["cumulative_median"] is not None]:
        medians = [read["cumulative_median"] for read in known]
        axis.plot(
            [read["t_end"] for read in known], medians, "D--", ms=4, mfc="none", lw=1, color=ORANGE,
            label="pstat (cumulative)",
        )  # fmt: skip
    if row["zodi_model"] is not None:
        axis.axhline(row["zodi_model"], color=GREEN, ls="--", lw=1, label="zodiacal light predicted")
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


def histograms_figure(pairs: Sequence[tuple[Pane, Pane]], columns: int = 3) -> Figure:
    """Draw the histograms of the sky before and after repair, each about its own level, one plot per product."""
    columns = min(columns, len(pairs))
    lines = -(-len(pairs) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.0 * lines), layout="constrained")
    axes = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axis in axes[len(pairs) :]:
        axis.set_axis_off()
    for axis, (before, after) in zip(axes, pairs, strict=False):
        draw_histograms(axis, compare({}, before, after), after.title.split()[-1])
        axis.set_title(before.title.split()[0], fontsize=9)
    return figure


def draw_histograms(axis: Axes, pair: Comparison, method: str) -> None:
    """Draw the histograms of a product before its repair (filled) and after it (a line)."""
    edges, before, after = pair.histograms()
    axis.stairs(before, edges, fill=True, color="0.75", label="archive")
    axis.stairs(after, edges, color=BLUE, lw=1.4, label=method)
    axis.set_xlabel("electron/s above the sky", fontsize=9)
    axis.set_ylabel("pixels in a bin [%]", fontsize=9)
    axis.tick_params(labelsize=8)
    axis.legend(fontsize=8, frameon=False)
    axis.grid(alpha=0.25, lw=0.5)


def save(figure: Figure, path: Path, dpi: int = 120) -> Path:
    """Write a figure in the format of the path's ending (`FORMATS`; PNG where it has none), and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The file has no date, so that the same rows give identical files.
    form = path.suffix[1:].lower() or "png"
    with rc_context({"svg.hashsalt": "wfc3tvb"}):
        figure.savefig(path, dpi=dpi, format=form, metadata=FORMATS[form])
    return path
