"""Charts of a catalog's statistics: a documented query and the way to draw it, for the report and the explorer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from wfc3tvb.catalog import queries
from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.dates import DAY
from wfc3tvb.models import Row
from wfc3tvb.report.colors import CLASS_COLORS

_MJD_ZERO = np.datetime64("1858-11-17T00:00:00")
#: Brammer's percentiles of the helium excess of the archive's F105W exposures until 2014 [electron/s].
PUBLISHED = ((0.1, 0.50), (0.5, 0.75), (1.5, 0.95))


#: Most filters with plots of their own.
MOST_FILTERS = 6


@dataclass(frozen=True)
class Chart:
    """Chart of the result of a documented query.

    Attributes
    ----------
    query : str
        Name of the documented query.
    title, caption : str
        Title and caption.
    kind : str
        ``stacked`` (stacked bars), ``bars``, ``lines``, ``steps`` or ``points`` (coloured by tvb_class).
    x, y : str
        Columns of the query.
    labels : (str, str)
        Labels of the axes.
    group : str
        Column with the parts of the bars, or the lines.
    names : mapping
        Labels of the values in `group`.
    marks : tuple of (float, float)
        Published points to compare with.
    parameters : mapping
        Parameters of the query.
    """

    query: str
    title: str
    caption: str
    kind: str
    x: str
    y: str
    labels: tuple[str, str]
    group: str = ""
    names: Mapping[object, str] = field(default_factory=dict)
    marks: tuple[tuple[float, float], ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Unique name, for files."""
        return f"{self.query}_{self.x}_{self.y}"

    @property
    def command(self) -> str:
        """Command that prints its rows."""
        given = "".join(f" --param {name}={value}" for name, value in self.parameters.items())
        return f"wfc3tvb query {self.query}{given}"

    @property
    def sql(self) -> str:
        """SELECT of the query, with its comments."""
        return queries.load(self.query).sql

    @property
    def example(self) -> str:
        """SELECT of the query with the values of the parameters."""
        return queries.load(self.query).example(self.parameters)

    def lines(self, rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
        """Yield name and rows of every line, without bins that have under a fiftieth of the reads of the fullest."""
        least = max((row["n_reads"] for row in rows), default=0) / 50
        for value, name in self.names.items():
            line = [row for row in rows if row[self.group] == value and row["n_reads"] >= least]
            yield name, [row for row in line if row[self.y] is not None]

    def rows(self, catalog: Catalog) -> pa.Table:
        """Run the query and return its rows."""
        return catalog.query(self.query, **self.parameters).to_arrow_table()


@dataclass(frozen=True)
class ChartRows:
    """Rows of a chart, and how many exposures they come from.

    Attributes
    ----------
    panels : mapping of str to list of rows
        Rows by filter; one entry without a name where a chart shows all filters in one plot.
    table : pyarrow.Table
        All rows, with the column `filter`.
    sampled, exposures : int
        Number of exposures in the rows, and in the catalog.
    of_reads : bool
        Whether a row is a read, rather than an exposure or a bin.
    """

    panels: Mapping[str, list[Row]]
    table: pa.Table
    sampled: int
    exposures: int
    of_reads: bool


_SUN = "altitude of the Sun above the Earth's limb [deg]"
#: All charts, in their order on a page.
CHARTS = (
    Chart("classes_by_filter", "Damage by filter",
          "Fraction of the exposures of each filter in each class of predicted damage.", "stacked",
          "filter", "fraction", ("", "fraction of exposures"), group="tvb_class"),
    Chart("flagged_by_year", "To be repaired, by year", "Fraction of the exposures of a year that are flagged.", "bars",
          "year", "fraction_flagged", ("year", "fraction flagged"), parameters={"filter": ""}),
    Chart("excess_cdf_curve", "Distribution of the helium excess",
          "Fraction of the exposures with at most this mean helium excess. Published: the archive's "
          "F105W exposures until 2014 (G. Brammer).", "steps", "excess_helium", "fraction",
          ("helium excess [electron/s]", "fraction of exposures"), marks=PUBLISHED, parameters={"filter": ""}),
    Chart("forecast_against_measured", "Forecast and measured helium",
          "Mean helium excess of an exposure against the median that was forecast for its dataset from geometry alone.",
          "points", "excess_helium_50", "excess_helium", ("forecast median [electron/s]", "measured [electron/s]")),
    Chart("excess_by_sun_altitude", "Helium at dawn and at dusk",
          "Mean excess over the predicted zodiacal light: at dawn it begins late, at dusk it ends with sunlight. "
          "Altitudes with few reads are left out.",
          "lines", "sun_alt_from", "mean_excess", (_SUN, "excess [electron/s]"), group="dawn_side",
          names={True: "dawn", False: "dusk"}, parameters={"filter": ""}),
    Chart("reads_against_sun", "Sky against the Sun's altitude",
          "Helium airglow appears when the telescope is in sunlight. One point per read.", "points",
          "sun_alt", "rate", (_SUN, "sky between reads [electron/s]")),
    Chart("reads_against_sun", "Change against the limb angle",
          "Sky of a read minus the exposure's lowest: scattered light appears close to the bright limb.", "points",
          "limb_angle", "excess", ("angle between target and Earth's limb [deg]", "excess [electron/s]")),
    Chart("reads_against_sun", "Change against latitude", "Sky of a read minus the exposure's lowest.", "points",
          "latitude", "excess", ("latitude below the telescope [deg]", "excess [electron/s]")),
    Chart("level_over_time", "Sky level over time", "Mean sky of every exposure.", "points",
          "expstart", "sky_mean", ("start of the exposure", "mean sky [electron/s]")),
    Chart("level_over_time", "Measured over predicted",
          "Mean sky over the zodiacal light predicted for direction and date; above 1: helium or scattered light.",
          "points", "expstart", "measured_over_predicted", ("start of the exposure", "measured / predicted")),
    Chart("level_over_time", "Change within an exposure", "Scatter of the rates between reads about their mean.",
          "points", "expstart", "rms_reads", ("start of the exposure", "rms between reads [electron/s]")),
)  # fmt: skip


def dates(mjd: Sequence[float]) -> np.ndarray[Any, np.dtype[np.datetime64]]:
    """Convert Modified Julian Dates to dates."""
    return _MJD_ZERO + (np.asarray(mjd, float) * DAY).astype("timedelta64[s]")


def classes(rows: Sequence[Row], column: str = "tvb_class") -> list[str | None]:
    """Return the classes in a column, the mildest first; None means no verdict."""
    present = {row.get(column) for row in rows}
    return [name for name in CLASS_COLORS if name in present]


# --- rows by filter, for the report ----------------------------------------------------------------------------------


def charts_by_filter(catalog: Catalog) -> Iterator[tuple[Chart, ChartRows]]:
    """Yield the charts for which a catalog has data, with their rows by filter."""
    scored = scored_by_filter(catalog)
    names, total = sorted(list(scored)[:MOST_FILTERS]), sum(scored.values())
    known: dict[str, ChartRows] = {}
    for general in CHARTS:
        chart = replace(general, marks=general.marks if "F105W" in names else ())
        if chart.query not in known:
            known[chart.query] = _rows_by_filter(chart, catalog, names, total)
        rows = known[chart.query]
        panels = {name: part for name, part in rows.panels.items() if _enough(chart, part)}
        if panels:
            first = {"filter": next(iter(panels))} if "filter" in chart.parameters else {}
            yield replace(chart, parameters={**chart.parameters, **first}), replace(rows, panels=panels)


def scored_by_filter(catalog: Catalog) -> dict[str, int]:
    """Return the number of exposures with a sky of each filter, the filter with the most exposures first."""
    found = catalog.sql(
        "SELECT filter, count(*) FROM exposures WHERE sky_mean IS NOT NULL AND filter IS NOT NULL "
        "GROUP BY filter ORDER BY 2 DESC, 1"
    ).fetchall()
    return dict(found)


def _rows_by_filter(chart: Chart, catalog: Catalog, names: Sequence[str], total: int) -> ChartRows:
    if "filter" in chart.parameters:
        panels, table = _asked_by_filter(chart, catalog, names)
        return ChartRows(panels, table, total, total, of_reads=False)
    table = chart.rows(catalog)
    rows: list[Row] = table.to_pylist()
    if chart.kind != "points":
        return ChartRows({"": rows}, table, total, total, of_reads=False)
    panels = {name: [row for row in rows if row["filter"] == name] for name in names}
    sampled = len({row["rootname"] for row in rows})
    return ChartRows(panels, table, sampled, total, of_reads="read" in table.column_names)


def _asked_by_filter(chart: Chart, catalog: Catalog, names: Sequence[str]) -> tuple[dict[str, list[Row]], pa.Table]:
    """Run a chart's query for each filter."""
    given = {"step": "5"} if chart.kind == "lines" else {}
    asked = {name: replace(chart, parameters={"filter": name} | given).rows(catalog) for name in names}
    tables = [
        rows.add_column(0, "filter", pa.array([name] * rows.num_rows, pa.string())) for name, rows in asked.items()
    ]
    return {name: rows.to_pylist() for name, rows in asked.items()}, pa.concat_tables(tables) if tables else pa.table(
        {}
    )


def _enough(chart: Chart, rows: Sequence[Row]) -> bool:
    """Return whether any row has all values of a chart; bars by year need two years."""
    needed = [chart.x, chart.y] + ([chart.group] if chart.names else [])
    found = sum(all(row[name] is not None for name in needed) for row in rows)
    return found > (1 if chart.kind == "bars" else 0)
