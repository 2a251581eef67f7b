"""Regions on the sky in SQL, the ObsCore view, maps of coverage, and tables sent to other programs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.units import Quantity
from spherical_geometry.polygon import SphericalPolygon

from tests.helpers import known
from tests.helpers.samp import samp_hub, viewer
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.catalog.duckdb_views import add_macros
from wfc3tvb.catalog.vo.moc import write_mocs
from wfc3tvb.catalog.vo.regions import uses_macros
from wfc3tvb.catalog.vo.samp import send_table
from wfc3tvb.curve.footprint import sky_place
from wfc3tvb.errors import BadArgumentError, ServiceError
from wfc3tvb.survey.rescore import rescore_rows

#: Centers of test polygons: the equator at right ascension 0, poles, an ordinary place.
CENTERS = [(0.0, 0.0), (10.0, 89.9), (200.0, -89.0), (150.1, 2.3)]
#: Columns that ObsCore 1.1 requires (table 7 of the standard).
MANDATORY = [
    "dataproduct_type",
    "calib_level",
    "obs_collection",
    "obs_id",
    "obs_publisher_did",
    "access_url",
    "access_format",
    "access_estsize",
    "target_name",
    "s_ra",
    "s_dec",
    "s_fov",
    "s_region",
    "s_xel1",
    "s_xel2",
    "s_resolution",
    "t_min",
    "t_max",
    "t_exptime",
    "t_resolution",
    "t_xel",
    "em_min",
    "em_max",
    "em_res_power",
    "em_xel",
    "o_ucd",
    "pol_states",
    "pol_xel",
    "facility_name",
    "instrument_name",
]


@pytest.fixture(scope="module")
def macros() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    add_macros(connection)
    return connection


def polygon(ra: float, dec: float, *, size: float, seed: int, n: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of a polygon about a center: at random distances in the order of their angle [deg]."""
    rng = np.random.default_rng(seed)
    center = SkyCoord(ra, dec, unit="deg")
    angles = (np.arange(n) + rng.uniform(0, 0.8, n)) * 360 / n
    corners = center.directional_offset_by(Quantity(angles, "deg"), Quantity(rng.uniform(0.4, 1, n) * size, "deg"))
    return corners.ra.deg, corners.dec.deg


def text(corners: tuple[np.ndarray, np.ndarray]) -> str:
    return "POLYGON ICRS " + " ".join(
        f"{ra!r} {dec!r}" for ra, dec in zip(*map(np.ndarray.tolist, corners), strict=True)
    )


@pytest.mark.parametrize("center", CENTERS)
@pytest.mark.parametrize("size", [0.05, 2.0])
def test_points_in_polygons(macros: duckdb.DuckDBPyConnection, center: tuple[float, float], size: float) -> None:
    corners = polygon(*center, size=size, seed=3)
    other = SphericalPolygon.from_lonlat(*corners, center=center)
    rng = np.random.default_rng(5)
    away = Quantity(rng.uniform(0, 1.3 * size, 200), "deg")
    points = SkyCoord(*center, unit="deg").directional_offset_by(Quantity(rng.uniform(0, 360, 200), "deg"), away)
    expected = [other.contains_lonlat(point.ra.deg, point.dec.deg) for point in points]
    rows = macros.execute(
        "SELECT region_contains($1, ra, dec) FROM (SELECT unnest($2) AS ra, unnest($3) AS dec)",
        [text(corners), points.ra.deg, points.dec.deg],
    ).fetchall()
    found = [row[0] for row in rows]
    assert found == expected
    assert 20 < sum(found) < 180
    opposite = [(center[0] + 180) % 360, -center[1]]
    assert not macros.execute("SELECT region_contains($1, $2, $3)", [text(corners), *opposite]).fetchone()[0]


@pytest.mark.parametrize("center", CENTERS)
def test_overlap_area_and_distance(macros: duckdb.DuckDBPyConnection, center: tuple[float, float]) -> None:
    one = polygon(*center, size=1.0, seed=1)
    mine = SphericalPolygon.from_lonlat(*one, center=center)
    area = macros.execute("SELECT region_area($1)", [text(one)]).fetchone()[0]
    assert area == pytest.approx(mine.area() * np.degrees(1) ** 2, rel=1e-6)
    places = SkyCoord(*center, unit="deg").directional_offset_by(
        Quantity(np.arange(12) * 30, "deg"), Quantity(np.linspace(0.1, 3, 12), "deg")
    )
    for place in places:
        where = (place.ra.deg, place.dec.deg)
        two = polygon(*where, size=1.0, seed=2)
        yours = SphericalPolygon.from_lonlat(*two, center=where)
        overlap, within = macros.execute(
            "SELECT regions_overlap($1, $2), region_within($1, $2)", [text(one), text(two)]
        ).fetchone()
        assert overlap == mine.intersects_poly(yours)
        assert not within
    assert macros.execute("SELECT regions_overlap($1, $1) AND region_within($1, $1)", [text(one)]).fetchone()[0]
    small = polygon(*center, size=0.01, seed=4)
    assert macros.execute("SELECT region_within($1, $2)", [text(small), text(one)]).fetchone()[0]


