"""A catalog from Python: quantities, times, dates in SQL, data frames of the caller, columns, curves, display."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pytest
from astropy import units as u
from astropy.table import QTable, Table
from astropy.time import Time

import wfc3tvb
from tests.helpers.rows import curve_rows
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.catalog.views import RELATIONS
from wfc3tvb.display import Result, brief
from wfc3tvb.errors import BadArgumentError, OutputExistsError, QueryError, UnknownDatasetError
from wfc3tvb.models import Measurement

RATE = u.electron / u.s


def measurement(rootname: str, **columns: object) -> Measurement:
    exposure, reads = curve_rows(rootname, [100, 200, 300, 400], [1.0, 1.0, 1.1, 1.2])
    return Measurement(exposure | {"sky_mean": 1.2, "flagged": True, "affected_reads": [3, 4]} | columns, reads)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Catalog of two exposures of a visit: MJD 56298.785 is 6 January 2013, 56664 is 7 January 2014."""
    store = open_catalog(tmp_path_factory.mktemp("python") / "catalog", mode="a")
    store.record([measurement("ibaaaa01q"), measurement("ibaaaa02q", expstart=56664.0, sky_mean=None)])
    store.update_views()
    return store


def test_a_table_has_the_units_of_plain_and_renamed_columns_alone(catalog: Catalog) -> None:
    table = catalog.table(
        """WITH near AS (SELECT * EXCLUDE (zodi_model), sky_mean - 1 AS zodi_model FROM exposures)
        SELECT rootname, sky_mean AS sky, ra, sky_mean * 2 AS twice, zodi_model, max(dec) OVER () AS dec,
            s.crrejtab_sigma
        FROM near s ORDER BY rootname"""
    )
    assert isinstance(table, QTable)
    assert (table["sky"][0], table["ra"].unit) == (1.2 * RATE, u.deg)
    assert table["sky"].info.description.startswith("mean sky rate")
    assert table["sky"].mask.tolist() == [False, True]
    for computed in ("twice", "zodi_model", "dec"):
        assert getattr(table[computed], "unit", None) is None, computed
        assert table[computed].info.description is None
    assert table["crrejtab_sigma"].tolist() == [4.0, 4.0]


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("SELECT * FROM exposures", {"sky_mean": "electron/s"}),
        ("FROM exposures SELECT * REPLACE (0 AS sky_mean)", {"sky_mean": ""}),
        ("FROM exposures SELECT * RENAME (sky_mean AS s)", {"s": "electron/s"}),
        ("SELECT r.rate, e.exptime FROM reads r JOIN exposures e USING (rootname)", {"rate": RATE, "exptime": "s"}),
        ("SELECT sky_min AS s FROM exposures UNION ALL SELECT ra AS s FROM exposures", {"s": ""}),
        ("SELECT ra FROM exposures UNION ALL SELECT ra FROM exposures", {"ra": "deg"}),
        ("SELECT a.s FROM (SELECT sky_min AS s, sky_max AS t FROM exposures) AS a", {"s": "electron/s"}),
        ("SELECT s FROM (SELECT sky_min, ra FROM exposures) AS a(s, t)", {"s": ""}),
        ("WITH exposures AS (SELECT 1.0 AS ra) SELECT ra FROM exposures", {"ra": ""}),
        ("SELECT avg(rate) AS rate FROM reads", {"rate": ""}),
        ("SELECT x.ra FROM exposures e, (SELECT 1.0 AS ra) AS x", {"ra": ""}),
        ("SELECT expstart FROM visits", {"expstart": "d"}),
    ],
)  # fmt: skip
def test_units_follow_a_select(catalog: Catalog, select: str, expected: dict[str, str]) -> None:
    table = catalog.table(select, times=False)
    for name, unit in expected.items():
        assert u.Unit(getattr(table[name], "unit", None) or "") == u.Unit(unit)


def test_dates_are_times(catalog: Catalog) -> None:
    select = "SELECT expstart, exptime FROM exposures ORDER BY expstart"
    table = catalog.table(select)
    assert isinstance(table["expstart"], Time)
    assert table["expstart"].scale == "utc"
    assert table["expstart"].iso.tolist() == ["2013-01-06 18:50:24.000", "2014-01-07 00:00:00.000"]
    assert catalog.table(select, times=False)["expstart"][1] == 56664.0 * u.d
    assert catalog.table("SELECT expend FROM exposures")["expend"].mask.all()


