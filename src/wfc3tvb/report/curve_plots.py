"""Curves of a visit as small plots for its page, one per exposure, on one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from wfc3tvb.models import Row
from wfc3tvb.report.charts import classes
from wfc3tvb.report.svg import Plot, drawing

#: Columns of `reads` that are drawn.
CURVE_COLUMNS = (
    "rootname", "read", "t_start", "t_end", "used", "rate", "rate_err", "cumulative_rate", "sun_alt", "in_shadow",
)  # fmt: skip
#: Size of the drawing of an exposure [pixel], and the share of the sky, above that of the Sun.
SIZE, _SKY = (360, 262), 190
_MARGIN = (44.0, 24.0, 8.0, 4.0)
#: Range of the Sun's altitude [deg].
_SUN = (-90.0, 110.0)
#: Entries of the key: class of the style, symbol, meaning.
KEY = (
    ("faint", "dot", "interval too short to be used"),
    ("blue", "line", "mean since the zeroth read"),
    ("green", "dashes", "zodiacal light predicted"),
    ("shaded", "box", "telescope in Earth's shadow"),
    ("orange", "line", "Sun above the Earth's limb [deg]"),
)


def curve_plots(exposures: Sequence[Row], reads: Mapping[str, Sequence[Row]]) -> list[Markup]:
    """Return the drawing of every exposure: the sky between its reads, and below it the Sun's altitude.

    Parameters
    ----------
    exposures : rows of `exposures`
        Exposures, in the order in which they are drawn.
    reads : mapping of rootname to rows of `reads`
        Reads of the exposures in order of time.
    """
    shown = [(row, [read for read in reads.get(row["rootname"], ()) if read["rate"] is not None]) for row in exposures]
    scale = sky_scale(exposures, [read for _, found in shown for read in found])
    return [_exposure(row, found, scale) for row, found in shown]


def sky_scale(exposures: Sequence[Row], reads: Sequence[Row]) -> tuple[float, float]:
    """Return the limits of the common scale, which follow the used reads because short reads are mostly noise."""
    rates = [read["rate"] for read in reads if read["used"]] or [read["rate"] for read in reads] or [1.0]
    rates += [row["zodi_model"] for row in exposures if row["zodi_model"] is not None]
    top, bottom = max(rates), min(0.0, *rates)
    return bottom - 0.04 * (top - bottom), top + 0.08 * (top - bottom) + 1e-6


def class_key(exposures: Sequence[Row]) -> list[tuple[str, str, str]]:
    """Return the key's entries for the classes of the exposures, followed by those of `KEY`."""
    names = classes(exposures)
    found = [(name or "unknown", "dot", f"sky between reads, {name or 'no verdict'}") for name in names]
    return [*found, *KEY]


def _exposure(row: Row, reads: Sequence[Row], scale: tuple[float, float]) -> Markup:
    length = max([read["t_end"] for read in reads] + [row["exptime"] or 0.0, 1.0])
    sky = Plot((0.0, 1.02 * length), scale, ("", "sky [e-/s]"), "", (SIZE[0], _SKY), _MARGIN)
    sun = Plot(sky.x, _SUN, ("time since the zeroth read [s]", ""), "", SIZE, (44.0, _SKY + 8.0, 8.0, 34.0))
    for read in reads:
        if read["in_shadow"]:
            sky.shade(read["t_start"], read["t_end"])
            sun.shade(read["t_start"], read["t_end"])
    sky.axes(across=())
    _sun_axes(sun)
    _heading(sky, row)
    _curve(sky, row, reads)
    sun.line([(_middle(read), read["sun_alt"]) for read in reads if read["sun_alt"] is not None], "orange")
    level = "" if row["sky_mean"] is None else f", sky {row['sky_mean']:.2f} e-/s on average"
    described = f"sky between the reads of {row['rootname']}, {row['tvb_class'] or 'no verdict'}{level}"
    return drawing([*sky.parts, *sun.parts], SIZE, described)


def _sun_axes(sun: Plot) -> None:
    sun.axes(n_up=3)
    sun.line([(sun.x[0], 0.0), (sun.x[1], 0.0)], "soft zero")


def _heading(sky: Plot, row: Row) -> None:
    left, y = sky.across.start, sky.up.stop - 9
    sky.text(left, y, f"{row['rootname']}  {row['filter'] or ''}", anchor="start", name="title")
    name = row["tvb_class"]
    sky.parts.append(f'<g class="{name or "unknown"}">')
    sky.text(sky.across.stop, y, name or "no verdict", anchor="end", name="title own")
    sky.parts.append("</g>")


def _curve(sky: Plot, row: Row, reads: Sequence[Row]) -> None:
    if row["zodi_model"] is not None:
        sky.line([(sky.x[0], row["zodi_model"]), (sky.x[1], row["zodi_model"])], "green dashed")
    sky.line([(read["t_end"], read["cumulative_rate"]) for read in reads if _inside(sky, read["cumulative_rate"])],
             "blue")  # fmt: skip
    for used, name in ((False, "faint"), (True, row["tvb_class"] or "unknown")):
        some = [read for read in reads if bool(read["used"]) == used and _inside(sky, read["rate"])]
        sky.marks([(_middle(read), read["rate"], read["rate_err"] or 0.0) for read in some], name, map(_hint, some))


def _inside(plot: Plot, value: float | None) -> bool:
    return value is not None and plot.y[0] <= value <= plot.y[1]


def _middle(read: Row) -> float:
    return float(read["t_start"] + read["t_end"]) / 2


def _hint(read: Row) -> str:
    error = "" if read["rate_err"] is None else f" +- {read['rate_err']:.3f}"
    sun = "" if read["sun_alt"] is None else f", Sun {read['sun_alt']:.0f} deg"
    return f"read {read['read']}, {_middle(read):.0f} s: {read['rate']:.3f}{error} e-/s{sun}"