def test_distance_from_a_square(macros: duckdb.DuckDBPyConnection) -> None:
    square = "POLYGON ICRS 10 0 10 1 11 1 11 0"
    # Beside a side, at a corner, and within; the sides along meridians and the equator are great circles.
    values = macros.execute(
        "SELECT region_distance($1, 12, 0.5), region_distance($1, 10.5, -2), region_distance($1, 10.5, 0.5),"
        " region_distance($1, 9, -1), separation(9, -1, 10, 0), region_reach($1, 10, 0), separation(10, 0, 11, 1)",
        [square],
    ).fetchone()
    assert values[0] == pytest.approx(1.0, rel=1e-4)
    assert values[1] == pytest.approx(2.0)
    assert values[2] == 0
    assert values[3] == pytest.approx(values[4])
    assert values[5] == pytest.approx(values[6])


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Three exposures of known.make, moved: one at a position, one 100 arcsec away, one 3 deg away."""
    catalog = known.make(tmp_path_factory.mktemp("vo") / "catalog")
    rows = catalog.fetch("SELECT * FROM exposures ORDER BY rootname").to_pylist()
    for row, offset, visit in zip(rows, (0.0, 100 / 3600, 3.0), ("ibohbf", "ibaaaa", "ibbbbb"), strict=True):
        row |= {"dec": row["dec"] + offset, "pa_v3": 0.0, "aperture": "IR-FIX", "visit": visit}
        row |= sky_place(row)
    catalog.replace("exposures", rows)
    catalog.update_views()
    return catalog


def test_exposures_that_cover_a_position(catalog: Catalog) -> None:
    def covering(ra: float, dec: float) -> list[str]:
        return [row[0] for row in catalog.query("covers_position", ra=ra, dec=dec).fetchall()]

    assert covering(189.2, 62.2) == ["ibohbfb7q"]
    assert covering(189.2, 62.2 + 50 / 3600) == ["ibohbfb7q", "ibohbfb9q"]
    assert covering(189.2, 62.2 + 3.0) == ["ibohbfbdq"]
    assert covering(9.2, -62.2) == []
    offset = catalog.query("covers_position", ra=189.2, dec=62.2 + 10 / 3600).fetchall()[0][-1]
    assert offset == pytest.approx(10.0)


def test_visits_that_overlap(catalog: Catalog) -> None:
    rows = catalog.query("overlapping_visits", visit="IBOHBF").fetchall()
    assert [row[0] for row in rows] == ["ibaaaa"]
    assert catalog.query("overlapping_visits", visit="ibbbbb").fetchall() == []


def test_the_macros_are_in_the_file_of_views(catalog: Catalog) -> None:
    with duckdb.connect(str(catalog.folder / "catalog.duckdb"), read_only=True) as plain:
        found = plain.execute("SELECT rootname FROM exposures WHERE region_contains(s_region, 189.2, 62.2)").fetchall()
    assert found == [("ibohbfb7q",)]


def test_statements_that_need_the_macros() -> None:
    assert uses_macros("SELECT Separation(1, 2, 3, 4)")
    assert not uses_macros("SELECT s_region, rootname FROM exposures")


def test_obscore_has_the_columns_of_the_standard(catalog: Catalog) -> None:
    found = catalog.fetch("FROM obscore WHERE obs_id = 'ibohbfb9q'")
    assert found.column_names[: len(MANDATORY)] == MANDATORY
    row = found.to_pylist()[0]
    assert row["access_url"].endswith("mast:HST/product/ibohbfb9q_flt.fits")
    # F105W: pivot 1055.2 nm, width 265 nm (WFC3 Instrument Handbook, table 7.2).
    assert (row["em_min"], row["em_max"]) == pytest.approx((0.9227e-6, 1.1877e-6))
    assert row["s_fov"] * 3600 == pytest.approx(np.hypot(136, 123), rel=0.01)
    assert (row["s_xel1"], row["access_estsize"]) == (1014, 16451)
    assert row["tvb_class"] == "severe"


@pytest.mark.parametrize(("aperture", "pixels"), [("IRSUB256-FIX", 256), ("GRISM1024", 1014), (None, 1014)])
def test_obscore_knows_subarrays(catalog: Catalog, tmp_path: Path, aperture: str | None, pixels: int) -> None:
    shutil.copytree(catalog.folder, tmp_path / "copy")
    with open_catalog(tmp_path / "copy", mode="r+") as copy:
        rows = copy.fetch("SELECT * FROM exposures").to_pylist()
        copy.replace("exposures", [row | {"aperture": aperture, "filter": "G141"} for row in rows])
        found = copy.sql("SELECT s_xel1, em_max FROM obscore").fetchall()
    assert found == [(pixels, pytest.approx(1.7e-6))] * 3


def test_scoring_again_adds_the_footprint_to_older_rows(catalog: Catalog) -> None:
    row = catalog.fetch("SELECT * FROM exposures WHERE rootname = 'ibohbfb9q'").to_pylist()[0]
    reads = catalog.fetch("SELECT * REPLACE (NULL AS sun_alt) FROM reads WHERE rootname = 'ibohbfb9q'").to_pylist()
    again = rescore_rows(row | {"s_region": None, "healpix": None}, reads)
    assert (again["s_region"], again["healpix"]) == (row["s_region"], row["healpix"])
    measured = row | {"s_region": "POLYGON ICRS 1 1 1 2 2 2 2 1"}  # from the world coordinates of a file
    assert rescore_rows(measured, reads)["s_region"] == measured["s_region"]


def test_maps_of_coverage(catalog: Catalog, tmp_path: Path) -> None:
    mocpy = pytest.importorskip("mocpy", reason="pip install 'wfc3tvb[moc]'")
    files = list(write_mocs(catalog, tmp_path / "out"))
    assert [file.name for file in files] == [
        "coverage.moc.fits", "coverage-f105w.moc.fits", "coverage-flagged.moc.fits"
    ]  # fmt: skip
    moc = mocpy.MOC.from_fits(str(files[0]))
    inside = moc.contains_lonlat(Quantity([189.2, 189.2, 189.2], "deg"), Quantity([62.2, 65.2, 63.5], "deg"))
    assert inside.tolist() == [True, True, False]
    one = mocpy.MOC.from_fits(str(files[2]))
    # One frame of 136 x 123 arcsec, and the pixels of 13 arcsec along its edge.
    assert 1.0 < one.sky_fraction * 4 * np.pi * np.degrees(1) ** 2 * 3600**2 / (136 * 123) < 1.35


def test_no_map_without_footprints(tmp_path: Path) -> None:
    pytest.importorskip("mocpy", reason="pip install 'wfc3tvb[moc]'")
    with known.make(tmp_path / "catalog") as catalog, pytest.raises(BadArgumentError, match="wfc3tvb rescore"):
        list(write_mocs(catalog, tmp_path / "out"))


# --- SAMP --------------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with samp_hub(tmp_path, monkeypatch):
        yield


def test_a_result_is_sent_to_a_viewer(hub: None, catalog: Catalog) -> None:
    with viewer() as received:
        names = send_table(catalog.fetch("SELECT rootname, sky_mean FROM exposures ORDER BY rootname"), "worst_visits")
    assert names == ["viewer"]
    [(name, table)] = received
    assert name == "worst_visits"
    assert list(table["rootname"]) == ["ibohbfb7q", "ibohbfb9q", "ibohbfbdq"]
    assert table["sky_mean"].unit.to_string() == "electron / s"


def test_a_viewer_that_refuses_is_named(hub: None, catalog: Catalog) -> None:
    with viewer(status="samp.error"), pytest.raises(ServiceError, match="viewer did not load the table .no memory."):
        send_table(catalog.fetch("SELECT 1 AS x"), "x")


def test_a_hub_without_viewers(hub: None, catalog: Catalog) -> None:
    with pytest.raises(ServiceError, match="no program that loads tables"):
        send_table(catalog.fetch("SELECT 1 AS x"), "x")


def test_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, catalog: Catalog) -> None:
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:file://{tmp_path}/nothing")
    with pytest.raises(ServiceError, match="no hub is running"):
        send_table(catalog.fetch("SELECT 1 AS x"), "x")