@pytest.mark.parametrize(
    "where",
    ["expstart > '2014-01-01'", "'2014-01-01 10:00' < e.expstart",
     "expstart BETWEEN '2014-01-01' AND date '2014-02-01'",
     "expstart > mjd('2014-01-01')", "utc(expstart) > '2014-01-01'", "expstart > TIMESTAMP '2014-01-01 00:00:01'"],
)  # fmt: skip
def test_dates_compare_with_numbers(catalog: Catalog, where: str) -> None:
    assert catalog.sql(f"SELECT rootname FROM exposures e WHERE {where}").fetchall() == [("ibaaaa02q",)]


def test_macros_for_dates_are_exact(catalog: Catalog) -> None:
    row = catalog.sql("SELECT mjd('1858-11-17'), mjd('2000-01-01 12:00'), utc(51544.5)::VARCHAR, utc(NULL)").fetchall()[
        0
    ]
    assert row == (0.0, 51544.5, "2000-01-01 12:00:00", None)


def test_an_error_says_how_to_compare_dates(catalog: Catalog) -> None:
    frame = pd.DataFrame({"n": [1]})
    with pytest.raises(QueryError, match=r"expstart > mjd\('2013-01-01'\)"):
        catalog.fetch("SELECT rootname FROM exposures, frame WHERE expstart > '2013-01-01'")
    assert len(frame) == 1


@pytest.mark.parametrize("kind", ["pandas", "polars", "lazy", "arrow", "astropy", "quantities"])
def test_sql_sees_the_data_frames_of_the_caller(catalog: Catalog, kind: str) -> None:
    columns = {"rootname": ["ibaaaa01q"], "flux": [2.5]}
    mine = {
        "pandas": lambda: pd.DataFrame(columns), "polars": lambda: polars.DataFrame(columns),
        "arrow": lambda: pa.table(columns), "lazy": lambda: polars.LazyFrame(columns),
        "astropy": lambda: Table(columns),
        "quantities": lambda: QTable({"rootname": ["ibaaaa01q"], "flux": [2.5] * u.Jy}),
    }[kind]()  # fmt: skip
    text = "SELECT rootname, flux, sky_mean FROM mine JOIN exposures USING (rootname)"
    assert catalog.sql(text).fetchall() == [("ibaaaa01q", 2.5, 1.2)]
    assert catalog.table(text)["sky_mean"].unit == RATE
    assert mine is not None


def test_the_catalogs_tables_come_before_variables(catalog: Catalog) -> None:
    exposures = pd.DataFrame({"x": [1, 2, 3]})
    assert catalog.sql("SELECT count(*) FROM exposures").fetchall() == [(2,)]
    with pytest.raises(BadArgumentError, match="has a table exposures of its own"):
        catalog.register("exposures", exposures)
    with pytest.raises(BadArgumentError, match="not a pandas, Polars, Arrow or astropy table but list"):
        catalog.register("mine", [1])


def test_what_is_registered_stays_after_a_commit(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "catalog", mode="a") as store:
        store.register("mine", pd.DataFrame({"x": [1, 2]}))
        store.record([measurement("ibaaaa01q")])
        assert store.sql("SELECT sum(x), count(*) FROM mine, exposures").fetchall() == [(3, 2)]


def test_a_locked_catalog_sees_no_variables(catalog: Catalog) -> None:
    mine = pd.DataFrame({"x": [1]})
    with open_catalog(catalog.folder, locked=True) as store, pytest.raises(QueryError, match="mine"):
        store.sql("FROM mine")
    assert len(mine) == 1


@pytest.mark.parametrize(
    "text",
    [
        "FROM exposures, query_table/**/('visits')",
        "FROM exposures, pragma_table_info('visits')",
        "FROM exposures JOIN Visits USING (visit)",
        "FROM reads, information_schema.tables WHERE table_name = 'obscore'",
        "FROM exposures, duckdb_views() WHERE view_name = 'programs'",
        "FROM (FROM memory.main.flagged)",
    ],
)
def test_derived_views_are_there_for_whoever_names_them(catalog: Catalog, text: str) -> None:
    """They are made when a statement first needs them."""
    with open_catalog(catalog.folder) as new:
        assert new.sql("SELECT count(*) FROM exposures").fetchall() == [(2,)]
        assert new.sql(f"SELECT count(*) > 0 {text}").fetchall() == [(True,)]


