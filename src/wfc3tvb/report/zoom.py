"""Plots that zoom, as Plotly's JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from wfc3tvb.exposure import Row

#: Okabe and Ito's colours.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def visit_plot(exposures: Sequence[Row], reads: Sequence[Row]) -> str:
    """Return the plot of a visit: sky between reads of all exposures on one scale, the Sun's altitude under it.

    Parameters
    ----------
    exposures : rows of `exposures`
        In order of time.
    reads : rows of `reads`
        Of these.
    """
    data = []
    for number, exposure in enumerate(exposures):
        own = [row for row in reads if row["rootname"] == exposure["rootname"] and row["rate"] is not None]
        name, color = exposure["rootname"], _COLORS[number % len(_COLORS)]
        middle = [(row["t_start"] + row["t_end"]) / 2 for row in own]
        common = {"x": middle, "name": name, "legendgroup": name, "mode": "lines+markers", "line": {"color": color}}
        errors = {"type": "data", "array": [row["rate_err"] for row in own], "thickness": 1}
        data.append(common | {"y": [row["rate"] for row in own], "error_y": errors})
        data.append(common | {"y": [row["sun_alt"] for row in own], "yaxis": "y2", "showlegend": False})
    layout = {
        "height": 560,
        "margin": {"t": 20, "r": 20},
        "xaxis": {"title": {"text": "time since the zeroth read [s]"}, "anchor": "y2"},
        "yaxis": {"title": {"text": "sky [electron/s]"}, "domain": [0.38, 1], "range": [0, _top(reads)]},
        "yaxis2": {"title": {"text": "Sun altitude [deg]"}, "domain": [0, 0.3]},
    }
    return json.dumps({"data": data, "layout": layout})


def _top(reads: Sequence[Row]) -> float:
    """Return the top of the scale: that of the used reads, since short reads are noise."""
    rates = [row["rate"] for row in reads if row["used"]] or [row["rate"] for row in reads if row["rate"] is not None]
    return 1.1 * float(max([*rates, 0.1]))
