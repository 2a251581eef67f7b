"""Forecast of helium in listed datasets: from the table that comes with the package, else from similar datasets in it.

The table (`catalogs/wfc3ir-2009-2014`) rests on the telescope's orbit and ends in January 2014. A dataset that is not
in it gets the means of the table's datasets of the same filter (F105W for F110W, which the table lacks), of similar
length, and of a similar altitude of the Sun, where the archive lists that; its `basis` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.catalog.views import literal
from wfc3tvb.schema import arrow_schema

#: Number of rows that are committed together.
_AT_A_TIME = 2000
#: Columns that a dataset shares with similar ones.
_SHARED = (
    "relative_helium", "he_kr_50", "he_kr_75", "he_kr_95", "excess_helium_50", "excess_helium_75", "excess_helium_95",
    "prob_elevated", "prob_damaged",
)  # fmt: skip
#: What makes datasets similar: filter, length (below 100 s, below 1000 s, longer), altitude of the Sun in tens of deg.
_KIND = """
    if(regexp_matches(filters, 'F105W|F110W'), 'F105W', split_part(filters, ';', 1)) AS kind,
    CASE WHEN stop_time - start_time < 100 / 86400 THEN 0
        WHEN stop_time - start_time < 1000 / 86400 THEN 1 ELSE 2 END AS length,
    floor({altitude} / 10) AS altitude"""
_FORECASTS = """
WITH known AS (FROM read_parquet({table})),
wanted AS (
    SELECT d.* FROM datasets d JOIN listed USING (dataset) ANTI JOIN forecast f
    ON f.dataset = d.dataset AND f.forecast_version = (SELECT any_value(forecast_version) FROM known)
), means AS (
    SELECT kind, length, altitude, {{{means}}} AS values
    FROM (SELECT *, {of_known} FROM known) GROUP BY GROUPING SETS ((kind, length, altitude), (kind, length), (kind))
), others AS (
    SELECT w.*, coalesce(a.values, b.values, c.values) AS values,
        CASE WHEN a.values IS NOT NULL THEN 'sun_alt'
            WHEN coalesce(b.values, c.values) IS NOT NULL THEN 'filter' END AS basis
    FROM (SELECT *, {of_wanted} FROM wanted ANTI JOIN known USING (dataset)) w
    LEFT JOIN means a ON a.kind = w.kind AND a.length = w.length AND a.altitude = w.altitude
    LEFT JOIN means b ON b.kind = w.kind AND b.length = w.length AND b.altitude IS NULL
    LEFT JOIN means c ON c.kind = w.kind AND c.length IS NULL
)
SELECT * FROM known SEMI JOIN wanted USING (dataset)
UNION ALL BY NAME
SELECT dataset, left(dataset, 6) AS visit, filters, start_time, stop_time, sun_alt AS sun_alt_start, {shared}, basis,
    (SELECT any_value(forecast_version) FROM known) AS forecast_version
FROM others WHERE basis IS NOT NULL
"""


def shipped_table() -> Path:
    """Return the table of forecasts: inside an installed package, or in `catalogs` of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "forecast.parquet"
    return installed if installed.is_file() else package.parents[1] / "catalogs/wfc3ir-2009-2014/forecast.parquet"


def store_forecasts(catalog: Catalog, names: Sequence[str]) -> None:
    """Store forecasts for datasets that have none, or one of another version.

    Parameters
    ----------
    catalog : Catalog
        Open for writing.
    names : sequence of str
        Names of datasets in the table `datasets`; those with filters that the forecast does not know are left out.
    """
    catalog.connection.register("listed", pa.table({"dataset": pa.array(names, pa.string())}))
    found = catalog.fetch(_statement(shipped_table()))
    schema = arrow_schema("forecast")
    for name in set(schema.names) - set(found.column_names):
        found = found.append_column(name, pa.nulls(found.num_rows))
    rows = found.select(schema.names).cast(schema)
    for first in range(0, rows.num_rows, _AT_A_TIME):
        catalog.replace("forecast", rows.slice(first, _AT_A_TIME))


def _statement(table: Path) -> str:
    means = ", ".join(f"{name}: avg({name})" for name in _SHARED)
    return _FORECASTS.format(
        table=literal(str(table)),
        means=means,
        shared=", ".join(f"values.{name} AS {name}" for name in _SHARED),
        of_known=_KIND.format(altitude="sun_alt_start"),
        of_wanted=_KIND.format(altitude="sun_alt"),
    )