def test_describe_and_show_tables_have_the_comments(catalog: Catalog) -> None:
    found = catalog.sql("DESCRIBE reads -- all").df().set_index("column_name")
    assert found.loc["rate"].tolist() == ["DOUBLE", "electron/s", "interval rate of the sky"]
    assert len(found) == len(RELATIONS["reads"].columns)
    asked = catalog.sql("DESCRIBE SELECT sky_min AS s, 1 AS n FROM exposures").fetchall()
    assert [row[2] for row in asked] == ["electron/s", None]
    assert ("visits", "one row per visit and filter") in catalog.sql("SHOW TABLES;").fetchall()
    assert catalog.sql("SHOW exposures").fetchall() == catalog.sql("DESCRIBE exposures").fetchall()


def test_columns_are_listed_with_their_values(catalog: Catalog) -> None:
    table = wfc3tvb.columns(catalog, "exposures")
    assert table["column"].tolist() == list(RELATIONS["exposures"].names)
    row = table[table["column"] == "sky_mean"][0]
    assert (row["unit"], row["ucd"], row["n_values"]) == ("electron/s", "instr.skyLevel", 1)
    assert "n_values" not in wfc3tvb.columns().colnames
    assert len(wfc3tvb.columns()) == sum(len(relation.columns) for relation in RELATIONS.values())
    assert len(wfc3tvb.columns(catalog.folder)) == len(wfc3tvb.columns())
    with pytest.raises(BadArgumentError, match="there is no table sky"):
        wfc3tvb.columns(catalog, "sky")


def test_curves_by_name(catalog: Catalog) -> None:
    found = wfc3tvb.curves(catalog, "IBAAAA")
    assert [one.rootname for one in found] == ["ibaaaa01q", "ibaaaa02q"]
    assert len(found.table) == 8
    assert found.table["rate"][1] == 1.0 * RATE
    assert [one.rootname for one in wfc3tvb.curves(catalog.folder, "ibaaaa02q", "ibohbf040")] == [
        "ibaaaa02q",
        "ibaaaa01q",
    ]
    assert len(wfc3tvb.plot(found).axes) == 2
    with pytest.raises(UnknownDatasetError, match="none is not known to the catalog"):
        wfc3tvb.curves(catalog, "none")
    with pytest.raises(BadArgumentError, match="needs the name"):
        wfc3tvb.curves(catalog)


def test_a_measurement_is_a_table() -> None:
    found = measurement("ibaaaa01q")
    assert found.table["rate"].unit == RATE
    assert np.allclose(found.table["t_end"].to_value("min"), [100 / 60, 200 / 60, 5, 400 / 60])
    assert isinstance(found.table["mjd"], Time)
    assert found.table.meta["sky_mean"] == 1.2
    assert repr(found) == "<Measurement ibaaaa01q: filter F105W, reads 4, sky 1.20 electron/s>"
    assert "<td" in found._repr_html_()
    assert copy.copy(found) == found


def test_representations_are_short(catalog: Catalog) -> None:
    assert repr(catalog) == f"<Catalog {catalog.folder}: 2 exposures, 8 reads>"
    assert "one row per exposure measured" in catalog._repr_html_()
    assert repr(Catalog(Path("none"))) == f"<Catalog {Path('none').absolute()}>"
    assert brief(np.zeros((3, 4))) == "<array of 3 x 4>"
    assert brief(list(range(1000))) == "<1000 items>"
    assert brief("x" * 100) == f"'{'x' * 56}..."
    assert repr(Result.__new__(type("Made", (Result,), {"_values": lambda _: [("a", "1")]}))) == "Made(a=1)"


def test_errors_name_parameters_in_python_and_options_in_the_shell() -> None:
    error = OutputExistsError("x_flt.fits")
    assert str(error) == "x_flt.fits exists already; move it away or pass overwrite=True"
    assert error.for_shell() == "x_flt.fits exists already; move it away or add --overwrite"
    assert BadArgumentError("none; choose another (parameter n_jobs)").for_shell() == "none; choose another (--n-jobs)"
