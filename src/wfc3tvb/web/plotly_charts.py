"""Interactive plots of visits and programs as Plotly's JSON; colours are names of the style sheet's variables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import median
from typing import Any

from wfc3tvb.models import Row
from wfc3tvb.report.charts import classes, dates

#: Colours of the curves of a plot, in turn.
CURVES = ("--blue", "--red", "--green", "--pink", "--orange", "--sky", "--ink")


def class_color(name: str | None) -> str:
    """Return the colour of a class; None means no verdict."""
    return f"--{name or 'soft'}"


def visit_plot(exposures: Sequence[Row], reads: Sequence[Row]) -> str:
    """Return the plot of a visit: sky between reads of all exposures on one scale, and the Sun's altitude below it.

    Parameters
    ----------
    exposures : rows of `exposures`
        Exposures in order of time.
    reads : rows of `reads`
        Reads of these exposures.
    """
    data: list[dict[str, Any]] = []
    for number, exposure in enumerate(exposures):
        curve = [row for row in reads if row["rootname"] == exposure["rootname"] and row["rate"] is not None]
        data += _curve(exposure, curve, CURVES[number % len(CURVES)])
    data += _zodiacal(exposures, reads)
    layout = {
        "height": 620,
        "margin": {"t": 80, "r": 20},
        "xaxis": {"title": {"text": "time since the zeroth read [s]"}, "anchor": "y2"},
        "yaxis": {"title": {"text": "sky [electron/s]"}, "domain": [0.38, 1], "range": [0, _top(reads)]},
        "yaxis2": {"title": {"text": "Sun altitude [deg]"}, "domain": [0, 0.3]},
        "hovermode": "closest",
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    }
    return json.dumps({"data": data, "layout": layout})


def _curve(exposure: Row, reads: Sequence[Row], color: str) -> list[dict[str, Any]]:
    """Return the traces of an exposure: its sky, and the Sun's altitude; unused reads are open circles."""
    name = exposure["rootname"]
    title = f"{name} {exposure['filter'] or ''} {exposure['tvb_class'] or 'no verdict'}"
    middle = [(row["t_start"] + row["t_end"]) / 2 for row in reads]
    label = f"{name}, {exposure['tvb_class'] or 'no verdict'}"
    common = {"x": middle, "name": label, "legendgroup": name, "mode": "lines+markers", "line": {"color": color}}
    symbols = ["circle" if row["used"] else "circle-open" for row in reads]
    faint = [1.0 if row["used"] else 0.3 for row in reads]
    shadow = ["in shadow" if row["in_shadow"] else "" for row in reads]
    sky = {
        "y": [row["rate"] for row in reads],
        "error_y": {
            "type": "data",
            "array": [row["rate_err"] if row["used"] else None for row in reads],
            "thickness": 1,
        },
        "marker": {"symbol": symbols, "opacity": faint},
        "text": [f"read {row['read']} {note}" for row, note in zip(reads, shadow, strict=True)],
        "hovertemplate": title + "<br>%{text}<br>%{x:.0f} s: %{y:.3f} e-/s<extra></extra>",
    }
    shaded = ["circle-open" if row["in_shadow"] else "circle" for row in reads]
    sun = {"y": [row["sun_alt"] for row in reads], "yaxis": "y2", "showlegend": False, "marker": {"symbol": shaded},
           "hovertemplate": name + "<br>Sun %{y:.1f} deg<extra></extra>"}  # fmt: skip
    return [common | sky, common | sun]


def _zodiacal(exposures: Sequence[Row], reads: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the line of the predicted zodiacal light, the same for all exposures of a visit to a few percent."""
    known = [exposure["zodi_model"] for exposure in exposures if exposure["zodi_model"] is not None]
    if not known or not reads:
        return []
    level = median(known)
    line = {"color": "gray", "dash": "dash", "width": 1}
    name, hint = "zodiacal light, predicted", f"zodiacal light {level:.2f} e-/s<extra></extra>"
    ends = {"x": [0.0, max(row["t_end"] for row in reads)], "y": [level, level]}
    return [ends | {"mode": "lines", "line": line, "name": name, "hovertemplate": hint}]


def program_plot(exposures: Sequence[Row]) -> str:
    """Return the plot of a program: mean sky of its exposures over time, coloured by class.

    Parameters
    ----------
    exposures : rows with rootname, filter, expstart, sky_mean and tvb_class
        Exposures in order of time.
    """
    shown = [row for row in exposures if row["sky_mean"] is not None and row["expstart"] is not None]
    data = [_class_points(name, [row for row in shown if row["tvb_class"] == name]) for name in classes(shown)]
    layout = _layout(("start of the exposure", "mean sky [electron/s]")) | {"height": 360}
    return json.dumps({"data": data, "layout": layout}) if data else ""


def _class_points(name: str | None, exposures: Sequence[Row]) -> dict[str, Any]:
    """Return the trace of the exposures of a class."""
    return {
        "x": [str(day) for day in dates([row["expstart"] for row in exposures])],
        "y": [row["sky_mean"] for row in exposures], "mode": "markers", "name": name or "no verdict",
        "marker": {"color": class_color(name), "size": 7, "opacity": 0.8},
        "text": [f"{row['rootname']} {row['filter'] or ''}" for row in exposures],
        "hovertemplate": "%{text}<br>%{x}<br>%{y:.3f} e-/s<extra></extra>",
    }  # fmt: skip


def _layout(labels: tuple[str, str]) -> dict[str, Any]:
    """Return the layout of a plot with these labels of the axes."""
    return {
        "height": 420, "margin": {"t": 75, "r": 20, "b": 60, "l": 60}, "hovermode": "closest",
        "xaxis": {"title": {"text": labels[0]}, "automargin": True}, "yaxis": {"title": {"text": labels[1]}},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    }  # fmt: skip


def _top(reads: Sequence[Row]) -> float:
    """Return the top of the scale, which follows the used reads because short reads are mostly noise."""
    rates = [row["rate"] for row in reads if row["used"]] or [row["rate"] for row in reads if row["rate"] is not None]
    return 1.1 * float(max([*rates, 0.1]))
