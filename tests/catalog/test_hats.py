"""HATS catalogs: valid to the package hats, and LSDB's searches and crossmatches give what SQL gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from tests.helpers import known
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.catalog.vo.hats import write_hats
from wfc3tvb.catalog.vo.sky_partition import MARGIN, around, cells_of, partition, pixel_of
from wfc3tvb.curve.footprint import healpix_index, sky_place
from wfc3tvb.errors import BadArgumentError

# LSDB calls pandas as older versions of it wanted.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

#: Center of most exposures, on the edge of two of the largest pixels of HEALPix.
RA, DEC = 90.0, 62.0
#: Width of that field, radius of a search, and of a crossmatch [arcsec].
FIELD, CONE, RADIUS = 900.0, 300.0, 100.0
SUFFIXES = {"suffixes": ("_1", "_2"), "suffix_method": "all_columns"}


def positions(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return random positions [deg], three quarters of them in the field and the others anywhere in the sky."""
    random = np.random.default_rng(seed)
    east, north = (random.random((2, n)) - 0.5) * FIELD / 3600
    ra, dec = RA + east / np.cos(np.radians(DEC)), DEC + north
    far = np.arange(n) % 4 == 0
    ra[far] = random.uniform(0, 360, far.sum())
    dec[far] = np.degrees(np.arcsin(random.uniform(-1, 1, far.sum())))
    return ra, dec


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    catalog = open_catalog(tmp_path_factory.mktemp("hats") / "catalog", mode="a")
    measured = [known.exposure(f"ib{k:06d}q", known.CLEAN) for k in range(200)]
    for measurement, ra, dec in zip(measured, *positions(200, seed=1), strict=True):
        measurement.exposure.update(ra=ra, dec=dec, pa_v3=0.0, aperture="IR")
        measurement.exposure.update(sky_place(measurement.exposure))
    unplaced = known.exposure("ib000200q", known.CLEAN | {"ra": None, "dec": None})
    catalog.record([*measured, unplaced])
    return catalog


@pytest.fixture(scope="module")
def written(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "hats"
    assert [path.name for path in write_hats(catalog, out, max_rows=40)] == [
        "exposures", "reads", "README.md", "CITATION.cff", "LICENSE", "SHA256SUMS"]  # fmt: skip
    return out


def test_the_package_hats_finds_no_fault(written: Path) -> None:
    validation = pytest.importorskip("hats.io.validation", reason="pip install hats")
    for name in ("exposures", "reads"):
        assert validation.is_valid_collection(written / name, strict=True)


def test_a_cone_search_gives_what_sql_gives(catalog: Catalog, written: Path) -> None:
    lsdb = pytest.importorskip("lsdb", reason="pip install lsdb")
    exposures = lsdb.open_catalog(written / "exposures")
    assert len(exposures) == 200
    found = exposures.cone_search(RA, DEC, CONE).compute()
    text = "SELECT * FROM exposures WHERE separation(ra, dec, $ra, $dec) * 3600 < $radius ORDER BY rootname"
    expected = catalog.sql(text, {"ra": RA, "dec": DEC, "radius": CONE}).df()
    assert 30 < len(expected) < 100
    found = found.sort_values("rootname").reset_index()
    assert found["rootname"].tolist() == expected["rootname"].tolist()
    for name in ("healpix", "ra", "sky_mean", "expstart", "nsamp"):
        assert found[name].tolist() == expected[name].tolist()
    reads = lsdb.open_catalog(written / "reads").cone_search(RA, DEC, CONE).compute()
    assert sorted(zip(reads["rootname"], reads["read"], strict=True)) == [
        (name, read) for name in expected["rootname"] for read in (1, 2)]  # fmt: skip


@pytest.mark.parametrize("ours_first", [True, False])
def test_a_crossmatch_gives_what_sql_gives(ours_first: bool, catalog: Catalog, written: Path) -> None:
    lsdb = pytest.importorskip("lsdb", reason="pip install lsdb")
    ra, dec = positions(80, seed=2)
    objects = pd.DataFrame({"name": np.arange(80), "lon": ra, "lat": dec})
    other = lsdb.from_dataframe(
        objects, ra_column="lon", dec_column="lat", catalog_name="objects", lowest_order=0, margin_threshold=RADIUS
    )
    ours = lsdb.open_catalog(written / "exposures", columns=["rootname"])
    left, right = (ours, other) if ours_first else (other, ours)
    found = left.crossmatch(right, radius_arcsec=RADIUS, n_neighbors=100, **SUFFIXES).compute()
    one, two = ("1", "2") if ours_first else ("2", "1")
    pairs = sorted(zip(found[f"rootname_{one}"], found[f"name_{two}"], strict=True))
    text = """SELECT rootname, name FROM exposures, objects
        WHERE separation(ra, dec, lon, lat) * 3600 < $radius ORDER BY ALL"""
    assert len(pairs) > 100
    assert pairs == catalog.sql(text, {"radius": RADIUS}).fetchall()


def test_reads_are_joined_to_their_exposures(written: Path) -> None:
    lsdb = pytest.importorskip("lsdb", reason="pip install lsdb")
    exposures, reads = (lsdb.open_catalog(written / name) for name in ("exposures", "reads"))
    found = exposures.join(reads, left_on="rootname", right_on="rootname", **SUFFIXES).compute()
    assert len(found) == 400
    assert found["rate_2"].sum() == 200 * (1 + 2)


def test_every_row_near_a_pixel_is_in_its_margin() -> None:
    ra, dec = positions(600, seed=3)
    healpix = np.array([healpix_index(*place) for place in zip(ra, dec, strict=True)])
    order = np.argsort(healpix)
    cells, sky = cells_of(healpix[order]), SkyCoord(ra[order], dec[order], unit="deg")
    pixels = partition(cells, max_rows=50)
    own = pixel_of(cells, pixels)
    assert (np.bincount(own) <= 50).all()
    assert len({pixel.order for pixel in pixels}) > 3
    margin = set(zip(*(each.tolist() for each in around(np.unique(cells), pixels)), strict=True))
    first, second, _, _ = sky.search_around_sky(sky, MARGIN * u.arcsec)
    across = own[first] != own[second]
    assert across.sum() > 100
    assert {(cells[a], own[b]) for a, b in zip(first[across], second[across], strict=True)} <= margin
    assert all(own[cells == cell][0] != place for cell, place in margin)


def test_an_earlier_export_is_replaced_and_nothing_else(catalog: Catalog, written: Path, tmp_path: Path) -> None:
    before = sorted(path.relative_to(written) for path in written.rglob("*.parquet"))
    list(write_hats(catalog, tmp_path / "again", max_rows=40))
    list(write_hats(catalog, tmp_path / "again"))
    assert len(list((tmp_path / "again/exposures/catalog").rglob("*.parquet"))) < len(before)
    (tmp_path / "own/reads").mkdir(parents=True)
    (tmp_path / "own/reads/notes.txt").write_text("mine")
    with pytest.raises(BadArgumentError, match="is not a HATS catalog"):
        list(write_hats(catalog, tmp_path / "own"))
    assert (tmp_path / "own/reads/notes.txt").read_text() == "mine"
    assert not list((tmp_path / "own").glob(".part*"))


def test_no_catalog_without_positions(tmp_path: Path) -> None:
    with known.make(tmp_path / "catalog") as catalog, pytest.raises(BadArgumentError, match="wfc3tvb rescore"):
        list(write_hats(catalog, tmp_path / "out"))
